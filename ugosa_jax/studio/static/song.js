// The page of a song: everything is made here and connected.

import { ask, listen, root, upload } from "./api.js";
import { blindPanel } from "./blind.js";
import { Deck } from "./deck.js";
import { h, toast } from "./dom.js";
import { Editing } from "./editing.js";
import { laneHead, residualHead } from "./heads.js";
import { acceptDrops } from "./home.js";
import { imported } from "./importing.js";
import { jobsPanel } from "./jobs.js";
import { listenToKeys, showKeys } from "./keys.js";
import { Lane } from "./lanes.js";
import { learnPanel } from "./learn.js";
import { Desk, deskBar, refreshDesk, RESIDUAL } from "./listen.js";
import { accent, fade, ink } from "./palette.js";
import { runsPanel } from "./runs.js";
import { settingsPanel } from "./settings.js";
import { spectraPanel } from "./spectra.js";
import { History, Saver, Store } from "./store.js";
import { outline, Timeline } from "./timeline.js";
import { pageHead, toolbar } from "./toolbar.js";
import { Transport } from "./transport.js";

const SOUND = /^audio\//;
const SOUND_NAMES = /\.(wav|flac|mp3|ogg|opus|aiff?)$/i;
const MIXTURE_PX = 72;
const LANE_PX = 88;
const RESIDUAL_PX = 40;

export async function showSong(app, id) {
  app.replaceChildren(h("main", { class: "home" }, h("p", { class: "soft" }, "Opening …")));
  const known = await ask("GET", `songs/${id}`);
  const { song, marks, sources } = known;
  document.title = `${song.name} – ugosa studio`;
  const colours = Object.fromEntries(sources.map((source) => [source, accent(source, sources)]));
  const store = new Store({
    ...known, marks: marks.marks, elsewhere: marks.elsewhere, colours, brush: "active", selected: null, held: {}, undoable: false, redoable: false,
    saved: "saved", heard: "mixture", network: null, desk: { a: null, b: null, matched: true }, mix: { mute: {}, solo: {}, version: {} },
  });
  refreshDesk(store);
  const saver = new Saver(store, id, (revision) => conflict(store, history, saver, id, revision));
  saver.revision = marks.revision;
  const history = new History(store, () => saver.save());
  const audio = h("audio", { src: `${root}/api/songs/${id}/mixture.wav`, preload: "metadata" });
  const transport = new Transport(audio, new Deck(song.rate_hz, song.duration_s));
  let told = 0;
  transport.addEventListener("trouble", (event) => {
    if (Date.now() - told > 5000) toast(event.detail.message, "error"); // ten tracks have the same trouble
    told = Date.now();
  });
  const editing = new Editing(store, history, transport);
  const desk = new Desk(store, id, transport);

  const place = h("div", { class: "timeline" });
  const body = h("div", { class: "stage" });
  const settings = settingsPanel(store);
  const does = actions({ store, id, transport, editing, history, desk, settings, timeline: () => timeline });
  const rows = [row("mixture", h("div", { class: "head flat" }, h("div", { class: "line" }, h("span", { class: "name" }, "mixture"))), ink("wave")),
    ...sources.map((source, i) => row(source, laneHead(store, source, i + 1, does), colours[source])), row(RESIDUAL, residualHead(store, does), ink("wave"))];
  place.append(...rows.map((one) => one.element),
    h("div", { class: "over" }, h("div", { class: "playhead" }), h("div", { class: "loop", hidden: true })), h("div", { class: "row bars" }, h("div", { class: "head flat" }), h("div", { class: "scrollbar", tabindex: -1 }, h("div"))));
  const timeline = new Timeline(song.duration_s, place);
  const bar = toolbar(store, transport, history, timeline, does);
  body.append(bar, deskBar(store, desk), place, jobsPanel(store, does), spectraPanel(store));
  const side = h("aside", {}, learnPanel(store), settings, runsPanel(store, does), blindPanel(store, transport));
  app.replaceChildren(pageHead(store, does), h("main", { class: "song" }, body, side), audio);

  await draw({ store, id, timeline, rows, audio, editing, transport, colours });
  listenToKeys(does.keys);
  acceptDrops((file) => (SOUND.test(file.type) || SOUND_NAMES.test(file.name) ? does.openSong(file) : does.importFile(file)));
  hear({ store, id, history, saver, does });
  transport.addEventListener("seek", () => timeline.show(transport.time, true));
  const frame = () => {
    timeline.show(transport.time, transport.playing);
    bar.tick(transport.time);
    editing.follow();
    requestAnimationFrame(frame);
  };
  frame();
  Object.assign(window, { studio: { store, transport, timeline, history } }); // for those who look under the bonnet, and for tests
}

