"""Files of sound in all kinds of containers, made by FFmpeg (through PyAV) and libsndfile."""

from pathlib import Path

import av
import numpy as np
import soundfile

KINDS = {
    "wav": "PCM_16",
    "rf64": "PCM_24",
    "w64": "PCM_16",
    "aiff": "PCM_16",
    "au": "PCM_16",
    "caf": "PCM_16",
    "flac": "PCM_16",
    "ogg": "VORBIS",
    "opus": "libopus",
    "mp3": "libmp3lame",
    "m4a": "aac",
    "mov": "pcm_s16le",
    "mkv": "aac",
    "webm": "libopus",
    "avi": "pcm_s16le",
    "wma": "wmav2",
    "aac": "aac",
    "ac3": "ac3",
}
"""Kind of file → what encodes its sound; names of libsndfile's subtypes are in capitals."""
LOSSLESS = ("wav", "rf64", "w64", "aiff", "au", "caf", "flac", "mov", "avi")
SUFFIX = {"rf64": "wav"}
LAYOUTS = {1: "mono", 2: "stereo", 6: "5.1"}
VORBIS_ORDER = (0, 2, 1, 4, 5, 3)
"""Kinds with 5.1 channels in the order L C R Ls Rs LFE; others have L R C LFE Ls Rs. libsndfile does not reorder."""
ELEMENTARY = ("mp3", "aac", "ac3")
"""Kinds without a container: frames only, which state no length or state it in a frame of its own."""


def write(folder: Path, kind: str, samples_CxT: np.ndarray, rate_hz: int = 48_000) -> Path:
    """Write sound as a file of this kind, and return where."""
    path = folder / f"{kind}.{SUFFIX.get(kind, kind)}"
    codec = KINDS[kind]
    if codec.isupper():
        container = "RF64" if kind == "rf64" else None
        if kind == "ogg" and len(samples_CxT) == 6:
            samples_CxT = samples_CxT[list(VORBIS_ORDER)]
        with soundfile.SoundFile(path, "w", rate_hz, len(samples_CxT), codec, format=container) as file:
            for start in range(0, samples_CxT.shape[1], 4096):
                file.write(samples_CxT[:, start : start + 4096].T)
        return path
    with av.open(str(path), "w") as container:
        encode(container, codec, samples_CxT, rate_hz)
    return path


def encode(container, codec: str, samples_CxT: np.ndarray, rate_hz: int) -> None:
    """Encode sound as the one stream of an open container."""
    layout = LAYOUTS[len(samples_CxT)]
    stream = container.add_stream(codec, rate=rate_hz, layout=layout)
    if not codec.startswith("pcm"):
        stream.bit_rate = 128_000 * (len(samples_CxT) + 1) // 2
    stream.codec_context.open()
    frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(samples_CxT, np.float32), format="fltp", layout=layout)
    frame.sample_rate, frame.pts = rate_hz, 0
    size = stream.codec_context.frame_size or 1024
    resampler = av.AudioResampler(format=stream.format, layout=layout, rate=rate_hz, frame_size=size)
    for piece in [*resampler.resample(frame), *resampler.resample(None)]:
        container.mux(stream.encode(piece))
    container.mux(stream.encode(None))


def ffmpeg_length(path: Path) -> int:
    """Return how many samples FFmpeg decodes of the first stream of sound, over frames that it cannot decode."""
    n_samples = 0
    with av.open(f"file:{path}", metadata_errors="replace") as container:
        for packet in container.demux(container.streams.audio[0]):
            try:
                n_samples += sum(frame.samples for frame in packet.decode())
            except av.FFmpegError:
                continue
    return n_samples
