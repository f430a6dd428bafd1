// Above the lanes: playing, the brush, undo and redo, zoom; and the head of the page.

import { root } from "./api.js";
import { button, choice, clock, h, icon } from "./dom.js";
import { STATES } from "./marks.js";
import { theme } from "./palette.js";
import { place } from "./runs.js";

export function toolbar(store, transport, history, timeline, does) {
  const play = button("Play or pause (Space)", () => transport.toggle(), { class: "play" }, icon("play"));
  const now = h("output", { class: "clock" }, clock(0));
  const loop = button("Play the chosen mark again and again (L)", does.loop, {}, icon("loop"));
  const speed = h("select", { title: "speed of the mixture; its pitch stays", "aria-label": "speed", onchange: () => transport.setSpeed(Number(speed.value)) },
    [["1", "1×"], ["0.75", "¾×"], ["0.5", "½×"]].map(([value, text]) => h("option", { value }, text)));
  const brush = choice("what dragging and holding marks", STATES.map((state, i) => [state, state, `mark as ${state} (${"QWE"[i]})`]), store.get("brush"), does.brush);
  brush.classList.add("brush");
  const undo = button("Undo (Ctrl+Z)", () => history.undo(), {}, icon("undo"));
  const redo = button("Redo (Ctrl+Shift+Z)", () => history.redo(), {}, icon("redo"));
  const suggest = h("button", { type: "button", title: "let the network mark the silences that it is sure of; listen to each and correct it", onclick: does.suggest }, "Suggest");
  const zoomed = (factor) => () => timeline.zoom(factor);
  const icons = new Map([[true, icon("pause")], [false, icon("play")]]);
  const refresh = () => {
    play.replaceChildren(icons.get(transport.playing));
    play.classList.toggle("waiting", transport.waiting);
    loop.setAttribute("aria-pressed", String(Boolean(transport.loop)));
  };
  transport.addEventListener("change", refresh);
  store.watch(["undoable", "redoable", "brush", "selected"], ({ undoable, redoable, brush: wanted, selected }) => {
    undo.disabled = !undoable;
    redo.disabled = !redoable;
    brush.set(selected ? selected.state : wanted);
  });
  store.watch(["heard"], ({ heard }) => { speed.disabled = heard === "stems"; });
  const bar = h("div", { class: "toolbar" },
    h("div", { class: "group" }, button("To the start (Home)", () => transport.seek(0), {}, icon("start")), play, loop, now, h("span", { class: "soft" }, `/ ${clock(transport.duration)}`), speed),
    h("div", { class: "group" }, h("span", { class: "label" }, "Mark"), brush, undo, redo),
    h("div", { class: "group" }, suggest),
    h("div", { class: "group end" }, button("Zoom out (−)", zoomed(1 / 1.5), {}, "−"), button("Zoom in (+)", zoomed(1.5), {}, "+")));
  bar.tick = (time) => { now.textContent = clock(time); };
  return bar;
}

export function pageHead(store, does) {
  const { song } = store.values;
  const saved = h("span", { class: "saved", "aria-live": "polite" });
  const file = h("input", { type: "file", hidden: true, accept: ".csv,.tsv,.txt,.lab,.jams,.svl,.sv,.TextGrid,.textgrid", onchange: () => { if (file.files[0]) does.importFile(file.files[0]); file.value = ""; } });
  const query = () => `?network=${encodeURIComponent(store.get("network") ?? "")}`;
  const link = (format, text) => h("a", { href: `${root}/api/songs/${song.id}/export.${format}`, download: `annotation.${format}`, onclick: (event) => { event.target.href = `${root}/api/songs/${song.id}/export.${format}${query()}`; } }, text);
  const popup = h("div", { class: "popup", popover: "auto" }, link("csv", "CSV: start, end, source, state"), link("txt", "Audacity labels"));
  const exports = h("button", { type: "button", title: "save the marks to a file", onclick: () => place(exports, popup) }, "Export");
  popup.addEventListener("click", () => popup.hidePopover());
  store.watch(["marks", "elsewhere"], ({ marks, elsewhere }) => { exports.disabled = !marks.length && !Object.values(elsewhere).includes("silent"); });
  store.watch(["saved", "whyUnsaved"], ({ saved: state, whyUnsaved }) => {
    saved.textContent = { saved: "saved", saving: "saving …", away: "not saved yet", conflict: "not saved: changed in another window" }[state];
    saved.title = state === "away" ? `the studio does not answer (${whyUnsaved}); it is tried again` : "";
    saved.dataset.state = state;
  });
  const lines = [`${clock(song.duration_s)}`, `${song.rate_hz / 1000} kHz`, song.channels === 1 ? "mono" : song.channels === 2 ? "stereo" : `${song.channels} channels`];
  return h("header", {}, h("a", { class: "brand", href: `${root}/`, title: "all songs" }, h("img", { src: `${root}/static/icon.svg`, alt: "" }), "studio"),
    h("h1", { title: song.name }, song.name), h("span", { class: "soft facts" }, lines.join(" · ")), saved, h("span", { class: "grow" }),
    h("button", { type: "button", title: "marks from a file of Audacity, Sonic Visualiser, Praat, REAPER, JAMS, CSV …", onclick: () => file.click() }, "Import"), file, exports, popup,
    button("Light or dark", () => theme(), { class: "bare" }, icon("theme")), button("Keys (?)", does.help, { class: "bare" }, "?"));
}
