"""A song: its mixture, and if they are known, its stems and annotation.

S sources, C channels, T samples.
"""

import dataclasses
import functools
from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np

from ugosa_jax.annotations.annotation import Annotation
from ugosa_jax.config import MAX_RATE_HZ, InputLevel
from ugosa_jax.data import sound
from ugosa_jax.data.recording import Recording
from ugosa_jax.data.sound import Sound
from ugosa_jax.data.standardisation import Scaling, choose_scaling, measure_scaling, standardise, standardise_by
from ugosa_jax.errors import InputError, error_context, require


class ModelInput(NamedTuple):
    """A mixture at a network's sample rate, channels and level.

    Attributes:
      iterate_blocks: returns an iterator over its blocks, float32 (C, n), from the beginning.
      n_samples: its length in samples.
      scaling: the mean and standard deviation that were removed from it.
    """

    iterate_blocks: Callable[[], Iterator[np.ndarray]]
    n_samples: int
    scaling: Scaling


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class Song:
    """A song.

    Attributes:
      mixture: the sound to separate, in memory or a `Recording`, which is read from disk block by block.
      stems_SxCxT: the true stems at the mixture's rate, or None.
      sources: names of the stems; empty without stems.
      annotation: when each source plays, or None.
      notes: remarks for the user.

    Raises:
      InputError: the numbers of names and stems differ.
    """

    mixture: Sound
    stems_SxCxT: np.ndarray | None = None
    sources: tuple[str, ...] = ()
    annotation: Annotation | None = None
    notes: tuple[str, ...] = ()
    _standardised: dict[tuple[int, int, InputLevel], tuple[np.ndarray, Scaling]] = dataclasses.field(
        default_factory=dict, init=False, repr=False
    )

    _measured: dict[tuple[int, int], tuple[Scaling, int]] = dataclasses.field(
        default_factory=dict, init=False, repr=False
    )

    def __post_init__(self):
        n_stems = 0 if self.stems_SxCxT is None else len(self.stems_SxCxT)
        require(len(self.sources) == n_stems, "sources", f"{n_stems} names, one per stem", self.sources)

    @classmethod
    def from_array(
        cls, samples: np.ndarray, rate_hz: int, annotation: Annotation | None = None, name: str = "song"
    ) -> "Song":
        """Return a song whose mixture is an array.

        Args:
          samples: floating-point array (channels, samples), or (samples,) for mono; full scale is 1.
          rate_hz: sample rate.
          annotation: when each source plays, if that is known.
          name: for messages.

        Raises:
          InputError: the array has another shape or type, or values that are not finite; or the rate is impossible.
        """
        samples_CxT = sound.to_channels(samples)
        is_rate = isinstance(rate_hz, int | np.integer) and 0 < rate_hz <= MAX_RATE_HZ
        require(is_rate, "rate_hz", f"an integer, above 0, at most {MAX_RATE_HZ}", rate_hz)
        require(bool(samples_CxT.size and np.isfinite(samples_CxT).all()), "samples", "finite, at least one", "others")
        return cls(sound.Audio(samples_CxT, int(rate_hz), name), annotation=annotation)

    def __repr__(self) -> str:
        mixture = self.mixture
        parts = [repr(mixture.name), f"{mixture.duration_s:.1f} s", f"{mixture.rate_hz / 1000:g} kHz"]
        parts += [{1: "mono", 2: "stereo"}.get(mixture.n_channels, f"{mixture.n_channels} channels")]
        parts += [f"stems {' '.join(self.sources)}"] * bool(self.sources)
        return f"Song({', '.join(parts + ['annotated'] * (self.annotation is not None))})"

    def require_stems(self) -> np.ndarray:
        """Return the stems, (S, C, T).

        Raises:
          InputError: the song has none.
        """
        if self.stems_SxCxT is None:
            raise InputError(f"{self.mixture.name}: needs its true stems, which are not known")
        return self.stems_SxCxT

    def require_annotation(self) -> Annotation:
        """Return the annotation.

        Raises:
          InputError: the song has none.
        """
        if self.annotation is None:
            raise InputError(f"{self.mixture.name}: has no annotation, which is needed to know when each source plays")
        return self.annotation

    def standardise(self, rate_hz: int, channels: int, level: InputLevel = "standard") -> tuple[np.ndarray, Scaling]:
        """Return the mixture at a network's rate, channels and level, and the scaling that was applied.

        The result is cached unless the mixture is a `Recording`, which may be long.

        Args:
          rate_hz: the network's sample rate.
          channels: its number of channels, C.
          level: the level that it expects.

        Returns:
          Read-only float32 (C, T), and the scaling.

        Raises:
          InputError: the song's channels cannot be converted to the network's, or the song is silent.
        """
        key = rate_hz, channels, level
        if isinstance(self.mixture, Recording):
            model_input = self.build_model_input(*key)
            return np.concatenate([*model_input.iterate_blocks()], axis=1), model_input.scaling
        if key not in self._standardised:
            mix_CxT, _ = sound.to_model(self.mixture, rate_hz, channels)
            with error_context(self.mixture.name):
                self._standardised[key] = standardise(mix_CxT, level)
            self._standardised[key][0].flags.writeable = False
        return self._standardised[key]

    def build_model_input(self, rate_hz: int, channels: int, level: InputLevel = "standard") -> ModelInput:
        """Return the mixture at a network's rate, channels and level in blocks; see `standardise`."""
        if not isinstance(self.mixture, Recording):
            mix_CxT, scaling = self.standardise(rate_hz, channels, level)
            return ModelInput(lambda: iter([mix_CxT]), mix_CxT.shape[1], scaling)
        key = rate_hz, channels
        if key not in self._measured:
            with error_context(self.mixture.name):
                self._measured[key] = measure_scaling(sound.blocks_to_model(self.mixture, rate_hz, channels))
        measured, n_samples = self._measured[key]
        scaling = choose_scaling(level, measured)
        load = functools.partial(sound.blocks_to_model, self.mixture, rate_hz, channels)
        return ModelInput(lambda: (standardise_by(block, scaling) for block in load()), n_samples, scaling)
