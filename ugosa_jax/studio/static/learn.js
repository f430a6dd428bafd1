// The annotated silence so far: a bar for each source.

import { h } from "./dom.js";
import { countSeconds, STATES } from "./marks.js";

export function learnPanel(store) {
  const rows = h("div", { class: "bars" });
  const advice = h("p", { class: "advice" });
  store.watch(["marks", "elsewhere", "sources", "network", "worker"], ({ marks, elsewhere, sources, song, colours, network, worker }) => {
    const segment = worker.networks?.find((one) => one.name === network)?.segment_s ?? 4;
    let silent = 0;
    rows.replaceChildren(...sources.map((source) => {
      const found = countSeconds(marks, elsewhere, source, song.duration_s);
      silent += found.silent;
      const parts = STATES.map((state) => h("i", { class: state, style: { width: `${(100 * found[state]) / song.duration_s}%` } }));
      const label = `${source}: ${STATES.map((state) => `${found[state].toFixed(1)} s ${state}`).join(", ")}`;
      return h("div", { class: "bar", title: label, style: { "--accent": colours[source] } },
        h("span", { class: "name" }, source), h("span", { class: "track", role: "img", "aria-label": label }, parts),
        h("span", { class: "number" }, `${found.silent.toFixed(1)} s`));
    }));
    advice.textContent = describeSilence(silent, sources.filter((source) => countSeconds(marks, elsewhere, source, song.duration_s).silent < 0.05), sources, segment);
    advice.classList.toggle("warn", silent < segment);
  });
  return h("section", { class: "panel", "aria-label": "Silence it can learn from" },
    h("h2", {}, "Silence it can learn from", h("span", { class: "legend" }, h("i", { class: "silent" }), "silent")), rows, advice);
}

function describeSilence(silent, without, sources, segment) {
  if (silent === 0) return "No silence is marked yet. The network learns only from stretches where a source is silent.";
  if (silent < segment) return `${silent.toFixed(1)} s of silence in total; the network learns in pieces of ${segment} s. Mark some more.`;
  if (without.length === 0) return `${silent.toFixed(1)} s of silence in total, some for every source.`;
  if (without.length === sources.length) return "";
  return `${silent.toFixed(1)} s of silence in total, none yet for ${without.join(", ")}.`;
}
