// The picture of a row: the visible part of a waveform or a spectrogram.

import { fetchBytes } from "./api.js";
import { toRgb } from "./palette.js";

const SPECTRUM_ROWS = 128;
const LOWEST_HZ = 40;
const HIGHEST_HZ = 16000;
const MARKED_HZ = [100, 1000, 10000];

/** Load the outline of a sound: {high, low}, 16-bit values at equal distances over the song. */
export async function loadOutline(path) {
  const raw = new Int16Array(await fetchBytes(path));
  return { high: raw.subarray(0, raw.length / 2), low: raw.subarray(raw.length / 2) };
}

/** Load the spectrogram of a sound as a picture in the colour of its source. */
export async function loadSpectrum(path, colour) {
  return paintSpectrum(new Uint8Array(await fetchBytes(path)), toRgb(colour));
}

/** A canvas that fills its row. */
export class Picture {
  constructor(place, duration, rate) {
    Object.assign(this, { place, duration, rate, sound: null, spectrum: null, colour: "#888888" });
    this.canvas = document.createElement("canvas");
    this.canvas.setAttribute("aria-hidden", "true");
    place.prepend(this.canvas);
  }

  draw(timeline) {
    const scale = devicePixelRatio || 1;
    const [width, height] = [this.place.clientWidth, this.place.clientHeight];
    if (!width || !height) return;
    this.canvas.width = Math.round(width * scale);
    this.canvas.height = Math.round(height * scale);
    const context = this.canvas.getContext("2d");
    if (this.spectrum) this.#drawSpectrum(context, timeline, scale);
    else if (this.sound) this.#drawWave(context, timeline, scale);
  }

  /** Draw one column per pixel from minimum to maximum, on a square-root scale that shows quiet sounds. */
  #drawWave(context, timeline, scale) {
    const { high, low } = this.sound;
    const { width, height } = this.canvas;
    const perPixel = high.length / (this.duration * timeline.pixels * scale);
    const first = (timeline.start / this.duration) * high.length;
    const middle = height / 2;
    const y = (value) => middle - Math.sign(value) * Math.sqrt(Math.abs(value) / 32767) * (middle - 1);
    context.fillStyle = this.colour;
    context.beginPath();
    for (let x = 0; x < width; x += 1) {
      const from = Math.floor(first + x * perPixel);
      const until = Math.min(high.length, Math.max(from + 1, Math.floor(first + (x + 1) * perPixel)));
      if (from >= high.length) break;
      let [most, least] = [high[from], low[from]];
      for (let i = from + 1; i < until; i += 1) {
        if (high[i] > most) most = high[i];
        if (low[i] < least) least = low[i];
      }
      const top = y(most);
      context.rect(x, top, 1, Math.max(1, y(least) - top));
    }
    context.fill();
  }

  #drawSpectrum(context, timeline, scale) {
    const { width, height } = this.canvas;
    const columns = this.spectrum.width / this.duration; // a second
    context.drawImage(this.spectrum, timeline.start * columns, 0, (timeline.width / timeline.pixels) * columns, SPECTRUM_ROWS, 0, 0, width, height);
    const top = Math.min(HIGHEST_HZ, this.rate / 2);
    context.font = `${10 * scale}px system-ui, sans-serif`;
    context.fillStyle = "#ffffffcc";
    for (const hz of MARKED_HZ.filter((one) => one < top)) {
      const y = height * (1 - Math.log(hz / LOWEST_HZ) / Math.log(top / LOWEST_HZ));
      context.fillRect(0, y, 5 * scale, scale);
      context.fillText(hz < 1000 ? `${hz} Hz` : `${hz / 1000} kHz`, 7 * scale, Math.max(y + 3.5 * scale, 9 * scale));
    }
  }
}

/** Return a canvas of bytes, rows from low to high pitch, colours from black over the accent to white. */
function paintSpectrum(values, accent) {
  const canvas = document.createElement("canvas");
  canvas.width = values.length / SPECTRUM_ROWS;
  canvas.height = SPECTRUM_ROWS;
  const table = Array.from({ length: 256 }, (_, v) => {
    const part = (v / 255) ** 1.3;
    return accent.map((c) => (part < 0.6 ? (c * part) / 0.6 : c + ((255 - c) * (part - 0.6)) / 0.4));
  });
  const context = canvas.getContext("2d");
  const image = context.createImageData(canvas.width, SPECTRUM_ROWS);
  for (let row = 0; row < SPECTRUM_ROWS; row += 1) {
    for (let column = 0; column < canvas.width; column += 1) {
      const place = 4 * ((SPECTRUM_ROWS - 1 - row) * canvas.width + column);
      [image.data[place], image.data[place + 1], image.data[place + 2]] = table[values[row * canvas.width + column]];
      image.data[place + 3] = 255;
    }
  }
  context.putImageData(image, 0, 0);
  return canvas;
}
