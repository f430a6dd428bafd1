// The mixture and the lanes below it: one time axis, zoomed and scrolled together. wavesurfer.js draws what the server
// has computed; it loads and decodes nothing.

import WaveSurfer from "./vendor/wavesurfer.js";
import TimelinePlugin from "./vendor/timeline.js";
import { bytes } from "./api.js";

const LARGEST_ZOOM = 400;
const RULER_PX = 18;

/** Return an outline of the server as wavesurfer wants it; roots of amplitudes, so that quiet sounds show. */
export async function outline(path) {
  const raw = new Int16Array(await bytes(path));
  const half = raw.length / 2;
  const drawn = (from, sign) => Float32Array.from({ length: half }, (_, i) => Math.sqrt(Math.max(0, (sign * raw[from + i]) / 32767)));
  return [drawn(0, 1), drawn(half, -1)];
}

export class Timeline extends EventTarget {
  constructor(duration, place) {
    super();
    Object.assign(this, { duration, place, waves: [], scale: 0 });
    this.bar = place.querySelector(".scrollbar");
    this.head = place.querySelector(".playhead");
    this.bar.addEventListener("scroll", () => this.#scroll(this.bar.scrollLeft, this.bar));
    place.addEventListener("wheel", (event) => this.#wheel(event), { passive: false });
    new ResizeObserver(() => this.#fit()).observe(this.bar);
  }

  /** Add a row that draws an outline; the one with the audio element has the ruler as well. */
  async add(container, colour, height, options = {}) {
    const wave = WaveSurfer.create({
      container, height, duration: this.duration, peaks: [new Float32Array(2), new Float32Array(2)],
      waveColor: colour, progressColor: colour, cursorWidth: 0, interact: false, autoScroll: false, hideScrollbar: true,
      minPxPerSec: this.scale, maxPeak: 1, cspNonce: document.documentElement.dataset.nonce,
      plugins: options.media ? [TimelinePlugin.create({ height: RULER_PX, secondaryLabelOpacity: 0.7 })] : [], ...(options.media ? { media: options.media } : {}),
    });
    await new Promise((resolve) => wave.once("ready", resolve));
    const row = { wave, colour };
    this.waves.push(row);
    wave.on("scroll", (_start, _end, left) => this.#scroll(left, wave));
    row.show = async (peaks) => {
      const kept = this.bar.scrollLeft;
      await wave.load(options.media?.src ?? "", peaks, this.duration).catch((error) => { if (error.name !== "AbortError") throw error; });
      wave.setScroll(kept);
      this.dispatchEvent(new CustomEvent("redrawn", { detail: row }));
    };
    row.paint = (fill) => wave.setOptions({ waveColor: fill, progressColor: fill });
    this.#fit();
    return row;
  }

  /** Pixels a second. */
  get pixels() {
    return Math.max(this.scale, this.bar.clientWidth / this.duration);
  }

  /** Return the time under a pointer. */
  timeAt(clientX) {
    const left = this.bar.getBoundingClientRect().left;
    return Math.max(0, Math.min(this.duration, (clientX - left + this.bar.scrollLeft) / this.pixels));
  }

  /** Zoom by a factor, keeping a time where it is on the screen. */
  zoom(factor, around = null) {
    const least = this.bar.clientWidth / this.duration;
    const kept = around ?? this.time ?? 0;
    const place = kept * this.pixels - this.bar.scrollLeft;
    const wanted = Math.max(least, Math.min(Math.max(LARGEST_ZOOM, least), this.pixels * factor));
    this.scale = wanted <= least * 1.001 ? 0 : wanted;
    for (const { wave } of this.waves) wave.zoom(this.scale);
    this.#fit();
    this.#scroll(Math.max(0, kept * this.pixels - place), null);
    this.dispatchEvent(new Event("zoom"));
  }

  /** Show where one is; follow the playing song page by page. */
  show(time, follow) {
    this.time = time;
    const [x, width] = [time * this.pixels, this.bar.clientWidth];
    if (follow && (x > this.bar.scrollLeft + width - 24 || x < this.bar.scrollLeft)) this.#scroll(Math.max(0, x - 48), null);
    const onScreen = x - this.bar.scrollLeft;
    this.head.style.transform = `translateX(${onScreen}px)`;
    this.head.hidden = onScreen < -1 || onScreen > width + 1;
  }

  #fit() {
    this.bar.firstElementChild.style.width = `${Math.round(this.pixels * this.duration)}px`;
    if (this.time !== undefined) this.show(this.time, false);
  }

  #scroll(left, from) {
    if (this.scrolling) return;
    this.scrolling = true;
    if (from !== this.bar && Math.abs(this.bar.scrollLeft - left) >= 1) this.bar.scrollLeft = left;
    for (const { wave } of this.waves) if (wave !== from && Math.abs(wave.getScroll() - left) >= 1) wave.setScroll(left);
    this.scrolling = false;
    if (this.time !== undefined) this.show(this.time, false);
    this.dispatchEvent(new Event("scroll"));
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
