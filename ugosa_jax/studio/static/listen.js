// The listening desk: the mixture or stems, run A or run B, all at once or source by source, at the same level.

import { root } from "./api.js";
import { button, choice, h } from "./dom.js";
import { audible } from "./heads.js";

export const RESIDUAL = "residual";

/** Return what a run is called. */
export function runName(store, id) {
  const runs = store.get("runs");
  const run = runs.find((one) => one.id === id);
  if (!run) return "–";
  if (run.strategy === "B0") return `Unadapted · ${run.network}`;
  return `Run ${runs.filter((one) => one.strategy !== "B0").indexOf(run) + 1} · ${run.strategy}`;
}

/** Keep A and B on runs that exist: A the unadapted network, B the latest adaptation, unless somebody chose otherwise. */
export function refreshDesk(store, newest = null) {
  const { runs, desk } = store.values;
  const there = (id) => runs.some((run) => run.id === id);
  const adapted = runs.filter((run) => run.strategy !== "B0");
  const last = adapted.at(-1) ?? runs.at(-1);
  const plain = runs.find((run) => run.strategy === "B0" && run.network === last?.network) ?? runs[0];
  const b = newest && there(newest) ? newest : there(desk.b) && (runs.find((run) => run.id === desk.b).strategy !== "B0" || !adapted.length) ? desk.b : last?.id;
  const a = there(desk.a) && desk.chosen ? desk.a : plain?.id;
  store.set({ desk: { ...desk, a: a ?? null, b: b ?? null } });
}

export class Desk {
  constructor(store, song, transport) {
    Object.assign(this, { store, song, transport });
    store.watch(["desk", "runs"], () => this.#tracks());
    store.watch(["desk", "mix", "runs"], () => this.#levels());
  }

  /** Change one thing of the mix: {mute}, {solo} or {version}. */
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

  /** Return what all sources are switched to; "mixed" if they differ. */
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
    const { desk, mix, sources, runs } = this.store.values;
    const [a, b] = ["a", "b"].map((which) => runs.find((run) => run.id === desk[which]));
    const levels = {};
    for (const source of [...sources, RESIDUAL]) {
      if (!audible(mix, source)) continue;
      const which = mix.version[source] ?? "b";
      levels[`${which}/${source}`] = which === "b" && desk.matched ? matching(a, b, source) : 1;
    }
    this.transport.deck.setLevels(levels);
  }
}

/** Return the gain that brings B's loud passages to the level of A's. */
export function matching(a, b, source) {
  const difference = (a?.levels[source]?.loud ?? 0) - (b?.levels[source]?.loud ?? 0);
  return 10 ** (Math.max(-12, Math.min(12, difference)) / 20);
}

/** Return the desk's bar. */
export function deskBar(store, desk) {
  const heard = choice("what is heard", [["mixture", "Mixture"], ["stems", "Stems"]], "mixture", (what) => desk.hear(what));
  const pick = (which) => h("select", { "aria-label": `run ${which.toUpperCase()}`, onchange: (event) => store.set({ desk: { ...store.get("desk"), [which]: event.target.value, chosen: true } }) });
  const [a, b] = [pick("a"), pick("b")];
  const all = choice("all sources", [["a", "A"], ["b", "B"]], "b", (which) => desk.all(which));
  const matched = h("input", { type: "checkbox", onchange: () => store.set({ desk: { ...store.get("desk"), matched: matched.checked } }) });
  const swap = button("Switch all sources between A and B (X)", () => desk.all(), { class: "small" }, "⇄");
  store.watch(["runs", "desk"], ({ runs, desk: now }) => {
    for (const [select, value] of [[a, now.a], [b, now.b]]) {
      select.replaceChildren(...(runs.length ? runs.map((run) => h("option", { value: run.id }, runName(store, run.id))) : [h("option", {}, "none yet")]));
      if (value) select.value = value;
      select.disabled = !runs.length;
    }
    matched.checked = now.matched;
    for (const control of [matched, swap, ...all.children, heard.children[1]]) control.disabled = !(now.a && now.b);
  });
  store.watch(["heard"], (now) => heard.set(now.heard));
  store.watch(["mix"], () => all.set(desk.which()));
  return h("div", { class: "deskbar" },
    h("span", { class: "label" }, "Hear"), heard,
    h("span", { class: "pair" }, h("b", {}, "A"), a), h("span", { class: "pair" }, h("b", {}, "B"), b),
    all, swap, h("label", { class: "check", title: "B is played as loud as A, so that louder does not pass for better" }, matched, "same level"));
}
