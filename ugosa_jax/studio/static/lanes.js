// A lane: the marks of one source, painted, resized, moved and chosen with the pointer.

import { formatClock, h } from "./dom.js";
import * as model from "./marks.js";

const LEAST_PX = 4; // the shortest drag; shorter ones are clicks
const BORDER_PX = 6;
const GRID_PX = 10;

export class Lane {
  /** `does` has paint(source, start, end), move(mark, start, end), choose(mark), cycle(mark), accept(mark), seek(time), snap(time, within), brush(). */
  constructor(place, source, timeline, does) {
    Object.assign(this, { place, source, timeline, does, shown: [], elements: new Map(), drag: null });
    this.rest = h("div", { class: "rests" });
    this.list = h("div", { class: "list", role: "list", "aria-label": `marks of ${source}` });
    this.growing = h("div", { class: "mark growing", hidden: true });
    this.layer = h("div", { class: "marks" }, this.rest, this.list, this.growing);
    place.append(this.layer);
    place.addEventListener("pointerdown", (event) => this.#down(event));
    place.addEventListener("pointermove", (event) => (this.drag ? this.#drag(event) : this.#hover(event)));
    place.addEventListener("pointerup", (event) => this.#up(event));
    place.addEventListener("pointercancel", () => this.#cancel());
    place.addEventListener("dblclick", (event) => { const mark = this.#findMark(event); if (mark) does.cycle(mark); });
    addEventListener("keydown", (event) => { if (event.key === "Escape") this.#cancel(); });
  }

  /** Show marks and suggestions, and silence outside of marks if `restIsSilent`. */
  show(marks, restIsSilent, selected, suggested) {
    this.shown = marks.filter((mark) => mark.source === this.source);
    this.selected = selected;
    const gaps = restIsSilent ? model.findGaps(this.shown, this.timeline.duration) : [];
    this.rest.replaceChildren(...gaps.map((gap) => this.#place(h("div", { class: "mark rest" }), gap)));
    const offered = model.findUnmarked(suggested.filter((mark) => mark.source === this.source), this.shown).map((mark) => ({ ...mark, state: "suggested" }));
    const kept = new Map();
    for (const mark of [...this.shown, ...offered]) kept.set(mark, this.elements.get(mark) ?? this.#make(mark));
    for (const [mark, element] of this.elements) if (!kept.has(mark)) element.remove();
    for (const element of kept.values()) if (element.parentNode !== this.list) this.list.append(element);
    this.elements = kept;
    for (const [mark, element] of kept) {
      const isChosen = mark === selected;
      element.classList.toggle("selected", isChosen);
      if (isChosen && !element.firstChild) element.append(h("i", { class: "grip", title: "drag to move the whole mark" }));
      else if (!isChosen) element.replaceChildren();
    }
  }

  /** Show the mark that is being held or drawn; null hides it. */
  grow(mark) {
    this.growing.hidden = !mark;
    if (!mark) return;
    this.growing.className = `mark growing ${mark.state}`;
    this.#placeWithTimes(this.growing, mark);
  }

  draw(timeline) {
    this.layer.style.width = `${timeline.pixels * timeline.duration}px`;
    this.layer.style.transform = `translateX(${-timeline.bar.scrollLeft}px)`;
  }

  #make(mark) {
    const words = mark.state === "suggested" ? "suggested silence; click to accept it" : mark.state;
    return this.#place(h("div", { class: `mark ${mark.state}`, role: "listitem", "aria-label": `${words}, ${mark.start.toFixed(2)} to ${mark.end.toFixed(2)} s`, title: mark.state === "suggested" ? words : null }), mark);
  }

  #place(element, { start, end }) {
    const { duration } = this.timeline;
    element.style.left = `${(100 * start) / duration}%`;
    element.style.width = `${(100 * Math.max(0, end - start)) / duration}%`;
    return element;
  }

  /** Place a mark and show its times, while it is drawn or dragged. */
  #placeWithTimes(element, mark) {
    this.#place(element, mark).dataset.times = `${formatClock(mark.start)} – ${formatClock(mark.end)}`;
  }

  #findMark(event) {
    return model.findMark(this.shown, this.source, this.timeline.timeAt(event.clientX));
  }

  /** Return the border under the pointer, {mark, side}, or null. */
  #findBorder(event) {
    const time = this.timeline.timeAt(event.clientX);
    const near = (border) => Math.abs(border - time) * this.timeline.pixels <= BORDER_PX;
    const [inside, ...others] = [...this.shown].sort((a) => (a.start <= time && time < a.end ? -1 : 1));
    for (const mark of inside ? [inside, ...others] : []) {
      if (near(mark.start)) return { mark, side: "start" };
      if (near(mark.end)) return { mark, side: "end" };
    }
    return null;
  }

  #hover(event) {
    const cursor = event.target.classList.contains("grip") ? "grab" : this.#findBorder(event) ? "ew-resize" : "";
    if (this.place.style.cursor !== cursor) this.place.style.cursor = cursor;
  }

  #down(event) {
    if (event.button !== 0) return;
    const from = this.timeline.timeAt(event.clientX);
    const border = this.#findBorder(event);
    this.place.setPointerCapture(event.pointerId);
    if (event.target.classList.contains("grip")) this.drag = { kind: "move", mark: this.selected, from };
    else if (border) this.drag = { kind: "border", from, ...border };
    else this.drag = { kind: "paint", from, suggested: event.target.classList.contains("suggested") };
    Object.assign(this.drag, { x: event.clientX, moved: false });
  }

  #drag(event) {
    const { drag } = this;
    if (!drag.moved && Math.abs(event.clientX - drag.x) < LEAST_PX) return;
    drag.moved = true;
    const time = this.timeline.timeAt(event.clientX);
    if (drag.kind === "paint") {
      const [start, end] = [this.#snap(drag.from), this.#snap(time)].sort((a, b) => a - b);
      drag.result = { start, end };
      this.grow({ start, end, state: this.does.brush() });
      return;
    }
    if (drag.kind === "border") drag.result = { ...drag.mark, [drag.side]: model.clampBorder(drag.mark, drag.side, this.#snap(time, drag.mark), this.timeline.duration) };
    else drag.result = model.shift(drag.mark, this.does.snap(drag.mark.start + time - drag.from, GRID_PX / this.timeline.pixels), this.timeline.duration);
    const element = this.elements.get(drag.mark);
    if (element) this.#placeWithTimes(element, drag.result);
  }

  #up(event) {
    const { drag } = this;
    this.drag = null;
    this.grow(null);
    if (!drag) return;
    if (drag.result) {
      const { start, end } = drag.result;
      if (drag.kind === "paint") this.does.paint(this.source, start, end);
      else this.does.move(drag.mark, start, end);
      return;
    }
    const time = this.timeline.timeAt(event.clientX);
    this.does.seek(time);
    const offered = drag.suggested && [...this.elements.keys()].find((mark) => mark.state === "suggested" && mark.start <= time && time < mark.end);
    if (offered) this.does.accept({ ...offered, state: "silent" });
    else this.does.choose(this.#findMark(event) ?? null, this.source);
  }

  /** Cancel a drag. */
  #cancel() {
    const { drag } = this;
    this.drag = null;
    this.grow(null);
    const element = drag?.mark && this.elements.get(drag.mark);
    if (element) delete this.#place(element, drag.mark).dataset.times;
  }

  /** Snap a time to the border of another mark, the song's ends, a beat or an onset within a few pixels. */
  #snap(time, except = null) {
    const borders = [0, this.timeline.duration, ...this.shown.filter((mark) => mark !== except).flatMap((mark) => [mark.start, mark.end])];
    const near = borders.reduce((best, border) => (Math.abs(border - time) < Math.abs(best - time) ? border : best));
    return Math.abs(near - time) * this.timeline.pixels <= BORDER_PX ? near : this.does.snap(time, GRID_PX / this.timeline.pixels);
  }
}
