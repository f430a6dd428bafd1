// The form of an adaptation, with less important settings folded, and the estimated time.

import { ask } from "./api.js";
import { plural, h, formatSpan, toast } from "./dom.js";
import { runName } from "./listen.js";

export const WAYS = { R: "Marks and remixes", P: "Marks in the loss", B: "Without the marks" };
const HINTS = {
  R: "The network is trained on new mixes of this song’s own stems, which are first muted where you marked silence.",
  P: "Every sound of a source where you marked it silent counts as an error, as in the paper.",
  B: "The stems only learn to add up to this song; your marks are not used.",
};
const REFINE = [["none", "no"], ["residual", "distribute the residual (mutes marked silence)"], ["wiener", "Wiener filter (mutes marked silence)"]];
const FOLDED = [
  ["lam", "adapt", "weight of silence (λ)", "weight of the penalty on sound where a source is marked silent", { min: 0, max: 1e6, step: "any" }],
  ["segment_s", "adapt", "training segment (s)", "length of a training segment; empty: the network's default", { min: 0.1, max: 600, step: "any" }],
  ["hop_s", "adapt", "hop (s)", "distance between the starts of segments; empty: one segment", { min: 0.1, max: 600, step: "any" }],
  ["shuffle_seed", "adapt", "random order (seed)", "seed of the order of segments; 0: in song order", { min: 0, step: 1 }],
  ["pitch_shifts", "adapt", "pitch-shifted copies", "number of pitch-shifted copies of each segment (needs librosa)", { min: 0, max: 1000, step: 1 }],
  ["shifts", "separate", "random shifts", "the separation is averaged over this number of random delays", { min: 0, max: 1000, step: 1 }],
];
const RATES = ["0.00001", "0.00003", "0.0001", "0.0003", "0.001", "0.003"];

