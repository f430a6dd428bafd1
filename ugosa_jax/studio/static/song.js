// The page of a song: everything is made here and connected.

import { actions } from "./actions.js";
import { ask, root } from "./api.js";
import { blindPanel } from "./blind.js";
import { Deck } from "./deck.js";
import { h, toast } from "./dom.js";
import { Editing } from "./editing.js";
import { follow } from "./following.js";
import { laneHead, residualHead } from "./heads.js";
import { acceptDrops, showGreeting } from "./home.js";
import { jobsPanel } from "./jobs.js";
import { listenToKeys } from "./keys.js";
import { Lane } from "./lanes.js";
import { learnPanel } from "./learn.js";
import { Desk, deskBar, refreshDesk, RESIDUAL } from "./listen.js";
import { markList } from "./marklist.js";
import { elsewhereQuestion, notices, listSuggestions } from "./notices.js";
import { pickAccent, readColour } from "./palette.js";
import { loadOutline, Picture, loadSpectrum } from "./pictures.js";
import { savePage, restorePage } from "./remembering.js";
import { runsPanel } from "./runs.js";
import { settingsPanel } from "./settings.js";
import { Grid, loadGrid, snapToGrid } from "./snapping.js";
import { History, Saver, Store } from "./store.js";
import { Timeline } from "./timeline.js";
import { chosenMark, pageHead, snapChoice, toolbar, viewHead } from "./toolbar.js";
import { Transport } from "./transport.js";

const SOUND = /^(audio|video)\//;
const SOUND_NAMES = /\.(wav|flac|mp3|ogg|opus|oga|aiff?|m4a|aac|mp4|caf|wma|webm|w64|rf64|au)$/i;

export async function showSong(app, id) {
  app.replaceChildren(h("main", { class: "home" }, h("p", { class: "soft" }, "Opening …")));
  const known = await ask("GET", `songs/${id}`);
  const { song, marks } = known;
  const chosen = known.worker.networks?.find((one) => one.name === known.page.form?.network);
  const sources = chosen?.sources ?? known.sources;
  document.title = `${song.name} – ugosa studio`;
  const colours = Object.fromEntries(sources.map((source) => [source, pickAccent(source, sources)]));
  const store = new Store({
    ...known, sources, marks: marks.marks, elsewhere: marks.elsewhere, colours, selected: null, held: {}, undoable: false, redoable: false,
    saved: "saved", heard: "mixture", network: null, question: null, news: null, rhythm: null, grid: [], form: known.page.form ?? null, ...restorePage(known.page, sources),
  });
  refreshDesk(store);
  const saver = new Saver(store, id);
  saver.revision = marks.revision;
  const history = new History(store, () => saver.save());
  const mixture = `${root}/api/songs/${id}/mixture.wav`;
  const audio = h("audio", { src: mixture, preload: "metadata" });
  const transport = new Transport(audio, new Deck(song.rate_hz, song.duration_s, mixture));
  reportTroubles(transport);
  let timeline = null;
  let settings = null;
  let question = null;
  let blind = null;
  const editing = new Editing(store, history, transport, (source) => question.ask(source));
  const desk = new Desk(store, id, transport);
  const does = actions({ store, id, transport, editing, history, saver, desk, timeline: () => timeline, settings: () => settings, blind: () => blind });
  question = elsewhereQuestion(store, does);
  settings = settingsPanel(store);

  const rows = [row("mixture", h("div", { class: "head flat" }, h("div", { class: "line" }, h("span", { class: "name" }, "mixture"))), ""),
    ...sources.map((source, i) => row(source, laneHead(store, source, i + 1, does), colours[source])), row(RESIDUAL, residualHead(store, does), "")];
  const place = h("div", { class: "timeline" }, h("div", { class: "row time" }, viewHead(store, (factor) => timeline.zoom(factor)), h("div", { class: "ruler", "aria-hidden": "true" })), rows.map((one) => one.element),
    h("div", { class: "over" }, h("div", { class: "loop", hidden: true }), h("div", { class: "playhead" })), h("div", { class: "row bottom" }, h("div", { class: "head flat" }), h("div", { class: "scrollbar", tabindex: -1 }, h("div"))));
  timeline = new Timeline(song.duration_s, place);
  const bar = toolbar(store, transport, history, does);
  const listening = deskBar(store, desk, does);
  const body = h("div", { class: "stage" }, notices(store, does), bar, listening, place, h("div", { class: "below" }, chosenMark(store, does), question.notice, snapChoice(store)), markList(store, editing, transport));
  blind = blindPanel(store, transport);
  const side = h("aside", {}, learnPanel(store), settings, jobsPanel(store, does), runsPanel(store, does), blind);
  app.replaceChildren(pageHead(store, does), h("main", { class: "song" }, body, side), audio);

  drawRows({ store, id, timeline, rows, colours });
  makeLanes({ store, rows, timeline, editing, transport, does });
  timeline.add(new Grid(store, place.querySelector(".over")));
  store.watch(["grid"], () => timeline.redraw());
  loadGrid(store, id);
  showLoop(timeline, transport);
  for (const one of [rows[0], rows.at(-1)]) seekOrLoop(one.wave, timeline, transport);
  seekOrLoop(timeline.ruler, timeline, transport);
  timeline.zoomTo(known.page.zoom ?? 0);
  timeline.bar.scrollLeft = (known.page.left ?? 0) * timeline.pixels;
  transport.setSpeed(store.get("speed"));
  noteWhatWasHeard(store, desk);
  listenToKeys(does.keys);
  acceptDrops((file) => (SOUND.test(file.type) || SOUND_NAMES.test(file.name) ? does.openSong(file) : does.importFile(file)));
  follow({ store, id, history, saver });
  const keep = savePage({ store, id, timeline, history });
  store.watch(["sources", "form"], async ({ sources: now, form }) => {
    if (now.join() === sources.join() || form?.network !== store.get("network")) return;
    await keep(); // another network has other lanes: the page is made anew for it
    location.reload();
  });
  transport.addEventListener("seek", () => timeline.show(transport.time, true));
  const frame = () => {
    const time = blind.time ?? transport.time;
    timeline.show(time, transport.playing || blind.time !== null);
    bar.tick(time);
    listening.tick();
    editing.follow();
    requestAnimationFrame(frame);
  };
  frame();
  showGreeting();
  Object.assign(window, { studio: { store, transport, timeline, history, saver } }); // for those who look under the bonnet, and for tests
}

