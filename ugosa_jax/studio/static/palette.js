// One colour per source, after Okabe and Ito, whose palette suits colour-blind people.

const KNOWN = { drums: "#e69f00", bass: "#56b4e9", other: "#1db487", vocals: "#d583b0", guitar: "#f0e442", piano: "#e2703a" };
const SPARE = ["#e69f00", "#56b4e9", "#1db487", "#d583b0", "#f0e442", "#e2703a", "#7d8ce0", "#b0b7c0"];

/** Return the colour of a source; `sources` are all sources of the network. */
export function pickAccent(source, sources) {
  if (KNOWN[source]) return KNOWN[source];
  const taken = new Set(sources.map((name) => KNOWN[name]));
  const free = SPARE.filter((colour) => !taken.has(colour));
  const place = sources.filter((name) => !KNOWN[name]).indexOf(source);
  return free[Math.max(0, place) % free.length];
}

/** Return a colour of the style sheet. */
export function readColour(name) {
  return getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
}

/** Switch to light or dark, by default to the other one. */
export function switchTheme(wanted) {
  const root = document.documentElement;
  const system = matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light";
  const now = root.dataset.theme ?? system;
  root.dataset.theme = wanted ?? (now === "dark" ? "light" : "dark");
  try { localStorage.setItem("ugosa-theme", root.dataset.theme); } catch { /* private windows may refuse */ }
  dispatchEvent(new Event("themechange"));
}

export function restoreTheme() {
  try {
    const kept = localStorage.getItem("ugosa-theme");
    if (kept === "light" || kept === "dark") document.documentElement.dataset.theme = kept;
  } catch { /* private windows may refuse */ }
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => dispatchEvent(new Event("themechange")));
}

/** Return red, green and blue of a colour such as #e69f00. */
export function toRgb(colour) {
  return [1, 3, 5].map((at) => parseInt(colour.slice(at, at + 2), 16));
}
