// Importing a file of marks. The server may ask for the meaning of names or for the unit of times.

import { upload } from "./api.js";
import { askDialog } from "./dialogs.js";
import { h } from "./dom.js";

const UNITS = { s: "seconds", ms: "milliseconds", us: "microseconds", "100ns": "units of 100 ns (HTK)", 44100: "samples at 44.1 kHz", 48000: "samples at 48 kHz" };

/** Return the marks of a file, {marks, elsewhere, notes}; null if the dialog was cancelled. */
export async function importMarks(song, file, network) {
  const told = { names: {}, unit: null, remember: false };
  for (;;) {
    const query = new URLSearchParams({ network, names: JSON.stringify(told.names), ...(told.unit && { unit: told.unit }), ...(told.remember && { remember: "yes" }) });
    try {
      return await upload(`songs/${song}/import?${query}`, file, () => {});
    } catch (error) {
      const asked = error.body?.ask;
      const answer = asked && (await (asked.names ? askNames(file.name, asked) : askUnit(file.name)));
      if (!asked) throw error;
      if (!answer) return null;
      Object.assign(told.names, answer.names);
      told.unit = answer.unit ?? told.unit;
      told.remember ||= answer.remember ?? false;
    }
  }
}

function askNames(file, { names, sources }) {
  const fields = names.map(({ name, where, hint }) => {
    const known = [["", "leave out"], ...sources.map((source) => [source, source]), ...sources.map((source) => [`no ${source}`, `silence of ${source}`]), ...sources.map((source) => [`one of ${source}`, `one instrument of ${source}`])];
    if (hint && !known.some(([value]) => value === hint)) known.push([hint, hint]);
    const field = h("select", { "aria-label": name }, known.map(([value, text]) => h("option", { value }, text)));
    field.value = hint;
    return { name, field, row: h("label", { class: "field" }, h("span", {}, h("b", {}, name), h("small", { class: "soft" }, where)), field) };
  });
  const remember = h("input", { type: "checkbox", checked: true });
  const one = names.length === 1;
  return askDialog(`${file}: ${one ? "unknown name" : `${names.length} unknown names`}`, [
    h("p", { class: "soft" }, one ? "Which source does it mean?" : "Which sources do they mean?", " A source is silent only where all of its instruments are."),
    h("div", { class: "asked" }, fields.map(({ row }) => row)),
    h("label", { class: "check" }, remember, "remember for other files"),
  ], () => ({ names: Object.fromEntries(fields.map(({ name, field }) => [name, field.value])), remember: remember.checked }), "Import");
}

function askUnit(file) {
  const field = h("select", { "aria-label": "unit" }, Object.entries(UNITS).map(([value, text]) => h("option", { value }, text)));
  field.value = "ms";
  return askDialog(`${file}: unit of times`, [
    h("p", { class: "soft" }, "The file does not name a unit, and as seconds its times would be longer than any song."),
    h("label", { class: "field" }, h("span", {}, "times are"), field),
  ], () => ({ unit: field.value }), "Import");
}
