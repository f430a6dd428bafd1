# pyright: reportMissingImports=false
"""Syllables from the recordings of two KDE games (klettres, ktuberling), analysed by WORLD so that they can be sung.

WORLD describes speech by pitch f0, spectral envelope and aperiodicity in frames of 5 ms (Morise et al. 2016). A
syllable consists of the last two; `singing.py` replaces the pitch by a melody.
"""

import zlib
from dataclasses import dataclass
from pathlib import Path
from zipfile import BadZipFile

import numpy as np
import pyworld
import soundfile
from scipy.signal import resample_poly

from fetch import get_material_folder, get_unpacked_path

RATE_HZ = 44100
FRAME_S = 0.005
FFT_SIZE = 2048  # pyworld's choice for 44.1 kHz and a floor of 71 Hz
FILES_PER_SPEAKER = 60
MAX_FILE_S = 2.5
ONSET_K, VOWEL_K, CODA_K = 24, 90, 16  # at most 120 ms consonant, 450 ms vowel, 80 ms ending
MIN_VOWEL_K = 14
MIN_SYLLABLES = 12
FORMATS = (".ogg", ".opus", ".wav", ".flac")


@dataclass(frozen=True)
class Syllable:
    """One syllable of K frames: consonant [0, vowel_k), vowel [vowel_k, coda_k), ending [coda_k, K)."""

    envelope_KxF: np.ndarray  # natural logarithm of the power spectral envelope, float16
    aperiodicity_KxA: np.ndarray  # coded, dB per band, float32
    voiced_K: np.ndarray  # bool
    vowel_k: int
    coda_k: int


@dataclass(frozen=True)
class Voice:
    """One speaker: the median pitch of speech and the syllables."""

    speaker: str
    median_hz: float
    syllables: tuple[Syllable, ...]


def list_speaker_folders() -> dict[str, Path]:
    """Return the folder of each speaker: klettres (kl) and ktuberling (kt) have one for each language."""
    share = get_unpacked_path("usr/share")
    folders = {f"kl_{p.name}": p for p in (share / "klettres").iterdir() if (p / "alpha").is_dir()}
    folders |= {f"kt_{p.name}": p for p in (share / "ktuberling/sounds").iterdir() if p.is_dir()}
    return dict(sorted(folders.items()))


def load_voice(speaker: str) -> Voice | None:
    """Return the analysed voice, from the cache if possible; None if the recordings are unsuitable."""
    cache = get_material_folder() / "voices" / f"{speaker}.npz"
    try:
        voice = read_voice(cache, speaker)
    except FileNotFoundError:
        voice = None
    except (BadZipFile, KeyError, ValueError, EOFError, zlib.error):
        print(f"{cache}: damaged; the voice is analysed again", flush=True)
        voice = None
    if voice is None:
        cache.parent.mkdir(parents=True, exist_ok=True)
        save_voice(cache, analyse_speaker(speaker))
        voice = read_voice(cache, speaker)
    return voice if len(voice.syllables) >= MIN_SYLLABLES else None


def read_voice(path: Path, speaker: str) -> Voice:
    """Read a voice that `save_voice` wrote."""
    with path.open("rb") as file, np.load(file) as arrays:
        envelope, aperiodicity, voiced = (arrays[k] for k in ("envelope_KxF", "aperiodicity_KxA", "voiced_K"))
        syllables = tuple(
            Syllable(envelope[a:b], aperiodicity[a:b], voiced[a:b], int(vowel), int(coda))
            for a, b, vowel, coda in arrays["spans_Nx4"]
        )
        return Voice(speaker, float(arrays["median_hz"]), syllables)


def save_voice(path: Path, voice: Voice) -> None:
    """Write a voice as concatenated frames and a table of spans (first, last, vowel, ending)."""
    spans, first = [], 0
    for s in voice.syllables:
        spans.append((first, first + len(s.voiced_K), s.vowel_k, s.coda_k))
        first += len(s.voiced_K)
    empty = np.zeros((0, 1))
    arrays = {
        "envelope_KxF": np.concatenate([s.envelope_KxF for s in voice.syllables] or [empty]),
        "aperiodicity_KxA": np.concatenate([s.aperiodicity_KxA for s in voice.syllables] or [empty]),
        "voiced_K": np.concatenate([s.voiced_K for s in voice.syllables] or [empty[:, 0]]),
        "spans_Nx4": np.array(spans, int).reshape(-1, 4),
        "median_hz": np.array(voice.median_hz),
    }
    unfinished = path.with_suffix(".tmp.npz")
    np.savez(unfinished, **arrays)
    unfinished.replace(path)


