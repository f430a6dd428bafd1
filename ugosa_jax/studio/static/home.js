// The first page: an introduction, a drop zone, and the songs opened so far.

import { ask, root, upload } from "./api.js";
import { askName } from "./dialogs.js";
import { button, formatClock, h, icon, toast } from "./dom.js";
import { switchTheme } from "./palette.js";
import { showPopup } from "./runs.js";

const GREETING = "ugosa-greeting";
const HINT = "WAV, FLAC, MP3, Ogg, AIFF, M4A; it stays on this machine";
const SOUNDS = "audio/*,.wav,.flac,.mp3,.ogg,.oga,.opus,.aiff,.aif,.m4a,.aac,.mp4,.caf,.wma,.webm,.w64,.au";

export async function showHome(app) {
  const list = h("ul", { class: "songs" });
  const progress = h("div", { class: "progress", hidden: true, role: "progressbar", "aria-label": "sending", "aria-valuemin": 0, "aria-valuemax": 100 }, h("i"));
  const word = h("p", { class: "soft", "aria-live": "polite" }, HINT);
  const file = h("input", { type: "file", hidden: true, accept: SOUNDS, onchange: () => file.files[0] && take(file.files[0]) });
  const drop = h("div", { class: "drop" }, h("h2", {}, "Drop a song here"), word, progress,
    h("div", { class: "line" }, h("button", { type: "button", class: "primary", onclick: () => file.click() }, "Choose a file"), h("button", { type: "button", onclick: demo }, "Open the example song")), file);
  const steps = h("ol", { class: "steps" }, [
    ["Mark", "where an instrument is silent in your song"], ["Adapt", "the network to this one song"], ["Listen", "to before and after, switching without a gap"], ["Save", "better stems as WAV or FLAC"],
  ].map(([name, text]) => h("li", {}, h("b", {}, name), h("span", { class: "soft" }, text))));
  app.replaceChildren(h("header", {}, h("span", { class: "brand" }, h("img", { src: `${root}/static/icon.svg`, alt: "" }), "studio"), h("span", { class: "grow" }), button("Light or dark", () => switchTheme(), { class: "bare" }, icon("theme"))),
    h("main", { class: "home" }, h("h1", { class: "lead" }, "You know when each instrument is silent. The network learns from it and separates your song better."), steps, drop, h("section", {}, h("h2", {}, "Your songs"), list)));
  let songs = [];
  acceptDrops(take);
  await show();

  async function take(song) {
    progress.hidden = false;
    try {
      const added = await upload("songs", song, (part) => {
        progress.firstElementChild.style.width = `${100 * part}%`;
        progress.setAttribute("aria-valuenow", Math.round(100 * part));
        word.textContent = part < 1 ? `${song.name}: ${Math.round(100 * part)} %` : `${song.name}: reading …`;
      });
      const before = songs.find((one) => one.id === added.id)?.name ?? added.name;
      greet(before === added.name ? null : `The same sound was opened before as “${before}”: its marks and runs are here.`);
      location.href = `${root}/song/${added.id}`;
    } catch (error) {
      progress.hidden = true;
      word.textContent = HINT;
      toast(error.message, "error");
    }
  }

  async function demo() {
    try {
      const { id } = await ask("POST", "demo");
      greet(songs.some((one) => one.id === id) ? null : "The example song is marked already: adapt the network to it, or clear the marks and make your own.");
      location.href = `${root}/song/${id}`;
    } catch (error) {
      toast(error.message, "error");
    }
  }

  async function show() {
    try {
      ({ songs } = await ask("GET", "songs"));
      list.replaceChildren(...(songs.length ? songs.map((song) => row(song, show)) : [h("li", { class: "empty" }, "None yet.")]));
    } catch (error) {
      list.replaceChildren(h("li", { class: "error" }, `The songs cannot be listed: ${error.message}`));
    }
  }
}

function row(song, show) {
  const rename = async () => {
    const name = await askName("Rename the song", song.name);
    if (name) await ask("PATCH", `songs/${song.id}`, { name }).then(show, (error) => toast(error.message, "error"));
  };
  const remove = () => toast(`Delete ${song.name} with its marks, runs and stems?`, "info", { label: "Delete", do: () => ask("DELETE", `songs/${song.id}`).then(show, (error) => toast(error.message, "error")) });
  const popup = h("div", { class: "popup", popover: "auto", onclick: () => popup.hidePopover() }, h("button", { type: "button", onclick: rename }, "Rename …"), h("button", { type: "button", class: "danger", onclick: remove }, "Delete …"));
  const more = button(`More about ${song.name}`, () => showPopup(more, popup), { class: "bare", "aria-haspopup": "true" }, icon("more"));
  return h("li", {}, h("a", { href: `${root}/song/${song.id}`, title: song.name }, h("b", {}, song.name), h("span", { class: "soft" }, formatClock(song.duration_s).slice(0, -2)), h("time", { class: "soft", datetime: song.opened }, new Date(song.opened).toLocaleString([], { dateStyle: "medium", timeStyle: "short" }))), more, popup);
}

/** Leave a message for the song's page, which is opened next. */
function greet(text) {
  try { sessionStorage[text ? "setItem" : "removeItem"](GREETING, text); } catch { /* refused: no message */ }
}

/** Show the message that was left for this page. */
export function showGreeting() {
  try {
    const text = sessionStorage.getItem(GREETING);
    sessionStorage.removeItem(GREETING);
    if (text) toast(text);
  } catch { /* refused */ }
}

/** Call `take` with a file that is dropped anywhere on the page. */
export function acceptDrops(take) {
  let depth = 0;
  const over = (on) => document.body.classList.toggle("dropping", on);
  addEventListener("dragenter", () => { depth += 1; over(true); });
  addEventListener("dragleave", () => { depth -= 1; if (depth <= 0) { depth = 0; over(false); } });
  addEventListener("dragover", (event) => event.preventDefault());
  addEventListener("drop", (event) => {
    event.preventDefault();
    depth = 0;
    over(false);
    const dropped = event.dataTransfer.files[0];
    if (dropped) take(dropped);
  });
}
