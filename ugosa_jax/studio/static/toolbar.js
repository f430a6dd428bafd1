// Controls above and below the lanes, and the header of the page.

import { root } from "./api.js";
import { button, choice, formatClock, h, icon } from "./dom.js";
import { STATES } from "./marks.js";
import { switchTheme } from "./palette.js";
import { showPopup } from "./runs.js";
import { GRIDS } from "./snapping.js";

export const BRUSHES = ["silent", "active", "unknown"];
const KEYS = { active: "Q", silent: "W", unknown: "E" };

const MEANINGS = { silent: "the network learns to be silent there", active: "the source plays there", unknown: "nothing is learnt from it" };

export function toolbar(store, transport, history, does) {
  const play = button("Play or pause (Space)", () => transport.toggle(), { class: "play" }, icon("play"));
  const now = h("output", { class: "clock" }, formatClock(0));
  const loop = button("Play the chosen mark again and again (L)", does.loop, {}, icon("loop"));
  const speed = h("select", { title: "speed; the pitch stays", "aria-label": "speed", onchange: () => { transport.setSpeed(Number(speed.value)); store.set({ speed: Number(speed.value) }); } },
    [["1", "1×"], ["0.75", "¾×"], ["0.5", "½×"]].map(([value, text]) => h("option", { value }, text)));
  const brush = choice("what dragging and holding marks", BRUSHES.map((state) => [state, state, `drag on a lane to mark it as ${state} (${KEYS[state]}): ${MEANINGS[state]}`]), store.get("brush"), does.brush);
  brush.classList.add("brush");
  const undo = button("Undo (Ctrl+Z)", () => history.undo(), {}, icon("undo"));
  const redo = button("Redo (Ctrl+Shift+Z)", () => history.redo(), {}, icon("redo"));
  const suggest = h("button", { type: "button", title: "let the network propose silences, which you accept or dismiss", onclick: does.suggest }, "Suggest silences");
  const icons = new Map([[true, icon("pause")], [false, icon("play")]]);
  const refresh = () => {
    play.replaceChildren(icons.get(transport.playing));
    play.classList.toggle("waiting", transport.waiting);
    loop.setAttribute("aria-pressed", String(Boolean(transport.loop)));
  };
  transport.addEventListener("change", refresh);
  store.watch(["undoable", "redoable", "brush"], ({ undoable, redoable, brush: wanted }) => {
    undo.disabled = !undoable;
    redo.disabled = !redoable;
    brush.set(wanted);
  });
  store.watch(["speed"], (values) => { speed.value = String(values.speed); });
  const bar = h("div", { class: "toolbar", role: "toolbar", "aria-label": "Playing and marking" },
    h("div", { class: "group" }, button("To the start (Home)", () => transport.seek(0), {}, icon("start")), play, loop, now, h("span", { class: "soft" }, `/ ${formatClock(transport.duration)}`), speed),
    h("div", { class: "group" }, h("span", { class: "label" }, "Mark as"), brush, undo, redo),
    h("div", { class: "group" }, suggest));
  bar.tick = (time) => { // called in every frame, so it changes the page only where the text changes
    const text = formatClock(time);
    if (now.textContent !== text) now.textContent = text;
  };
  return bar;
}

/** Return the controls beside the ruler: waves or spectra, and zoom. `zoom` is called with a factor. */
export function viewHead(store, zoom) {
  const pictures = choice("what lanes show", [["wave", "waves"], ["spectrum", "spectra"]], store.get("picture"), (picture) => store.set({ picture }));
  store.watch(["picture"], ({ picture }) => pictures.set(picture));
  store.watch(["desk"], ({ desk }) => { pictures.hidden = !desk.b; });
  return h("div", { class: "head flat line view" }, pictures, h("span", { class: "grow" }),
    button("Zoom out (−)", () => zoom(1 / 1.5), { class: "small" }, "−"), button("Zoom in (+)", () => zoom(1.5), { class: "small" }, "+"));
}

