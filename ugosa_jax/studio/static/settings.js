// The form of an adaptation: what matters in sight, the rest folded away, and how long it will take here.

import { ask } from "./api.js";
import { h, span, toast } from "./dom.js";
import { runName } from "./listen.js";

const LOSSES = [["R", "marks and remixes"], ["P", "marks in the loss"], ["B", "without the marks"]];
const FOLDED = [
  ["lam", "adapt", "λ", "weight of the sound heard where a source is marked silent", 0, "any"],
  ["segment_s", "adapt", "segment (s)", "length of a training segment; empty: the network's own", 0.5, "any"],
  ["hop_s", "adapt", "hop (s)", "from one segment's start to the next; empty: one segment", 0.1, "any"],
  ["shuffle_seed", "adapt", "random order", "seed of the order of segments; 0: as they are in the song", 0, 1],
  ["pitch_shifts", "adapt", "pitch-shifted copies", "of every segment (needs librosa)", 0, 1],
  ["shifts", "separate", "random shifts", "the separation is averaged over so many delays", 0, 1],
];

export function settingsPanel(store) {
  const { song, defaults } = store.values;
  const fields = {
    network: h("select", { "aria-label": "network", onchange: () => networkChosen() }),
    strategy: h("select", { "aria-label": "strategy", onchange: () => changed() }),
    learning_rate: h("select", { "aria-label": "learning rate", onchange: () => changed() }, ["0.00001", "0.00003", "0.0001", "0.0003", "0.001", "0.003"].map((rate) => h("option", { value: rate }, rate))),
    epochs: h("input", { type: "number", min: 1, max: 1000, step: 1, value: defaults.adapt.epochs, "aria-label": "epochs", oninput: () => changed() }),
    start: h("select", { "aria-label": "start", onchange: () => changed() }),
    refine: h("select", { "aria-label": "add up", onchange: () => changed() }, [["none", "as they are"], ["residual", "deal out the residual"], ["wiener", "masks, then the residual"]].map(([value, text]) => h("option", { value }, text))),
    gate: h("input", { type: "checkbox", oninput: () => changed() }),
  };
  for (const [name, group, label, , least, step] of FOLDED) {
    fields[name] = h("input", { type: "number", min: least, step, value: defaults[group][name] ?? "", "aria-label": label, oninput: () => changed() });
  }
  const time = h("span", { class: "estimate", "aria-live": "polite" });
  const go = h("button", { type: "submit", class: "primary" }, "Adapt");
  const form = h("form", { class: "form", onsubmit: (event) => { event.preventDefault(); adapt(); } },
    row("network", fields.network), row("strategy", fields.strategy, "R learns from remixes of stems that the marks have cleaned; P has the marks in its loss; B only reconstructs the mixture"),
    row("learning rate", fields.learning_rate, "larger steps change more, for better or worse"), row("epochs", fields.epochs, "passes over the song"),
    row("start", fields.start, "the network as published, or the weights of an earlier run"),
    h("details", {}, h("summary", {}, "More settings"), FOLDED.map(([name, , label, hint]) => row(label, fields[name], hint)),
      row("adding up", fields.refine, "whether stems are made to add up to the mixture"), h("label", { class: "check" }, fields.gate, "mute stems where their source is marked silent")),
    h("div", { class: "go" }, go, time));

  const asked = () => {
    const adaptSettings = { strategy: fields.strategy.value, learning_rate: Number(fields.learning_rate.value), epochs: Number(fields.epochs.value) };
    const separateSettings = { gate: fields.gate.checked, refine: fields.refine.value };
    for (const [name, group] of FOLDED) {
      const value = fields[name].value === "" ? null : Number(fields[name].value);
      if (value !== null) (group === "adapt" ? adaptSettings : separateSettings)[name] = value;
    }
    return { kind: "adapt", network: fields.network.value, adapt: adaptSettings, separate: separateSettings, start: fields.start.value || "anew" };
  };

  async function adapt() {
    if (!form.reportValidity()) return;
    try {
      await ask("POST", `songs/${song.id}/jobs`, asked());
    } catch (error) {
      toast(error.message, "error");
    }
  }

  let asking = 0;
  function changed() {
    clearTimeout(asking);
    asking = setTimeout(async () => {
      if (!fields.network.value || !form.checkValidity()) { time.textContent = ""; return; }
      try {
        const { estimate } = await ask("POST", `songs/${song.id}/estimate`, asked());
        time.textContent = estimate ? `${estimate.guessed ? "roughly" : "about"} ${span(estimate.seconds)} here` : "";
        time.title = estimate ? (estimate.guessed ? "a guess from the number of operations; measured once you have adapted" : "as measured on this machine") : "";
      } catch { time.textContent = ""; }
    }, 150);
  }

  function networkChosen() {
    const network = store.get("worker").networks?.find((one) => one.name === fields.network.value);
    if (!network || network.error) return;
    const chosen = fields.strategy.value;
    fields.strategy.replaceChildren(...LOSSES.map(([loss, label]) => h("optgroup", { label },
      network.strategies.map((plan) => h("option", { value: `${loss}-${plan}` }, `${loss}-${plan}`)))));
    fields.segment_s.placeholder = String(network.segment_s);
    if (network.name !== suggestedFor) suggest(network);
    else fields.strategy.value = chosen;
    if (network.sources.join() !== store.get("sources").join()) store.set({ sources: network.sources });
    store.set({ network: network.name });
    starts();
    changed();
  }

  let suggestedFor = "";
  function suggest(network) {
    suggestedFor = network.name;
    const suggested = defaults.suggested[network.name] ?? {};
    const values = { ...defaults.adapt, ...defaults.separate, ...suggested.adapt, ...suggested.separate };
    values.strategy ??= network.default_strategy;
    for (const [name, field] of Object.entries(fields)) {
      if (name in values) field.type === "checkbox" ? (field.checked = values[name]) : (field.value = values[name] ?? "");
    }
    const rate = [...fields.learning_rate.options].find((one) => Number(one.value) === values.learning_rate);
    if (rate) fields.learning_rate.value = rate.value;
  }

  function starts() {
    const kept = fields.start.value;
    const usable = store.get("runs").filter((run) => run.strategy !== "B0" && run.network === fields.network.value);
    fields.start.replaceChildren(h("option", { value: "anew" }, "anew"), ...usable.map((run) => h("option", { value: run.id }, `from ${runName(store, run.id)}`)));
    if ([...fields.start.options].some((option) => option.value === kept)) fields.start.value = kept;
  }

  store.watch(["worker"], ({ worker }) => {
    const networks = worker.networks ?? [];
    const kept = fields.network.value;
    if (networks.length) fields.network.replaceChildren(...networks.map((one) => h("option", { value: one.name, disabled: Boolean(one.error), title: one.error ?? "" }, one.name)));
    else fields.network.replaceChildren(h("option", { value: "" }, worker.failed ? "not available" : "starting …"));
    if (networks.some((one) => one.name === kept)) fields.network.value = kept;
    go.disabled = !networks.length;
    if (networks.length) networkChosen();
  });
  store.watch(["runs"], () => { starts(); changed(); });
  form.begin = (id) => { fields.start.value = id; changed(); form.scrollIntoView({ block: "nearest" }); };
  form.asked = asked;
  const device = h("span", { class: "legend" });
  store.watch(["worker"], ({ worker }) => { device.textContent = worker.device ?? ""; });
  const panel = h("section", { class: "panel", "aria-label": "Adapt" }, h("h2", {}, "Adapt", device), form);
  panel.form = form;
  return panel;
}

function row(label, field, hint) {
  return h("label", { class: "field", title: hint ?? "" }, h("span", {}, label), field);
}
