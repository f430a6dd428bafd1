// A blind comparison: two sounds that are A and B of the desk, called by chance 1 and 2; the server alone knows which.

import { ask, root } from "./api.js";
import { Deck } from "./deck.js";
import { choice, h, toast } from "./dom.js";
import { runName } from "./listen.js";

export function blindPanel(store, transport) {
  const song = store.get("song");
  const source = h("select", { "aria-label": "source to compare" });
  const begin = h("button", { type: "button", onclick: () => start() }, "Begin");
  const which = choice("sound", [["a", "Sound 1"], ["b", "Sound 2"]], "a", (name) => hear(name));
  const vote = (name, text) => h("button", { type: "button", onclick: () => give(name) }, text);
  const votes = h("div", { class: "line votes" }, vote("a", "1 is better"), vote("same", "no difference"), vote("b", "2 is better"));
  const stage = h("div", { class: "trial", hidden: true }, h("p", { class: "small soft" }, "Both play at once, at the same level; switch as often as you like."), which, votes);
  const answer = h("p", { class: "answer", "aria-live": "polite" });
  const results = h("table", { class: "tally" });
  let deck = null;
  let trial = null;

  async function start() {
    const { desk } = store.values;
    try {
      trial = await ask("POST", `songs/${song.id}/trials`, { source: source.value, first: desk.a, second: desk.b });
    } catch (error) {
      toast(error.message, "error");
      return;
    }
    const [time, loop] = [transport.time, transport.loop];
    transport.pause();
    deck?.close();
    deck = new Deck(song.rate_hz, song.duration_s);
    deck.addEventListener("trouble", (event) => toast(event.detail.message, "error"));
    deck.setTracks(Object.fromEntries(["a", "b"].map((name) => [name, `${root}/api/songs/${song.id}/trials/${trial.id}/${name}.wav`])));
    deck.setLoop(loop ?? { start: 0, end: song.duration_s });
    deck.seek(time >= song.duration_s - 0.5 ? 0 : time);
    answer.textContent = "";
    stage.hidden = false;
    begin.textContent = "Begin anew";
    which.set("a");
    hear("a");
    deck.play();
  }

  function hear(name) {
    deck?.setLevels({ [name]: trial.gains[name] });
  }

  async function give(name) {
    deck?.close();
    deck = null;
    try {
      const { vote: given, votes: all } = await ask("POST", `songs/${song.id}/trials/${trial.id}/vote`, { choice: name });
      answer.textContent = `Sound 1 was ${runName(store, given.a)}, sound 2 ${runName(store, given.b)}.`;
      store.set({ votes: all });
    } catch (error) {
      toast(error.message, "error");
    }
    stage.hidden = true;
    begin.textContent = "Once more";
  }

  transport.addEventListener("change", () => { if (transport.playing) deck?.pause(); });
  store.watch(["sources"], ({ sources }) => {
    const kept = source.value;
    source.replaceChildren(...sources.map((name) => h("option", { value: name }, name)));
    if (sources.includes(kept)) source.value = kept;
  });
  store.watch(["desk"], ({ desk }) => { begin.disabled = source.disabled = !(desk.a && desk.b && desk.a !== desk.b); });
  store.watch(["votes", "runs"], ({ votes: all, colours }) => {
    results.hidden = all.length === 0;
    results.replaceChildren(...all.map((row) => h("tr", { style: { "--accent": colours[row.source] ?? "" } },
      h("td", {}, h("i"), row.source), h("td", {}, row.runs.map((id, i) => h("div", {}, `${runName(store, id)}: ${row.won[i]}`)), row.same ? h("div", {}, `no difference: ${row.same}`) : null),
      h("td", { class: "soft", title: "two-sided sign test" }, `p ${row.p.toFixed(2)}`))));
  });
  return h("section", { class: "panel", "aria-label": "Blind comparison" }, h("h2", {}, "Blind A/B", h("span", { class: "legend" }, "the runs at A and B")),
    h("div", { class: "line" }, source, begin), stage, answer, results);
}