function row(name, head, colour) {
  const wave = h("div", { class: "wave" });
  return { name, colour, wave, element: h("div", { class: `row ${name === RESIDUAL ? "residual" : name === "mixture" ? "mixture" : "lane"}`, "data-source": name, style: { "--accent": colour } }, head, wave) };
}

/** Fill the rows with waveforms and marks, and keep them as things change. */
async function draw({ store, id, timeline, rows, audio, editing, transport, colours }) {
  const [mixture, ...others] = rows;
  const height = (one) => (one.name === RESIDUAL ? RESIDUAL_PX : one.name === "mixture" ? MIXTURE_PX : LANE_PX);
  mixture.drawn = await timeline.add(mixture.wave, mixture.colour, height(mixture), { media: audio });
  for (const one of others) one.drawn = await timeline.add(one.wave, fade(one.name === RESIDUAL ? one.colour : colours[one.name], 0.9), height(one));
  const lanes = others.filter((one) => one.name !== RESIDUAL).map((one) => new Lane(one.drawn, one.name, colours[one.name], timeline, {
    paint: (source, start, end) => editing.paint(source, start, end),
    move: (mark, start, end) => editing.move(mark, start, end),
    choose: (mark) => editing.choose(mark),
    cycle: (mark) => editing.cycle(mark),
    seek: (time) => transport.seek(time),
  }));
  for (const one of [mixture, others.at(-1)]) seekOrLoop(one.wave, timeline, transport);
  store.watch(["marks", "elsewhere", "selected", "held"], ({ marks, elsewhere, selected, held }) => {
    for (const lane of lanes) lane.show(marks, elsewhere[lane.source] === "silent", selected, held[lane.source]);
  });
  const whole = await outline(`songs/${id}/mixture.peaks`);
  mixture.drawn.show(whole);
  for (const one of others) {
    store.watch(["desk", "mix"], async ({ desk, mix }) => {
      const run = desk[mix.version[one.name] ?? "b"] ?? null;
      if (one.shown === (run ?? "mixture")) return;
      one.shown = run ?? "mixture";
      one.element.classList.toggle("ghost", run === null);
      const wanted = one.shown;
      const peaks = run ? await outline(`songs/${id}/runs/${run}/${one.name}.peaks`).catch(() => null) : one.name === RESIDUAL ? null : whole;
      if (wanted === one.shown) one.drawn.show(peaks ?? [new Float32Array(2), new Float32Array(2)]);
    });
  }
  addEventListener("themechange", () => { for (const one of [mixture, others.at(-1)]) one.drawn.paint(ink("wave")); });
  const loop = document.querySelector(".over .loop");
  const place = () => {
    loop.hidden = !transport.loop;
    if (!transport.loop) return;
    const { start, end } = transport.loop;
    loop.style.left = `${start * timeline.pixels - timeline.bar.scrollLeft}px`;
    loop.style.width = `${(end - start) * timeline.pixels}px`;
  };
  transport.addEventListener("change", place);
  for (const kind of ["scroll", "zoom"]) timeline.addEventListener(kind, place);
}

/** A click goes there, a drag loops what it covers. */
function seekOrLoop(wave, timeline, transport) {
  let from = null;
  const far = (event) => Math.abs(event.clientX - from) > 4;
  wave.addEventListener("pointerdown", (event) => {
    from = event.clientX;
    wave.setPointerCapture(event.pointerId);
  });
  wave.addEventListener("pointermove", (event) => {
    if (from === null || !far(event)) return;
    const [start, end] = [timeline.timeAt(from), timeline.timeAt(event.clientX)].sort((a, b) => a - b);
    if (end - start > 0.1) transport.setLoop({ start, end });
  });
  wave.addEventListener("pointerup", (event) => {
    if (from !== null && !far(event)) transport.seek(timeline.timeAt(event.clientX));
    else if (from !== null && transport.loop) transport.seek(transport.loop.start);
    from = null;
  });
  wave.addEventListener("pointercancel", () => { from = null; });
}

