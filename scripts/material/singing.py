# pyright: reportMissingImports=false
"""Singing of a melody with an analysed voice: vowels are stretched to the notes, the pitch has glides and vibrato."""

from dataclasses import dataclass

import numpy as np
import pyworld
from scipy.ndimage import gaussian_filter1d

from melody import SungNote, split_phrases
from voices import FFT_SIZE, FRAME_S, RATE_HZ, Syllable, Voice

SILENT = np.log(1e-10)
MELISMA = 0.18  # share of legato notes that are sung on the previous vowel
CONSONANT_DB = -6.0  # sung consonants are softer, against the vowel, than spoken ones
SPEECH_TO_SONG = 5  # semitones by which singing lies above speech


@dataclass(frozen=True)
class Style:
    """The singing style of a voice, drawn once for a song."""

    vibrato_hz: float
    vibrato_cent: float
    glide_s: float
    formant: float  # > 1: a shorter vocal tract
    breath: float  # added aperiodicity, 0–1
    dynamics_db: float

    @staticmethod
    def draw(rng: np.random.Generator) -> "Style":
        """Draw a style; ranges from measurements of pop singers (vibrato 4.8–6.3 Hz, 15–55 cent)."""
        return Style(
            vibrato_hz=rng.uniform(4.8, 6.3),
            vibrato_cent=rng.uniform(15, 55),
            glide_s=rng.uniform(0.03, 0.09),
            formant=float(np.exp(rng.uniform(-0.11, 0.11))),
            breath=rng.uniform(0.0, 0.35),
            dynamics_db=rng.uniform(1.0, 3.5),
        )


def find_octave_shift(melody: list[SungNote], median_hz: float) -> int:
    """Return the shift in semitones, whole octaves, that brings a melody nearest to a speaker's singing range."""
    comfortable = 69 + 12 * np.log2(median_hz / 440) + SPEECH_TO_SONG
    middle = np.median([note.pitch for note in melody])
    return 12 * round((comfortable - middle) / 12)


def sing(voice: Voice, melody: list[SungNote], seconds: float, rng: np.random.Generator) -> np.ndarray:
    """Sing a melody.

    Returns:
        Mono audio, float32 [T] with T = 44100·seconds, of no particular loudness.
    """
    frames = round(seconds / FRAME_S)
    silent = np.zeros(round(seconds * RATE_HZ), np.float32)
    if not melody:
        return silent
    style = Style.draw(rng)
    semitones_K = make_pitch_curve(melody, frames, style, rng) + find_octave_shift(melody, voice.median_hz)
    envelope_KxF, aperiodicity_KxA, voiced_K = lay_syllables(voice, melody, frames, rng)
    envelope_KxF = warp_formants(envelope_KxF, style.formant)
    loudness_db = gaussian_filter1d(rng.normal(0, 1, frames), 60) * np.sqrt(60 * 2 * np.sqrt(np.pi))
    gain_db_K = style.dynamics_db * loudness_db + np.where(voiced_K, 0.0, CONSONANT_DB)
    envelope_KxF += (gain_db_K * np.log(10) / 10)[:, None]
    f0_K = np.where(voiced_K, 440 * 2 ** ((semitones_K - 69) / 12), 0.0)
    aperiodicity_KxF = pyworld.decode_aperiodicity(np.minimum(aperiodicity_KxA, 0).astype(float), RATE_HZ, FFT_SIZE)
    aperiodicity_KxF = np.clip(aperiodicity_KxF ** (1 - 0.5 * style.breath), 1e-4, 1 - 1e-4)
    power_KxF = np.ascontiguousarray(np.exp(envelope_KxF.astype(float)))
    audio_T = pyworld.synthesize(f0_K, power_KxF, np.ascontiguousarray(aperiodicity_KxF), RATE_HZ, 1000 * FRAME_S)
    length = min(len(audio_T), len(silent))
    silent[:length] = audio_T[:length]
    return silent


def make_pitch_curve(melody: list[SungNote], frames: int, style: Style, rng: np.random.Generator) -> np.ndarray:
    """Return the pitch in semitones for each frame: steps smoothed to glides, scoops, late vibrato, jitter."""
    time_K = np.arange(frames) * FRAME_S
    target_K = np.full(frames, melody[0].pitch, float)
    depth_K = np.zeros(frames)
    for note in melody:
        target_K[time_K >= note.start_s] = note.pitch
        inside = (time_K >= note.start_s) & (time_K < note.end_s)
        if note.end_s - note.start_s > 0.3:
            depth_K[inside] = np.clip((time_K[inside] - note.start_s - 0.18) / 0.3, 0, 1)
    curve_K = gaussian_filter1d(target_K, style.glide_s / FRAME_S / 2)
    for phrase in split_phrases(melody):
        since_s = time_K - phrase[0].start_s
        scoop_K = np.exp(-np.maximum(since_s, 0) / 0.05) * (since_s > -0.2) * rng.uniform(0, 1.5)
        curve_K -= np.where(time_K < phrase[-1].end_s, scoop_K, 0)
    phase_K = 2 * np.pi * style.vibrato_hz * time_K + gaussian_filter1d(rng.normal(0, 6, frames), 40)
    vibrato_K = style.vibrato_cent / 100 * gaussian_filter1d(depth_K, 8) * np.sin(phase_K)
    jitter_K = gaussian_filter1d(rng.normal(0, 0.35, frames), 6) + gaussian_filter1d(rng.normal(0, 0.6, frames), 40)
    return curve_K + vibrato_K + jitter_K


