// The mixer: mixture or stems, run A or run B for each source, with faders.

import { root } from "./api.js";
import { button, choice, fader, h } from "./dom.js";
import { isAudible, getGain } from "./heads.js";

export const RESIDUAL = "residual";
const MOST_DB = 12; // the most that loudness matching changes

/** Return the name of a run with its network, also of a deleted one. */
export function runName(store, id) {
  const title = store.get("titles")[id];
  if (!title) return "–";
  const name = title.name || `${shortName(store, id)} · ${title.network}`;
  return title.deleted ? `${name} (deleted)` : name;
}

/** Return the name of a run without its network. */
export function shortName(store, id) {
  const title = store.get("titles")[id];
  const isFinished = store.get("runs").find((run) => run.id === id)?.settings.separate; // as the runs that it is compared with
  return title.name || (title.number ? `Run ${title.number}` : isFinished ? "Not adapted" : "Not adapted (raw)");
}

/** Set A and B to existing runs: B to the latest adaptation and A to its baseline, unless others were chosen. */
export function refreshDesk(store, newest = null) {
  const { runs, desk } = store.values;
  const find = (id) => runs.find((run) => run.id === id);
  const adapted = runs.filter((run) => run.strategy !== "B0");
  const last = adapted.at(-1) ?? runs.at(-1);
  const kept = find(desk.b) && (find(desk.b).strategy !== "B0" || !adapted.length || desk.chosen) ? desk.b : last?.id;
  const b = find(newest) ? newest : kept;
  const plain = find(find(b)?.baseline) ?? runs.find((run) => run.strategy === "B0" && run.network === find(b)?.network) ?? runs[0];
  const a = find(desk.a) && desk.chosen && desk.a !== b ? desk.a : plain?.id;
  store.set({ desk: { ...desk, a: a ?? null, b: b ?? null } });
}

