// Notices above the lanes that stay until they are answered: conflicts and suggestions; and the four steps for newcomers.

import { button, plural, h, icon } from "./dom.js";
import { OPEN } from "./jobs.js";
import { countSeconds, findUnmarked } from "./marks.js";

export function notices(store, does) {
  return h("div", { class: "notices" }, conflictNotice(store, does), suggestionNotice(store, does), pathNotice(store, does));
}

/** Ask which marks to keep when two windows have changed them at the same time. */
function conflictNotice(store, does) {
  const notice = h("div", { class: "notice bad", role: "alert" },
    h("p", {}, h("b", {}, "Your marks are not saved: another window changed them meanwhile."), " Which marks do you want to keep?"),
    h("button", { type: "button", class: "primary", onclick: does.keepMine }, "Keep mine"), h("button", { type: "button", onclick: does.showTheirs }, "Keep those of the other window"));
  store.watch(["saved"], ({ saved }) => { notice.hidden = saved !== "conflict"; });
  return notice;
}

/** Return the suggestions that have not been accepted or dismissed yet: {job, marks}. */
export function listSuggestions(jobs) {
  return jobs.filter((job) => job.kind === "suggest" && job.state === "done" && job.result?.marks).map((job) => ({ job: job.id, marks: job.result.marks }));
}

function suggestionNotice(store, does) {
  const words = h("p");
  const add = h("button", { type: "button", class: "primary", onclick: () => does.acceptAll() }, "Add all");
  const dismiss = h("button", { type: "button", onclick: () => does.dismissSuggestions() }, "Dismiss");
  const notice = h("div", { class: "notice", role: "status" }, words, add, dismiss);
  store.watch(["jobs", "marks"], ({ jobs, marks }) => {
    const found = listSuggestions(jobs);
    const open = findUnmarked(found.flatMap((one) => one.marks), marks);
    notice.hidden = !found.length;
    add.hidden = !open.length;
    words.textContent = open.length
      ? `The network suggests ${plural(open.length, "silence")} (dashed in the lanes). These are guesses: listen (click in the ruler), then click the right ones, or add all.`
      : found.some((one) => one.marks.length) ? "All suggested silences are marked already." : "No clear silence found.";
    dismiss.textContent = open.length ? "Dismiss" : "OK";
  });
  return notice;
}

// Each step: its name, an instruction, and buttons. Other buttons nearby suggest silences and import marks.
const STEPS = [
  ["Mark silence", () => "Where is a source silent? Listen, then drag over that stretch in its lane, or hold its number key while the song plays. What you do not mark counts as unknown. A label file, or a guess of the network (Suggest silences), will do too.", () => []],
  ["Adapt", ({ jobs, takes }) => (isAdapting(jobs) ? "The network learns from your marks. Listen, mark on, or close the page meanwhile: the job goes on." : `When all silences that you know are marked: adapt the network to them. The more sources have some, the better.${takes ? ` It takes ${takes}.` : ""}`),
    ({ jobs }, does) => [isAdapting(jobs) ? ["Show progress", does.showJobs] : ["Adapt now", does.adapt]]],
  ["Listen", () => "A is the original network, B the adapted one. Which is better? Switch between them with X while a stem plays solo, or compare without knowing which is which.",
    ({ heard }, does) => [heard === "stems" ? ["Switch A and B (X)", does.switch] : ["Hear the stems", does.hearStems], ["Compare blind", does.compareBlind]]],
  ["Save stems", () => "Save all stems of the version that you hear, A or B, as WAV files in a zip. Save sound, below, saves one stem, the mix, or a part.",
    ({ mix, sources }, does) => [[`All stems of ${isAllOfA(mix, sources) ? "A" : "B"} (zip)`, does.saveStems]]],
];

const isAdapting = (jobs) => jobs.some((job) => job.kind === "adapt" && OPEN.includes(job.state));
const isAllOfA = (mix, sources) => sources.every((source) => mix.version[source] === "a");

/** Return the index of the next step. */
export function currentStep({ marks, elsewhere, sources, song, runs, wasHeard }) {
  const silent = sources.reduce((sum, source) => sum + countSeconds(marks, elsewhere, source, song.duration_s).silent, 0);
  if (!runs.some((run) => run.strategy !== "B0")) return silent < 0.05 ? 0 : 1;
  return wasHeard ? 3 : 2;
}

function pathNotice(store, does) {
  const list = h("ol", {}, STEPS.map(([name]) => h("li", {}, name)));
  const words = h("p", {});
  const ways = h("span", { class: "line" });
  const notice = h("div", { class: "notice path" }, list, words, ways, button("Hide the steps", () => store.set({ guide: false }), { class: "bare" }, icon("close")));
  let shown = "";
  store.watch(["marks", "elsewhere", "sources", "runs", "wasHeard", "guide", "jobs", "heard", "mix", "takes"], (values) => {
    notice.hidden = !values.guide || listSuggestions(values.jobs).length > 0;
    const now = currentStep(values);
    [...list.children].forEach((item, i) => {
      item.className = i < now ? "done" : i === now ? "now" : "";
      item.ariaCurrent = i === now ? "step" : null;
    });
    const [, describe, offer] = STEPS[now];
    words.textContent = describe(values);
    const offers = offer(values, does);
    const labels = offers.map(([label]) => label).join();
    if (shown === labels) return;
    shown = labels;
    const hadFocus = ways.contains(document.activeElement);
    ways.replaceChildren(...offers.map(([label, act]) => h("button", { type: "button", onclick: () => act() }, label))); // without the event as argument
    if (hadFocus) ways.querySelector("button")?.focus();
  });
  return notice;
}

/** Ask once for each source whether it is silent outside its active marks. */
export function elsewhereQuestion(store, does) {
  const asked = new Set();
  const words = h("p");
  let source = null;
  const answer = (isSilent) => () => { if (isSilent) does.elsewhere(source, "silent"); store.set({ question: null }); };
  const notice = h("div", { class: "notice question", role: "status" }, words, h("button", { type: "button", class: "primary", onclick: answer(true) }, "Yes, silent elsewhere"), h("button", { type: "button", onclick: answer(false) }, "No, I don’t know"));
  store.watch(["question", "marks"], ({ question, marks, elsewhere, song }) => {
    if (question) { // an import or another edit may have answered it
      const found = countSeconds(marks, elsewhere, question, song.duration_s);
      if (!found.active || found.silent > 0.05) question = null;
    }
    source = question;
    notice.hidden = !question;
    words.textContent = question ? `Is ${question} silent everywhere else? The network learns from silence only.` : "";
  });
  return { notice, ask: (name) => {
    const { marks, elsewhere, song } = store.values;
    if (asked.has(name) || countSeconds(marks, elsewhere, name, song.duration_s).silent > 0.05) return;
    asked.add(name);
    store.set({ question: name });
  } };
}