def analyse_speaker(speaker: str) -> Voice:
    """Analyse up to `FILES_PER_SPEAKER` recordings, evenly spread over the sorted list of files."""
    paths = sorted(p for p in list_speaker_folders()[speaker].rglob("*") if p.suffix in FORMATS)
    usable = [p for p in paths if is_usable(p)]
    chosen = usable[:: max(1, len(usable) // FILES_PER_SPEAKER)][:FILES_PER_SPEAKER]
    syllables: list[Syllable] = []
    pitches: list[np.ndarray] = []
    for path in chosen:
        f0_K, found = analyse_file(path)
        syllables += found
        pitches.append(f0_K[f0_K > 0])
    voiced = np.concatenate(pitches) if pitches else np.zeros(0)
    median_hz = float(np.median(voiced)) if voiced.size else 0.0
    return Voice(speaker, median_hz, tuple(syllables))


def is_usable(path: Path) -> bool:
    """Return whether a recording has the full bandwidth and lasts 0.15 to 8 s."""
    try:
        info = soundfile.info(path)
    except soundfile.LibsndfileError:
        return False
    return info.samplerate >= RATE_HZ and 0.15 <= info.duration <= 8


def read_mono(path: Path) -> np.ndarray:
    """Read at most `MAX_FILE_S` of a recording as float64 mono at 44.1 kHz."""
    audio_TxC, rate_hz = soundfile.read(path, always_2d=True)
    audio_T = audio_TxC.mean(axis=1)
    if rate_hz != RATE_HZ:
        common = int(np.gcd(rate_hz, RATE_HZ))
        audio_T = resample_poly(audio_T, RATE_HZ // common, rate_hz // common)
    return np.ascontiguousarray(audio_T[: int(MAX_FILE_S * RATE_HZ)])


def analyse_file(path: Path) -> tuple[np.ndarray, list[Syllable]]:
    """Return the pitch track in Hz and the syllables of a recording."""
    audio_T = read_mono(path)
    if np.abs(audio_T).max(initial=0) < 0.01:
        return np.zeros(0), []
    f0_K, time_K = pyworld.dio(audio_T, RATE_HZ, frame_period=1000 * FRAME_S)
    f0_K = pyworld.stonemask(audio_T, f0_K, time_K, RATE_HZ)
    spans = find_syllable_spans(f0_K > 0)
    if not spans:
        return f0_K, []
    envelope_KxF = pyworld.cheaptrick(audio_T, f0_K, time_K, RATE_HZ, fft_size=FFT_SIZE)
    aperiodicity_KxF = pyworld.d4c(audio_T, f0_K, time_K, RATE_HZ, fft_size=FFT_SIZE)
    aperiodicity_KxA = pyworld.code_aperiodicity(aperiodicity_KxF, RATE_HZ).astype(np.float32)
    syllables = []
    for first, vowel, coda, last in spans:
        loudness = envelope_KxF[vowel:coda].sum(axis=1).mean()
        envelope = np.log(envelope_KxF[first:last] / loudness + 1e-10)
        voiced_K = f0_K[first:last] > 0
        syllables.append(
            Syllable(envelope.astype(np.float16), aperiodicity_KxA[first:last], voiced_K, vowel - first, coda - first)
        )
    return f0_K, syllables


def find_syllable_spans(voiced_K: np.ndarray) -> list[tuple[int, int, int, int]]:
    """Return (first, vowel, ending, last) frame numbers of the syllables around each voiced run.

    A run shorter than `MIN_VOWEL_K` is skipped; a run longer than `VOWEL_K` is cut after that length.
    """
    edges = np.diff(np.concatenate([[0], voiced_K.astype(int), [0]]))
    spans, previous_end = [], 0
    for begin, end in zip(np.flatnonzero(edges == 1), np.flatnonzero(edges == -1), strict=True):
        if end - begin >= MIN_VOWEL_K:
            coda = min(end, begin + VOWEL_K)
            last = min(len(voiced_K), coda + CODA_K) if coda == end else coda
            spans.append((int(max(previous_end, begin - ONSET_K)), int(begin), int(coda), int(last)))
        previous_end = end
    return spans
