// Everything by keyboard. A number held while the song plays marks its source.

import { h } from "./dom.js";

const STEPS_S = { plain: 2, shift: 10, alt: 0.1 };

/** Call `does` by keys; see the list for what it must have. */
export function listenToKeys(does) {
  const held = new Set();
  addEventListener("keydown", (event) => {
    const field = event.target.closest?.("input, select, textarea, [contenteditable]");
    if (field && !(field.type === "checkbox") && event.key !== "Escape") return;
    if (document.querySelector("dialog[open]")) return;
    const control = event.ctrlKey || event.metaKey;
    const digit = /^Digit([1-9])$/.exec(event.code) ?? /^Numpad([1-9])$/.exec(event.code);
    if (digit && !control && !event.altKey) {
      event.preventDefault();
      if (!event.repeat && !held.has(digit[1])) {
        held.add(digit[1]);
        does.hold(Number(digit[1]));
      }
      return;
    }
    if (control && !["z", "Z", "y", "Y"].includes(event.key)) return;
    const action = actionOf(event, control, does);
    if (!action) return;
    event.preventDefault();
    action();
  });
  addEventListener("keyup", (event) => {
    const digit = /([1-9])$/.exec(event.code);
    if (digit && held.delete(digit[1])) does.let(Number(digit[1]));
  });
  addEventListener("blur", () => {
    for (const digit of held) does.let(Number(digit));
    held.clear();
  });
}

function actionOf(event, control, does) {
  const step = event.shiftKey ? STEPS_S.shift : event.altKey ? STEPS_S.alt : STEPS_S.plain;
  const key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
  if (control) return key === "y" || event.shiftKey ? does.redo : does.undo;
  return {
    " ": does.play, Home: () => does.seek(-Infinity), End: () => does.seek(Infinity),
    ArrowLeft: () => does.seek(-step), ArrowRight: () => does.seek(step),
    "+": () => does.zoom(1.5), "=": () => does.zoom(1.5), "-": () => does.zoom(1 / 1.5), 0: () => does.zoom(0),
    q: () => does.brush("active"), w: () => does.brush("silent"), e: () => does.brush("unknown"),
    j: () => does.choose(-1), k: () => does.choose(1), c: does.cycle, Enter: event.target.closest?.("button, a, summary") ? null : does.cycle,
    "[": () => does.border("start"), "]": () => does.border("end"), Delete: does.remove, Backspace: does.remove,
    Escape: does.nothing, l: does.loop, x: does.switch, m: does.mixture, "?": does.help,
  }[key];
}

const KEYS = [
  ["1 … 9, held", "mark the source for as long, while the song plays"],
  ["drag on a lane", "mark a stretch; over other marks too"],
  ["drag a border", "move it"],
  ["double click, C, Enter", "active → silent → unknown"],
  ["Q, W, E", "mark as active, silent, unknown; changes the chosen mark"],
  ["J, K", "choose the mark before, after"],
  ["[ and ]", "begin or end the chosen mark here"],
  ["Delete", "remove the chosen mark"],
  ["Ctrl+Z, Ctrl+Shift+Z", "undo, redo"],
  ["Space", "play, pause, wherever one is; Enter presses a button"],
  ["← →", "2 s back, on; with Shift 10 s, with Alt 0.1 s"],
  ["Home, End", "to the start, to the end"],
  ["L, drag on the mixture", "loop the chosen mark or what is in sight; loop what is dragged over"],
  ["+ − 0", "zoom; 0 shows all. Ctrl and wheel zooms too"],
  ["X", "switch all sources between A and B"],
  ["M", "hear the mixture, or the stems"],
  ["Esc", "choose nothing, loop nothing"],
];

/** Show the list of keys. */
export function showKeys() {
  const dialog = h("dialog", { class: "keys", onclose: () => dialog.remove(), onclick: (event) => event.target === dialog && dialog.close() },
    h("h2", {}, "Keys and gestures"), h("dl", {}, KEYS.flatMap(([key, text]) => [h("dt", {}, key), h("dd", {}, text)])),
    h("button", { type: "button", class: "primary", onclick: () => dialog.close() }, "Close"));
  document.body.append(dialog);
  dialog.showModal();
}
