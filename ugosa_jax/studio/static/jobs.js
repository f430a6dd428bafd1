// Running and waiting jobs: progress, loss curves, time left, cancelling.

import { ask } from "./api.js";
import { isDrawn, drawLosses } from "./chart.js";
import { button, plural, h, icon, formatSpan, toast } from "./dom.js";
import { runName } from "./listen.js";

const KINDS = { separate: "Separating", suggest: "Suggesting silences", rhythm: "Finding beats and onsets" };
const LOWER = "Lower is better, but this is the error in training: only listening shows whether the stems are better.";
export const OPEN = ["waiting", "running", "stopping"];

export function jobsPanel(store, does) {
  const song = store.get("song").id;
  const list = h("div", { class: "jobs" });
  const cards = new Map();
  const past = pastView(store);
  const lastRun = () => store.get("runs").some((run) => run.id === store.get("desk").b && run.losses.length);
  const state = h("span", { class: "legend" });
  const notify = h("button", { type: "button", class: "link small", hidden: true, onclick: async () => { await Notification.requestPermission(); allow(); } }, "tell me when it is done");
  const allow = () => { notify.hidden = !("Notification" in window) || Notification.permission !== "default" || !store.get("jobs").some((job) => OPEN.includes(job.state)); };
  const heading = h("span", {}, "Jobs");
  const panel = h("section", { class: "panel work", "aria-label": "Jobs" }, h("h2", {}, heading, state), past.element, list, notify);
  store.watch(["jobs", "worker", "runs", "desk"], ({ jobs, worker }) => {
    allow();
    const shown = jobs.filter((job) => OPEN.includes(job.state) || ["failed", "interrupted"].includes(job.state));
    for (const [id, card] of cards) if (!shown.some((job) => job.id === id)) { card.element.remove(); cards.delete(id); }
    for (const job of shown) {
      if (!cards.has(job.id)) {
        const card = makeCard(song, job.id, does);
        cards.set(job.id, card);
        list.append(card.element);
      }
      cards.get(job.id).show(job, worker);
    }
    panel.hidden = !shown.length && worker.ready && !lastRun();
    past.element.hidden = shown.length > 0 || !lastRun();
    heading.textContent = past.element.hidden ? "Jobs" : "Training error";
    if (!shown.length) past.draw();
  });
  setInterval(() => { for (const card of cards.values()) card.tick(); }, 500);
  const redraw = () => { past.draw(); for (const card of cards.values()) card.draw(); };
  addEventListener("themechange", redraw);
  new ResizeObserver(redraw).observe(list);
  store.watch(["worker"], ({ worker }) => {
    state.textContent = worker.ready ? "" : worker.failed ? "the worker does not start; see the terminal" : "JAX is starting …";
    state.classList.toggle("warn", Boolean(worker.failed));
  });
  return panel;
}

/** Return a view of the losses of run B. */
function pastView(store) {
  const words = h("p", { class: "soft small" });
  const chart = h("canvas", { class: "losses", role: "img", "aria-label": "losses of the run at B" });
  const legend = curves();
  const element = h("div", { class: "past" }, words, chart, legend);
  const draw = () => {
    const run = store.get("runs").find((one) => one.id === store.get("desk").b && one.losses.length);
    if (!run) return;
    words.textContent = `${runName(store, run.id)}, ${plural(run.losses.length, "epoch")}. ${LOWER}`;
    legend.show(run.losses);
    drawLosses(chart, run.losses, [], run.losses.length);
  };
  store.watch(["runs", "desk", "titles"], draw);
  return { element, draw };
}

/** Return the legend of the curves that are drawn. */
function curves() {
  const names = [["total", "all"], ["reconstruction", "of the mixture"], ["where-silent", "sound in marked silence"]].map(([kind, text]) => h("span", { class: kind }, text));
  const element = h("div", { class: "curves" }, names);
  element.show = (epochs) => {
    names.forEach((name, i) => { name.hidden = !isDrawn(epochs, i); });
    element.hidden = names.slice(1).every((name) => name.hidden); // one curve needs no legend
  };
  return element;
}

