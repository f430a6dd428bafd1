// All marks as a table with exact times, to type, move, copy to another lane and remove, also several at once.

import { plural, formatExact, h, toast, parseTime } from "./dom.js";
import { STATES } from "./marks.js";

const MOST = 400; // rows; if there are more marks, those around the chosen one are shown

export function markList(store, editing, transport) {
  const { sources, song } = store.values;
  const body = h("tbody");
  const picked = new Set();
  const count = h("span", { class: "legend" });
  const by = h("input", { type: "text", class: "time", value: "0.1", "aria-label": "seconds to move by" });
  const target = h("select", { "aria-label": "lane to copy to" }, sources.map((source) => h("option", { value: source }, source)));
  const chosen = () => store.get("marks").filter((mark) => picked.has(mark));
  const several = (label, act) => h("button", { type: "button", onclick: () => { const marks = chosen(); if (marks.length) act(marks); else toast("Tick some marks first."); } }, label);
  const make = h("button", { type: "button", title: "in the chosen lane, at the playhead or over the loop (N)", onclick: () => editing.make() }, "New mark");
  const tools = h("div", { class: "line tools" }, make, h("span", { class: "label" }, "ticked marks:"),
    several("move by", (marks) => { const step = Number(by.value.replace(",", ".").replace("−", "-")); if (step) editing.shift(step, marks); }), by, h("span", { class: "label" }, "s"),
    several("copy to", (marks) => editing.copy(marks, target.value)), target, several("remove", (marks) => editing.remove(marks)));
  const table = h("table", { class: "marklist" }, h("thead", {}, h("tr", {}, ["", "source", "state", "from", "to", "length", ""].map((text) => h("th", { scope: "col" }, text || h("span", { class: "unseen" }, "actions"))))), body);
  const empty = h("p", { class: "soft" }, "Nothing is marked yet.");
  const details = h("details", { class: "panel wide", ontoggle: () => details.open && show() }, h("summary", {}, h("h2", {}, "List of marks"), count), tools, empty, h("div", { class: "scrolls" }, table));

  function show() {
    const { marks, selected } = store.values;
    count.textContent = plural(marks.length, "mark");
    for (const mark of picked) if (!marks.includes(mark)) picked.delete(mark);
    if (!details.open) return;
    const focus = focused();
    const from = Math.max(0, Math.min(marks.indexOf(selected) - MOST / 2, marks.length - MOST));
    empty.hidden = marks.length > 0;
    table.hidden = !marks.length;
    const shown = marks.slice(from, from + MOST).sort((a, b) => a.start - b.start || sources.indexOf(a.source) - sources.indexOf(b.source));
    body.replaceChildren(...shown.map((mark) => row(mark, selected)));
    if (focus) body.rows[focus.row]?.querySelectorAll("input, select, button")[focus.place]?.focus();
  }

  /** Return where the focus is in the table, which is made anew with every edit. */
  function focused() {
    const at = document.activeElement?.closest?.(".marklist tr");
    if (!at || at.parentNode !== body) return null;
    return { row: at.rowIndex - 1, place: [...at.querySelectorAll("input, select, button")].indexOf(document.activeElement) };
  }

  function row(mark, selected) {
    const tick = h("input", { type: "checkbox", "aria-label": `tick ${mark.source} ${formatExact(mark.start)}`, onchange: () => (tick.checked ? picked.add(mark) : picked.delete(mark)) });
    tick.checked = picked.has(mark);
    const option = (names, value, label, change) => {
      const select = h("select", { "aria-label": label, onchange: () => change(select.value) }, names.map((name) => h("option", { value: name }, name)));
      select.value = value;
      return select;
    };
    const time = (side, label) => {
      const field = h("input", { type: "text", class: "time", inputmode: "decimal", value: formatExact(mark[side]), "aria-label": label, onchange: () => {
        const value = parseTime(field.value);
        const fresh = { ...mark, [side]: Math.min(value, song.duration_s) };
        if (!(fresh.end - fresh.start >= 0.05)) {
          toast(`${field.value}: a mark lasts at least 0.05 s; write times as 12.5 or 1:02.250.`, "error");
          field.value = formatExact(mark[side]);
        } else editing.exchange(mark, fresh);
      } });
      return field;
    };
    return h("tr", { class: mark === selected ? "selected" : "", "aria-selected": String(mark === selected) },
      h("td", {}, tick), h("td", {}, option(sources.includes(mark.source) ? sources : [mark.source, ...sources], mark.source, "source", (source) => editing.exchange(mark, { ...mark, source }))),
      h("td", {}, option(STATES, mark.state, "state", (state) => editing.restate(state, mark))),
      h("td", {}, time("start", "from")), h("td", {}, time("end", "to")), h("td", { class: "soft number" }, `${(mark.end - mark.start).toFixed(2)} s`),
      h("td", {}, h("span", { class: "line" }, h("button", { type: "button", class: "small", "aria-label": `go to ${mark.source} ${formatExact(mark.start)}`, onclick: () => { editing.choose(mark); transport.seek(mark.start); } }, "go"), h("button", { type: "button", class: "small", "aria-label": `remove ${mark.source} ${formatExact(mark.start)}`, onclick: () => editing.remove([mark]) }, "remove"))));
  }

  store.watch(["marks", "selected"], show);
  return details;
}
