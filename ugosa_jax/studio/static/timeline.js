// The time axis that mixture and lanes share, with ruler, zoom and scrolling. Each row draws its visible part from data
// that the server has computed.

import { h } from "./dom.js";

const MAX_PIXELS = 2000; // a second
const LABEL_PX = 68;
const STEPS_S = [0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600];

export class Timeline extends EventTarget {
  /** `place` holds the ruler, the rows, the playhead and the scroll bar. */
  constructor(duration, place) {
    super();
    Object.assign(this, { duration, place, scale: 0, time: 0, rows: [] });
    this.bar = place.querySelector(".scrollbar");
    this.head = place.querySelector(".playhead");
    this.ruler = place.querySelector(".ruler");
    this.bar.addEventListener("scroll", () => this.#moved("scroll"));
    place.addEventListener("wheel", (event) => this.#wheel(event), { passive: false });
    new ResizeObserver(() => this.#moved("zoom")).observe(this.bar);
  }

  /** Add an object with `draw(timeline)`, called whenever the visible part changes. */
  add(row) {
    this.rows.push(row);
    this.redraw();
  }

  /** Draw all rows before the next frame. */
  redraw() {
    this.drawing ??= requestAnimationFrame(() => {
      this.drawing = null;
      this.#drawRuler();
      for (const row of this.rows) row.draw(this);
    });
  }

  get width() {
    return this.bar.clientWidth;
  }

  /** Pixels per second. */
  get pixels() {
    return Math.max(this.scale, this.width / this.duration);
  }

  /** Time at the left edge. */
  get start() {
    return this.bar.scrollLeft / this.pixels;
  }

  /** Return the position of a time in pixels from the left edge. */
  xOf(time) {
    return time * this.pixels - this.bar.scrollLeft;
  }

  /** Return the time under a pointer. */
  timeAt(clientX) {
    const left = this.bar.getBoundingClientRect().left;
    return Math.max(0, Math.min(this.duration, (clientX - left + this.bar.scrollLeft) / this.pixels));
  }

  /** Zoom by a factor around a fixed time; 0 shows the whole song. */
  zoom(factor, around = this.time) {
    const place = this.xOf(around);
    this.zoomTo(this.pixels * factor);
    this.bar.scrollLeft = Math.max(0, around * this.pixels - place);
    this.#moved("zoom");
  }

  /** Set the pixels per second. */
  zoomTo(pixels) {
    const least = this.width / this.duration;
    this.scale = pixels <= least * 1.001 ? 0 : Math.min(Math.max(MAX_PIXELS, least), pixels);
    this.#moved("zoom");
  }

  /** Move the playhead; `follow` scrolls page by page to keep it visible. */
  show(time, follow) {
    this.time = time;
    const x = this.xOf(time);
    if (follow && (x > this.width - 24 || x < 0)) this.bar.scrollLeft += x - 48;
    const onScreen = this.xOf(time);
    if (this.shown === onScreen) return;
    this.shown = onScreen;
    this.head.style.transform = `translateX(${onScreen}px)`;
    this.head.hidden = onScreen < -1 || onScreen > this.width + 1;
  }

  #moved(kind) {
    this.bar.firstElementChild.style.width = `${Math.round(this.pixels * this.duration)}px`;
    this.show(this.time, false);
    this.redraw();
    this.dispatchEvent(new Event(kind));
  }

  #drawRuler() {
    const step = STEPS_S.find((one) => one * this.pixels >= LABEL_PX) ?? STEPS_S.at(-1);
    const digits = step < 0.1 ? 2 : step < 1 ? 1 : 0;
    const labels = [];
    for (let n = Math.max(0, Math.floor(this.start / step)); ; n += 1) {
      const x = this.xOf(n * step);
      if (x > this.width || n * step > this.duration) break;
      labels.push(h("span", { style: { left: `${x}px` } }, formatRuler(n * step, digits)));
    }
    this.ruler.replaceChildren(...labels);
  }

  #wheel(event) {
    if (event.ctrlKey || event.metaKey) {
      event.preventDefault();
      this.zoom(Math.exp(-event.deltaY / 200), this.timeAt(event.clientX));
    } else if (Math.abs(event.deltaX) > Math.abs(event.deltaY) || event.shiftKey) {
      event.preventDefault();
      this.bar.scrollLeft += event.deltaX || event.deltaY;
    }
  }
}

function formatRuler(seconds, digits) {
  const minutes = Math.floor(seconds / 60 + 1e-9);
  return `${minutes}:${(seconds - 60 * minutes).toFixed(digits).padStart(digits ? digits + 3 : 2, "0")}`;
}
