// Runs of the song: what each changed, which are compared, and what can be taken home.

import { ask, root } from "./api.js";
import { button, decibels, h, icon, span, toast } from "./dom.js";
import { runName } from "./listen.js";

export function runsPanel(store, does) {
  const list = h("div", { class: "runs" });
  store.watch(["runs", "desk", "sources"], ({ runs, desk }) => {
    list.replaceChildren(...[...runs].reverse().map((run) => runCard(store, run, desk, does)));
    list.classList.toggle("none", runs.length === 0);
  });
  return h("section", { class: "panel", "aria-label": "Runs" }, h("h2", {}, "Runs", h("span", { class: "legend" }, "level where silent, dB")),
    h("p", { class: "empty" }, "Nothing has been separated yet. Adapt, or hear what the network does as it is: ",
      h("button", { type: "button", class: "link", onclick: does.separate }, "separate unadapted"), "."), list);
}

function runCard(store, run, desk, does) {
  const song = store.get("song").id;
  const address = `${root}/api/songs/${song}/runs/${run.id}`;
  const set = (which) => h("button", { type: "button", class: "small", "aria-pressed": String(desk[which] === run.id), title: `hear it as ${which.toUpperCase()}`, onclick: () => store.set({ desk: { ...store.get("desk"), [which]: run.id, chosen: true } }) }, which.toUpperCase());
  const adapted = run.strategy !== "B0";
  const facts = adapted ? `rate ${run.settings.adapt.learning_rate}, ${run.settings.adapt.epochs} epochs, ${span(run.took_s)}${run.start === "anew" ? "" : `, from ${runName(store, run.start)}`}` : `as published, ${span(run.took_s)}`;
  return h("div", { class: "run", "data-run": run.id },
    h("div", { class: "line" }, h("b", {}, runName(store, run.id)), h("span", { class: "grow" }), set("a"), set("b"), menu(store, run, address, does)),
    h("div", { class: "small soft" }, facts),
    run.stopped_at && h("p", { class: "error" }, `not finite from epoch ${run.stopped_at[0] + 1} on; these are the last good weights. Try a lower learning rate.`),
    adapted && h("div", { class: "changes" }, run.sources.map((source) => change(store, source, run.levels[source]))));
}

function change(store, source, level) {
  const known = level.silent !== null && level.silent_before !== null;
  const less = known ? level.silent - level.silent_before : null;
  const words = known ? `${source}, where it is marked silent: ${decibels(level.silent_before)} dB before, ${decibels(level.silent)} dB after` : `${source} is marked silent nowhere`;
  return h("span", { class: "change", title: words, style: { "--accent": store.get("colours")[source] } }, h("i"), known ? `${less > 0 ? "+" : ""}${decibels(less)}` : "–");
}

function menu(store, run, address, does) {
  const items = [
    run.strategy !== "B0" && h("a", { href: `${address}/report.html`, target: "_blank", rel: "noopener" }, "Open the report"),
    h("a", { href: `${address}/stems.zip?encoding=float`, download: "" }, "Stems, 32-bit float (zip)"),
    h("a", { href: `${address}/stems.zip?encoding=24`, download: "" }, "Stems, 24 bit (zip)"),
    run.strategy !== "B0" && h("button", { type: "button", onclick: () => does.continueFrom(run.id) }, "Adapt on from here"),
    h("button", { type: "button", class: "danger", onclick: () => remove(store, run) }, "Delete"),
  ];
  const popup = h("div", { class: "popup", popover: "auto" }, items.filter(Boolean));
  const open = button(`More about ${runName(store, run.id)}`, () => place(open, popup), { class: "bare" }, icon("more"));
  popup.addEventListener("click", () => popup.hidePopover());
  return h("span", { class: "menu" }, open, popup);
}

/** Show a popup below its button, within the window. */
export function place(anchor, popup) {
  popup.showPopover();
  const [at, size] = [anchor.getBoundingClientRect(), popup.getBoundingClientRect()];
  popup.style.left = `${Math.max(8, Math.min(at.right - size.width, innerWidth - size.width - 8))}px`;
  popup.style.top = `${at.bottom + size.height + 8 > innerHeight ? at.top - size.height - 4 : at.bottom + 4}px`;
}

function remove(store, run) {
  const name = runName(store, run.id);
  toast(`Delete ${name} and its stems?`, "info", {
    label: "Delete",
    do: () => ask("DELETE", `songs/${store.get("song").id}/runs/${run.id}`).catch((error) => toast(error.message, "error")),
  });
}
