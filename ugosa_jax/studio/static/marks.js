// Marks as immutable lists of {start, end, source, state}, so undo restores an earlier list. Marks of a source do not overlap;
// a painted mark covers older ones.

export const STATES = ["active", "silent", "unknown"];
export const SHORTEST_S = 0.05;

const round = (seconds) => Math.round(seconds * 1000) / 1000;

/** Return marks without a stretch of a source. */
export function erase(marks, source, start, end) {
  return marks.flatMap((mark) => {
    if (mark.source !== source || mark.end <= start || mark.start >= end) return [mark];
    const left = { ...mark, end: start };
    const right = { ...mark, start: end };
    return [left, right].filter((part) => part.end - part.start >= SHORTEST_S / 2);
  });
}

/** Return marks with a state painted over a stretch of a source; touching marks of one state are merged. */
export function paint(marks, source, from, to, state, duration) {
  let start = round(Math.max(0, Math.min(from, to)));
  let end = round(Math.min(duration, Math.max(from, to)));
  if (end - start < SHORTEST_S - 1e-6) return marks; // borders are rounded
  const rest = erase(marks, source, start, end);
  const touching = rest.filter((mark) => mark.source === source && mark.state === state
    && (Math.abs(mark.end - start) < 0.002 || Math.abs(mark.start - end) < 0.002));
  for (const mark of touching) {
    start = Math.min(start, mark.start);
    end = Math.max(end, mark.end);
  }
  return sortMarks([...rest.filter((mark) => !touching.includes(mark)), { start, end, source, state }]);
}

/** Return the next state in the cycle. */
export function nextState(state) {
  return STATES[(STATES.indexOf(state) + 1) % STATES.length];
}

/** Return the mark of a source at a time, if there is one. */
export function findMark(marks, source, time) {
  return marks.find((mark) => mark.source === source && mark.start <= time && time < mark.end);
}

/** Return how many seconds a source is active, silent and unknown. */
export function countSeconds(marks, elsewhere, source, duration) {
  const found = { active: 0, silent: 0, unknown: 0 };
  for (const mark of marks) if (mark.source === source) found[mark.state] += mark.end - mark.start;
  const rest = Math.max(0, duration - found.active - found.silent - found.unknown);
  found[elsewhere[source] === "silent" ? "silent" : "unknown"] += rest;
  return found;
}

/** Return the unmarked stretches, given the ordered marks of one source. */
export function findGaps(marks, duration) {
  const edges = [0, ...marks.flatMap((mark) => [mark.start, mark.end]), duration];
  const found = [];
  for (let i = 0; i < edges.length; i += 2) if (edges[i + 1] - edges[i] > 1e-3) found.push({ start: edges[i], end: edges[i + 1] });
  return found;
}

/** Return the time of a dragged border, limited by the other border and the song. */
export function clampBorder(mark, side, time, duration) {
  if (side === "start") return Math.max(0, Math.min(time, mark.end - SHORTEST_S));
  return Math.min(duration, Math.max(time, mark.start + SHORTEST_S));
}

/** Return a mark moved to another start, limited by the song. */
export function shift(mark, start, duration) {
  const length = mark.end - mark.start;
  const begin = Math.max(0, Math.min(start, duration - length));
  return { ...mark, start: round(begin), end: round(begin + length) };
}

/** Return marks with some replaced by others, which cover older ones. */
export function replace(marks, old, fresh, duration) {
  return fresh.reduce((all, mark) => paint(all, mark.source, mark.start, mark.end, mark.state, duration), marks.filter((mark) => !old.includes(mark)));
}

/** Return the parts of marks that no other mark covers. */
export function findUnmarked(found, marks) {
  return found.flatMap((mark) => marks.filter((other) => other.source === mark.source)
    .reduce((free, other) => free.flatMap((part) => erase([part], part.source, other.start, other.end)), [mark]))
    .filter((part) => part.end - part.start >= SHORTEST_S);
}

/** Return the state of a source at a time; null where nothing is marked. */
function stateAt(marks, source, time) {
  return findMark(marks, source, time)?.state ?? null;
}

/**
 * Undo an edit and keep later ones: where a source is still as the edit left it, it becomes what it was before.
 * Arguments and result are {marks, elsewhere}.
 */
export function revert(now, before, after) {
  const sources = new Set([...now.marks, ...before.marks, ...after.marks].map((mark) => mark.source));
  const marks = [...sources].flatMap((source) => {
    const lanes = [now, before, after].map((one) => one.marks.filter((mark) => mark.source === source));
    const borders = [...new Set(lanes.flat().flatMap((mark) => [mark.start, mark.end]))].sort((a, b) => a - b);
    const found = [];
    for (let i = 0; i + 1 < borders.length; i += 1) {
      const [start, end] = [borders[i], borders[i + 1]];
      const [is, was, became] = lanes.map((lane) => stateAt(lane, source, (start + end) / 2));
      const state = is === became ? was : is;
      const last = found.at(-1);
      if (state === null) continue;
      if (last && last.state === state && last.end === start) last.end = end;
      else found.push({ start, end, source, state });
    }
    return found;
  });
  const names = Object.keys({ ...now.elsewhere, ...before.elsewhere });
  const elsewhere = Object.fromEntries(names.map((name) => [name, (now.elsewhere[name] === after.elsewhere[name] ? before : now).elsewhere[name] ?? "unknown"]));
  return { marks: sortMarks(marks), elsewhere };
}

/** Return the time of a sorted list that is nearest to a time; infinity if the list is empty. */
export function findNearest(times, time) {
  let [low, high] = [0, times.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (times[middle] < time) low = middle + 1;
    else high = middle;
  }
  const [before, after] = [times[low - 1] ?? -Infinity, times[low] ?? Infinity];
  return time - before < after - time ? before : after;
}

export function sortMarks(marks) {
  return [...marks].sort((a, b) => a.start - b.start || a.source.localeCompare(b.source));
}