/** Return what controls and keys do. */
function actions({ store, id, transport, editing, history, desk, settings, timeline }) {
  const source = (number) => store.get("sources")[number - 1];
  const order = async (asked) => {
    try { return await ask("POST", `songs/${id}/jobs`, asked); } catch (error) { toast(error.message, "error"); return null; }
  };
  const network = () => store.get("network");
  const mine = new Set();
  const loop = () => {
    const { selected } = store.values;
    const sight = { start: timeline().timeAt(timeline().bar.getBoundingClientRect().left), end: timeline().timeAt(timeline().bar.getBoundingClientRect().right) };
    transport.setLoop(transport.loop ? null : selected ? { start: selected.start, end: selected.end } : sight);
  };
  const does = {
    loop, mine,
    brush: (state) => editing.brush(state),
    mute: (name) => desk.flip("mute", name), solo: (name) => desk.flip("solo", name), version: (name, which) => desk.set("version", name, which),
    elsewhere: (name) => editing.elsewhere(name), hold: (name) => editing.hold(name), let: (name) => editing.let(name),
    help: showKeys,
    suggest: async () => { const job = await order({ kind: "suggest", network: network() ?? "mini" }); if (job) mine.add(job.id); },
    separate: () => order({ kind: "separate", network: network() ?? "mini" }),
    again: async (job) => { const { kind, network: name, adapt, separate, start } = job; if (await order({ kind, network: name, adapt, separate, start })) does.dismiss(job.id); },
    dismiss: async (job) => { await ask("DELETE", `songs/${id}/jobs/${job}`).catch(() => {}); store.set({ jobs: store.get("jobs").filter((one) => one.id !== job) }); },
    continueFrom: (run) => settings.form.begin(run),
    useSuggestion: (found) => toast(editing.add(found) ? `${found.length} silences were marked. They are the network's guess: listen to each, and correct it.` : found.length ? "Everything that it found is marked already." : "Nowhere does the network hear so little of a source that it is worth a claim."),
    openSong: async (file) => {
      const close = toast(`${file.name}: opening …`);
      try { location.href = `${root}/song/${(await upload("songs", file, () => {})).id}`; } catch (error) { close(); toast(error.message, "error"); }
    },
    importFile: async (file) => {
      try {
        const found = await imported(id, file, network() ?? "");
        if (!found) return;
        editing.takeOver(found.marks, found.elsewhere);
        toast([`${found.marks.length} mark${found.marks.length === 1 ? "" : "s"} from ${file.name}.`, ...found.notes].join(" "), "info", { label: "Undo", do: () => history.undo() });
      } catch (error) { toast(error.message, "error"); }
    },
  };
  does.keys = {
    hold: (number) => editing.hold(source(number)), let: (number) => editing.let(source(number)),
    play: () => transport.toggle(), seek: (by) => transport.seek(by === -Infinity ? 0 : by === Infinity ? transport.duration : transport.time + by),
    undo: () => history.undo(), redo: () => history.redo(), zoom: (factor) => timeline().zoom(factor), brush: does.brush,
    choose: (step) => editing.chooseNext(step), cycle: () => editing.cycle(), border: (side) => editing.border(side), remove: () => editing.remove(),
    nothing: () => { editing.choose(null); transport.setLoop(null); }, loop, switch: () => store.get("desk").b && desk.all(),
    mixture: () => desk.hear(store.get("heard") === "stems" ? "mixture" : "stems"), help: showKeys,
  };
  return does;
}

/** Keep up with the server. */
function hear({ store, id, history, saver, does }) {
  let opened = false;
  const refresh = async (newest = null) => {
    const { runs, votes } = await ask("GET", `songs/${id}`);
    store.set({ runs, votes });
    refreshDesk(store, newest);
  };
  const follow = (marks) => {
    if (marks.revision <= saver.revision || saver.busy || saver.dirty) return;
    saver.revision = marks.revision;
    history.replace({ marks: marks.marks, elsewhere: marks.elsewhere });
  };
  const heard = {
    open: async () => {
      document.body.classList.remove("away");
      if (opened) { // something may have happened while nobody listened
        const now = await ask("GET", `songs/${id}`);
        store.set({ runs: now.runs, jobs: now.jobs, votes: now.votes, worker: now.worker });
        refreshDesk(store);
        follow(now.marks);
      }
      opened = true;
    },
    away: () => document.body.classList.add("away"),
    worker: (worker) => store.set({ worker }),
    runs: () => refresh(),
    marks: async ({ revision }) => { if (revision > saver.revision) follow((await ask("GET", `songs/${id}`)).marks); },
    job: async (job) => {
      const jobs = store.get("jobs");
      const before = jobs.find((one) => one.id === job.id);
      store.set({ jobs: before ? jobs.map((one) => (one.id === job.id ? job : one)) : [...jobs, job] });
      if (job.state !== "done" || before?.state === "done") return;
      await refresh(job.kind === "adapt" ? job.result.run : null);
      if (job.kind === "suggest" && does.mine.delete(job.id)) does.useSuggestion(job.result.marks);
      if (job.kind === "adapt") toast("Adapted. B is the new run: press X to switch between before and after.");
    },
  };
  listen(id, (kind, value) => Promise.resolve(heard[kind](value)).catch((error) => console.error(error)));
}

function conflict(store, history, saver, id, revision) {
  const show = async () => {
    const { marks } = await ask("GET", `songs/${id}`);
    saver.dirty = false;
    saver.revision = marks.revision;
    history.replace({ marks: marks.marks, elsewhere: marks.elsewhere });
    store.set({ saved: "saved" });
  };
  const keep = () => { saver.revision = revision; saver.save(); };
  toast("The marks were changed in another window.", "error", { label: "Show those", do: show }, { label: "Keep mine", do: keep });
}
