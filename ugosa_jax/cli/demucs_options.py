"""Hints for people who type the options of the `demucs` command."""

from collections.abc import Sequence

from ugosa_jax.errors import InputError

HINTS = {
    "--two-stems": "all sources are written; --weights spleeter separates vocals and accompaniment",
    "-n": "use --weights NAME",
    "--name": "use --weights NAME",
    "-s": "use --weights FILE",
    "--sig": "use --weights FILE",
    "--repo": "use --weights FOLDER/NAME.yaml",
    "--list-models": "use `ugosa-jax weights list`",
    "-o": "use --out FOLDER, the folder of the stems themselves",
    "--filename": "the stems are OUT/SOURCE.wav; --out FOLDER sets the folder",
    "-d": "set the environment variable JAX_PLATFORMS to cpu, cuda or tpu",
    "--device": "set the environment variable JAX_PLATFORMS to cpu, cuda or tpu",
    "-j": "all cores are used, and there is no option for it",
    "--jobs": "all cores are used, and there is no option for it",
    "--segment": "use --chunk-s SECONDS",
    "--no-split": "use --chunk-s 600",
    "--clip-mode": "levels are not changed; float, the default of --encoding, keeps samples above full scale",
    "--float32": "32-bit float is the default of --encoding",
    "--int24": "use --encoding 24",
    "--flac": "stems are WAV files; convert them with another program",
    "--mp3": "stems are WAV files; convert them with another program",
    "--mp3-bitrate": "stems are WAV files; convert them with another program",
    "--mp3-preset": "stems are WAV files; convert them with another program",
}
"""What to use in place of an option of `demucs` that `ugosa-jax separate` does not have."""


def refuse_demucs_options(arguments: Sequence[str]) -> None:
    """Raise InputError if the arguments of `ugosa-jax separate` contain an option of the `demucs` command.

    Raises:
      InputError: they do; the message says what to use instead.
    """
    for argument in arguments:
        option = argument.partition("=")[0]
        if option in HINTS:
            raise InputError(f"{option} is an option of demucs: here, {HINTS[option]}")
