// Play, pause, seek, loop: over the mixture's audio element, which can also play slowly, or over the deck of stems.

const EPSILON_S = 0.005;

export class Transport extends EventTarget {
  constructor(audio, deck) {
    super();
    Object.assign(this, { audio, deck, heard: "mixture", loop: null });
    for (const kind of ["play", "pause", "ended", "seeked", "waiting", "canplay"]) audio.addEventListener(kind, () => this.#tell());
    audio.addEventListener("error", () => this.dispatchEvent(new CustomEvent("trouble", { detail: new Error("the mixture cannot be played") })));
    for (const kind of ["ended", "stall"]) deck.addEventListener(kind, () => this.#tell());
    deck.addEventListener("trouble", (event) => this.dispatchEvent(new CustomEvent("trouble", { detail: event.detail })));
    this.#watch();
  }

  get playing() {
    return this.heard === "mixture" ? !this.audio.paused : this.deck.playing;
  }

  get waiting() {
    return this.heard === "mixture" ? !this.audio.paused && this.audio.readyState < 3 : this.deck.stalled;
  }

  get time() {
    return this.heard === "mixture" ? this.audio.currentTime : this.deck.time;
  }

  get duration() {
    return this.deck.duration;
  }

  async play() {
    if (this.loop && (this.time < this.loop.start - EPSILON_S || this.time >= this.loop.end - EPSILON_S)) this.seek(this.loop.start);
    try {
      await (this.heard === "mixture" ? this.audio.play() : this.deck.play());
    } catch (error) {
      if (error.name !== "AbortError") this.dispatchEvent(new CustomEvent("trouble", { detail: error })); // paused before it began
    }
    this.#tell();
  }

  pause() {
    if (this.heard === "mixture") this.audio.pause();
    else this.deck.pause();
    this.#tell();
  }

  toggle() {
    if (this.playing) this.pause();
    else this.play();
  }

  seek(time) {
    const inside = Math.max(0, Math.min(this.duration, time));
    if (this.heard === "mixture") this.audio.currentTime = inside;
    else this.deck.seek(inside);
    this.dispatchEvent(new Event("seek"));
    this.#tell();
  }

  setLoop(loop) {
    this.loop = loop;
    this.deck.setLoop(loop);
    if (loop && this.playing && (this.time < loop.start || this.time >= loop.end)) this.seek(loop.start);
    this.#tell();
  }

  /** Play slower or faster, at the same pitch. */
  setSpeed(speed) {
    this.audio.playbackRate = speed;
    this.audio.preservesPitch = true;
    this.deck.setSpeed(speed);
    this.#tell();
  }

  /** Set the master volume, a factor of at most 1. */
  setVolume(volume) {
    this.audio.volume = Math.min(1, volume);
    this.deck.setVolume(volume);
  }

  /** Play the mixture's audio element, or the deck, from the same place. */
  async hear(what) {
    if (what === this.heard) return;
    const [playing, time] = [this.playing, this.time];
    if (playing) this.pause();
    this.heard = what;
    this.seek(time);
    if (playing) await this.play();
    this.#tell();
  }

  #tell() {
    this.dispatchEvent(new Event("change"));
  }

  /** Return to the start of a loop; the audio element cannot loop a stretch. */
  #watch() {
    if (this.heard === "mixture" && this.loop && !this.audio.paused && this.audio.currentTime >= this.loop.end) {
      this.audio.currentTime = this.loop.start;
    }
    requestAnimationFrame(() => this.#watch());
  }
}
