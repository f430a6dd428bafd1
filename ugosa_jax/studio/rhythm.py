"""Beats and onsets of a song, which marks snap to. Needs librosa."""

import msgspec

from ugosa_jax.data.sound import Sound
from ugosa_jax.errors import require_extra

FILE = "rhythm.json"
"""Name of the file in a song's folder."""
_RATE_HZ = 22_050
"""Rate at which librosa's defaults are tuned."""


class Rhythm(msgspec.Struct):
    """Times in seconds."""

    beats_s: list[float]
    onsets_s: list[float]


def find_rhythm(mixture: Sound) -> Rhythm:
    """Track the beats of a song and find the onsets of its notes; an onset is where the energy begins to rise.

    Raises:
      InputError: librosa is not installed.
    """
    with require_extra("augment"):
        import librosa
    samples_T = librosa.resample(mixture.samples_CxT.mean(0), orig_sr=mixture.rate_hz, target_sr=_RATE_HZ)
    strength_K = librosa.onset.onset_strength(y=samples_T, sr=_RATE_HZ)
    _, beats_s = librosa.beat.beat_track(onset_envelope=strength_K, sr=_RATE_HZ, units="time")
    onsets_s = librosa.onset.onset_detect(onset_envelope=strength_K, sr=_RATE_HZ, units="time", backtrack=True)
    return Rhythm(*([round(float(time_s), 3) for time_s in times_s] for times_s in (beats_s, onsets_s)))
