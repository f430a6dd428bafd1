"""Measure the shipped demo song: levels, silences, agreement of score and stems, pitch of the voice.

pip install -e .[augment]
python scripts/demo_song/listen.py
"""

import argparse
from itertools import pairwise
from pathlib import Path

import librosa
import numpy as np
import soundfile
from ugosa_jax.annotations import activation, annotation

from river import BEAT_S, vocals

SHIPPED = Path(__file__).parents[2] / "ugosa_jax" / "data" / "demo_song"
SOURCES = ("drums", "bass", "other", "vocals")
BAR_S = 2.0
HOP = 441
NEAR_CENT = 50  # near a note


def db(value: float) -> float:
    """Return decibels; silence is −200."""
    return 20 * float(np.log10(max(value, 1e-10)))


def rms_db(audio_CxT: np.ndarray) -> float:
    """Return the RMS in dBFS."""
    return db(float(np.sqrt(np.mean(np.square(audio_CxT, dtype=np.float64)))))


def read_stems(song: Path) -> tuple[np.ndarray, int]:
    """Return the stems [4, 2, T] and their rate."""
    read = [soundfile.read(song / f"{source}.ogg", dtype="float32", always_2d=True) for source in SOURCES]
    return np.stack([audio_TxC.T for audio_TxC, _ in read]), read[0][1]


def print_bars(stems_SxCxT: np.ndarray, rate_hz: int) -> None:
    """Print the RMS of every bar."""
    bar = round(BAR_S * rate_hz)
    print("bar  " + "".join(f"{s:>9}" for s in (*SOURCES, "mixture")) + "   (dBFS RMS)")
    for k in range(stems_SxCxT.shape[2] // bar):
        cut = stems_SxCxT[:, :, k * bar : (k + 1) * bar]
        print(f"{k + 1:3d}  " + "".join(f"{rms_db(x):9.1f}" for x in (*cut, cut.sum(axis=0))))


def print_spectrum(stems_SxCxT: np.ndarray, rate_hz: int) -> None:
    """Print the energy in frequency bands, in dB relative to the whole stem."""
    edges_hz = (0, 60, 125, 250, 500, 1000, 2000, 4000, 8000, 12000, rate_hz / 2)
    print("\nband " + "".join(f"{s:>9}" for s in SOURCES) + "   (dB of the stem)")
    power_SxF = (np.abs(np.fft.rfft(stems_SxCxT.mean(axis=1), axis=-1)) ** 2).astype(float)
    hz_F = np.fft.rfftfreq(stems_SxCxT.shape[2], 1 / rate_hz)
    for low, high in pairwise(edges_hz):
        inside = power_SxF[:, (hz_F >= low) & (hz_F < high)].sum(axis=1) / power_SxF.sum(axis=1)
        print(f"{low:5.0f}" + "".join(f"{db(x**0.5):9.1f}" for x in inside))


def print_silences(stems_SxCxT: np.ndarray, rate_hz: int, annotated: annotation.Annotation) -> None:
    """Print how loud each source is where it is annotated silent, and where stems and annotation disagree."""
    active_SxT = annotation.compute_active_mask(annotated, stems_SxCxT.shape[2], rate_hz)
    found_SxT = activation.detect_activity(stems_SxCxT, rate_hz)
    print("\nsource     silent s   RMS there  peak there   exact zeros   agreement   missed   invented")
    for source, stem_CxT, active_T, found_T in zip(SOURCES, stems_SxCxT, active_SxT, found_SxT, strict=True):
        rest = stem_CxT[:, ~active_T]
        print(
            f"{source:8s} {np.mean(~active_T) * len(active_T) / rate_hz:9.2f} {rms_db(rest):11.1f} "
            f"{db(np.abs(rest).max()):11.1f} {np.mean(rest == 0):13.3f} {np.mean(active_T == found_T):11.3f} "
            f"{np.mean(active_T & ~found_T):8.3f} {np.mean(~active_T & found_T):10.3f}"
        )


def print_pitch(vocals_CxT: np.ndarray, rate_hz: int) -> None:
    """Print how close the voice is to the written melody, by pYIN on the finished stem."""
    f0_K, voiced_K, _ = librosa.pyin(
        vocals_CxT.mean(axis=0), fmin=150, fmax=900, sr=rate_hz, frame_length=2048, hop_length=HOP
    )
    heard, frames = [], 0
    for note in vocals():
        k = slice(*(round(beat * BEAT_S * rate_hz / HOP) for beat in (note.beat, note.beat + note.beats)))
        cent = 100 * (librosa.hz_to_midi(f0_K[k][voiced_K[k]]) - note.pitch)
        heard.append(cent)
        frames += k.stop - k.start
        print(f"  beat {note.beat:5.1f} {note.pitch} {note.syllable:5s} {np.median(cent):5.0f} cent, {near(cent):.2f}")
    cent = np.concatenate(heard)
    print(f"pitch: {len(cent) / frames:.3f} of the written frames voiced, {near(cent):.3f} of these near the note")
    print(f"median error {np.median(np.abs(cent)):.0f} cent, octave errors {np.mean(np.abs(cent) > 900):.3f}")


def near(cent: np.ndarray) -> float:
    """Return the share of frames within `NEAR_CENT` of the written note."""
    return float(np.mean(np.abs(cent) <= NEAR_CENT))


def main() -> None:
    """Print everything."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--song", type=Path, default=SHIPPED, help="folder of the stems and the annotation")
    song = parser.parse_args().song
    stems_SxCxT, rate_hz = read_stems(song)
    mixture_CxT = stems_SxCxT.sum(axis=0)
    annotated = annotation.read_annotation(song / "annotation.csv", SOURCES)
    print_bars(stems_SxCxT, rate_hz)
    print_spectrum(stems_SxCxT, rate_hz)
    print_silences(stems_SxCxT, rate_hz, annotated)
    for source, stem_CxT in zip(SOURCES, stems_SxCxT, strict=True):
        side = stem_CxT[0] - stem_CxT[1]
        print(
            f"{source:8s} {rms_db(stem_CxT):6.1f} dBFS, peak {np.abs(stem_CxT).max():.3f}, "
            f"side/mid {rms_db(side) - rms_db(stem_CxT.sum(axis=0)):.1f} dB"
        )
    print(f"mixture  {rms_db(mixture_CxT):6.1f} dBFS, peak {np.abs(mixture_CxT).max():.3f}\n")
    print_pitch(stems_SxCxT[3], rate_hz)


if __name__ == "__main__":
    main()
