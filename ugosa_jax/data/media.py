"""Sound of containers that libsndfile does not know: m4a, mp4 and other video, wma, read through PyAV."""

from pathlib import Path

import numpy as np

from ugosa_jax.errors import InputError, needs

MAX_PADDING_SAMPLES = 4096
"""Length of the longest frame of usual encoders: so much may follow the end that a container tells."""
SUFFIXES = (".m4a", ".mp4", ".m4v", ".mov", ".mkv", ".webm", ".avi", ".wma", ".aac", ".ac3", ".3gp", ".mka", ".amr")
"""Names that such files usually have."""


def read(path: Path) -> tuple[np.ndarray, int]:
    """Return the first sound stream of a file, float32 (C, T), and its sample rate.

    What an encoder puts before and after the sound is left out where the container tells it, as players do.

    Raises:
      InputError: PyAV is not installed, the file cannot be read, has no sound, or is damaged.
    """
    try:
        with needs("ffmpeg"):
            import av
    except InputError as error:
        raise InputError(f"{path}: is not a format of libsndfile; {error}") from error
    try:
        with av.open(str(path)) as container:
            if not container.streams.audio:
                raise InputError(
                    f"{path}: has no sound, only {', '.join(s.type for s in container.streams) or 'nothing'}"
                )
            stream = container.streams.audio[0]
            planar = av.AudioResampler(format="fltp", layout=stream.layout, rate=stream.rate)
            pieces = [part.to_ndarray() for frame in container.decode(stream) for part in planar.resample(frame)]
            pieces += [part.to_ndarray() for part in planar.resample(None)]
            rate_hz = int(stream.rate)
            duration_s = float(stream.duration * stream.time_base) if stream.duration and stream.time_base else 0.0
    except (OSError, ValueError, UnicodeError) as error:  # what PyAV raises for files is an OSError or a ValueError
        raise InputError(f"{path}: cannot be read as sound ({' '.join(str(error).split())[:200]})") from error
    if not pieces:
        raise InputError(f"{path}: holds no samples")
    samples_CxT = np.concatenate(pieces, axis=1)
    told, there = round(duration_s * rate_hz), samples_CxT.shape[1]
    is_padding = 0 < there - told <= MAX_PADDING_SAMPLES  # the rest of an encoder's last frame
    return (samples_CxT[:, :told] if told and is_padding else samples_CxT), rate_hz
