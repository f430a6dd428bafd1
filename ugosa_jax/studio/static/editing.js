// What a person does to the marks: painting, tapping, choosing, changing. Every edit can be taken back and is saved.

import * as model from "./marks.js";

export class Editing {
  constructor(store, history, transport) {
    Object.assign(this, { store, history, transport, holds: new Map() });
    this.duration = store.get("song").duration_s;
  }

  paint(source, start, end) {
    const { marks, brush } = this.store.values;
    this.history.edit({ marks: model.paint(marks, source, start, end, brush, this.duration) });
  }

  move(mark, start, end) {
    this.history.edit({ marks: model.moved(this.#marks, mark, start, end, this.duration) });
  }

  cycle(mark = this.#selected) {
    if (mark) this.#restate(mark, model.next(mark.state));
  }

  /** Set what is painted; the chosen mark takes it on. */
  brush(state) {
    const selected = this.#selected;
    this.store.set({ brush: state });
    if (selected && selected.state !== state) this.#restate(selected, state);
  }

  remove() {
    const selected = this.#selected;
    if (selected) this.history.edit({ marks: this.#marks.filter((mark) => mark !== selected) });
  }

  /** Set a border of the chosen mark to where the song is. */
  border(side) {
    const selected = this.#selected;
    if (!selected) return;
    const borders = { start: selected.start, end: selected.end, [side]: this.transport.time };
    if (borders.end - borders.start < model.SHORTEST_S) return;
    this.move(selected, borders.start, borders.end);
    this.choose(model.at(this.#marks, selected.source, (borders.start + borders.end) / 2) ?? null);
  }

  choose(mark) {
    this.store.set({ selected: mark });
  }

  /** Choose the mark before or after the chosen one, in its lane, and go to where it begins. */
  chooseNext(step) {
    const { selected, marks, sources } = this.store.values;
    const ordered = [...marks].sort((a, b) => sources.indexOf(a.source) - sources.indexOf(b.source) || a.start - b.start);
    const next = selected ? ordered[ordered.indexOf(selected) + step] : ordered[0];
    if (!next) return;
    this.choose(next);
    if (!this.transport.playing) this.transport.seek(next.start);
  }

  elsewhere(source) {
    const { elsewhere } = this.store.values;
    this.history.edit({ elsewhere: { ...elsewhere, [source]: elsewhere[source] === "silent" ? "unknown" : "silent" } });
  }

  /** Begin to mark a source at what is heard now, until `let` is called. */
  hold(source) {
    if (!source || this.holds.has(source)) return;
    if (!this.transport.playing) {
      const first = this.#marks.find((mark) => mark.source === source);
      this.choose(first ?? null);
      return;
    }
    this.holds.set(source, { from: this.transport.time });
    this.follow();
  }

  let(source) {
    const hold = this.holds.get(source);
    if (!hold) return;
    this.holds.delete(source);
    this.store.set({ held: this.#held() });
    this.paint(source, hold.from, this.transport.time);
  }

  /** Show what is being held; called while the song plays. */
  follow() {
    if (!this.holds.size) return;
    for (const [source, hold] of this.holds) {
      if (this.transport.time >= hold.from - 0.05 && this.transport.playing) continue;
      this.holds.delete(source); // the song has jumped back or ended: what was held so far counts
      this.paint(source, hold.from, hold.until ?? hold.from);
    }
    for (const hold of this.holds.values()) hold.until = this.transport.time;
    this.store.set({ held: this.#held() });
  }

  /** Take over what a file or the network says of sources; what is said of others stays. */
  takeOver(found, elsewhere) {
    const sources = new Set([...found.map((mark) => mark.source), ...Object.keys(elsewhere)]);
    const kept = this.#marks.filter((mark) => !sources.has(mark.source));
    this.history.edit({ marks: model.sorted([...kept, ...found]), elsewhere: { ...this.store.get("elsewhere"), ...elsewhere } });
  }

  /** Add silences where nothing is said yet: a suggestion overrides nobody. */
  add(found) {
    let marks = this.#marks;
    for (const mark of found) {
      const own = marks.filter((other) => other.source === mark.source && other.start < mark.end && other.end > mark.start);
      let free = [mark];
      for (const other of own) free = free.flatMap((part) => model.erase([part], part.source, other.start, other.end));
      for (const part of free) marks = model.paint(marks, part.source, part.start, part.end, part.state, this.duration);
    }
    const added = marks !== this.#marks;
    this.history.edit({ marks });
    return added;
  }

  #restate(mark, state) {
    this.history.edit({ marks: model.restated(this.#marks, mark, state, this.duration) });
    this.choose(model.at(this.#marks, mark.source, (mark.start + mark.end) / 2) ?? null);
  }

  #held() {
    const { brush } = this.store.values;
    const now = this.transport.time;
    return Object.fromEntries([...this.holds].map(([source, hold]) => [source, { start: hold.from, end: Math.max(now, hold.from), source, state: brush }]));
  }

  get #marks() {
    return this.store.get("marks");
  }

  get #selected() {
    return this.store.get("selected");
  }
}
