// Notices above the lanes that stay until they are answered: conflicts and suggestions; and the four steps for newcomers.

import { button, plural, h, icon } from "./dom.js";
import { countSeconds, findUnmarked } from "./marks.js";

export function notices(store, does) {
  return h("div", { class: "notices" }, conflictNotice(store, does), suggestionNotice(store, does), pathNotice(store, does));
}

/** Asks whose marks stay when two windows have changed them at once. */
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
      ? `The network suggests ${plural(open.length, "silence")} (dashed in the lanes). These are guesses: listen, then click the right ones, or add all.`
      : found.some((one) => one.marks.length) ? "All suggested silences are marked already." : "No clear silence found.";
    dismiss.textContent = open.length ? "Dismiss" : "OK";
  });
  return notice;
}

const STEPS = [
  ["Mark silence", "Where is a source silent? Listen, then drag over that stretch in its lane, or hold its number key while the song plays.", (does) => [["Suggest silences", does.suggest], ["Import marks …", does.chooseFile]]],
  ["Adapt", "Adapt the network to your marked silences. The estimated time stands beside the button.", (does) => [["Adapt now", does.adapt]]],
  ["Listen", "A is the original network, B the adapted one, with the same output settings. Switch with X, or try the blind comparison.", (does) => [["Hear the stems", does.hearStems]]],
  ["Save stems", "Save all stems of run B as WAV files in a zip, or one stem, the mix as you hear it, or a stretch.", (does) => [["All stems (zip)", does.saveStems], ["Save sound …", does.saveSound]]],
];

/** Return the index of the next step. */
export function currentStep({ marks, elsewhere, sources, song, runs, wasHeard }) {
  const silent = sources.reduce((sum, source) => sum + countSeconds(marks, elsewhere, source, song.duration_s).silent, 0);
  if (!runs.some((run) => run.strategy !== "B0")) return silent < 0.05 ? 0 : 1;
  return wasHeard ? 3 : 2;
}

function pathNotice(store, does) {
  const list = h("ol");
  const words = h("p", {});
  const ways = h("span", { class: "line" });
  const notice = h("div", { class: "notice path" }, list, words, ways, button("Hide the steps", () => store.set({ guide: false }), { class: "bare" }, icon("close")));
  store.watch(["marks", "elsewhere", "sources", "runs", "wasHeard", "guide", "jobs"], (values) => {
    notice.hidden = !values.guide || listSuggestions(values.jobs).length > 0;
    const now = currentStep(values);
    list.replaceChildren(...STEPS.map(([name], i) => h("li", { class: i < now ? "done" : i === now ? "now" : "", "aria-current": i === now ? "step" : null }, name)));
    const [, text, offers] = STEPS[now];
    words.textContent = text;
    ways.replaceChildren(...offers(does).map(([label, act]) => h("button", { type: "button", onclick: () => act() }, label))); // without the event as argument
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
