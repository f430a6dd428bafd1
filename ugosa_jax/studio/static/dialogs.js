// Dialogs: names and notes, and saving sound.

import { root } from "./api.js";
import { formatExact, h, parseTime } from "./dom.js";
import { RESIDUAL, shortName } from "./listen.js";

/** Show a dialog; return the result of `read` if it is confirmed, null if it is closed. */
export function askDialog(title, content, read, confirm = "OK") {
  return new Promise((resolve) => {
    let answer = null;
    const form = h("form", { method: "dialog", onsubmit: () => { answer = read(); } }, h("h2", {}, title), content,
      h("div", { class: "go" }, h("button", { type: "submit", class: "primary" }, confirm), h("button", { type: "button", onclick: () => dialog.close() }, "Cancel")));
    const dialog = h("dialog", { class: "ask", onclose: () => { dialog.remove(); resolve(answer); } }, form);
    document.body.append(dialog);
    dialog.showModal();
  });
}

function field(label, input) {
  return h("label", { class: "field" }, h("span", {}, label), input);
}

export function askName(title, name) {
  const input = h("input", { type: "text", maxlength: 120, required: true, value: name, "aria-label": "name" });
  return askDialog(title, [field("name", input)], () => input.value);
}

/** Ask for a name and a note: {name, note}. */
export function askTitle(title, { name, note }) {
  const input = h("input", { type: "text", maxlength: 120, value: name, placeholder: title, "aria-label": "name" });
  const text = h("textarea", { rows: 3, maxlength: 2000, value: note, "aria-label": "note" });
  return askDialog(title, [field("name", input), field("note", text)], () => ({ name: input.value, note: text.value }));
}

/** Ask which sound to save, from when to when, and in which format; then let the browser save it. */
export async function saveSound(store, desk, transport, run = null) {
  const { sources, song, desk: now, runs, heard } = store.values;
  const stems = [...new Set(run ? [run] : [now.b, now.a])].filter(Boolean).flatMap((id) =>
    [...(runs.find((one) => one.id === id)?.sources ?? sources), RESIDUAL].map((source) => [`${id}/${source}`, `${source} of ${shortName(store, id)}`]));
  const what = h("select", { "aria-label": "sound" }, [["heard", heard === "mixture" ? "the mixture" : "the mix as you hear it"], ...stems].map(([value, text]) => h("option", { value }, text)));
  if (run && stems.length) what.value = stems[0][0];
  const kind = h("select", { "aria-label": "file" }, [["flac", "FLAC, 24 bit"], ["wav 24", "WAV, 24 bit"], ["wav float", "WAV, 32-bit float"]].map(([value, text]) => h("option", { value }, text)));
  const { loop } = transport;
  const start = h("input", { type: "text", value: formatExact(loop?.start ?? 0), "aria-label": "from" });
  const end = h("input", { type: "text", value: formatExact(loop?.end ?? song.duration_s), "aria-label": "to" });
  const asked = await askDialog("Save sound", [
    field("sound", what), field("file", kind), field("from", start), field("to", end),
    h("p", { class: "small soft" }, loop ? "The times are those of the loop." : "Change the times to save a part.", " If the sound is too loud for 24 bit, the whole file is made quieter."),
  ], () => ({ start: parseTime(start.value), end: parseTime(end.value) }), "Save");
  if (!asked) return;
  const parts = what.value === "heard" ? desk.parts() : [`${what.value}/1`];
  const [suffix, encoding = "24"] = kind.value.split(" ");
  const [id, source] = what.value.split("/");
  const label = what.value === "heard" ? (heard === "mixture" ? "mixture" : "mix") : `${source}, ${shortName(store, id)}`;
  const query = new URLSearchParams([...parts.map((part) => ["part", part]), ["start", asked.start], ["end", asked.end], ["encoding", encoding], ["name", `${song.name.replace(/\.\w{2,5}$/, "")} ${label}`]]);
  download(`songs/${song.id}/sound.${suffix}?${query}`);
}

/** Let the browser save a file of the server. */
export function download(path) {
  const link = h("a", { href: `${root}/api/${path}`, download: "" });
  document.body.append(link);
  link.click();
  link.remove();
}
