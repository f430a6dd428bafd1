// Reads WAV files piece by piece.

/** Return rate, channels, format and the offset of the samples. */
export function parseHeader(buffer) {
  const view = new DataView(buffer);
  const name = (at) => String.fromCharCode(...new Uint8Array(buffer, at, 4));
  if (buffer.byteLength < 44 || name(0) !== "RIFF" || name(8) !== "WAVE") throw new Error("not a WAV file");
  const found = {};
  for (let at = 12; at + 8 <= buffer.byteLength;) {
    const [chunk, size] = [name(at), view.getUint32(at + 4, true)];
    if (chunk === "fmt ") {
      found.format = view.getUint16(at + 8, true);
      found.channels = view.getUint16(at + 10, true);
      found.rate = view.getUint32(at + 12, true);
      found.bits = view.getUint16(at + 22, true);
      if (found.format === 0xfffe) found.format = view.getUint16(at + 32, true);
    } else if (chunk === "data") {
      found.begin = at + 8;
      found.frameBytes = (found.channels * found.bits) / 8;
      found.frames = Math.floor(size / found.frameBytes);
      return found;
    }
    at += 8 + size + (size % 2);
  }
  throw new Error("the WAV file's header is too long");
}

/** Return an array of samples per channel from interleaved 32-bit floats or 16-bit integers. */
export function decodeChannels(buffer, info) {
  const raw = info.format === 3 ? new Float32Array(buffer) : new Int16Array(buffer);
  const scale = info.format === 3 ? 1 : 1 / 32768;
  const frames = Math.floor(raw.length / info.channels);
  return Array.from({ length: info.channels }, (_, c) => {
    const one = new Float32Array(frames);
    for (let i = 0, j = c; i < frames; i += 1, j += info.channels) one[i] = raw[j] * scale;
    return one;
  });
}

/** A WAV file on the server. */
export class Wav {
  constructor(url) {
    this.url = url;
    this.kept = new Map();
  }

  async info() {
    this.head ??= this.#range(0, 4095).then(parseHeader);
    return this.head;
  }

  /** Return frames [first, first + count) of each channel, zeros outside the song. */
  async readAround(first, count) {
    const from = Math.max(0, first);
    const found = first + count > from ? await this.read(from, first + count - from) : [];
    const { channels: number } = await this.info();
    return Array.from({ length: number }, (_, c) => {
      const out = new Float32Array(count);
      if (found[c]) out.set(found[c].subarray(0, count), from - first);
      return out;
    });
  }

  /** Return frames [first, first + count) of each channel; recent pieces are cached. */
  read(first, count) {
    const key = `${first}+${count}`;
    if (!this.kept.has(key)) {
      const reading = this.#read(first, count);
      reading.catch(() => this.kept.delete(key));
      this.kept.set(key, reading);
      if (this.kept.size > 12) this.kept.delete(this.kept.keys().next().value);
    }
    return this.kept.get(key);
  }

  async #read(first, count) {
    const info = await this.info();
    const from = info.begin + first * info.frameBytes;
    const until = info.begin + Math.min(info.frames, first + count) * info.frameBytes;
    return until > from ? decodeChannels(await this.#range(from, until - 1), info) : Array.from({ length: info.channels }, () => new Float32Array(0));
  }

  async #range(from, to) {
    const response = await fetch(this.url, { headers: { range: `bytes=${from}-${to}` } });
    if (response.status !== 206) throw new Error(`the server answered ${response.status}`);
    return response.arrayBuffer();
  }
}
