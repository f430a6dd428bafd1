// What stands at the left of every row: name, key, mute and solo, fader, A or B, and what holds where nothing is marked.

import { button, choice, fader, h } from "./dom.js";
import { seconds } from "./marks.js";

/** Return the head of a source's lane. `does` has mute, solo, version, volume, elsewhere, hold, let and pick. */
export function laneHead(store, source, number, does) {
  const duration = store.get("song").duration_s;
  const held = (event) => { event.preventDefault(); event.target.setPointerCapture(event.pointerId); does.hold(source); };
  const key = h("button", { type: "button", class: "cap", title: `Hold while the song plays: ${source} is marked as long (key ${number})`, "aria-label": `hold to mark ${source}`, onpointerdown: held, onpointerup: () => does.let(source), onpointercancel: () => does.let(source) }, String(number));
  const rest = h("button", { type: "button", class: "rest", onclick: () => does.elsewhere(source) });
  const silent = h("span", { class: "silent-s" });
  const head = h("div", { class: "head" },
    h("div", { class: "line" }, h("button", { type: "button", class: "name", title: `choose the lane of ${source}`, onclick: () => does.pick(source) }, source), key, silent),
    listening(store, source, does),
    h("div", { class: "line small" }, rest));
  store.watch(["marks", "elsewhere"], ({ marks, elsewhere }) => {
    const found = seconds(marks, elsewhere, source, duration);
    silent.textContent = `${found.silent.toFixed(1)} s silent`;
    const isSilent = elsewhere[source] === "silent";
    rest.textContent = isSilent ? "unmarked = silent" : "unmarked = unknown";
    rest.title = `Where nothing is marked, ${source} is taken as ${isSilent ? "silent" : "unknown"}. Click to change it.`;
    rest.setAttribute("aria-label", `${source}: unmarked is ${isSilent ? "silent" : "unknown"}`);
    rest.setAttribute("aria-pressed", String(isSilent));
  });
  store.watch(["lane"], ({ lane }) => {
    head.parentElement?.classList.toggle("chosen", lane === source);
    head.querySelector(".name").setAttribute("aria-pressed", String(lane === source));
  });
  watchHeard(store, source, head);
  return head;
}

/** Return the head of the residual, which has no marks. */
export function residualHead(store, does) {
  const head = h("div", { class: "head flat" }, h("div", { class: "line" }, h("span", { class: "name", title: "what the stems leave of the mixture" }, "residual")), listening(store, "residual", does));
  watchHeard(store, "residual", head);
  return head;
}

/** Return mute, solo, fader and the switch between A and B. */
function listening(store, source, does) {
  const mute = button(`Mute ${source}`, () => does.mute(source), { class: "small" }, "M");
  const solo = button(source === "residual" ? "Solo the residual: what the stems leave of the mixture" : `Solo ${source}`, () => does.solo(source), { class: "small" }, "S");
  const volume = fader(`volume of ${source}`, gainOf(store.get("mix"), source), null, (gain) => does.volume(source, gain));
  const version = choice(`${source}: which run is heard`, [["a", "A"], ["b", "B"]], "b", (which) => does.version(source, which));
  const line = h("div", { class: "line listening" }, source === "residual" ? null : mute, solo, volume, version);
  store.watch(["mix", "desk"], ({ mix, desk }) => {
    const ready = Boolean(desk.a && desk.b);
    for (const control of [mute, solo, volume, ...version.children]) control.disabled = !ready;
    line.hidden = !ready;
    mute.setAttribute("aria-pressed", String(Boolean(mix.mute[source])));
    solo.setAttribute("aria-pressed", String(Boolean(mix.solo[source])));
    version.set(mix.version[source] ?? "b");
    volume.set(gainOf(mix, source));
  });
  return line;
}

function watchHeard(store, source, head) {
  store.watch(["mix", "heard"], ({ mix, heard }) => head.classList.toggle("unheard", heard === "stems" && !audible(mix, source)));
}

/** Return where the fader of a source is: a factor. */
export function gainOf(mix, source) {
  return mix.volume[source] ?? 1;
}

/** Tell whether a source is heard. The residual is heard only alone: with all stems it would be the mixture again. */
export function audible(mix, source) {
  const soloed = Object.values(mix.solo).some(Boolean);
  if (soloed) return Boolean(mix.solo[source]);
  return source !== "residual" && !mix.mute[source];
}
