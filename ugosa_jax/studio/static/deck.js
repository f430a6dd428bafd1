// Plays any number of tracks in sync: pieces of one second are scheduled on one clock, so tracks cannot drift apart, and a
// switch only changes gains. Pieces are fetched when needed; the clock stops while one is missing.

import { HOP, findPlaces, overlapAdd } from "./stretch.js";
import { Wav } from "./wav.js";

const PIECE_S = 1;
const AHEAD_S = 4;
const LEAD_S = 0.04; // from a call to its first sample
const FADE_S = 0.012; // gains move so fast that no gap is heard and so slowly that nothing clicks

export class Deck extends EventTarget {
  /** `mixture` is the address of the mixture, whose waveform determines the windows at other speeds. */
  constructor(rate, duration, mixture) {
    super();
    Object.assign(this, { rate, duration, mixture: new Wav(mixture), tracks: new Map(), pieces: [], playing: false, stalled: false, resting: 0, loop: null, speed: 1, volume: 1, meters: [] });
  }

  /** Play slower or faster, at the same pitch. */
  setSpeed(speed) {
    const time = this.time;
    this.speed = speed;
    if (this.playing) this.#begin(time);
  }

  /** Set the master gain. */
  setVolume(volume) {
    this.volume = volume;
    this.out?.gain.setTargetAtTime(volume, this.context.currentTime, FADE_S / 3);
  }

  /** Return the peak of the most recent output; 1 is full scale. */
  get peak() {
    let most = 0;
    for (const meter of this.playing ? this.meters : []) {
      meter.node.getFloatTimeDomainData(meter.samples);
      for (const value of meter.samples) most = Math.max(most, Math.abs(value));
    }
    return most;
  }

  /** Set the tracks, {name: url}. Tracks that stay are not interrupted. */
  setTracks(urls) {
    for (const [name, track] of this.tracks) {
      if (urls[name] === track.wav.url) continue;
      this.#silence(track);
      track.gain?.disconnect();
      this.tracks.delete(name);
    }
    for (const [name, url] of Object.entries(urls)) {
      if (this.tracks.has(name)) continue;
      const track = { name, wav: new Wav(url), level: 0, gain: null, sources: new Set() };
      this.tracks.set(name, track);
      if (this.context) this.#connect(track);
      for (const piece of this.pieces) this.#fill(track, piece);
    }
  }

  /** Set the gains of all tracks at once, {name: gain}; others are muted. */
  setLevels(levels) {
    const at = this.context ? this.context.currentTime + 0.005 : 0;
    for (const track of this.tracks.values()) {
      const level = levels[track.name] ?? 0;
      if (level === track.level) continue;
      track.level = level;
      if (!track.gain) continue;
      track.gain.gain.cancelScheduledValues(at);
      track.gain.gain.setTargetAtTime(level, at, FADE_S / 3);
    }
  }

  get time() {
    if (!this.playing || !this.context) return this.resting;
    const now = this.context.currentTime - (this.context.outputLatency || this.context.baseLatency || 0);
    const piece = this.pieces.findLast((one) => one.at <= now) ?? this.pieces[0];
    if (!piece) return this.resting;
    return Math.min(this.duration, piece.first / this.rate + Math.min(Math.max(0, now - piece.at) * this.speed, piece.count / this.rate));
  }

  async play() {
    this.#open();
    await this.context.resume().catch(() => {}); // closed meanwhile
    if (this.playing || this.context.state === "closed") return;
    this.playing = true;
    if (this.resting >= this.duration - 0.01) this.resting = this.loop ? this.loop.start : 0;
    this.#begin(this.resting);
  }

  pause() {
    if (!this.playing) return;
    this.resting = this.time;
    this.playing = false;
    this.#stop();
  }

  seek(time) {
    this.resting = Math.max(0, Math.min(this.duration, time));
    if (this.playing) this.#begin(this.resting);
  }

  /** Loop a stretch {start, end}, or null. */
  setLoop(loop) {
    this.loop = loop;
    if (this.playing) this.#begin(this.time);
  }

  close() {
    this.pause();
    this.context?.close();
  }

