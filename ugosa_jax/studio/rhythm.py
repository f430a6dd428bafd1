"""Beats and onsets of a song, to which marks snap; librosa is needed."""

import msgspec
import numpy as np

from ugosa_jax.data.sound import Sound
from ugosa_jax.errors import require_extra

FILE = "rhythm.json"
"""Name of the file in a song's folder."""
_RATE_HZ = 22_050
"""Sample rate for which librosa's defaults are made."""
_RISE = 0.1
"""An onset begins at the last frame whose strength is below this fraction of the peak."""


class Rhythm(msgspec.Struct):
    """Times in seconds."""

    beats_s: list[float]
    onsets_s: list[float]


def find_rhythm(mixture: Sound) -> Rhythm:
    """Return the beats of a song and the onsets of its notes; an onset is where the energy begins to rise.

    Raises:
      InputError: librosa is not installed.
    """
    with require_extra("augment"):
        import librosa
    samples_T = librosa.resample(mixture.samples_CxT.mean(0), orig_sr=mixture.rate_hz, target_sr=_RATE_HZ)
    strength_K = librosa.onset.onset_strength(y=samples_T, sr=_RATE_HZ)
    _, beats_s = librosa.beat.beat_track(onset_envelope=strength_K, sr=_RATE_HZ, units="time")
    peaks_O = librosa.onset.onset_detect(onset_envelope=strength_K, sr=_RATE_HZ)
    minima_O = librosa.onset.onset_backtrack(peaks_O, strength_K)
    starts_O = [_find_rise(strength_K, minimum, peak) for minimum, peak in zip(minima_O, peaks_O, strict=True)]
    onsets_s = librosa.frames_to_time(np.array(starts_O, int), sr=_RATE_HZ)
    return Rhythm(*([round(float(time_s), 3) for time_s in times_s] for times_s in (beats_s, onsets_s)))


def _find_rise(strength_K: np.ndarray, minimum: int, peak: int) -> int:
    """Return the frame where the strength begins to rise to a peak, which may be long after a minimum in noise."""
    quiet_K = np.flatnonzero(strength_K[minimum:peak] < _RISE * strength_K[peak])
    return minimum + int(quiet_K.max(initial=0))