export function settingsPanel(store) {
  const { song, defaults, page } = store.values;
  const select = (label, options = []) => h("select", { "aria-label": label, onchange: () => estimateLater() }, options.map(([value, text]) => h("option", { value }, text)));
  const fields = {
    network: h("select", { "aria-label": "network", onchange: () => showNetwork() }),
    way: select("learn from"),
    learning_rate: select("learning rate", RATES.map((rate) => [rate, rate])),
    epochs: h("input", { type: "number", min: 1, max: 1000, step: 1, required: true, value: defaults.adapt.epochs, "aria-label": "epochs", oninput: () => estimateLater() }),
    start: select("start from"),
    layers: select("layers"),
    refine: select("make stems add up to the mixture", REFINE),
    gate: h("input", { type: "checkbox", oninput: () => estimateLater() }),
  };
  for (const [name, group, label, , limits] of FOLDED) {
    fields[name] = h("input", { type: "number", ...limits, value: defaults[group][name] ?? "", "aria-label": label, oninput: () => estimateLater() });
  }
  const hint = h("p", { class: "small soft" });
  const time = h("span", { class: "estimate", "aria-live": "polite" });
  const go = h("button", { type: "submit", class: "primary" }, "Adapt");
  const lam = row("weight of silence (λ)", fields.lam, FOLDED[0][3]);
  const gate = h("label", { class: "check" }, fields.gate, "mute stems where their source is marked silent");
  const folded = h("details", {}, h("summary", {}, "More settings"),
    row("learning rate", fields.learning_rate, "how far each step changes the network: too low changes nothing, too high destroys it"),
    row("start from", fields.start, "the original weights or those of an earlier run"), row("layers", fields.layers, "first and last tuned layer, numbered as in the paper"),
    FOLDED.map(([name, , label, hint]) => (name === "lam" ? lam : row(label, fields[name], hint))), row("make stems add up to the mixture", fields.refine, "how the output is corrected so that the stems add up to the mixture", "tall"), gate);
  const form = h("form", { class: "form", novalidate: true, onsubmit: (event) => { event.preventDefault(); adapt(); } },
    row("network", fields.network, null, "tall"), row("learn from", fields.way, null, "tall"), hint,
    row("epochs (passes over the song)", fields.epochs, "more passes change the network more, and take longer", "wide"), folded, h("div", { class: "go" }, go, time));

  const strategy = () => `${fields.way.value}-${fields.layers.value}`;
  const asked = () => {
    const adaptSettings = { strategy: strategy(), learning_rate: Number(fields.learning_rate.value), epochs: Number(fields.epochs.value) };
    const separateSettings = { gate: fields.gate.checked, refine: fields.refine.value };
    for (const [name, group] of FOLDED) {
      const value = fields[name].value === "" ? null : Number(fields[name].value);
      if (value !== null) (group === "adapt" ? adaptSettings : separateSettings)[name] = value;
    }
    return { kind: "adapt", network: fields.network.value, adapt: adaptSettings, separate: separateSettings, start: fields.start.value || "anew" };
  };

  /** Return whether all fields are valid; otherwise unfold and report the first invalid one. */
  function isValid() {
    if (form.checkValidity()) return true;
    if (folded.querySelector(":invalid")) folded.open = true;
    const wrong = form.querySelector("input:invalid");
    if (wrong === fields.epochs && wrong.value === "") toast("Enter a number of epochs.", "error");
    else form.reportValidity();
    return false;
  }

  let closeRefusal = () => {};
  store.watch(["marks", "elsewhere"], () => closeRefusal()); // the edit may have removed the reason

  async function adapt() {
    if (go.disabled || !isValid()) return;
    go.disabled = true;
    go.textContent = "Adding …";
    try {
      const job = await ask("POST", `songs/${song.id}/jobs`, asked());
      store.set({ ordered: job.id });
      go.textContent = "Added";
      await new Promise((resolve) => setTimeout(resolve, 900)); // a double click adds one job
    } catch (error) {
      closeRefusal = toast(error.message, "error");
    }
    go.textContent = "Adapt";
    enableButton();
  }

  function enableButton() {
    go.disabled = !store.get("worker").networks?.length || Boolean(time.dataset.refused);
  }

  let asking = 0;
  function estimateLater() {
    clearTimeout(asking);
    lam.hidden = fields.way.value !== "P";
    hint.textContent = HINTS[fields.way.value] ?? "";
    const mutes = fields.refine.value !== "none";
    fields.gate.disabled = mutes;
    gate.title = mutes ? "The correction above mutes them anyway." : "";
    gate.classList.toggle("implied", mutes);
    store.set({ form: readForm() });
    asking = setTimeout(async () => {
      const say = (text, title = "", refused = "") => { store.set({ takes: refused ? "" : text.replace(" here", "") }); Object.assign(time, { textContent: text, title }); time.dataset.refused = refused; time.classList.toggle("warn", Boolean(refused)); enableButton(); };
      if (!fields.network.value || !form.checkValidity()) { say(""); return; }
      try {
        const { estimate } = await ask("POST", `songs/${song.id}/estimate`, asked());
        say(estimate ? `${estimate.guessed ? "roughly" : "about"} ${formatSpan(estimate.seconds)} here` : "", !estimate ? "" : estimate.guessed ? "estimated from operation counts; measured after the first adaptation" : "as measured on this machine");
      } catch (error) { say(error.status === 422 ? error.message : "", "", error.status === 422 ? "yes" : ""); }
    }, 150);
  }

  /** Return the values of the form by field name. */
  function readForm() {
    return Object.fromEntries(Object.entries(fields).map(([name, field]) => [name, field.type === "checkbox" ? field.checked : field.value]));
  }

  function fill(values) {
    for (const [name, field] of Object.entries(fields)) {
      if (!(name in values)) continue;
      if (field.type === "checkbox") field.checked = Boolean(values[name]);
      else if (field.tagName !== "SELECT" || [...field.options].some((one) => one.value === String(values[name]))) field.value = values[name] ?? "";
    }
  }

  let suggestedFor = "";
  function showNetwork() {
    const network = store.get("worker").networks?.find((one) => one.name === fields.network.value);
    if (!network || network.error) return;
    const suggested = defaults.suggested[network.name] ?? {};
    const recommended = suggested.adapt?.strategy?.includes("-"); // "B0" adapts nothing: the first run shows that anyway
    const strategyName = recommended ? suggested.adapt.strategy : network.default_strategy;
    const before = [fields.way.value, fields.layers.value];
    fields.way.replaceChildren(...Object.entries(WAYS).map(([way, text]) => h("option", { value: way, title: HINTS[way] }, way === strategyName[0] ? `${text} (${recommended ? "recommended" : "the paper’s"})` : text)));
    fields.layers.replaceChildren(...network.strategies.map((plan) => h("option", { value: plan }, plan)));
    [fields.way.value, fields.layers.value] = before;
    fields.segment_s.placeholder = String(network.segment_s);
    if (network.name !== suggestedFor) fillSuggested(network, suggested, strategyName);
    store.set({ network: network.name, ...(network.sources.join() !== store.get("sources").join() && { sources: network.sources }) });
    listStarts();
    estimateLater();
  }

  function fillSuggested(network, suggested, strategyName) {
    const isFirst = !suggestedFor;
    suggestedFor = network.name;
    const values = { ...defaults.adapt, ...defaults.separate, ...suggested.adapt, ...suggested.separate };
    const [way, layers] = strategyName.split(/-(.*)/);
    const rate = RATES.find((one) => Number(one) === values.learning_rate);
    fill({ ...values, way, layers, learning_rate: rate ?? values.learning_rate });
    listStarts();
    if (isFirst && page.form?.network === network.name) fill(page.form); // the saved state of the page
  }

  function listStarts() {
    const before = fields.start.value;
    const usable = store.get("runs").filter((run) => run.strategy !== "B0" && run.network === fields.network.value);
    fields.start.replaceChildren(h("option", { value: "anew" }, "original weights"), ...usable.map((run) => h("option", { value: run.id }, runName(store, run.id))));
    if ([...fields.start.options].some((option) => option.value === before)) fields.start.value = before;
  }

  store.watch(["worker"], ({ worker }) => {
    const networks = worker.networks ?? [];
    const before = fields.network.value || page.form?.network;
    const option = (one) => h("option", { value: one.name, disabled: Boolean(one.error), title: one.error ?? one.sources.join(", ") }, one.name);
    const groups = [["recommended", networks.filter((one) => one.name === worker.best)], ["others", networks.filter((one) => one.name !== worker.best)]];
    if (networks.length) fields.network.replaceChildren(...groups.map(([label, ones]) => h("optgroup", { label, hidden: !ones.length }, ones.map(option))));
    else fields.network.replaceChildren(h("option", { value: "" }, worker.failed ? "not available" : "starting …"));
    if (networks.some((one) => one.name === before && !one.error)) fields.network.value = before;
    else if (networks.some((one) => one.name === worker.best)) fields.network.value = worker.best;
    enableButton();
    if (networks.length) showNetwork();
  });
  store.watch(["runs", "titles"], () => { listStarts(); if (fields.network.value) estimateLater(); });
  store.watch(["worker", "runs"], async ({ worker }) => {
    if (!worker.networks) return;
    const costs = await ask("GET", `songs/${song.id}/costs`).catch(() => ({}));
    for (const option of fields.network.options) {
      const network = worker.networks.find((one) => one.name === option.value);
      if (network && !network.error) option.textContent = describeNetwork(network, costs[network.name]);
    }
  });
  form.begin = (id) => { folded.open = true; fields.start.value = id; estimateLater(); form.scrollIntoView({ block: "nearest" }); };
  form.adapt = adapt;
  const device = h("span", { class: "legend" });
  store.watch(["worker"], ({ worker }) => { device.textContent = worker.device ? `on ${worker.device}` : ""; });
  const panel = h("section", { class: "panel", "aria-label": "Adapt" }, h("h2", {}, "Adapt", device), form);
  panel.form = form;
  return panel;
}

/** Return a network in words: its sources, and how long it takes here with its own settings. */
function describeNetwork({ name, sources }, cost) {
  const facts = [plural(sources.length, "source"), cost && `about ${formatSpan(cost.seconds)}`];
  return [name, ...facts.filter(Boolean)].join(" · ");
}

function row(label, field, hint, kind = "") {
  return h("label", { class: `field ${kind}`, title: hint ?? "" }, h("span", {}, label), field);
}
