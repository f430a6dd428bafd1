// The actions of controls and keys.

import { ask, root, upload } from "./api.js";
import { announce, plural, toast } from "./dom.js";
import { askName, askTitle, download, saveSound } from "./dialogs.js";
import { importMarks } from "./importing.js";
import { showKeys } from "./keys.js";
import { runName } from "./listen.js";
import { listSuggestions } from "./notices.js";

/** Return all actions; `parts` are those of the page: store, id, transport, editing, history, saver, desk, and functions settings(), timeline() and blind(). */
export function actions(parts) {
  const does = { ...marking(parts), ...listening(parts), ...working(parts), help: showKeys };
  Object.assign(does, suggesting(parts, does), importing(parts), naming(parts));
  does.keys = keys(parts, does);
  return does;
}

function marking({ store, id, transport, editing, history, saver, timeline }) {
  const announced = (act) => (...given) => {
    const done = act(...given);
    const { selected } = store.values;
    announce(selected ? `${selected.source}, ${selected.state}, ${selected.start.toFixed(2)} to ${selected.end.toFixed(2)} seconds` : `no mark chosen, lane ${store.get("lane")}`);
    return done;
  };
  return {
    brush: (state) => { editing.brush(state); announce(`marks are ${state}`); },
    restate: announced((state) => editing.restate(state)), border: announced((side) => editing.border(side)), remove: announced(() => editing.remove()),
    make: announced(() => editing.make()), shift: announced((by) => editing.shift(by)), cycle: announced(() => editing.cycle()), choose: announced((step) => editing.chooseNext(step)),
    pick: announced((source) => { store.set({ lane: source, selected: null }); }),
    elsewhere: (source, state) => editing.elsewhere(source, state), hold: announced((source) => editing.hold(source)), release: (source) => editing.release(source),
    loop: () => {
      const { selected } = store.values;
      const edge = timeline().bar.getBoundingClientRect();
      const sight = { start: timeline().timeAt(edge.left), end: timeline().timeAt(edge.right) };
      transport.setLoop(transport.loop ? null : selected ? { start: selected.start, end: selected.end } : sight);
    },
    keepMine: async () => {
      try { saver.overwrite((await ask("GET", `songs/${id}`)).marks.revision); } catch (error) { toast(error.message, "error"); }
    },
    showTheirs: async () => {
      try {
        const { marks } = await ask("GET", `songs/${id}`);
        Object.assign(saver, { dirty: false, revision: marks.revision });
        history.replace({ marks: marks.marks, elsewhere: marks.elsewhere });
        store.set({ saved: "saved" });
      } catch (error) { toast(error.message, "error"); }
    },
  };
}

function listening({ store, desk, transport, blind }) {
  return {
    mute: (name) => desk.flip("mute", name), solo: (name) => desk.flip("solo", name), version: (name, which) => desk.set("version", name, which), volume: (name, gain) => desk.set("volume", name, gain),
    switch: () => { const { a, b } = store.get("desk"); if (a !== b) desk.all(); },
    compareBlind: () => blind().begin(),
    hearStems: () => { desk.hear("stems"); if (!transport.playing) transport.play(); },
    saveSound: (run = null) => saveSound(store, desk, transport, run),
    saveStems: () => download(`songs/${store.get("song").id}/runs/${store.get("desk")[desk.which() === "a" ? "a" : "b"]}/stems.zip?encoding=float`),
  };
}

function working({ store, id, settings }) {
  const order = async (asked) => {
    try { return await ask("POST", `songs/${id}/jobs`, asked); } catch (error) { toast(error.message, "error"); return null; }
  };
  const network = () => store.get("network") ?? "mini";
  const dismiss = async (job) => {
    await ask("DELETE", `songs/${id}/jobs/${job}`).catch(() => {});
    store.set({ jobs: store.get("jobs").filter((one) => one.id !== job) });
  };
  return {
    dismiss,
    adapt: () => settings().form.adapt(),
    showJobs: () => document.querySelector(".work").scrollIntoView({ block: "nearest" }),
    suggest: () => order({ kind: "suggest", network: network() }),
    separate: () => order({ kind: "separate", network: network() }),
    again: async (job) => { const { kind, network: name, adapt, separate, start } = job; if (await order({ kind, network: name, adapt, separate, start })) dismiss(job.id); },
    continueFrom: (run) => settings().form.begin(run),
  };
}

/** Suggestions stay until they are accepted or dismissed, also after a reload. */
function suggesting({ store, editing }, does) {
  const decided = () => { for (const { job } of listSuggestions(store.get("jobs"))) does.dismiss(job); };
  return {
    acceptAll: () => {
      const added = editing.add(listSuggestions(store.get("jobs")).flatMap((one) => one.marks));
      decided();
      if (added) toast(`${plural(added, "silence")} marked. These are guesses of the network: listen to each and correct it.`);
    },
    accept: (mark) => editing.add([mark]),
    dismissSuggestions: decided,
  };
}

function importing({ store, id, editing }) {
  return {
    chooseFile: () => document.querySelector("header input[type=file]").click(),
    openSong: async (file) => {
      const close = toast(`${file.name}: opening …`);
      try { location.href = `${root}/song/${(await upload("songs", file, () => {})).id}`; } catch (error) { close(); toast(error.message, "error"); }
    },
    importFile: async (file) => {
      try {
        const found = await importMarks(id, file, store.get("network") ?? "");
        if (!found) return;
        const { undo, replaced } = editing.takeOver(found.marks, found.elsewhere);
        const lanes = [...new Set(replaced.map((mark) => mark.source))].join(", ");
        const lost = replaced.length ? ` They replace ${plural(replaced.length, "mark")} of ${lanes}.` : "";
        const notes = found.notes.length ? ` Notes: ${found.notes.join("; ")}.` : "";
        toast(`${plural(found.marks.length, "mark")} from ${file.name}.${lost}${notes}`, "info", { label: "Undo", do: undo });
      } catch (error) { toast(error.message, "error"); }
    },
  };
}

function naming({ store, id }) {
  return {
    renameSong: async () => {
      const name = await askName("Rename the song", store.get("song").name);
      if (!name) return;
      try {
        store.set({ song: await ask("PATCH", `songs/${id}`, { name }) });
        document.title = `${store.get("song").name} – ugosa studio`;
      } catch (error) { toast(error.message, "error"); }
    },
    titleRun: async (run) => {
      const title = store.get("titles")[run];
      const answer = await askTitle(runName(store, run), title);
      if (!answer) return;
      try { store.set({ titles: { ...store.get("titles"), [run]: await ask("PATCH", `songs/${id}/runs/${run}`, answer) } }); } catch (error) { toast(error.message, "error"); }
    },
  };
}

function keys({ store, transport, editing, history, desk, timeline, blind }, does) {
  const source = (number) => store.get("sources")[number - 1];
  return {
    ...does, hold: (number) => does.hold(source(number)), release: (number) => does.release(source(number)),
    play: () => (blind().time === null ? transport.toggle() : blind().toggle()), seek: (by) => transport.seek(by === -Infinity ? 0 : by === Infinity ? transport.duration : transport.time + by),
    undo: () => history.undo(), redo: () => history.redo(), zoom: (factor) => timeline().zoom(factor),
    nothing: () => { editing.choose(null); transport.setLoop(null); },
    mixture: () => desk.hear(store.get("heard") === "stems" ? "mixture" : "stems"),
  };
}