function row(name, head, colour) {
  const wave = h("div", { class: "wave" });
  const kind = name === RESIDUAL ? "residual" : name === "mixture" ? "mixture" : "lane";
  return { name, colour, wave, element: h("div", { class: `row ${kind}`, "data-source": name, role: "group", "aria-label": name, style: { "--accent": colour } }, head, wave) };
}

/** Note when both A and B have been heard: the third of the four steps. */
function noteWhatWasHeard(store, desk) {
  const versions = new Set();
  store.watch(["heard", "mix", "desk"], ({ heard, desk: { a, b }, wasHeard }) => {
    if (heard !== "stems" || a === b || wasHeard) return;
    versions.add(desk.which());
    if (versions.has("a") && versions.has("b")) store.set({ wasHeard: true });
  });
  store.watch(["votes"], ({ votes, wasHeard }) => { if (votes.length && !wasHeard) store.set({ wasHeard: true }); });
}

function reportTroubles(transport) {
  let told = 0;
  transport.addEventListener("trouble", (event) => {
    if (Date.now() - told > 5000) toast(event.detail.message, "error"); // ten tracks have the same trouble
    told = Date.now();
  });
}

/** Draw the picture of each row: the mixture in grey until there is a stem, then the stem that is heard. */
function drawRows({ store, id, timeline, rows, colours }) {
  const { song } = store.values;
  const mixture = loadOutline(`songs/${id}/mixture.peaks`);
  for (const one of rows) {
    const picture = new Picture(one.wave, song.duration_s, song.rate_hz);
    const repaint = () => { picture.colour = one.isStem && one.name !== RESIDUAL ? colours[one.name] : readColour("wave"); timeline.redraw(); };
    timeline.add(picture);
    addEventListener("themechange", repaint);
    store.watch(["desk", "mix", "picture"], async ({ desk, mix, picture: kind }) => {
      const run = one.name === "mixture" ? null : desk[mix.version[one.name] ?? "b"] ?? null;
      const wanted = `${run} ${run ? kind : "wave"}`;
      if (one.shown === wanted) return;
      one.shown = wanted;
      one.isStem = run !== null;
      one.element.hidden = one.name === RESIDUAL && run === null;
      one.element.classList.toggle("ghost", run === null && one.name !== "mixture");
      const path = `songs/${id}/runs/${run}/${one.name}`;
      const loaded = run === null ? { sound: one.name === RESIDUAL ? null : await mixture } : kind === "spectrum" ? { spectrum: await loadSpectrum(`${path}.spectrum`, colours[one.name] ?? "#9aa2ad") } : { sound: await loadOutline(`${path}.peaks`) };
      if (one.shown !== wanted) return;
      Object.assign(picture, { sound: null, spectrum: null, ...loaded });
      repaint();
    });
  }
  addEventListener("themechange", () => timeline.redraw());
}

function makeLanes({ store, rows, timeline, editing, transport, does }) {
  const lanes = rows.filter((one) => store.get("sources").includes(one.name)).map((one) => new Lane(one.wave, one.name, timeline, {
    paint: (source, start, end) => { store.set({ lane: source }); editing.paint(source, start, end); },
    move: (mark, start, end) => editing.move(mark, start, end),
    choose: (mark, source) => { store.set({ lane: source }); editing.choose(mark); },
    cycle: (mark) => editing.cycle(mark), accept: does.accept, seek: (time) => transport.seek(time), snap: (time, within) => snapToGrid(store, time, within), brush: () => store.get("brush"),
  }));
  for (const lane of lanes) timeline.add(lane);
  store.watch(["marks", "elsewhere", "selected", "jobs"], ({ marks, elsewhere, selected, jobs }) => {
    const suggested = listSuggestions(jobs).flatMap((one) => one.marks);
    for (const lane of lanes) lane.show(marks, elsewhere[lane.source] === "silent", selected, suggested);
  });
  store.watch(["held"], ({ held }) => { for (const lane of lanes) if (!lane.drag) lane.grow(held[lane.source] ?? null); });
}

function showLoop(timeline, transport) {
  const loop = document.querySelector(".over .loop");
  const place = () => {
    loop.hidden = !transport.loop;
    if (!transport.loop) return;
    const { start, end } = transport.loop;
    loop.style.left = `${timeline.xOf(start)}px`;
    loop.style.width = `${(end - start) * timeline.pixels}px`;
  };
  transport.addEventListener("change", place);
  for (const kind of ["scroll", "zoom"]) timeline.addEventListener(kind, place);
}

/** A click moves the playhead there, a drag loops the dragged stretch. */
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
