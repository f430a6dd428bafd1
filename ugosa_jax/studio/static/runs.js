// The runs of the song: settings, leakage, comparison and downloads.

import { ask, root } from "./api.js";
import { button, plural, formatDecibels, h, icon, formatSpan, toast } from "./dom.js";
import { runName, shortName } from "./listen.js";
import { WAYS } from "./settings.js";

const LEAST_DB = 0.5; // the smallest change that is mentioned

export function runsPanel(store, does) {
  const list = h("div", { class: "runs" });
  store.watch(["runs", "desk", "sources", "titles"], ({ runs, desk }) => {
    const shown = runs.filter((run) => run.strategy !== "B0" || [desk.a, desk.b].includes(run.id) || !runs.some((other) => other.baseline === run.id));
    list.replaceChildren(...[...shown].reverse().map((run) => runCard(store, run, desk, does)));
    list.classList.toggle("none", shown.length === 0);
  });
  return h("section", { class: "panel", "aria-label": "Runs" }, h("h2", {}, "Runs"),
    h("p", { class: "empty" }, "No runs yet. Adapt, or listen to the original network first: ",
      h("button", { type: "button", class: "link", onclick: does.separate }, "separate without adapting"), "."), list);
}

function runCard(store, run, desk, does) {
  const song = store.get("song").id;
  const address = `${root}/api/songs/${song}/runs/${run.id}`;
  const name = runName(store, run.id);
  const set = (which) => h("button", { type: "button", class: "small", "aria-pressed": String(desk[which] === run.id), "aria-label": `compare ${name} as ${which.toUpperCase()}`, title: `compare it as ${which.toUpperCase()}`, onclick: () => store.set({ desk: { ...store.get("desk"), [which]: run.id, chosen: true } }) }, which.toUpperCase());
  const adapted = run.strategy !== "B0";
  const note = store.get("titles")[run.id]?.note;
  const facts = adapted ? `${run.network}, ${WAYS[run.strategy[0]].toLowerCase()} (${run.strategy}), rate ${run.settings.adapt.learning_rate}, ${plural(run.settings.adapt.epochs, "epoch")}, ${formatSpan(run.took_s)}${run.start === "anew" ? "" : `, from ${shortName(store, run.start)}`}` : run.settings.separate ? `${run.network}, with the output settings of the adapted run` : `${run.network}, neither muted nor corrected`;
  return h("div", { class: "run", "data-run": run.id },
    h("div", { class: "line" }, h("b", { title: name }, shortName(store, run.id)), set("a"), set("b"), menu(store, run, address, does)),
    h("div", { class: "small soft" }, facts),
    note && h("p", { class: "note small" }, note),
    run.stopped_at && h("p", { class: "error" }, `The loss became infinite or NaN in epoch ${run.stopped_at[0] + 1}; this run has the last weights that gave a finite loss. Try a lower learning rate.`),
    adapted && leakageTable(store, run));
}

/** Return a table of the level of each source in its marked silence: of the network's own output, and after muting. */
function leakageTable(store, run) {
  const marked = run.sources.filter((source) => run.levels[source].leakage !== null && run.levels[source].leakage !== undefined);
  if (!marked.length) return null;
  const mutes = run.settings.separate.refine !== "none" || run.settings.separate.gate;
  const cells = (level) => [
    h("td", {}, formatDecibels(level.unadapted?.leakage)), h("td", {}, formatDecibels(level.leakage)),
    h("td", { class: "change" }, level.unadapted ? formatChange(level.leakage - level.unadapted.leakage) : "–"),
    mutes && h("td", { class: "soft" }, formatDecibels(level.silent)),
  ];
  return h("table", { class: "leakage" },
    h("caption", {}, "Leakage: how loud a stem still is where you marked its source silent (dB, lower is better), before anything is muted. ", h("b", {}, describeChange(run, marked))),
    h("thead", {}, h("tr", {}, h("th", { scope: "col" }, "source"), h("th", { scope: "col", title: "the original network" }, "not adapted"), h("th", { scope: "col", title: "the adapted network" }, "adapted"), h("th", { scope: "col" }, "change"), mutes && h("th", { scope: "col", title: "the stem that you hear, which your marks mute there" }, "muted"))),
    h("tbody", {}, marked.map((source) => h("tr", { style: { "--accent": store.get("colours")[source] } }, h("th", { scope: "row" }, h("i"), source), cells(run.levels[source])))));
}

/** Return in words what adapting has changed in marked silence. */
function describeChange(run, marked) {
  const change = (source) => run.levels[source].leakage - (run.levels[source].unadapted?.leakage ?? run.levels[source].leakage);
  const better = marked.filter((source) => change(source) <= -LEAST_DB);
  const worse = marked.filter((source) => change(source) >= LEAST_DB);
  if (!better.length && !worse.length) return "Adapting has changed little there.";
  const parts = [better.length && `less of ${better.join(", ")}`, worse.length && `more of ${worse.join(", ")}`].filter(Boolean);
  return `Adapting leaves ${parts.join(" and ")} there.`;
}

function formatChange(value) {
  return `${Number(value.toFixed(1)) > 0 ? "+" : ""}${formatDecibels(value)}`;
}

function menu(store, run, address, does) {
  const items = [
    run.strategy !== "B0" && h("a", { href: `${address}/report.html`, target: "_blank", rel: "noopener" }, "Open the report"),
    h("a", { href: `${address}/stems.zip?encoding=float`, download: "" }, "Stems, 32-bit float (zip)"),
    h("a", { href: `${address}/stems.zip?encoding=24`, download: "" }, "Stems, 24 bit (zip)"),
    h("button", { type: "button", onclick: () => does.saveSound(run.id) }, "One stem, WAV or FLAC …"),
    h("button", { type: "button", onclick: () => does.titleRun(run.id) }, "Name and note …"),
    run.strategy !== "B0" && h("button", { type: "button", onclick: () => does.continueFrom(run.id) }, "Continue adapting from here"),
    h("button", { type: "button", class: "danger", onclick: () => remove(store, run) }, "Delete"),
  ];
  const popup = h("div", { class: "popup", popover: "auto" }, items.filter(Boolean));
  const open = button(`More about ${runName(store, run.id)}`, () => showPopup(open, popup), { class: "bare", "aria-haspopup": "true" }, icon("more"));
  popup.addEventListener("click", () => popup.hidePopover());
  return h("span", { class: "menu" }, open, popup);
}

/** Show a popup below its button, within the window. */
export function showPopup(anchor, popup) {
  popup.showPopover();
  const [at, size] = [anchor.getBoundingClientRect(), popup.getBoundingClientRect()];
  popup.style.left = `${Math.max(8, Math.min(at.right - size.width, innerWidth - size.width - 8))}px`;
  popup.style.top = `${at.bottom + size.height + 8 > innerHeight ? at.top - size.height - 4 : at.bottom + 4}px`;
  popup.querySelector("a, button")?.focus();
}

function remove(store, run) {
  const name = runName(store, run.id);
  toast(`Delete ${name} and its stems?`, "info", {
    label: "Delete",
    do: () => ask("DELETE", `songs/${store.get("song").id}/runs/${run.id}`).catch((error) => toast(error.message, "error")),
  });
}
