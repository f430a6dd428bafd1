// What a person has to decide, above everything else, until it is decided: whose marks stay, which suggestions are
// taken over; and the way through the page for those who see it for the first time.

import { button, counted, h, icon } from "./dom.js";
import { seconds, unsaid } from "./marks.js";

export function notices(store, does) {
  return h("div", { class: "notices" }, conflictNotice(store, does), suggestionNotice(store, does), pathNotice(store, does));
}

/** Two windows have changed the marks at once. */
function conflictNotice(store, does) {
  const notice = h("div", { class: "notice bad", role: "alert" },
    h("p", {}, h("b", {}, "Your marks are not saved: another window changed them meanwhile."), " Whose stay?"),
    h("button", { type: "button", class: "primary", onclick: does.keepMine }, "Keep mine"), h("button", { type: "button", onclick: does.showTheirs }, "Take those of the other window"));
  store.watch(["saved"], ({ saved }) => { notice.hidden = saved !== "conflict"; });
  return notice;
}

/** Return the silences that jobs have found and nobody has decided on: {job, marks}. */
export function pending(jobs) {
  return jobs.filter((job) => job.kind === "suggest" && job.state === "done" && job.result?.marks).map((job) => ({ job: job.id, marks: job.result.marks }));
}

function suggestionNotice(store, does) {
  const words = h("p");
  const add = h("button", { type: "button", class: "primary", onclick: () => does.acceptAll() }, "Add all");
  const dismiss = h("button", { type: "button", onclick: () => does.dismissSuggestions() }, "Dismiss");
  const notice = h("div", { class: "notice", role: "status" }, words, add, dismiss);
  store.watch(["jobs", "marks"], ({ jobs, marks }) => {
    const found = pending(jobs);
    const open = unsaid(found.flatMap((one) => one.marks), marks);
    notice.hidden = !found.length;
    add.hidden = !open.length;
    words.textContent = open.length
      ? `The network suggests ${counted(open.length, "silence")} (dashed in the lanes). It is a guess: listen, click on those that are right, or add all.`
      : found.some((one) => one.marks.length) ? "Everything that the network suggests is marked already." : "No clear silence found.";
    dismiss.textContent = open.length ? "Dismiss" : "OK";
  });
  return notice;
}

const STEPS = [
  ["Mark silence", "Where is a source silent? Listen, and drag over that stretch in its lane; or hold its number while the song plays.", (does) => [["Suggest silences", does.suggest], ["Import marks …", does.chooseFile]]],
  ["Adapt", "The network learns from the silences of this one song. Press Adapt; it takes as long as is said beside it.", (does) => [["Adapt now", does.adapt]]],
  ["Listen", "A is the network as it was, B after adapting, both finished in the same way. Switch with X; try the blind comparison.", (does) => [["Hear the stems", does.hearStems]]],
  ["Take the stems home", "Everything as a zip is in the menu of a run; “Save sound” saves one stem, the mix as you hear it, or a stretch.", (does) => [["Save sound …", does.takeHome]]],
];

/** Return how far a song is on its way: the number of the next step. */
export function progressOf({ marks, elsewhere, sources, song, runs, wasHeard }) {
  const silent = sources.reduce((sum, source) => sum + seconds(marks, elsewhere, source, song.duration_s).silent, 0);
  if (!runs.some((run) => run.strategy !== "B0")) return silent < 0.05 ? 0 : 1;
  return wasHeard ? 3 : 2;
}

function pathNotice(store, does) {
  const list = h("ol");
  const words = h("p", {});
  const ways = h("span", { class: "line" });
  const notice = h("div", { class: "notice path" }, list, words, ways, button("Hide the steps", () => store.set({ guide: false }), { class: "bare" }, icon("close")));
  store.watch(["marks", "elsewhere", "sources", "runs", "wasHeard", "guide", "jobs"], (values) => {
    notice.hidden = !values.guide || pending(values.jobs).length > 0;
    const now = progressOf(values);
    list.replaceChildren(...STEPS.map(([name], i) => h("li", { class: i < now ? "done" : i === now ? "now" : "", "aria-current": i === now ? "step" : null }, name)));
    const [, text, offers] = STEPS[now];
    words.textContent = text;
    ways.replaceChildren(...offers(does).map(([label, act]) => h("button", { type: "button", onclick: act }, label)));
  });
  return notice;
}

/** Ask whether a source that was marked as active is silent everywhere else; once a source. */
export function elsewhereQuestion(store, does) {
  const asked = new Set();
  const words = h("p");
  let source = null;
  const answer = (isSilent) => () => { if (isSilent) does.elsewhere(source, "silent"); store.set({ question: null }); };
  const notice = h("div", { class: "notice question", role: "status" }, words, h("button", { type: "button", class: "primary", onclick: answer(true) }, "Yes, silent elsewhere"), h("button", { type: "button", onclick: answer(false) }, "No, I don’t know"));
  store.watch(["question"], ({ question }) => {
    source = question;
    notice.hidden = !question;
    words.textContent = question ? `Is ${question} silent everywhere else? Only silence teaches the network.` : "";
  });
  return { notice, ask: (name) => {
    const { marks, elsewhere, song } = store.values;
    if (asked.has(name) || seconds(marks, elsewhere, name, song.duration_s).silent > 0.05) return;
    asked.add(name);
    store.set({ question: name });
  } };
}