function makeCard(song, id, does) {
  const title = h("b");
  const stage = h("span", { class: "stage" });
  const left = h("span", { class: "left" });
  const bar = h("i");
  const chart = h("canvas", { class: "losses", role: "img", "aria-label": "loss of each epoch" });
  const legend = curves();
  const words = h("p", { class: "small soft" }, "Training error; lower is better.");
  const error = h("p", { class: "error" });
  const cancel = h("button", { type: "button", onclick: () => act() });
  const dismiss = button("Dismiss", () => does.dismiss(id), { class: "bare" }, icon("close"));
  const again = h("button", { type: "button", onclick: () => does.again(job) }, "Try again");
  const element = h("div", { class: "job", "data-job": id },
    h("div", { class: "info" }, h("div", { class: "line" }, title, dismiss), h("div", { class: "progress", role: "progressbar", "aria-label": "progress", "aria-valuemin": 0, "aria-valuemax": 100 }, bar),
      h("div", { class: "line small" }, stage, left), error, h("div", { class: "line" }, cancel, again), words, legend), chart);
  let job = null;
  let epochs = 1; // of all networks

  async function act() {
    const once = job.state === "stopping" ? "?at=once" : "";
    try { await ask("POST", `songs/${song}/jobs/${id}/cancel${once}`); } catch (problem) { toast(problem.message, "error"); }
  }

  function show(now, worker) {
    if (now.done !== job?.done || now.stage !== job?.stage || !job.received_s) now.received_s = Date.now() / 1000;
    else now.received_s = job.received_s;
    job = now;
    if (job.kind === "adapt") epochs = job.stage === "adapting" && job.total ? job.total : Math.max(job.losses.length, job.adapt.epochs);
    const over = !OPEN.includes(job.state);
    element.dataset.state = job.state;
    title.textContent = title.title = job.kind === "adapt" ? `Adapting ${job.network}` : KINDS[job.kind];
    const where = job.total ? `${job.done} of ${job.total}` : "";
    const unit = job.stage === "adapting" ? (job.total === 1 ? " epoch" : " epochs") : "";
    stage.textContent = {
      waiting: worker.ready || job.ahead ? `waiting behind ${plural(job.ahead, "job")}` : "waiting for JAX to start",
      running: `${job.stage} ${where}${where && unit}`,
      stopping: `stopping after the ${job.stage === "adapting" ? "epoch" : "chunk"} in progress`,
      interrupted: "interrupted: the studio was closed",
      failed: "failed",
    }[job.state];
    const part = over || !job.total ? 0 : Math.round((100 * job.done) / job.total);
    bar.style.width = `${part}%`;
    const progress = element.querySelector(".progress");
    progress.setAttribute("aria-valuenow", part);
    progress.setAttribute("aria-valuetext", stage.textContent);
    progress.classList.toggle("vague", job.state === "running" && !job.done);
    error.textContent = job.error ?? "";
    error.hidden = !job.error;
    cancel.textContent = job.state === "stopping" ? "Stop at once" : "Cancel";
    cancel.title = job.state === "stopping" ? "kills the worker process, which then restarts" : "stops after the epoch in progress; no run is kept";
    cancel.hidden = over;
    again.hidden = dismiss.hidden = !over;
    chart.hidden = words.hidden = legend.hidden = job.kind !== "adapt" || job.state === "waiting" || (over && !job.losses.length);
    draw();
    tick();
  }

  function draw() {
    if (!job || chart.hidden) return;
    words.hidden = !job.losses.length;
    legend.show(job.losses);
    drawLosses(chart, job.losses, job.steps, epochs);
  }

  function tick() {
    left.textContent = "";
    if (job?.state !== "running" || !job.total || !job.began_s || !job.done) return;
    // The first epoch or chunk includes compilation: it is used only while it is the only one.
    const each = job.done > 1 ? (job.heard_s - job.first_s) / (job.done - 1) : job.heard_s - job.began_s;
    const rest = each * (job.total - job.done) - (Date.now() / 1000 - job.received_s);
    left.textContent = rest > 0 ? `${formatSpan(rest)} left` : "";
  }
  return { element, show, tick, draw };
}
