// Small helpers: elements, icons, texts for times and levels.

/** Return an element. Attributes that begin with "on" are listeners; `class`, `style` objects and booleans work as one expects. */
export function h(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === undefined || value === null || value === false) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (name === "style") for (const [key, text] of Object.entries(value)) element.style.setProperty(key, text);
    else if (name === "value") element.value = value;
    else element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.flat().filter((child) => child !== null && child !== undefined && child !== false));
  return element;
}

/** Return an icon of index.html. */
export function icon(name) {
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  const use = document.createElementNS("http://www.w3.org/2000/svg", "use");
  use.setAttribute("href", `#${name}`);
  svg.setAttribute("class", "icon");
  svg.setAttribute("aria-hidden", "true");
  svg.append(use);
  return svg;
}

/** Return a button; `label` is its tooltip and its name for screen readers, `children` its content. */
export function button(label, onclick, attributes = {}, ...children) {
  return h("button", { type: "button", title: label, "aria-label": label, onclick, ...attributes }, ...(children.length ? children : [label]));
}

/** Return a row of buttons, one of which is pressed; `element.set(value)` presses another without a click. */
export function choice(label, options, value, onpick) {
  const buttons = options.map(([key, text, hint]) =>
    h("button", { type: "button", "data-value": key, title: hint ?? text, onclick: () => { set(key); onpick(key); } }, text));
  const group = h("div", { class: "choice", role: "group", "aria-label": label }, buttons);
  const set = (key) => { for (const one of buttons) one.setAttribute("aria-pressed", String(one.dataset.value === key)); };
  set(value);
  group.set = set;
  return group;
}

const FADER_DB = { least: -40, most: 6 };

/** Return a fader in decibels; `onmove` is called with the gain, a factor. A double click sets it to 0 dB. */
export function fader(label, gain, most, onmove) {
  const range = h("input", { type: "range", class: "fader", min: FADER_DB.least, max: most ?? FADER_DB.most, step: 0.5, "aria-label": label, oninput: () => moved(), ondblclick: () => { range.value = 0; moved(); } });
  const say = () => {
    const words = Number(range.value) <= FADER_DB.least ? "off" : `${formatDecibels(Number(range.value))} dB`;
    range.setAttribute("aria-valuetext", words);
    range.title = `${label}: ${words}; a double click sets 0 dB`;
  };
  const moved = () => { say(); onmove(Number(range.value) <= FADER_DB.least ? 0 : 10 ** (Number(range.value) / 20)); };
  range.set = (value) => { range.value = value > 0 ? Math.round(40 * Math.log10(value)) / 2 : FADER_DB.least; say(); };
  range.set(gain);
  return range;
}

/** Return a number with its noun: 1 epoch, 2 epochs. */
export function plural(n, noun) {
  return `${n} ${noun}${n === 1 ? "" : "s"}`;
}

/** Return minutes, seconds and tenths: 1:05.3 */
export function formatClock(seconds) {
  const tenths = Math.max(0, Math.round(seconds * 10));
  return `${Math.floor(tenths / 600)}:${String(Math.floor(tenths / 10) % 60).padStart(2, "0")}.${tenths % 10}`;
}

/** Return a length in words: 40 s, 3 min, 1 h 20 min. */
export function formatSpan(seconds) {
  if (seconds < 10) return `${seconds.toFixed(seconds < 1 ? 1 : 0)} s`;
  if (seconds < 90) return `${Math.round(seconds / 5) * 5} s`;
  const minutes = Math.round(seconds / 60);
  return minutes < 60 ? `${minutes} min` : `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}

/** Return a level with a true minus sign; a dash if there is none. */
export function formatDecibels(value) {
  if (value === null || value === undefined) return "–";
  const text = value.toFixed(1);
  return text === "-0.0" ? "0.0" : text.replace("-", "−");
}

/** Return minutes, seconds and milliseconds, for reading and typing: 1:05.300 */
export function formatExact(seconds) {
  const ms = Math.round(seconds * 1000);
  return `${Math.floor(ms / 60000)}:${String(Math.floor(ms / 1000) % 60).padStart(2, "0")}.${String(ms % 1000).padStart(3, "0")}`;
}

/** Return the seconds that a person typed, as 65.3 or 1:05.3; NaN if it is neither. */
export function parseTime(text) {
  const found = /^\s*(?:(\d+):)?(\d+(?:[.,]\d*)?)\s*$/.exec(text);
  return found ? 60 * Number(found[1] ?? 0) + Number(found[2].replace(",", ".")) : NaN;
}

/** Announce a text to screen readers. */
export function announce(text) {
  document.getElementById("spoken").textContent = text;
}

/** Show a message in the corner for a while, with buttons for actions {label, do}. */
export function toast(text, kind = "info", ...actions) {
  const close = () => note.remove();
  const note = h("div", { class: `toast ${kind}` }, h("span", {}, text),
    actions.map((action) => h("button", { type: "button", onclick: () => { close(); action.do(); } }, action.label)),
    button("Close", close, { class: "bare" }, icon("close")));
  const place = document.getElementById("toasts");
  place.append(note);
  while (place.children.length > 4) place.firstChild.remove();
  setTimeout(close, Math.max(actions.length ? 30000 : kind === "error" ? 12000 : 6000, 90 * text.length));
  return close;
}
