// The first page: the songs that were opened, and a place to drop another one.

import { ask, root, upload } from "./api.js";
import { button, clock, h, icon, toast } from "./dom.js";
import { theme } from "./palette.js";

export async function showHome(app) {
  const list = h("ul", { class: "songs" });
  const progress = h("div", { class: "progress", hidden: true }, h("i"));
  const word = h("p", { class: "soft", "aria-live": "polite" }, "WAV, FLAC, MP3, Ogg, AIFF; it stays on this machine");
  const file = h("input", { type: "file", hidden: true, accept: "audio/*,.flac,.aiff,.aif", onchange: () => file.files[0] && take(file.files[0]) });
  const drop = h("div", { class: "drop" }, h("h2", {}, "Drop a song here"), word, progress,
    h("div", { class: "line" }, h("button", { type: "button", class: "primary", onclick: () => file.click() }, "Choose a file"), h("button", { type: "button", onclick: demo }, "Open the demo song")), file);
  app.replaceChildren(h("header", {}, h("span", { class: "brand" }, h("img", { src: `${root}/static/icon.svg`, alt: "" }), "studio"), h("span", { class: "grow" }), button("Light or dark", () => theme(), { class: "bare" }, icon("theme"))),
    h("main", { class: "home" }, h("p", { class: "lead" }, "Mark when each instrument plays and when it is silent. The network learns this one song from it, and separates it better."), drop, h("section", {}, h("h2", {}, "Songs"), list)));
  acceptDrops(take);

  async function take(song) {
    progress.hidden = false;
    try {
      const added = await upload("songs", song, (part) => {
        progress.firstElementChild.style.width = `${100 * part}%`;
        word.textContent = part < 1 ? `${song.name}: ${Math.round(100 * part)} %` : `${song.name}: reading …`;
      });
      location.href = `${root}/song/${added.id}`;
    } catch (error) {
      progress.hidden = true;
      word.textContent = "WAV, FLAC, MP3, Ogg, AIFF; it stays on this machine";
      toast(error.message, "error");
    }
  }

  async function demo() {
    try { location.href = `${root}/song/${(await ask("POST", "demo")).id}`; } catch (error) { toast(error.message, "error"); }
  }

  try {
    const { songs } = await ask("GET", "songs");
    list.replaceChildren(...(songs.length ? songs.map((song) => h("li", {}, h("a", { href: `${root}/song/${song.id}` }, h("b", {}, song.name), h("span", { class: "soft" }, clock(song.duration_s).slice(0, -2)), h("time", { class: "soft", datetime: song.opened }, new Date(song.opened).toLocaleString())))) : [h("li", { class: "empty" }, "None yet.")]));
  } catch (error) {
    list.replaceChildren(h("li", { class: "error" }, `The songs cannot be listed: ${error.message}`));
  }
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
