// What the page knows, and who wants to hear of changes; undo and redo; saving as one goes.

import { ask, Refused } from "./api.js";

/** Values by name, with listeners. */
export class Store {
  constructor(values) {
    this.values = values;
    this.listeners = new Map();
  }

  get(name) {
    return this.values[name];
  }

  /** Set values, then call everybody who listens to one of them, each once. */
  set(changes) {
    Object.assign(this.values, changes);
    const called = new Set(Object.keys(changes).flatMap((name) => this.listeners.get(name) ?? []));
    for (const listener of called) listener(this.values);
  }

  /** Call a listener now, and whenever one of the names is set. */
  watch(names, listener) {
    for (const name of names) this.listeners.set(name, [...(this.listeners.get(name) ?? []), listener]);
    listener(this.values);
  }
}

const MOST_STEPS = 500;

/** Edits of the marks, which can be taken back. An edit is {marks, elsewhere}. */
export class History {
  constructor(store, onedit) {
    Object.assign(this, { store, onedit, past: [], future: [] });
  }

  edit(change) {
    const before = this.now();
    const after = { ...before, ...change };
    if (after.marks === before.marks && after.elsewhere === before.elsewhere) return;
    this.past = [...this.past.slice(-MOST_STEPS), before];
    this.future = [];
    this.#show(after);
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

  /** Show what was changed elsewhere; it is not an edit of this page. */
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

/** Sends the marks to the server: at once, one request at a time, again where the server was away. */
export class Saver {
  constructor(store, song, onconflict) {
    Object.assign(this, { store, song, onconflict, dirty: false, busy: false, revision: 0 });
    addEventListener("pagehide", () => this.dirty && this.#send({ keepalive: true }).catch(() => {}));
    addEventListener("beforeunload", (event) => this.store.get("saved") === "away" && event.preventDefault());
  }

  save() {
    this.dirty = true;
    this.store.set({ saved: "saving" });
    if (!this.busy) this.#loop();
  }

  async #loop() {
    this.busy = true;
    while (this.dirty) {
      this.dirty = false;
      try {
        this.revision = (await this.#send()).revision;
      } catch (error) {
        this.dirty = true;
        if (error instanceof Refused && error.status === 409) {
          this.store.set({ saved: "conflict" });
          this.onconflict(error.body.revision);
          break;
        }
        this.store.set({ saved: "away", whyUnsaved: error.message });
        await new Promise((resolve) => setTimeout(resolve, 1500));
      }
    }
    this.busy = false;
    if (!this.dirty) this.store.set({ saved: "saved" });
  }

  #send(options) {
    const { marks, elsewhere } = this.store.values;
    return ask("PUT", `songs/${this.song}/marks`, { marks, elsewhere, revision: this.revision }, options);
  }
}