def lay_syllables(
    voice: Voice, melody: list[SungNote], frames: int, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the frames of a voice that sings one syllable for each note: its consonant precedes the beat.

    Returns:
        Log envelope [K, F], coded aperiodicity [K, A] and voicing [K]; silent where nothing is sung.
    """
    bins, bands = voice.syllables[0].envelope_KxF.shape[1], voice.syllables[0].aperiodicity_KxA.shape[1]
    envelope_KxF = np.full((frames, bins), SILENT, np.float32)
    aperiodicity_KxA = np.zeros((frames, bands), np.float32)
    voiced_K = np.zeros(frames, bool)
    before: SungNote | None = None
    syllable = voice.syllables[0]
    for note in melody:
        legato = before is not None and note.start_s - before.end_s < FRAME_S
        melisma = legato and rng.random() < MELISMA
        if not melisma:
            syllable = voice.syllables[int(rng.integers(len(voice.syllables)))]
        source_k, first = place(syllable, note, melisma)
        keep = (source_k >= 0) & (first + np.arange(len(source_k)) >= 0) & (first + np.arange(len(source_k)) < frames)
        source_k, at = source_k[keep], (first + np.arange(len(keep)))[keep]
        envelope_KxF[at] = interpolate(syllable.envelope_KxF, source_k) + fade(len(at), melisma)[:, None]
        aperiodicity_KxA[at] = interpolate(syllable.aperiodicity_KxA, source_k)
        voiced_K[at] = syllable.voiced_K[np.round(source_k).astype(int)]
        before = note
    return envelope_KxF, aperiodicity_KxA, voiced_K


def place(syllable: Syllable, note: SungNote, melisma: bool) -> tuple[np.ndarray, int]:
    """Return the (fractional) source frame for each output frame of a note, and the first output frame.

    Transitions at both ends of the vowel keep their speed (60 ms each); only its middle is stretched.
    """
    begin, end = round(note.start_s / FRAME_S), round(note.end_s / FRAME_S)
    length, vowel_k, coda_k = max(1, end - begin), syllable.vowel_k, syllable.coda_k
    edge = min(12, (coda_k - vowel_k) // 3, length // 3)
    middle = np.linspace(vowel_k + edge, coda_k - 1 - edge, max(0, length - 2 * edge))
    vowel = np.concatenate([vowel_k + np.arange(edge), middle, coda_k - edge + np.arange(edge)])
    if melisma:
        return np.linspace(vowel_k + edge, coda_k - 1, length), begin
    consonant = np.arange(vowel_k, dtype=float)
    ending = np.arange(coda_k, len(syllable.voiced_K), dtype=float)
    return np.concatenate([consonant, vowel, ending]), begin - vowel_k


def fade(length: int, melisma: bool) -> np.ndarray:
    """Return a gain in log power that lets a note begin and end within 20 ms."""
    k = np.arange(length)
    rise = np.zeros(length) if melisma else np.minimum(0, 2 * np.log((k + 1) / 5))
    return rise + np.minimum(0, 2 * np.log((length - k) / 5))


def interpolate(rows: np.ndarray, position_k: np.ndarray) -> np.ndarray:
    """Interpolate linearly between rows at fractional positions."""
    low = np.clip(np.floor(position_k).astype(int), 0, len(rows) - 1)
    high = np.minimum(low + 1, len(rows) - 1)
    part = (position_k - low)[:, None].astype(np.float32)
    return rows[low].astype(np.float32) * (1 - part) + rows[high].astype(np.float32) * part


def warp_formants(envelope_KxF: np.ndarray, factor: float) -> np.ndarray:
    """Stretch the frequency axis of envelopes by `factor`."""
    bins = envelope_KxF.shape[1]
    position = np.minimum(np.arange(bins) / factor, bins - 1)
    low = np.floor(position).astype(int)
    high = np.minimum(low + 1, bins - 1)
    part = (position - low).astype(np.float32)
    return envelope_KxF[:, low] * (1 - part) + envelope_KxF[:, high] * part
