// Spectrograms before and after, drawn when they are asked for, in the accent of their source.

import { bytes } from "./api.js";
import { h } from "./dom.js";
import { RESIDUAL, runName } from "./listen.js";

const ROWS = 128;

export function spectraPanel(store) {
  const song = store.get("song").id;
  const grid = h("div", { class: "spectra" });
  const details = h("details", { class: "panel wide", ontoggle: () => details.open && show() },
    h("summary", {}, h("h2", {}, "Spectrograms"), h("span", { class: "legend" }, "A and B of the desk; 40 Hz to 16 kHz, 96 dB")), grid);

  async function show() {
    const { desk, sources, colours } = store.values;
    if (!desk.a || !desk.b) { grid.replaceChildren(h("p", { class: "empty" }, "Nothing has been separated yet.")); return; }
    const heads = [h("span"), ...["a", "b"].map((which) => h("b", {}, `${which.toUpperCase()} · ${runName(store, desk[which])}`))];
    const cells = [...sources, RESIDUAL].flatMap((source) => [
      h("span", { class: "name", style: { "--accent": colours[source] ?? "" } }, source),
      ...["a", "b"].map((which) => {
        const canvas = h("canvas", { role: "img", "aria-label": `spectrogram of ${source}, ${runName(store, desk[which])}` });
        bytes(`songs/${song}/runs/${desk[which]}/${source}.spectrum`).then((raw) => draw(canvas, new Uint8Array(raw), colours[source] ?? "#9aa2ad"));
        return canvas;
      }),
    ]);
    grid.replaceChildren(...heads, ...cells);
  }

  store.watch(["desk", "sources"], () => details.open && show());
  return details;
}

/** Draw bytes, rows from low to high: black, the accent, white. */
function draw(canvas, values, colour) {
  const columns = values.length / ROWS;
  canvas.width = columns;
  canvas.height = ROWS;
  const accent = [1, 3, 5].map((at) => parseInt(colour.slice(at, at + 2), 16));
  const table = Array.from({ length: 256 }, (_, v) => {
    const part = (v / 255) ** 1.3;
    return accent.map((c) => (part < 0.6 ? (c * part) / 0.6 : c + ((255 - c) * (part - 0.6)) / 0.4));
  });
  const context = canvas.getContext("2d");
  const image = context.createImageData(columns, ROWS);
  for (let row = 0; row < ROWS; row += 1) {
    for (let column = 0; column < columns; column += 1) {
      const at = 4 * ((ROWS - 1 - row) * columns + column);
      [image.data[at], image.data[at + 1], image.data[at + 2]] = table[values[row * columns + column]];
      image.data[at + 3] = 255;
    }
  }
  context.putImageData(image, 0, 0);
}
