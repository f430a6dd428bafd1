// Playing slower or faster at the same pitch, with overlapping windows, each placed where the waveform continues most
// smoothly (WSOLA; Verhelst and Roelands 1993). The places are found in the mixture and used for all tracks: so tracks
// that add up to the mixture still do so, and a switch between runs is not audible.

export const HOP = 512; // samples of output from one window to the next; windows are twice as long
const SEEK = 256; // largest distance of a window from its nominal place
const COARSE = 8;

const hann = Float32Array.from({ length: 2 * HOP }, (_, i) => 0.5 - 0.5 * Math.cos((Math.PI * i) / HOP));

/**
 * Return where windows begin, in samples of the song, for `n` hops of output from window `first` on. The window before
 * `first` is included, because its second half overlaps the output.
 *
 * `read(from, count)` returns samples of the mixture. `before` is the place that was found last, null at the start.
 * `origin` is the first sample of the song that is played.
 */
export async function findPlaces(read, origin, first, n, speed, before = null) {
  const ideal = (k) => Math.round(origin + k * HOP * speed);
  const found = [before ?? ideal(first - 1)];
  const from = ideal(first - 1) - 2 * SEEK - HOP;
  const count = Math.ceil(n * HOP * speed) + 6 * HOP + 4 * SEEK;
  const samples = mixToMono(await read(from, count), count);
  for (let k = first; k < first + n; k += 1) {
    if (before === null && k === first) found.push(ideal(k));
    else found.push(from + findBest(samples, found.at(-1) + HOP - from, ideal(k) - from));
  }
  return found;
}

/** Return `count` samples of output of every channel: windows of the song, added up. */
export async function overlapAdd(read, starts, count) {
  const low = Math.min(...starts);
  const length = Math.max(...starts) + 2 * HOP - low;
  const channels = await read(low, length);
  return channels.map((samples) => {
    const out = new Float32Array((starts.length + 1) * HOP);
    starts.forEach((start, k) => {
      for (let i = 0; i < 2 * HOP; i += 1) out[k * HOP + i] += hann[i] * (samples[start - low + i] ?? 0);
    });
    return out.subarray(HOP, HOP + count); // the first half window fades in what was sent before
  });
}

/** Return the place near `wanted` where the song is most similar to its continuation of the last window, at `natural`. */
function findBest(samples, natural, wanted) {
  let [place, most] = [wanted, -Infinity];
  const consider = (at, step) => {
    let [product, energy] = [0, 1e-9];
    for (let i = 0; i < HOP; i += step) {
      const value = samples[at + i] ?? 0;
      product += value * (samples[natural + i] ?? 0);
      energy += value * value;
    }
    const score = product / Math.sqrt(energy);
    if (score > most) [place, most] = [at, score];
  };
  for (let at = wanted - SEEK; at <= wanted + SEEK; at += COARSE) consider(at, 4);
  const middle = place;
  most = -Infinity;
  for (let at = middle - COARSE; at <= middle + COARSE; at += 1) consider(at, 1);
  return place;
}

function mixToMono(channels, count) {
  const out = new Float32Array(count);
  for (const samples of channels) for (let i = 0; i < samples.length; i += 1) out[i] += samples[i];
  return out;
}
