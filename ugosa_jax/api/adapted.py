"""The result of an adaptation: a network with adapted layers, and its losses."""

import dataclasses
from pathlib import Path
from typing import NamedTuple

import numpy as np

from ugosa_jax.adaptation import engine
from ugosa_jax.adaptation.engine import AdaptationResult
from ugosa_jax.annotations.annotation import Annotation
from ugosa_jax.api.arguments import as_network, get_default_preset
from ugosa_jax.api.separating import separate
from ugosa_jax.config import AdaptConfig, Preset, SeparateConfig
from ugosa_jax.data.song import Song
from ugosa_jax.notebook import html_table
from ugosa_jax.separation.chunks import OnChunk
from ugosa_jax.weights import adapted_layers
from ugosa_jax.weights.weights import Weights


class Losses(NamedTuple):
    """Losses of every epoch and step, each of shape (epochs, steps); NaN after the adaptation has stopped early.

    Attributes:
      total: the loss, eq. (1): reconstruction + λ · activation.
      reconstruction: error of the sum of the estimates.
      activation: level of the estimates of sources where they are annotated silent.
    """

    total: np.ndarray
    reconstruction: np.ndarray
    activation: np.ndarray

    def epoch_means(self) -> dict[str, np.ndarray]:
        """Return the mean of each loss over the steps of each epoch, by name; NaN if a step was not taken."""
        return {name: values.mean(1) if values.size else values[:, 0] for name, values in self._asdict().items()}

    def __repr__(self) -> str:
        n_epochs, n_steps = self.total.shape
        if not self.total.size:
            return "Losses(none: nothing was adapted)"
        first, *_, last = np.atleast_1d(np.repeat(self.epoch_means()["total"], 2))
        return f"Losses({n_epochs} epochs of {n_steps} steps, total {first:.4g} → {last:.4g})"

    def _repr_html_(self) -> str:
        rows = zip(*self.epoch_means().values(), strict=True)
        cells = [[str(epoch), *(f"{value:.4g}" for value in values)] for epoch, values in enumerate(rows, 1)]
        return html_table("mean losses", ["epoch", *self._fields], cells)


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class AdaptedNetwork(AdaptationResult):
    """A network whose layers were adapted to a song.

    Attributes:
      net: the network before adaptation.
      preset: the settings of the adaptation, and the default settings of `separate`.
      song: the song of the adaptation; None for layers that were read from a file.
      annotation: the annotation of that song.
    """

    net: Weights
    preset: Preset
    song: Song | None = None
    annotation: Annotation | None = None

    @property
    def settings(self) -> AdaptConfig:
        """Settings of the adaptation."""
        return self.preset.adapt

    @property
    def losses(self) -> Losses:
        """Losses of every epoch and step."""
        return Losses(*np.moveaxis(self.losses_ExIx3, -1, 0))

    def separate(
        self,
        song: Song,
        annotation: Annotation | None = None,
        *,
        settings: SeparateConfig | Preset | None = None,
        on_chunk: OnChunk | None = None,
    ) -> dict[str, np.ndarray]:
        """Separate a song with the adapted layers; see `ugosa_jax.separate`.

        Args:
          song: any song, not only that of the adaptation.
          annotation: when each source plays; if None, that of the adaptation for its song, and `song.annotation` for
            other songs.
          settings: settings of the separation; if None, those of `preset`.
          on_chunk: as in `ugosa_jax.separate`.
        """
        if annotation is None and song is self.song:
            annotation = self.annotation
        chosen = self.preset.separate if settings is None else settings
        return separate(self.net, song, annotation, settings=chosen, tuned=self.tuned, on_chunk=on_chunk)

    def save(self, path: str | Path) -> None:
        """Write the adapted layers as safetensors; `ugosa_jax.load_adapted_layers` reads them.

        Raises:
          InputError: nothing was adapted, or the file cannot be written.
        """
        adapted_layers.save(self.tuned, self.net, path, {"strategy": str(self.settings.strategy)})

    def __repr__(self) -> str:
        settings, losses = self.settings, self.losses
        parts = [f"{settings.strategy}"]
        if losses.total.size:
            parts += [f"learning rate {settings.learning_rate:g}", repr(losses)]
        if self.stopped_at is not None:
            parts += ["stopped in epoch {}, step {}".format(*(number + 1 for number in self.stopped_at))]
        return f"AdaptedNetwork({self.net!r}, {', '.join(parts)})"


def make_adapted_network(
    result: AdaptationResult,
    net: Weights,
    preset: Preset,
    song: Song | None = None,
    annotation: Annotation | None = None,
) -> AdaptedNetwork:
    """Return the result of an adaptation together with its inputs."""
    fields = {field.name: getattr(result, field.name) for field in dataclasses.fields(result)}
    return AdaptedNetwork(**fields, net=net, preset=preset, song=song, annotation=annotation)


def load_adapted_layers(net: Weights | str | Path, path: str | Path) -> AdaptedNetwork:
    """Read adapted layers that were written by `AdaptedNetwork.save` or `ugosa-jax separate`.

    Args:
      net: the network before adaptation, its name or its file.
      path: the file with the adapted layers.

    Raises:
      InputError: the file is damaged or of another kind, or the layers belong to another network.
    """
    net = as_network(net)
    layers, metadata = adapted_layers.load(path, net), adapted_layers.read_metadata(path)
    settings = AdaptConfig(strategy=metadata.get("strategy"))
    preset = dataclasses.replace(get_default_preset(net), adapt=settings)
    return make_adapted_network(engine.make_unadapted_result(layers), net, preset)
