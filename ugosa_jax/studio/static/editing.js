// Edits of marks: painting, tapping, choosing, changing. Every edit is saved and can be undone.

import * as model from "./marks.js";
import { snapToGrid } from "./snapping.js";

const NEW_S = 2; // length of a mark that is made by a key

export class Editing {
  /** `onActive(source)` is called after something was marked as active. */
  constructor(store, history, transport, onActive) {
    Object.assign(this, { store, history, transport, onActive, holds: new Map() });
    this.duration = store.get("song").duration_s;
  }

  paint(source, start, end, state = this.store.get("brush")) {
    const { marks } = this.store.values;
    this.history.edit({ marks: model.paint(marks, source, start, end, state, this.duration) });
    if (state === "active") this.onActive(source);
  }

  /** Change the borders of a mark; it stays chosen. */
  move(mark, start, end) {
    this.#exchange([mark], [{ ...mark, start, end }]);
  }

  cycle(mark = this.#selected) {
    if (mark) this.restate(model.nextState(mark.state), mark);
  }

  /** Set the state of the next mark. */
  brush(state) {
    this.store.set({ brush: state });
  }

  /** Change the state of a mark, by default the chosen one. */
  restate(state, mark = this.#selected) {
    if (mark && mark.state !== state) this.#exchange([mark], [{ ...mark, state }]);
  }

  remove(marks = this.#selected ? [this.#selected] : []) {
    if (marks.length) this.history.edit({ marks: this.#marks.filter((mark) => !marks.includes(mark)) });
  }

  /** Make a mark at the playhead or over the loop, and choose it. */
  make(source = this.store.get("lane")) {
    const { loop, time } = this.transport;
    const start = loop?.start ?? Math.min(time, this.duration - NEW_S / 4);
    const end = loop?.end ?? Math.min(start + NEW_S, this.duration);
    this.paint(source, start, end);
    this.choose(model.findMark(this.#marks, source, (start + end) / 2) ?? null);
  }

  /** Move a border of the chosen mark to the playhead. */
  border(side) {
    const selected = this.#selected;
    if (!selected) return;
    const borders = { start: selected.start, end: selected.end, [side]: this.#now };
    if (borders.end - borders.start >= model.SHORTEST_S) this.move(selected, borders.start, borders.end);
  }

  /** Move marks by some seconds, by default the chosen one. */
  shift(by, marks = this.#selected ? [this.#selected] : []) {
    if (marks.length) this.#exchange(marks, marks.map((mark) => model.shift(mark, mark.start + by, this.duration)));
  }

  /** Copy marks to another lane. */
  copy(marks, source) {
    this.#exchange([], marks.map((mark) => ({ ...mark, source })));
  }

  /** Replace a mark by another one. */
  exchange(mark, fresh) {
    this.#exchange([mark], [fresh]);
  }

  choose(mark) {
    this.store.set({ selected: mark, ...(mark && { lane: mark.source }) });
  }

  /** Choose the previous or next mark and go to its start. */
  chooseNext(step) {
    const { selected, marks, sources } = this.store.values;
    const ordered = [...marks].sort((a, b) => sources.indexOf(a.source) - sources.indexOf(b.source) || a.start - b.start);
    const next = selected ? ordered[ordered.indexOf(selected) + step] : ordered[0];
    if (!next) return;
    this.choose(next);
    if (!this.transport.playing) this.transport.seek(next.start);
  }

  /** Set the state outside marks; toggle it if none is given. */
  elsewhere(source, state) {
    const { elsewhere } = this.store.values;
    return this.history.edit({ elsewhere: { ...elsewhere, [source]: state ?? (elsewhere[source] === "silent" ? "unknown" : "silent") } });
  }

  /** Start a mark at the playhead, until `release` is called. While paused, choose the lane instead. */
  hold(source) {
    if (!source || this.holds.has(source)) return;
    this.store.set({ lane: source });
    if (!this.transport.playing) {
      this.choose(model.findMark(this.#marks, source, this.transport.time) ?? null);
      return;
    }
    this.holds.set(source, { from: this.#now });
    this.follow();
  }

  release(source) {
    const hold = this.holds.get(source);
    if (!hold) return;
    this.holds.delete(source);
    this.store.set({ held: this.#held() });
    this.paint(source, hold.from, this.#now);
  }

  /** Show the held marks; called in every frame. */
  follow() {
    if (!this.holds.size) return;
    for (const [source, hold] of this.holds) {
      if (this.transport.time >= hold.from - 0.2 && this.transport.playing) continue; // a mark may begin at the next beat
      this.holds.delete(source); // the song has jumped back or ended: the mark ends there
      this.paint(source, hold.from, hold.until ?? hold.from);
    }
    for (const hold of this.holds.values()) hold.until = this.transport.time;
    this.store.set({ held: this.#held() });
  }

  /** Replace the marks of the imported sources; return {undo, replaced}. */
  takeOver(found, elsewhere) {
    const sources = new Set([...found.map((mark) => mark.source), ...Object.keys(elsewhere)]);
    const kept = this.#marks.filter((mark) => !sources.has(mark.source));
    const replaced = this.#marks.filter((mark) => sources.has(mark.source));
    const { undo } = this.history.edit({ marks: model.sortMarks([...kept, ...found]), elsewhere: { ...this.store.get("elsewhere"), ...elsewhere } });
    return { undo, replaced };
  }

  /** Add marks where there are none yet; return the number of parts added. */
  add(found) {
    const free = model.findUnmarked(found, this.#marks);
    this.history.edit({ marks: free.length ? model.replace(this.#marks, [], free, this.duration) : this.#marks });
    return free.length;
  }

  #exchange(old, fresh) {
    this.history.edit({ marks: model.replace(this.#marks, old, fresh, this.duration) });
    const [first] = fresh;
    this.choose(model.findMark(this.#marks, first.source, (first.start + first.end) / 2) ?? null);
  }

  #held() {
    const { brush } = this.store.values;
    const now = this.transport.time;
    return Object.fromEntries([...this.holds].map(([source, hold]) => [source, { start: hold.from, end: Math.max(now, hold.from), source, state: brush }]));
  }

  /** The time of the playhead, snapped to a beat or onset. */
  get #now() {
    return snapToGrid(this.store, this.transport.time);
  }

  get #marks() {
    return this.store.get("marks");
  }

  get #selected() {
    return this.store.get("selected");
  }
}
