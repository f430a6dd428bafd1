// What the network can learn from the marks so far: seconds of annotated silence, a bar a source.

import { h } from "./dom.js";
import { seconds, STATES } from "./marks.js";

export function learnPanel(store) {
  const rows = h("div", { class: "bars" });
  const advice = h("p", { class: "advice" });
  store.watch(["marks", "elsewhere", "sources", "network", "worker"], ({ marks, elsewhere, sources, song, colours, network, worker }) => {
    const segment = worker.networks?.find((one) => one.name === network)?.segment_s ?? 4;
    let silent = 0;
    rows.replaceChildren(...sources.map((source) => {
      const found = seconds(marks, elsewhere, source, song.duration_s);
      silent += found.silent;
      const parts = STATES.map((state) => h("i", { class: state, style: { width: `${(100 * found[state]) / song.duration_s}%` } }));
      const label = `${source}: ${STATES.map((state) => `${found[state].toFixed(1)} s ${state}`).join(", ")}`;
      return h("div", { class: "bar", title: label, style: { "--accent": colours[source] } },
        h("span", { class: "name" }, source), h("span", { class: "track", role: "img", "aria-label": label }, parts),
        h("span", { class: "number" }, `${found.silent.toFixed(1)} s`));
    }));
    advice.textContent = said(silent, sources.filter((source) => seconds(marks, elsewhere, source, song.duration_s).silent < 0.05), sources, segment);
    advice.classList.toggle("warn", silent < segment);
  });
  return h("section", { class: "panel", "aria-label": "Silence it can learn from" },
    h("h2", {}, "Silence it can learn from", h("span", { class: "legend" }, h("i", { class: "silent" }), "silent")), rows, advice);
}

function said(silent, without, sources, segment) {
  if (silent === 0) return "No silence is marked yet. Only where a source is known to be silent does the network learn anything.";
  if (silent < segment) return `${silent.toFixed(1)} s of silence in all is less than one training segment of ${segment} s: mark some more.`;
  if (without.length === 0) return `${silent.toFixed(1)} s of silence in all: something to learn about every source.`;
  if (without.length === sources.length) return "";
  return `${silent.toFixed(1)} s of silence in all; nothing yet about ${without.join(", ")}.`;
}
