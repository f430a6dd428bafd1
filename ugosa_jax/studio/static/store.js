// The state of the page and its listeners; undo and redo; saving.

import { ask, Refused } from "./api.js";
import { revert } from "./marks.js";

/** Named values with listeners. */
export class Store {
  constructor(values) {
    this.values = values;
    this.listeners = new Map();
  }

  get(name) {
    return this.values[name];
  }

  /** Set values, then call each listener of any of them once. */
  set(changes) {
    Object.assign(this.values, changes);
    const called = new Set(Object.keys(changes).flatMap((name) => this.listeners.get(name) ?? []));
    for (const listener of called) listener(this.values);
  }

  /** Call a listener now and whenever one of the values is set. */
  watch(names, listener) {
    for (const name of names) this.listeners.set(name, [...(this.listeners.get(name) ?? []), listener]);
    listener(this.values);
  }
}

const MOST_STEPS = 500;
const KEPT_STEPS = 50;
const SLOW_MS = 2000; // before a save is shown as slow
const AWAY_MS = 15000; // before a save is retried

/** Undo and redo of edits {marks, elsewhere}. */
export class History {
  constructor(store, onedit) {
    Object.assign(this, { store, onedit, past: [], future: [] });
  }

  /** Make an edit; return {undo}, which undoes this edit alone and keeps later ones. */
  edit(change) {
    const before = this.now();
    const after = { ...before, ...change };
    if (after.marks === before.marks && after.elsewhere === before.elsewhere) return { undo: () => {} };
    this.past = [...this.past.slice(-MOST_STEPS), before];
    this.future = [];
    this.#show(after);
    return { undo: () => this.edit(revert(this.now(), before, after)) };
  }

  /** Return the last steps, which `remember` restores after a reload. */
  steps() {
    return { past: this.past.slice(-KEPT_STEPS), future: this.future.slice(-KEPT_STEPS) };
  }

  remember({ past, future }) {
    Object.assign(this, { past, future });
    this.store.set({ undoable: past.length > 0, redoable: future.length > 0 });
  }

  undo() {
    if (!this.past.length) return;
    this.future.push(this.now());
    this.#show(this.past.pop());
  }

  redo() {
    if (!this.future.length) return;
    this.past.push(this.now());
    this.#show(this.future.pop());
  }

  /** Show marks that were changed in another window. */
  replace(state) {
    Object.assign(this, { past: [], future: [] });
    this.store.set({ ...state, undoable: false, redoable: false, selected: null });
  }

  now() {
    return { marks: this.store.get("marks"), elsewhere: this.store.get("elsewhere") };
  }

  #show(state) {
    this.store.set({ ...state, undoable: this.past.length > 0, redoable: this.future.length > 0, selected: null });
    this.onedit();
  }
}

/** Saves the marks on the server: at once, one request at a time, and again after a failure. */
export class Saver {
  constructor(store, song) {
    Object.assign(this, { store, song, dirty: false, busy: false, revision: 0, sent: null });
    addEventListener("pagehide", () => this.dirty && this.#send({ keepalive: true }).catch(() => {}));
    addEventListener("beforeunload", (event) => ["away", "conflict", "slow"].includes(this.store.get("saved")) && event.preventDefault());
  }

  save() {
    this.dirty = true;
    if (this.store.get("saved") === "conflict") return; // the conflict must be resolved first
    this.store.set({ saved: "saving" });
    if (!this.busy) this.#loop();
  }

  /** Resolve a conflict by overwriting the marks on the server. */
  overwrite(revision) {
    this.revision = revision;
    this.store.set({ saved: "saving" });
    this.save();
  }

  async #loop() {
    this.busy = true;
    while (this.dirty) {
      this.dirty = false;
      const slow = setTimeout(() => this.store.set({ saved: "slow" }), SLOW_MS);
      try {
        this.revision = (await this.#send({ signal: AbortSignal.timeout(AWAY_MS) })).revision;
        this.sent = null;
      } catch (error) {
        this.dirty = true;
        if (error instanceof Refused && error.status === 409) {
          if (await this.#isOwn()) continue;
          this.store.set({ saved: "conflict" });
          break;
        }
        this.store.set({ saved: "away", whyUnsaved: error.message });
        await new Promise((resolve) => setTimeout(resolve, 1500));
      } finally {
        clearTimeout(slow);
      }
    }
    this.busy = false;
    if (!this.dirty) this.store.set({ saved: "saved" });
  }

  /** Return whether the marks on the server are those that this page sent last, whose answer was lost. */
  async #isOwn() {
    if (!this.sent) return false;
    const { marks } = await ask("GET", `songs/${this.song}`).catch(() => ({}));
    if (!marks || JSON.stringify([marks.marks, marks.elsewhere]) !== this.before) return false;
    this.revision = marks.revision;
    return true;
  }

  #send(options) {
    const { marks, elsewhere } = this.store.values;
    this.before = this.sent;
    this.sent = JSON.stringify([marks, elsewhere]);
    return ask("PUT", `songs/${this.song}/marks`, { marks, elsewhere, revision: this.revision }, options);
  }
}
