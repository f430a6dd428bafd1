// Saving the state of a page: settings and view on the server, undo steps in this tab.

import { ask } from "./api.js";

const NAMES = ["brush", "snap", "speed", "picture", "guide", "wasHeard", "lane", "form"];
const LATER_MS = 400;

/** Return the initial values from the saved state of a page, with defaults for invalid ones. */
export function restorePage(page, sources) {
  const known = (value, values, otherwise) => (values.includes(value) ? value : otherwise);
  return {
    brush: known(page.brush, ["active", "silent", "unknown"], "silent"), snap: known(page.snap, ["off", "beats", "onsets"], "off"), speed: known(page.speed, [1, 0.75, 0.5], 1), picture: known(page.picture, ["wave", "spectrum"], "wave"),
    guide: page.guide !== false, wasHeard: page.wasHeard === true, lane: known(page.lane, sources, sources[0]),
    desk: { a: null, b: null, matched: true, chosen: false, ...page.desk }, mix: { mute: {}, solo: {}, version: {}, volume: {}, master: 1, ...page.mix },
  };
}

/** Save the state of the page whenever it changes; return a function that saves at once. */
export function savePage({ store, id, timeline, history }) {
  let timer = null;
  let last = null;
  const kept = () => ({ ...Object.fromEntries(NAMES.map((name) => [name, store.get(name)])), desk: store.get("desk"), mix: store.get("mix"), zoom: timeline.scale, left: timeline.start });
  const send = (options) => {
    const page = kept();
    const text = JSON.stringify(page);
    if (text === last) return undefined;
    last = text;
    return ask("PUT", `songs/${id}/page`, page, options).catch(() => { last = null; });
  };
  const later = () => { clearTimeout(timer); timer = setTimeout(send, LATER_MS); };
  store.watch([...NAMES, "desk", "mix"], later);
  for (const kind of ["zoom", "scroll"]) timeline.addEventListener(kind, later);
  clearTimeout(timer);
  last = JSON.stringify(kept());
  const place = `ugosa-steps-${id}`;
  addEventListener("pagehide", () => {
    send({ keepalive: true });
    try { sessionStorage.setItem(place, JSON.stringify({ now: history.now(), steps: history.steps() })); } catch { /* it is full, or refused */ }
  });
  try {
    const before = JSON.parse(sessionStorage.getItem(place) ?? "null");
    if (before && JSON.stringify(before.now) === JSON.stringify(history.now())) history.remember(before.steps);
  } catch { /* nothing that can be used */ }
  return send;
}
