// Marks snap to beats or onsets. The server finds them once for each song; the page asks for them when they are first wanted.

import { ask } from "./api.js";
import { toast } from "./dom.js";
import { findNearest } from "./marks.js";
import { readColour } from "./palette.js";

export const GRIDS = ["off", "beats", "onsets"];
const NEAR_S = 0.15; // when marking by ear
const APART_PX = 6; // lines of the grid are at least this far apart, or none is drawn

/** Keep the grid that marks snap to in the store: `grid`, a sorted list of times, empty while there is none. */
export function loadGrid(store, id) {
  let asked = null; // the job that finds the times, or true while it is being added
  const load = async () => {
    try {
      store.set({ rhythm: await ask("GET", `songs/${id}/rhythm`) });
    } catch (error) {
      if (error.status !== 404) toast(error.message, "error");
      return error.status;
    }
    return 200;
  };
  const find = async () => {
    asked = true;
    try {
      if (await load() === 404) asked = (await ask("POST", `songs/${id}/jobs`, { kind: "rhythm", network: store.get("network") ?? "mini" })).id;
    } catch (error) {
      asked = null;
      store.set({ snap: "off" });
      toast(error.message, "error");
    }
  };
  store.watch(["snap", "rhythm"], ({ snap, rhythm }) => {
    store.set({ grid: { beats: rhythm?.beats_s, onsets: rhythm?.onsets_s }[snap] ?? [] });
    if (snap !== "off" && !rhythm && !asked) find();
  });
  store.watch(["jobs"], ({ jobs, rhythm }) => {
    const job = jobs.find((one) => one.id === asked);
    if (rhythm || !job) return;
    if (job.state === "done") load();
    else if (["failed", "cancelled", "interrupted"].includes(job.state)) {
      asked = null;
      store.set({ snap: "off" });
    }
  });
}

/** Return the time of the grid that is near to a time, or the time itself. */
export function snapToGrid(store, time, within = NEAR_S) {
  const nearest = findNearest(store.get("grid"), time);
  return Math.abs(nearest - time) <= within ? nearest : time;
}

/** Draws the grid behind the playhead. */
export class Grid {
  constructor(store, place) {
    Object.assign(this, { store, place });
    this.canvas = document.createElement("canvas");
    this.canvas.className = "grid";
    this.canvas.setAttribute("aria-hidden", "true");
    place.prepend(this.canvas);
  }

  draw(timeline) {
    const scale = devicePixelRatio || 1;
    this.canvas.width = Math.round(this.place.clientWidth * scale);
    this.canvas.height = 1; // lines are upright: the style sheet stretches them
    const context = this.canvas.getContext("2d");
    context.fillStyle = readColour("ink");
    const until = timeline.start + timeline.width / timeline.pixels;
    const visible = this.store.get("grid").filter((time) => time >= timeline.start && time <= until);
    if (visible.length * APART_PX > timeline.width) return;
    for (const time of visible) context.fillRect(Math.round(timeline.xOf(time) * scale), 0, scale, 1);
  }
}
