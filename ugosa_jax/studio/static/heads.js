// The head of every row: name, key, mute, solo, fader, A or B, and the state outside marks.

import { button, choice, fader, h } from "./dom.js";
import { countSeconds } from "./marks.js";

/** Return the head of a source's lane. `does` has mute, solo, version, volume, elsewhere, hold, release and pick. */
export function laneHead(store, source, number, does) {
  const duration = store.get("song").duration_s;
  const held = (event) => { event.preventDefault(); event.target.setPointerCapture(event.pointerId); does.hold(source); };
  const key = h("button", { type: "button", class: "cap", title: `hold while the song plays to mark ${source} (key ${number})`, "aria-label": `hold to mark ${source}`, onpointerdown: held, onpointerup: () => does.release(source), onpointercancel: () => does.release(source) }, String(number));
  const rest = h("button", { type: "button", class: "rest", onclick: () => does.elsewhere(source) });
  const silent = h("span", { class: "silent-s" });
  const head = h("div", { class: "head" },
    h("div", { class: "line" }, h("button", { type: "button", class: "name", title: `choose the lane of ${source}`, onclick: () => does.pick(source) }, source), key, silent),
    listeningControls(store, source, does),
    h("div", { class: "line small" }, rest));
  store.watch(["marks", "elsewhere"], ({ marks, elsewhere }) => {
    const found = countSeconds(marks, elsewhere, source, duration);
    silent.textContent = `${found.silent.toFixed(1)} s silent`;
    const isSilent = elsewhere[source] === "silent";
    rest.textContent = isSilent ? "unmarked = silent" : "unmarked = unknown";
    rest.title = isSilent ? `Where nothing is marked, ${source} counts as silent. Click if you do not know.` : `Where nothing is marked, the network learns nothing about ${source}. Click if it is silent there.`;
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
  const head = h("div", { class: "head flat" }, h("div", { class: "line" }, h("span", { class: "name", title: "the mixture minus the stems" }, "residual"), h("span", { class: "silent-s" }, "in no stem")), listeningControls(store, "residual", does));
  watchHeard(store, "residual", head);
  return head;
}

/** Return mute, solo, fader and the switch between A and B. */
function listeningControls(store, source, does) {
  const mute = button(`Mute ${source}`, () => does.mute(source), { class: "small" }, "M");
  const solo = button(source === "residual" ? "Solo the residual, the mixture minus the stems" : `Solo ${source}`, () => does.solo(source), { class: "small" }, "S");
  const volume = fader(`volume of ${source}`, getGain(store.get("mix"), source), null, (gain) => does.volume(source, gain));
  const version = choice(`${source}: which run is heard`, [["a", "A", `hear ${source} of run A`], ["b", "B", `hear ${source} of run B`]], "b", (which) => does.version(source, which));
  const line = h("div", { class: "line listening" }, source === "residual" ? null : mute, solo, volume, version);
  store.watch(["mix", "desk"], ({ mix, desk }) => {
    const ready = Boolean(desk.a && desk.b);
    for (const control of [mute, solo, volume, ...version.children]) control.disabled = !ready;
    line.hidden = !ready;
    version.hidden = desk.a === desk.b;
    mute.setAttribute("aria-pressed", String(Boolean(mix.mute[source])));
    solo.setAttribute("aria-pressed", String(Boolean(mix.solo[source])));
    version.set(mix.version[source] ?? "b");
    volume.set(getGain(mix, source));
  });
  return line;
}

function watchHeard(store, source, head) {
  store.watch(["mix", "heard"], ({ mix, heard }) => head.classList.toggle("unheard", heard === "stems" && !isAudible(mix, source)));
}

/** Return the gain of a source's fader, a factor. */
export function getGain(mix, source) {
  return mix.volume[source] ?? 1;
}

/** Return whether a source is heard. The residual is heard only solo: with all stems it would add up to the mixture. */
export function isAudible(mix, source) {
  const soloed = Object.values(mix.solo).some(Boolean);
  if (soloed) return Boolean(mix.solo[source]);
  return source !== "residual" && !mix.mute[source];
}
