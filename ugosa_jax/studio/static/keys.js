// Keyboard control, with keys of every layout. A number held while the song plays marks its source.

import { h } from "./dom.js";

const STEPS_S = { plain: 2, shift: 10, alt: 0.1 };
const TEXT = "textarea, [contenteditable], input:not([type=checkbox]):not([type=range])";
const NATIVE = ["ArrowLeft", "ArrowRight", "ArrowUp", "ArrowDown", "Home", "End", "Enter", " ", "Delete", "Backspace", "PageUp", "PageDown"];

let byKeyboard = false; // whether the focus has come by keyboard

/** Call methods of `does` when keys are pressed; `findAction` shows which. */
export function listenToKeys(does) {
  const held = new Set();
  addEventListener("keydown", (event) => { if (event.key === "Tab") byKeyboard = true; }, true);
  addEventListener("pointerdown", () => { byKeyboard = false; }, true);
  addEventListener("keydown", (event) => {
    if (document.querySelector("dialog[open]") || isForField(event)) return;
    const graph = event.getModifierState?.("AltGraph") || (event.ctrlKey && event.altKey); // Windows sends both
    const control = (event.ctrlKey || event.metaKey) && !graph;
    const digit = /^[\[\]{}@#€|\\~]$/.test(event.key) || graph ? null : /^(?:Digit|Numpad)([1-9])$/.exec(event.code);
    if (digit && !control && !event.altKey) {
      event.preventDefault();
      if (!event.repeat && !held.has(digit[1])) {
        held.add(digit[1]);
        does.hold(Number(digit[1]));
      }
      return;
    }
    if (control && !["z", "Z", "y", "Y", "ArrowLeft", "ArrowRight"].includes(event.key)) return;
    const action = findAction(event, control, does);
    if (!action) return;
    event.preventDefault();
    action();
  });
  addEventListener("keyup", (event) => {
    const digit = /([1-9])$/.exec(event.code);
    if (digit && held.delete(digit[1])) does.release(Number(digit[1]));
  });
  addEventListener("blur", () => {
    for (const digit of held) does.release(Number(digit));
    held.clear();
  });
}

/** Tell whether the focused field uses the key itself: text fields use all keys, others those in `NATIVE` or a few. */
function isForField({ target, key }) {
  if (!target.closest || key === "Escape") return false;
  if (target.closest(TEXT)) return true;
  if (target.closest("select, input")) return NATIVE.includes(key);
  if (target.closest("summary, a")) return key === " " || key === "Enter";
  // Space presses a button that was reached by keyboard; after a click with the mouse it plays.
  if (target.closest("button")) return key === "Enter" || (key === " " && byKeyboard);
  return false;
}

function findAction(event, control, does) {
  const step = event.shiftKey ? STEPS_S.shift : event.altKey ? STEPS_S.alt : STEPS_S.plain;
  const key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
  const side = { ArrowLeft: -1, ArrowRight: 1 }[key];
  if (control && side) return () => does.shift(side * (event.shiftKey ? 1 : 0.1));
  if (control) return key === "y" || event.shiftKey ? does.redo : does.undo;
  const mark = event.shiftKey ? does.restate : does.brush;
  return {
    " ": does.play, Home: () => does.seek(-Infinity), End: () => does.seek(Infinity),
    ArrowLeft: () => does.seek(-step), ArrowRight: () => does.seek(step),
    "+": () => does.zoom(1.5), "=": () => does.zoom(1.5), "-": () => does.zoom(1 / 1.5), 0: () => does.zoom(0),
    q: () => mark("active"), w: () => mark("silent"), e: () => mark("unknown"), n: does.make,
    j: () => does.choose(-1), k: () => does.choose(1), c: does.cycle, Enter: does.cycle,
    i: () => does.border("start"), o: () => does.border("end"), "[": () => does.border("start"), "]": () => does.border("end"),
    Delete: does.remove, Backspace: does.remove, Escape: does.nothing, l: does.loop, x: does.switch, m: does.mixture, "?": does.help,
  }[key];
}

const KEYS = [
  ["1 … 9, held", "mark the source while the song plays"],
  ["1 … 9", "while paused: choose the lane and the mark at the playhead"],
  ["N", "new mark in the chosen lane, at the playhead or over the loop"],
  ["drag on a lane", "mark a stretch, also over other marks"],
  ["drag a border, or the bar above the chosen mark", "move the border, or the whole mark"],
  ["Q, W, E", "mark as active, silent, unknown"],
  ["Shift and Q, W, E", "change the chosen mark; C, Enter or a double click cycle through the states"],
  ["J, K", "choose the previous, next mark"],
  ["I, O", "start or end the chosen mark at the playhead; also [ and ]"],
  ["Ctrl and ← →", "move the chosen mark by 0.1 s; with Shift by 1 s"],
  ["Delete", "remove the chosen mark"],
  ["Ctrl+Z, Ctrl+Shift+Z", "undo, redo"],
  ["Space", "play, pause"],
  ["← →", "2 s back or forward; with Shift 10 s, with Alt 0.1 s"],
  ["Home, End", "to the start, to the end"],
  ["L, drag on the mixture", "loop the chosen mark or the visible part; loop the dragged stretch"],
  ["+ − 0", "zoom; 0 shows all; also Ctrl and wheel"],
  ["X", "switch all sources between A and B"],
  ["M", "hear the mixture, or the stems"],
  ["Esc", "clear choice and loop"],
];

const WORDS = [
  ["silent", "the source does not sound there; the network learns from this"],
  ["active", "the source sounds there; nothing is muted"],
  ["unknown", "you do not know, or have not marked it: nothing is learnt there"],
  ["other", "every instrument that has no lane of its own"],
  ["residual", "the mixture minus all stems"],
  ["remixes", "new mixtures of this song’s own stems, muted where you marked silence; the network is trained on them"],
  ["epoch", "one pass of the network over the song while it learns"],
  ["leakage", "how loud a stem is where you marked its source silent"],
  ["raw", "the network’s own output, before stems are muted or made to add up"],
];

/** Show the list of keys and of words. */
export function showKeys() {
  const list = (entries) => h("dl", {}, entries.flatMap(([name, text]) => [h("dt", {}, name), h("dd", {}, text)]));
  const dialog = h("dialog", { class: "keys", onclose: () => dialog.remove(), onclick: (event) => event.target === dialog && dialog.close() },
    h("h2", {}, "Words"), list(WORDS), h("h2", {}, "Keys and gestures"), list(KEYS),
    h("button", { type: "button", class: "primary", onclick: () => dialog.close() }, "Close"));
  document.body.append(dialog);
  dialog.showModal();
}
