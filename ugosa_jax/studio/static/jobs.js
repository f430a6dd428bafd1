// What is being done and what waits: progress, loss curves, time left, cancelling.

import { ask } from "./api.js";
import { drawLosses } from "./chart.js";
import { button, h, icon, span, toast } from "./dom.js";
import { runName } from "./listen.js";

const KINDS = { separate: "Separating", suggest: "Looking for silence" };
const OPEN = ["waiting", "running", "stopping"];

export function jobsPanel(store, does) {
  const song = store.get("song").id;
  const list = h("div", { class: "jobs" });
  const cards = new Map();
  const idle = idleView(store);
  store.watch(["jobs", "worker"], ({ jobs, worker }) => {
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
    idle.element.hidden = shown.length > 0;
    if (!shown.length) idle.draw();
  });
  setInterval(() => { for (const card of cards.values()) card.tick(); }, 500);
  const redraw = () => { idle.draw(); for (const card of cards.values()) card.draw(); };
  addEventListener("themechange", redraw);
  new ResizeObserver(redraw).observe(list);
  const state = h("span", { class: "legend" });
  store.watch(["worker"], ({ worker }) => {
    state.textContent = worker.ready ? "" : worker.failed ? "the engine does not start; see the terminal" : "the engine is starting …";
    state.classList.toggle("warn", Boolean(worker.failed));
  });
  return h("section", { class: "panel work", "aria-label": "Work" }, h("h2", {}, "Work", state), idle.element, list);
}

/** What is shown while nothing is done: how the run at B went. */
function idleView(store) {
  const words = h("p", { class: "soft" });
  const chart = h("canvas", { class: "losses", role: "img", "aria-label": "losses of the run at B" });
  const legend = curves();
  const element = h("div", { class: "idle" }, h("div", { class: "info" }, words, legend), chart);
  const draw = () => {
    const run = store.get("runs").find((one) => one.id === store.get("desk").b && one.losses.length);
    words.textContent = run ? `Nothing is being done. At the right is how ${runName(store, run.id)} went: the losses of its ${run.losses.length} epochs.` : "Nothing is being done.";
    chart.hidden = legend.hidden = !run;
    if (run) drawLosses(chart, run.losses, [], run.losses.length);
  };
  store.watch(["runs", "desk"], draw);
  return { element, draw };
}

function curves() {
  return h("div", { class: "curves" }, h("span", { class: "total" }, "total"), h("span", { class: "reconstruction" }, "reconstruction"), h("span", { class: "where-silent" }, "where silent"));
}

function makeCard(song, id, does) {
  const title = h("b");
  const stage = h("span", { class: "stage" });
  const left = h("span", { class: "left" });
  const bar = h("i");
  const chart = h("canvas", { class: "losses", role: "img", "aria-label": "loss of each epoch" });
  const legend = curves();
  const error = h("p", { class: "error" });
  const cancel = h("button", { type: "button", onclick: () => act() });
  const dismiss = button("Dismiss", () => does.dismiss(id), { class: "bare" }, icon("close"));
  const again = h("button", { type: "button", onclick: () => does.again(job) }, "Try again");
  const element = h("div", { class: "job", "data-job": id },
    h("div", { class: "info" }, h("div", { class: "line" }, title, dismiss), h("div", { class: "progress", role: "progressbar" }, bar),
      h("div", { class: "line small" }, stage, left), error, h("div", { class: "line" }, cancel, again), legend), chart);
  let job = null;
  let members = 1;

  async function act() {
    const once = job.state === "stopping" ? "?at=once" : "";
    try { await ask("POST", `songs/${song}/jobs/${id}/cancel${once}`); } catch (problem) { toast(problem.message, "error"); }
  }

  function show(now, worker) {
    if (now.done !== job?.done || now.stage !== job?.stage || !job.received_s) now.received_s = Date.now() / 1000;
    else now.received_s = job.received_s;
    job = now;
    members = worker.networks?.find((one) => one.name === job.network)?.members ?? members;
    const over = !OPEN.includes(job.state);
    element.dataset.state = job.state;
    const several = members > 1 ? ` · ${members} networks` : "";
    title.textContent = title.title = job.kind === "adapt" ? `${job.network} · ${job.adapt.strategy}${several}` : KINDS[job.kind];
    const where = job.total ? `${job.done} of ${job.total}` : "";
    const unit = job.stage === "adapting" ? " epochs" : "";
    stage.textContent = {
      waiting: worker.ready || job.ahead ? `waiting; ${job.ahead} before it` : "waiting for the engine",
      running: `${job.stage} ${where}${where && unit}`,
      stopping: `stopping after the ${job.stage === "adapting" ? "epoch" : "part"} in flight`,
      interrupted: "interrupted: the studio was closed",
      failed: "failed",
    }[job.state];
    bar.style.width = `${over ? 0 : job.total ? (100 * job.done) / job.total : 0}%`;
    element.querySelector(".progress").classList.toggle("vague", job.state === "running" && !job.done);
    error.textContent = job.error ?? "";
    error.hidden = !job.error;
    cancel.textContent = job.state === "stopping" ? "Stop at once" : "Cancel";
    cancel.title = job.state === "stopping" ? "ends the engine, which then starts anew" : "ends after the epoch in flight; nothing of it is kept";
    cancel.hidden = over;
    again.hidden = dismiss.hidden = !over;
    chart.hidden = legend.hidden = job.kind !== "adapt" || job.state === "waiting" || (over && !job.losses.length);
    draw();
    tick();
  }

  function draw() {
    if (job && !chart.hidden) drawLosses(chart, job.losses, job.steps, job.adapt.epochs * members);
  }

  function tick() {
    left.textContent = "";
    if (job?.state !== "running" || !job.total || !job.began_s || !job.done) return;
    // The first part compiles as well: it counts only as long as there is no other one.
    const each = job.done > 1 ? (job.heard_s - job.first_s) / (job.done - 1) : job.heard_s - job.began_s;
    const rest = each * (job.total - job.done) - (Date.now() / 1000 - job.received_s);
    left.textContent = rest > 0 ? `${span(rest)} left` : "";
  }
  return { element, show, tick, draw };
}
