// A blind comparison of one source of runs A and B, randomly called 1 and 2; only the server knows which is which.

import { ask, root } from "./api.js";
import { Deck } from "./deck.js";
import { button, choice, formatClock, plural, h, icon, toast } from "./dom.js";
import { runName, shortName } from "./listen.js";

const LEAST_MS = 1000; // of listening to each sound before one can vote
const LEAST_VOTES = 5; // before the result of the test is shown

export function blindPanel(store, transport) {
  const song = store.get("song");
  const source = h("select", { "aria-label": "source to compare" });
  const begin = h("button", { type: "button", onclick: () => start() }, "Begin");
  const which = choice("sound", [["a", "Sound 1"], ["b", "Sound 2"]], "a", (name) => hear(name));
  const vote = (name, text) => h("button", { type: "button", onclick: () => give(name) }, text);
  const votes = h("div", { class: "line votes" }, vote("a", "1 is better"), vote("same", "no difference"), vote("b", "2 is better"));
  const wait = h("p", { class: "small soft", "aria-live": "polite" });
  const back = h("button", { type: "button", class: "link", hidden: true, onclick: () => takeBack() }, "take the vote back");
  const icons = new Map([[true, icon("pause")], [false, icon("play")]]);
  const play = button("Play or pause both sounds (Space)", () => toggle(), { class: "small" }, icons.get(true));
  const clock = h("output", { class: "soft" });
  const stage = h("div", { class: "trial", hidden: true }, h("p", { class: "small soft" }, "Both play in sync at the same loudness. Switch as often as you like."), which, h("div", { class: "line" }, play, clock, wait), votes);
  const answer = h("p", { class: "answer", "aria-live": "polite" });
  const results = h("table", { class: "tally" });
  let deck = null;
  let trial = null;
  let heard = { a: 0, b: 0 };
  let isAhead = false; // whether the playhead is that of the comparison

  async function start() {
    const { desk } = store.values;
    try {
      trial = await ask("POST", `songs/${song.id}/trials`, { source: source.value, first: desk.a, second: desk.b });
    } catch (error) {
      toast(error.message, "error");
      return;
    }
    const [time, loop] = [transport.time, transport.loop];
    deck?.close();
    deck = new Deck(song.rate_hz, song.duration_s, `${root}/api/songs/${song.id}/mixture.wav`);
    deck.addEventListener("trouble", (event) => toast(event.detail.message, "error"));
    deck.setTracks(Object.fromEntries(["a", "b"].map((name) => [name, `${root}/api/songs/${song.id}/trials/${trial.id}/${name}.wav`])));
    deck.setLoop(loop ?? { start: 0, end: song.duration_s });
    deck.seek(time >= song.duration_s - 0.5 ? 0 : time);
    answer.textContent = "";
    back.hidden = true;
    heard = { a: 0, b: 0 };
    stage.hidden = false;
    panel.scrollIntoView({ block: "nearest" });
    which.querySelector("button").focus({ preventScroll: true });
    begin.textContent = "Begin anew";
    which.set("a");
    hear("a");
    take();
  }

  function toggle() {
    if (deck.playing) deck.pause();
    else take();
  }

  /** Play the two sounds; the playhead then shows their position. */
  function take() {
    transport.pause();
    isAhead = true;
    deck.play();
  }

  function hear(name) {
    deck?.setLevels({ [name]: trial.gains[name] });
    listened = name;
    count();
  }

  let listened = "a";
  let counted_ms = Date.now();
  /** Enable the vote buttons when both sounds have been heard. */
  function count() {
    const now = Date.now();
    if (deck?.playing && !deck.stalled) heard[listened] += now - counted_ms;
    counted_ms = now;
    const missing = ["a", "b"].filter((name) => heard[name] < LEAST_MS).map((name) => (name === "a" ? "sound 1" : "sound 2"));
    for (const one of votes.children) one.disabled = missing.length > 0;
    const text = missing.length ? `Listen to ${missing.join(" and ")} first.` : "";
    if (wait.textContent !== text) wait.textContent = text;
    const time = deck ? formatClock(deck.time) : "";
    if (clock.textContent !== time) clock.textContent = time;
    if (!play.contains(icons.get(Boolean(deck?.playing)))) play.replaceChildren(icons.get(Boolean(deck?.playing)));
  }
  setInterval(count, 100);

  async function takeBack() {
    try {
      store.set({ votes: (await ask("DELETE", `songs/${song.id}/trials/${trial.id}/vote`)).votes });
      answer.textContent = "The vote is taken back.";
      back.hidden = true;
    } catch (error) {
      toast(error.message, "error");
    }
  }

  async function give(name) {
    isAhead = false;
    transport.seek(deck.time);
    deck.close();
    deck = null;
    try {
      const { vote: given, votes: all } = await ask("POST", `songs/${song.id}/trials/${trial.id}/vote`, { choice: name });
      answer.textContent = `Sound 1 was ${runName(store, given.a)}, sound 2 ${runName(store, given.b)}.`;
      store.set({ votes: all });
      back.hidden = false;
    } catch (error) {
      toast(error.message, "error");
    }
    stage.hidden = true;
    begin.textContent = "Once more";
    begin.focus({ preventScroll: true });
  }

  transport.addEventListener("change", () => {
    if (!transport.playing) return;
    deck?.pause();
    isAhead = false;
  });
  transport.addEventListener("seek", () => { if (isAhead) deck.seek(transport.time); });
  store.watch(["sources"], ({ sources }) => {
    const kept = source.value;
    source.replaceChildren(...sources.map((name) => h("option", { value: name }, name)));
    if (sources.includes(kept)) source.value = kept;
  });
  store.watch(["desk"], ({ desk }) => { begin.disabled = source.disabled = !(desk.a && desk.b && desk.a !== desk.b); });
  store.watch(["votes", "runs", "titles"], ({ votes: all, colours }) => {
    results.hidden = all.length === 0;
    const heads = h("tr", {}, ["source", "votes", "could be luck"].map((text) => h("th", { scope: "col" }, text)));
    results.replaceChildren(heads, ...all.map((row) => h("tr", { style: { "--accent": colours[row.source] ?? "" } },
      h("td", {}, h("i"), row.source), h("td", {}, row.runs.map((id, i) => h("div", {}, `${shortName(store, id)}: ${row.won[i]}`)), row.same ? h("div", {}, `no difference: ${row.same}`) : null),
      h("td", { class: "soft", title: "how often votes would be at least this uneven if there were no difference to hear (two-sided sign test)" }, row.won[0] + row.won[1] < LEAST_VOTES ? `after ${plural(LEAST_VOTES, "vote")}` : `${Math.round(100 * row.p)} %`))));
  });
  const panel = h("section", { class: "panel", "aria-label": "Blind comparison" }, h("h2", {}, "Blind comparison", h("span", { class: "legend" }, "of runs A and B")),
    h("div", { class: "line" }, source, begin), stage, answer, back, results);
  store.watch(["runs"], ({ runs }) => { panel.hidden = runs.length < 2; });
  panel.begin = start;
  panel.toggle = toggle;
  /** The time of the comparison; null unless the playhead shows it. */
  Object.defineProperty(panel, "time", { get: () => (isAhead ? deck.time : null) });
  return panel;
}
