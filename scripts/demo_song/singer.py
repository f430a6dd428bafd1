# pyright: reportMissingImports=false
"""Singing with the voice of hibari-tts: syllables are spoken, analysed by WORLD, and stretched to the notes."""

import tempfile
from pathlib import Path

import numpy as np
import pyworld
import soundfile
from hibari import Hibari
from scipy.signal import resample_poly

from melody import SungNote
from notes import Note
from singing import SILENT, Style, fade, interpolate, make_pitch_curve, warp_formants
from voices import FFT_SIZE, FRAME_S, RATE_HZ, Syllable, analyse_file

SPOKEN_SPEED = 0.75
PAUSE_S = 0.15  # around a spoken syllable, for the analysis
HELD = (0.40, 0.52)  # the share of a syllable's voiced part that is stretched: its vowel, before a glide or a nasal
TAIL = 0.88  # the rest of the voiced part is the creak of spoken endings
VOICED_CONSONANTS, LEAD_S = "lmnɹvwð", 0.05  # consonants sound before the beat, so that the vowel is on it
BAND_HZ = 10_000.0  # the voice has no sound above 12 kHz: from here on, the envelope continues as falling noise
FALL_DB_PER_OCTAVE = 18.0
NOISY_BAND = 3  # aperiodicity bands are 3 kHz wide: those from 12 kHz on
NEPER_DB = 10 / np.log(10)


def speak(phonemes: list[str], seed: int) -> dict[str, Syllable]:
    """Return each distinct syllable, spoken once and analysed."""
    voice = Hibari()
    return {p: analyse(voice.from_phonemes(p, SPOKEN_SPEED, seed + k)) for k, p in enumerate(sorted(set(phonemes)))}


def analyse(spoken_T: np.ndarray) -> Syllable:
    """Return the longest voiced part of 24 kHz speech with the consonant before it, its band extended."""
    audio_T = np.pad(resample_poly(spoken_T, 147, 80), round(PAUSE_S * RATE_HZ))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "syllable.wav"
        soundfile.write(path, audio_T, RATE_HZ, subtype="FLOAT")
        _, syllables = analyse_file(path)
    syllable = max(syllables, key=lambda s: s.coda_k - s.vowel_k)
    syllable.aperiodicity_KxA[:, NOISY_BAND:] = 0
    return Syllable(
        extend_envelope(syllable.envelope_KxF),
        syllable.aperiodicity_KxA,
        syllable.voiced_K,
        syllable.vowel_k,
        syllable.coda_k,
    )


def extend_envelope(envelope_KxF: np.ndarray) -> np.ndarray:
    """Return log envelopes that fall evenly from `BAND_HZ` on, instead of ending at the voice's 12 kHz."""
    hz_F = np.arange(envelope_KxF.shape[1]) * RATE_HZ / FFT_SIZE
    first = int(np.searchsorted(hz_F, BAND_HZ))
    edge_K = envelope_KxF[:, first - 46 : first].astype(np.float32).mean(axis=1)  # over 1 kHz
    fall_F = FALL_DB_PER_OCTAVE / NEPER_DB * np.log2(np.maximum(hz_F, BAND_HZ) / BAND_HZ)
    return np.where(hz_F >= BAND_HZ, edge_K[:, None] - fall_F, envelope_KxF).astype(np.float32)


def sing(
    notes: list[Note], spoken: dict[str, Syllable], seconds: float, beat_s: float, style: Style, seed: int
) -> np.ndarray:
    """Sing notes with their syllables; mono float32 [T], of no particular loudness."""
    rng = np.random.default_rng(seed)
    frames = round(seconds / FRAME_S)
    melody = [SungNote(n.beat * beat_s, (n.beat + n.beats) * beat_s, n.pitch) for n in notes]
    envelope_KxF, aperiodicity_KxA, voiced_K = laid_out(notes, melody, spoken, frames)
    f0_K = np.where(voiced_K, 440 * 2 ** ((make_pitch_curve(melody, frames, style, rng) - 69) / 12), 0.0)
    power_KxF = np.ascontiguousarray(np.exp(warp_formants(envelope_KxF, style.formant).astype(float)))
    aperiodicity_KxF = pyworld.decode_aperiodicity(aperiodicity_KxA.astype(float), RATE_HZ, FFT_SIZE)
    aperiodicity_KxF = np.clip(aperiodicity_KxF ** (1 - 0.5 * style.breath), 1e-4, 1 - 1e-4)
    audio_T = pyworld.synthesize(f0_K, power_KxF, np.ascontiguousarray(aperiodicity_KxF), RATE_HZ, 1000 * FRAME_S)
    samples = round(seconds * RATE_HZ)
    return np.pad(audio_T, (0, max(0, samples - len(audio_T))))[:samples].astype(np.float32)


def laid_out(
    notes: list[Note], melody: list[SungNote], spoken: dict[str, Syllable], frames: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return log envelope [K, F], aperiodicity [K, A] and voicing [K] of the song; silent where nothing is sung."""
    shape = next(iter(spoken.values()))
    envelope_KxF = np.full((frames, shape.envelope_KxF.shape[1]), SILENT, np.float32)
    aperiodicity_KxA = np.zeros((frames, shape.aperiodicity_KxA.shape[1]), np.float32)
    voiced_K = np.zeros(frames, bool)
    for note, sung in zip(notes, melody, strict=True):
        syllable = spoken[note.syllable]
        lead_s = LEAD_S if note.syllable.startswith(tuple(VOICED_CONSONANTS)) else 0.0
        begin = round((sung.start_s - lead_s) / FRAME_S)
        source_k = stretch_frames(syllable, round(sung.end_s / FRAME_S) - begin)
        at_k = begin - syllable.vowel_k + np.arange(len(source_k))
        gain = fade(len(source_k), melisma=False) + (note.velocity - 90) * 0.2 / NEPER_DB
        envelope_KxF[at_k] = interpolate(syllable.envelope_KxF, source_k) + gain[:, None]
        aperiodicity_KxA[at_k] = np.minimum(interpolate(syllable.aperiodicity_KxA, source_k), 0)
        voiced_K[at_k] = syllable.voiced_K[np.round(source_k).astype(int)]
    return envelope_KxF, aperiodicity_KxA, voiced_K


def stretch_frames(syllable: Syllable, length: int) -> np.ndarray:
    """Return the source frame of each output frame: the consonant, then the voiced part made `length` frames long.

    Only the held part of the vowel is stretched; a note too short for the rest compresses the voiced part evenly.
    """
    first, voiced = syllable.vowel_k, syllable.coda_k - syllable.vowel_k
    hold, release, last = (first + round(share * voiced) for share in (*HELD, TAIL))
    attack, ending = np.arange(first, hold, dtype=float), np.arange(release, last, dtype=float)
    room = length - len(attack) - len(ending)
    middle = np.linspace(hold, release, max(0, room), endpoint=False)
    whole = np.concatenate([attack, middle, ending]) if room >= 0 else np.linspace(first, last - 1, length)
    return np.concatenate([np.arange(first, dtype=float), whole])
