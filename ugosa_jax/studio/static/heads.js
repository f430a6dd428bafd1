// What stands at the left of every row: name, key, mute and solo, A or B, and what holds where nothing is marked.

import { button, choice, h } from "./dom.js";
import { seconds } from "./marks.js";

/** Return the head of a source's lane. `does` has mute, solo, version, elsewhere, hold and let. */
export function laneHead(store, source, number, does) {
  const duration = store.get("song").duration_s;
  const held = (event) => { event.preventDefault(); event.target.setPointerCapture(event.pointerId); does.hold(source); };
  const key = h("button", { type: "button", class: "cap", title: `Hold while the song plays: ${source} is marked as long (key ${number})`, "aria-label": `hold to mark ${source}`, onpointerdown: held, onpointerup: () => does.let(source), onpointercancel: () => does.let(source) }, String(number));
  const mute = button(`Mute ${source}`, () => does.mute(source), { class: "small" }, "M");
  const solo = button(`Solo ${source}`, () => does.solo(source), { class: "small" }, "S");
  const version = choice(`${source}: which run is heard`, [["a", "A"], ["b", "B"]], "b", (which) => does.version(source, which));
  const rest = h("button", { type: "button", class: "rest", onclick: () => does.elsewhere(source) });
  const silent = h("span", { class: "silent-s" });
  const head = h("div", { class: "head" },
    h("div", { class: "line" }, h("span", { class: "name" }, source), key),
    h("div", { class: "line" }, mute, solo, version),
    h("div", { class: "line small" }, silent, rest));
  store.watch(["marks", "elsewhere"], ({ marks, elsewhere }) => {
    const found = seconds(marks, elsewhere, source, duration);
    silent.textContent = `${found.silent.toFixed(1)} s silent`;
    const isSilent = elsewhere[source] === "silent";
    rest.textContent = isSilent ? "rest silent" : "rest unknown";
    rest.title = `Where nothing is marked, ${source} is taken as ${isSilent ? "silent" : "unknown"}. Click to change it.`;
    rest.setAttribute("aria-pressed", String(isSilent));
  });
  store.watch(["mix", "desk", "heard"], ({ mix, desk, heard }) => {
    const ready = Boolean(desk.a && desk.b);
    for (const control of [mute, solo, ...version.children]) control.disabled = !ready;
    mute.setAttribute("aria-pressed", String(Boolean(mix.mute[source])));
    solo.setAttribute("aria-pressed", String(Boolean(mix.solo[source])));
    version.set(mix.version[source] ?? "b");
    head.classList.toggle("unheard", heard === "stems" && !audible(mix, source));
  });
  return head;
}

/** Return the head of the residual, which has no marks. */
export function residualHead(store, does) {
  const solo = button("Solo the residual: what the stems leave of the mixture", () => does.solo("residual"), { class: "small" }, "S");
  const version = choice("residual: of which run", [["a", "A"], ["b", "B"]], "b", (which) => does.version("residual", which));
  const head = h("div", { class: "head flat" }, h("div", { class: "line" }, h("span", { class: "name", title: "what the stems leave of the mixture" }, "residual"), solo, version));
  store.watch(["mix", "desk", "heard"], ({ mix, desk, heard }) => {
    for (const control of [solo, ...version.children]) control.disabled = !(desk.a && desk.b);
    solo.setAttribute("aria-pressed", String(Boolean(mix.solo.residual)));
    version.set(mix.version.residual ?? "b");
    head.classList.toggle("unheard", heard === "stems" && !audible(mix, "residual"));
  });
  return head;
}

/** Tell whether a source is heard. The residual is heard only alone: with all stems it would be the mixture again. */
export function audible(mix, source) {
  const soloed = Object.values(mix.solo).some(Boolean);
  if (soloed) return Boolean(mix.solo[source]);
  return source !== "residual" && !mix.mute[source];
}