  #open() {
    if (this.context) return;
    try {
      this.context = new AudioContext({ sampleRate: this.rate, latencyHint: "interactive" });
    } catch {
      this.context = new AudioContext(); // a rate that the browser does not have: pieces are resampled one by one
    }
    this.out = this.context.createGain();
    this.out.gain.value = this.volume;
    this.out.connect(this.context.destination);
    const split = this.context.createChannelSplitter(2);
    this.out.connect(split);
    this.meters = [0, 1].map((channel) => {
      const node = this.context.createAnalyser();
      node.fftSize = 2048;
      split.connect(node, channel);
      return { node, samples: new Float32Array(node.fftSize) };
    });
    for (const track of this.tracks.values()) this.#connect(track);
  }

  #connect(track) {
    track.gain = this.context.createGain();
    track.gain.gain.value = track.level;
    track.gain.connect(this.out);
  }

  #begin(time) {
    this.#stop();
    this.resting = time;
    this.cursor = Math.round(time * this.rate);
    this.#align();
    this.cursorAt = Math.ceil((this.context.currentTime + LEAD_S) * this.rate) / this.rate;
    this.timer = setInterval(() => this.#plan(), 100);
    this.#plan();
  }

  #stop() {
    clearInterval(this.timer);
    this.pieces = [];
    for (const track of this.tracks.values()) this.#silence(track);
    if (this.stalled) this.#stall(false);
  }

  /** Restart the windows at the cursor. */
  #align() {
    const aligned = { origin: this.cursor, hops: 0, last: null, done: Promise.resolve() };
    this.aligned = aligned;
  }

  /** Return the starts of a piece's windows, which depend on those of the piece before. */
  #placesOf(n) {
    const { aligned, speed } = this;
    const first = aligned.hops;
    aligned.hops += n;
    aligned.done = aligned.done.then(async () => {
      const found = await findPlaces((from, count) => this.mixture.readAround(from, count), aligned.origin, first, n, speed, aligned.last);
      aligned.last = found.at(-1);
      return found;
    });
    aligned.done.catch(() => {}); // each piece tells of it
    return aligned.done;
  }

  #silence(track) {
    for (const source of track.sources) source.stop();
    track.sources.clear();
  }

  /** Schedule the next seconds, drop finished pieces, and stop the clock while a piece is missing. */
  #plan() {
    const now = this.context.currentTime;
    while (this.cursorAt < now + AHEAD_S && this.cursor < this.#end()) {
      const end = this.#end();
      const hops = Math.round((PIECE_S * this.rate) / HOP);
      const whole = this.speed === 1 ? Math.round(PIECE_S * this.rate) : Math.round(hops * HOP * this.speed);
      const count = Math.min(whole, end - this.cursor);
      const length = this.speed === 1 ? count : count === whole ? hops * HOP : Math.round(count / this.speed); // of output
      const piece = { first: this.cursor, count, length, at: this.cursorAt, missing: new Set(this.tracks.keys()) };
      if (this.speed !== 1) piece.places = this.#placesOf(Math.ceil(length / HOP));
      this.pieces.push(piece);
      for (const track of this.tracks.values()) this.#fill(track, piece);
      this.cursor += count;
      this.cursorAt += length / this.rate;
      if (this.cursor === end && this.#loops(end)) {
        this.cursor = Math.round(this.loop.start * this.rate);
        this.#align();
      }
    }
    while (this.pieces.length > 1 && this.pieces[1].at < now - 1) this.pieces.shift();
    this.#mind();
    const last = this.pieces.at(-1);
    if (last && this.cursor >= this.#end() && now > last.at + last.length / this.rate) {
      this.pause();
      this.resting = this.duration;
      this.dispatchEvent(new Event("ended"));
    }
  }

  #mind() {
    const now = this.context.currentTime;
    const missing = this.pieces.some((piece) => piece.missing.size && piece.at < now + 0.12 && piece.at + piece.length / this.rate > now);
    if (missing !== this.stalled) this.#stall(missing);
  }

  #stall(stalled) {
    this.stalled = stalled;
    (stalled ? this.context.suspend() : this.context.resume()).catch(() => {}); // closed meanwhile
    this.dispatchEvent(new Event("stall"));
  }

  /** Return the frame where playing turns or ends: the end of the loop or of the song. */
  #end() {
    const last = Math.round(this.duration * this.rate);
    const turn = this.loop ? Math.min(last, Math.round(this.loop.end * this.rate)) : last;
    return this.cursor < turn ? turn : last;
  }

  #loops(frame) {
    return this.loop !== null && frame === Math.min(Math.round(this.duration * this.rate), Math.round(this.loop.end * this.rate));
  }

  async #fill(track, piece) {
    try {
      const samples = piece.places
        ? await overlapAdd((from, count) => track.wav.readAround(from, count), await piece.places, piece.length)
        : await track.wav.read(piece.first, piece.count);
      if (samples[0]?.length && this.pieces.includes(piece) && this.tracks.get(track.name) === track) this.#schedule(track, piece, samples);
      piece.missing.delete(track.name);
    } catch (error) {
      piece.missing.delete(track.name); // one that cannot be had must not hold up the others
      this.dispatchEvent(new CustomEvent("trouble", { detail: error }));
    }
    if (this.playing) this.#mind();
  }

  #schedule(track, piece, samples) {
    const buffer = this.context.createBuffer(samples.length, samples[0].length, this.rate);
    samples.forEach((one, c) => buffer.copyToChannel(one, c));
    const source = this.context.createBufferSource();
    source.buffer = buffer;
    source.connect(track.gain);
    source.onended = () => track.sources.delete(source);
    track.sources.add(source);
    const late = Math.max(0, this.context.currentTime + 0.01 - piece.at);
    if (late < buffer.duration) source.start(piece.at + late, late);
    else track.sources.delete(source);
  }
}
