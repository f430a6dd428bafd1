// A lane shows the marks of one source as regions, which are dragged, stretched and chosen.

import RegionsPlugin from "./vendor/regions.js";
import { fade } from "./palette.js";
import * as model from "./marks.js";

const LEAST_PX = 4;
const SNAP_PX = 6;

export class Lane {
  /** Regions over a row of the timeline; `does` has paint(start, end), move(mark, start, end), choose(mark, event), seek(time). */
  constructor(row, source, colour, timeline, does) {
    Object.assign(this, { row, source, colour, timeline, does, shown: [], byRegion: new Map() });
    this.container = row.wave.getWrapper();
    this.#plug();
    // The plugin's selection begins some pixels beside the pointer; what counts is where the pointer was.
    this.container.addEventListener("pointerdown", (event) => { this.from = this.to = timeline.timeAt(event.clientX); });
    addEventListener("pointermove", (event) => { if (event.buttons) this.to = timeline.timeAt(event.clientX); });
    this.container.addEventListener("click", (event) => this.#click(event));
    this.container.addEventListener("dblclick", (event) => this.#doubleClick(event));
    timeline.addEventListener("redrawn", (event) => event.detail === row && this.#draw());
  }

  /** Show marks; where there are none, the source is silent or nothing is known. */
  show(marks, restIsSilent, selected, held) {
    const own = marks.filter((mark) => mark.source === this.source);
    const text = JSON.stringify([own, restIsSilent, selected && own.indexOf(selected), held]);
    if (text === this.drawn) return;
    Object.assign(this, { drawn: text, shown: own, restIsSilent, selected, held });
    this.#draw();
  }

  #plug() {
    this.regions = this.row.wave.registerPlugin(RegionsPlugin.create());
    this.regions.enableDragSelection({ color: fade(this.colour, 0.35), resize: false, drag: false }, LEAST_PX);
    this.regions.on("region-created", (region) => {
      if (this.drawing) return;
      region.remove();
      this.does.paint(this.source, this.#snapped(this.from), this.#snapped(this.to));
    });
    this.regions.on("region-updated", (region) => {
      const mark = this.byRegion.get(region);
      if (mark && (region.start !== mark.start || region.end !== mark.end)) this.does.move(mark, region.start, region.end);
    });
  }

  #draw() {
    this.drawing = true;
    this.regions.clearRegions();
    this.byRegion.clear();
    if (this.restIsSilent) for (const gap of model.gaps(this.shown, this.timeline.duration)) this.#add({ ...gap, state: "rest", fixed: true });
    for (const mark of this.shown) this.#add(mark);
    if (this.held) this.#add({ ...this.held, held: true, fixed: true });
    this.drawing = false;
  }

  #add(mark) {
    const region = this.regions.addRegion({ start: mark.start, end: Math.max(mark.end, mark.start + 1e-3), drag: false, resize: !mark.fixed, color: "transparent" });
    this.byRegion.set(region, mark);
    const element = region.element;
    if (!element) return; // out of sight; it is made when it scrolls in
    element.part.add(mark.state, ...(mark === this.selected ? ["selected"] : []), ...(mark.held ? ["held"] : []));
    element.style.pointerEvents = "none"; // painting goes over marks; only their borders are handles
    for (const handle of element.querySelectorAll('[part*="region-handle"]')) {
      handle.style.pointerEvents = "auto";
      handle.style.width = "9px";
      handle.style.border = "none";
    }
  }

  /** Return a time, or the border of a mark or the song's end if that is a few pixels away. */
  #snapped(time) {
    const borders = [0, this.timeline.duration, ...this.shown.flatMap((mark) => [mark.start, mark.end])];
    const near = borders.reduce((best, border) => (Math.abs(border - time) < Math.abs(best - time) ? border : best));
    return Math.abs(near - time) * this.timeline.pixels <= SNAP_PX ? near : time;
  }

  #mark(event) {
    return model.at(this.shown, this.source, this.timeline.timeAt(event.clientX));
  }

  #click(event) {
    const mark = this.#mark(event);
    this.does.seek(this.timeline.timeAt(event.clientX));
    this.does.choose(mark ?? null);
  }

  #doubleClick(event) {
    const mark = this.#mark(event);
    if (mark) this.does.cycle(mark);
  }
}