/** Return the controls of the chosen mark. */
export function chosenMark(store, does) {
  const state = choice("the chosen mark is", STATES.map((one) => [one, one, `change the chosen mark to ${one} (Shift+${KEYS[one]})`]), "silent", (wanted) => does.restate(wanted));
  state.classList.add("brush");
  const words = h("span", { class: "soft" });
  const bar = h("div", { class: "chosenmark", role: "group", "aria-label": "The chosen mark" }, words, state,
    button("Start the chosen mark at the playhead (I)", () => does.border("start"), { class: "small" }, "start here"), button("End the chosen mark at the playhead (O)", () => does.border("end"), { class: "small" }, "end here"),
    button("Remove the chosen mark (Delete)", does.remove, { class: "small" }, "remove"));
  store.watch(["selected", "marks"], ({ selected, marks }) => {
    bar.classList.toggle("nothing", !selected);
    for (const control of bar.querySelectorAll("button")) control.disabled = !selected;
    state.set(selected?.state ?? null);
    words.textContent = selected ? `${selected.source}, ${formatClock(selected.start)} to ${formatClock(selected.end)}` : marks.length ? "Click on a mark to change it." : "Drag on a lane to mark a stretch of it.";
  });
  return bar;
}

const SNAPS = { off: "marks begin and end where you let go", beats: "marks begin and end at a beat that is near", onsets: "marks begin and end where a note begins nearby" };

/** Return the control that chooses whether marks snap to beats or onsets. */
export function snapChoice(store) {
  const snap = choice("snap to", GRIDS.map((grid) => [grid, grid, SNAPS[grid]]), store.get("snap"), (grid) => store.set({ snap: grid }));
  store.watch(["snap"], (values) => snap.set(values.snap));
  return h("div", { class: "line left" }, h("span", { class: "label" }, "Snap to"), snap);
}

export function pageHead(store, does) {
  const { song, suffixes } = store.values;
  const saved = h("span", { class: "saved", "aria-live": "polite" });
  const file = h("input", { type: "file", hidden: true, accept: suffixes.join(","), onchange: () => { if (file.files[0]) does.importFile(file.files[0]); file.value = ""; } });
  const query = () => `?network=${encodeURIComponent(store.get("network") ?? "")}`;
  const link = (format, text) => h("a", { href: `${root}/api/songs/${song.id}/export.${format}`, download: `annotation.${format}`, onclick: (event) => { event.target.href = `${root}/api/songs/${song.id}/export.${format}${query()}`; } }, text);
  const popup = h("div", { class: "popup", popover: "auto" }, link("csv", "CSV: start, end, source, state"), link("txt", "Audacity labels"));
  const exports = h("button", { type: "button", title: "save the marks to a file", onclick: () => showPopup(exports, popup) }, "Export marks");
  popup.addEventListener("click", () => popup.hidePopover());
  store.watch(["marks", "elsewhere"], ({ marks, elsewhere }) => { exports.disabled = !marks.length && !Object.values(elsewhere).includes("silent"); });
  store.watch(["saved", "whyUnsaved"], ({ saved: state, whyUnsaved }) => {
    saved.textContent = { saved: "saved", saving: "saving …", slow: "not saved yet: no answer", away: "not saved yet", conflict: "not saved: changed in another window" }[state];
    saved.title = state === "away" ? `${whyUnsaved} The page keeps trying.` : "";
    saved.dataset.state = state;
    document.body.classList.toggle("slow", state === "slow");
  });
  const lines = [`${formatClock(song.duration_s)}`, `${song.rate_hz / 1000} kHz`, song.channels === 1 ? "mono" : song.channels === 2 ? "stereo" : `${song.channels} channels`];
  const name = h("button", { type: "button", class: "bare songname", title: `${song.name}: click to rename`, onclick: () => does.renameSong() });
  store.watch(["song"], (values) => { name.textContent = values.song.name; });
  return h("header", {}, h("a", { class: "brand", href: `${root}/`, title: "all songs" }, h("img", { src: `${root}/static/icon.svg`, alt: "" }), h("span", {}, "studio")),
    h("h1", {}, name), h("span", { class: "soft facts" }, lines.join(" · ")), saved, h("span", { class: "grow" }),
    h("button", { type: "button", title: "read marks from a file of Audacity, Sonic Visualiser, Praat, ELAN, REAPER, JAMS, CSV …", onclick: () => file.click() }, "Import marks"), file, exports, popup,
    button("Light or dark", () => switchTheme(), { class: "bare" }, icon("theme")), button("Help: keys and words (?)", does.help, { class: "bare" }, "?"));
}