export class Desk {
  constructor(store, song, transport) {
    Object.assign(this, { store, song, transport });
    store.watch(["desk", "runs", "sources"], () => this.#tracks());
    store.watch(["desk", "mix", "runs", "sources"], () => this.#levels());
    store.watch(["mix"], ({ mix }) => transport.setVolume(mix.master));
  }

  /** Change one setting of the mix: {mute}, {solo}, {version} or {volume}. */
  set(kind, source, value) {
    const mix = this.store.get("mix");
    this.store.set({ mix: { ...mix, [kind]: { ...mix[kind], [source]: value } } });
    if (this.store.get("heard") !== "stems") this.hear("stems");
  }

  flip(kind, source) {
    this.set(kind, source, !this.store.get("mix")[kind][source]);
  }

  /** Switch all sources to A or B; without an argument to the other one. */
  all(which) {
    const { mix, sources } = this.store.values;
    const wanted = which ?? (this.which() === "a" ? "b" : "a");
    const version = Object.fromEntries([...sources, RESIDUAL].map((source) => [source, wanted]));
    this.store.set({ mix: { ...mix, version } });
    if (this.store.get("heard") !== "stems") this.hear("stems");
  }

  /** Return the version that all sources have; "mixed" if they differ. */
  which() {
    const { mix, sources } = this.store.values;
    const found = new Set(sources.map((source) => mix.version[source] ?? "b"));
    return found.size === 1 ? [...found][0] : "mixed";
  }

  async hear(what) {
    const { desk } = this.store.values;
    const wanted = what === "stems" && desk.a && desk.b ? "stems" : "mixture";
    this.store.set({ heard: wanted });
    await this.transport.hear(wanted);
  }

  /** Return what is heard now, as the server mixes it: ["run/source/gain"]. */
  parts() {
    const { desk, heard, mix } = this.store.values;
    if (heard === "mixture") return [`mixture/${mix.master}`];
    return Object.entries(this.#gains()).map(([name, gain]) => `${desk[name[0]]}/${name.slice(2)}/${(gain * mix.master).toFixed(5)}`);
  }

  #tracks() {
    const { desk, sources } = this.store.values;
    const urls = {};
    for (const which of ["a", "b"]) {
      for (const source of desk[which] ? [...sources, RESIDUAL] : []) {
        urls[`${which}/${source}`] = `${root}/api/songs/${this.song}/runs/${desk[which]}/${source}.wav`;
      }
    }
    this.transport.deck.setTracks(urls);
    if (!desk.a || !desk.b) this.hear("mixture");
  }

  #levels() {
    this.transport.deck.setLevels(this.#gains());
  }

  #gains() {
    const { desk, mix, sources, runs } = this.store.values;
    const [a, b] = ["a", "b"].map((which) => runs.find((run) => run.id === desk[which]));
    const gains = {};
    for (const source of [...sources, RESIDUAL]) {
      if (!isAudible(mix, source)) continue;
      const which = mix.version[source] ?? "b";
      gains[`${which}/${source}`] = getGain(mix, source) * (which === "b" && desk.matched ? matchLoudness(a, b, source) : 1);
    }
    return gains;
  }
}

/** Return the gain that brings B's loud passages to the level of A's. */
export function matchLoudness(a, b, source) {
  const difference = (a?.levels[source]?.loud ?? 0) - (b?.levels[source]?.loud ?? 0);
  return 10 ** (Math.max(-MOST_DB, Math.min(MOST_DB, difference)) / 20);
}

/** Return the desk's bar. */
export function deskBar(store, desk, does) {
  const heard = choice("what is heard", [["mixture", "Mixture"], ["stems", "Stems"]], "mixture", (what) => desk.hear(what));
  const pick = (which) => h("select", { "aria-label": `run ${which.toUpperCase()}`, onchange: (event) => store.set({ desk: { ...store.get("desk"), [which]: event.target.value, chosen: true } }) });
  const [a, b] = [pick("a"), pick("b")];
  const all = choice("listen to all sources of", [["a", "A"], ["b", "B"]], "b", (which) => desk.all(which));
  const matched = h("input", { type: "checkbox", onchange: () => store.set({ desk: { ...store.get("desk"), matched: matched.checked } }) });
  const swap = button("Switch all sources between A and B (X)", () => desk.all(), { class: "small" }, "⇄");
  const clip = button("No clipping so far", () => clip.show(false), { class: "clip", "aria-live": "off" }, "CLIP");
  clip.show = (on) => {
    clip.setAttribute("aria-pressed", String(on));
    clip.title = on ? "The output clipped: lower the volume. Click to reset." : "lights when the output exceeds full scale";
    clip.setAttribute("aria-label", on ? "clipped; press to reset" : "no clipping so far");
  };
  clip.show(false);
  const master = fader("master volume", store.get("mix").master, 0, (gain) => store.set({ mix: { ...store.get("mix"), master: gain } }));
  const take = h("button", { type: "button", title: "save one stem, the mix as you hear it, or a stretch of it, as WAV or FLAC", onclick: () => does.saveSound() }, "Save sound …");
  const compare = h("span", { class: "compare" }, h("span", { class: "label" }, "Compare"), h("span", { class: "pair" }, h("b", {}, "A"), a), h("span", { class: "pair" }, h("b", {}, "B"), b),
    h("span", { class: "label" }, "listen to"), all, swap, h("label", { class: "check", title: "plays B as loud as A, so that louder is not mistaken for better" }, matched, "match loudness (B to A)"));
  store.watch(["runs", "desk", "titles"], ({ runs, desk: now }) => {
    for (const [select, value] of [[a, now.a], [b, now.b]]) {
      const name = new Set(runs.map((run) => run.network)).size > 1 ? runName : shortName;
      select.replaceChildren(...(runs.length ? runs.map((run) => h("option", { value: run.id }, name(store, run.id))) : [h("option", {}, "none yet")]));
      if (value) select.value = value;
      select.title = value ? runName(store, value) : "";
      select.disabled = !runs.length;
    }
    matched.checked = now.matched;
    heard.children[1].disabled = !(now.a && now.b);
    compare.hidden = now.a === now.b && runs.every((run) => run.strategy === "B0"); // until there is something to compare
    for (const control of [matched, swap, ...all.children]) control.disabled = now.a === now.b;
  });
  store.watch(["heard"], (now) => heard.set(now.heard));
  store.watch(["mix"], ({ mix }) => { all.set(desk.which()); master.set(mix.master); });
  const bar = h("div", { class: "deskbar", role: "group", "aria-label": "Listening" },
    h("span", { class: "label" }, "Hear"), heard, h("span", { class: "label volume" }, "Volume"), master, clip, take, compare);
  bar.tick = () => { if (store.get("heard") === "stems" && desk.transport.deck.peak > 1) clip.show(true); };
  store.watch(["runs"], ({ runs }) => bar.classList.toggle("none", !runs.length));
  return bar;
}
