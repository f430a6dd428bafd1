"""HTDemucs in Flax NNX, stage by stage, for one song at a time.

Stages in running order: encoder1 …, with frequency_embedding after the first, upsample, tokens_in, layer1 …,
downsample, and decoder1 …, the deepest first. Every stage has two branches: freq (the spectrogram) and time (the wave).
"""

from typing import Any

import jax
import jax.numpy as jnp
from flax import nnx

from ugosa_jax.networks import module
from ugosa_jax.networks.htdemucs.convolution import mix_channels
from ugosa_jax.networks.htdemucs.layers import Decoder, Encoder
from ugosa_jax.networks.htdemucs.parts import Linear
from ugosa_jax.networks.htdemucs.settings import Level, Settings
from ugosa_jax.networks.htdemucs.spectrogram import spectrogram, waveform
from ugosa_jax.networks.htdemucs.transformer import Layer, TokensIn, to_planes
from ugosa_jax.networks.protocol import Params

Features = dict[str, Any]
"""The input of a stage: both branches as `freq` and `time`; as `skips`, the outputs of encoders that decoders need
(stage → branch → array)."""

_INPUT_EPS = 1e-5


class EncoderPair(nnx.Module):
    """The encoder layers of a level."""

    def __init__(self, settings: Settings, level: Level, rngs: nnx.Rngs):
        self.freq = Encoder(settings, level.freq, level.norm, rngs)
        if level.time is not None:
            self.time = Encoder(settings, level.time, level.norm, rngs)
        self.level = level

    def __call__(self, x: Features) -> Features:
        """Return the output of both branches.

        Where the branches join, the time layer is only a convolution, whose output is added to the freq branch.
        """
        if self.level.time is None:
            return {"freq": self.freq(x["freq"]), "time": x["time"]}
        time = self.time(x["time"])
        return {"freq": self.freq(x["freq"], time if self.level.time.bare else None), "time": time}


class DecoderPair(nnx.Module):
    """The decoder layers of a level."""

    def __init__(self, settings: Settings, level: Level, rngs: nnx.Rngs):
        last = level.number == 1
        self.freq = Decoder(settings, level.freq, level.norm, last, rngs)
        if level.time is not None:
            self.time = Decoder(settings, level.time, level.norm, last, rngs)
        self.level = level

    def __call__(self, x: Features, skip: Features, lengths: tuple[int, int]) -> Features:
        """Return the output of both branches.

        Where the branches separate again, the time layer is only a convolution, whose input is that of the freq layer's
        convolution.
        """
        K, T = lengths
        freq, before = self.freq(x["freq"], skip["freq"], K)
        if self.level.time is None:
            return {"freq": freq, "time": x["time"]}
        if self.level.time.bare:
            assert before is not None  # it is None only if rows are computed in blocks; this layer has a single row
            return {"freq": freq, "time": self.time(before, None, T)[0]}
        return {"freq": freq, "time": self.time(x["time"], skip["time"], T)[0]}


class ChannelMap(nnx.Module):
    """A linear map from the channels of the levels to those of the transformer, or back, for each branch.

    The stages upsample and downsample, channel_upsampler and channel_downsampler in demucs. Time is not resampled.
    """

    def __init__(self, n_in: int, n_out: int, rngs: nnx.Rngs):
        self.freq, self.time = Linear((n_in, n_out), rngs), Linear((n_in, n_out), rngs)

    def __call__(self, x: Features) -> Features:
        mapped = lambda m, x_CxRxT: mix_channels(x_CxRxT, m.kernel[...]) + m.bias[...][:, None, None]  # noqa: E731
        return {"freq": mapped(self.freq, x["freq"]), "time": mapped(self.time, x["time"])}


class FrequencyEmbedding(nnx.Module):
    """Add to every row of the spectrogram branch the embedding of its frequency, times weight · scale."""

    def __init__(self, settings: Settings, rngs: nnx.Rngs):
        level = settings.levels[0]
        self.weight = settings.embedding_weight * settings.embedding_scale
        spread = 1 / settings.embedding_scale
        shape = (level.freq.channels, level.freqs)
        self.embedding = nnx.Param(spread * jax.random.normal(rngs.params(), shape))

    def __call__(self, x: Features) -> Features:
        return {"freq": x["freq"] + self.weight * self.embedding[...][:, :, None], "time": x["time"]}


class HTDemucsModule(nnx.Module):
    """The whole network. Each stage is an attribute, whose name is also a top-level key of the parameters."""

    def __init__(self, settings: Settings, rngs: nnx.Rngs):
        s = self.settings = settings
        for level in s.levels:
            setattr(self, f"encoder{level.number}", EncoderPair(s, level, rngs))
        if s.embedding_weight:
            self.frequency_embedding = FrequencyEmbedding(s, rngs)
        C, D = s.levels[-1].freq.channels, s.token_channels
        if s.bottom:
            self.upsample, self.downsample = ChannelMap(C, D, rngs), ChannelMap(D, C, rngs)
        if s.layers:
            self.tokens_in = TokensIn(s)
        for number in range(1, s.layers + 1):
            setattr(self, f"layer{number}", Layer(s, number, rngs))
        for level in s.levels:
            setattr(self, decoder_name(s, level.number), DecoderPair(s, level, rngs))

    def prefix(self, mix_CxT: jax.Array, until: str) -> Features:
        """Return the input of stage `until`, with the skips that it and later stages need; {} for the first stage."""
        first = list_steps(self.settings)[0]
        if until == first:
            return {}
        return self._run(self.prepare_inputs(self._pad(mix_CxT)), mix_CxT.shape[1], first, until)

    def suffix(self, mix_CxT: jax.Array, features: Features, since: str) -> jax.Array:
        """Return est_SxCxT from the mixture and the input of stage `since`.

        Without skips, the encoders run again, as far as the last one whose skip is needed.
        """
        padded_CxT = self._pad(mix_CxT)
        order = list_steps(self.settings)
        needed = list_needed_skips(self.settings, since)
        if since == order[0]:
            features = self.prepare_inputs(padded_CxT)
        elif needed and "skips" not in features:
            after = order[order.index(needed[-1]) + 1]
            after = order[order.index(after) + 1] if after == "frequency_embedding" != since else after
            again = self._run(self.prepare_inputs(padded_CxT), mix_CxT.shape[1], order[0], after)
            features = features | {"skips": again["skips"]}
        out = self._run(features, mix_CxT.shape[1], since, None)
        return self._estimate(mix_CxT, padded_CxT, out)

    def _pad(self, mix_CxT: jax.Array) -> jax.Array:
        return jnp.pad(mix_CxT, ((0, 0), (0, count_padded_samples(self.settings, mix_CxT.shape[1]) - mix_CxT.shape[1])))

    def prepare_inputs(self, padded_CxT: jax.Array) -> Features:
        """Return the standardised spectrogram and wave."""
        spec_CxFxK = spectrogram(padded_CxT, self.settings.nfft)
        freq = standardise(spec_CxFxK, compute_moments(spec_CxFxK))
        time = standardise(padded_CxT, compute_moments(padded_CxT))
        return {"freq": freq, "time": time[:, None], "skips": {}}

    def _run(self, x: Features, n_samples: int, since: str, until: str | None) -> Features:
        """Run x through the stages from `since` to the one before `until`, or to the last if `until` is None."""
        order = list_steps(self.settings)
        skips = x.get("skips", {})
        end = len(order) if until is None else order.index(until)
        for name in order[order.index(since) : end]:
            x = self.run_step(name, x, skips, n_samples)
            if name.startswith("encoder"):
                skips = skips | {name: x}
            elif name == "frequency_embedding":
                skips = skips | {"encoder1": x}
        needed = list_needed_skips(self.settings, until) if until is not None else ()
        return {"freq": x["freq"], "time": x["time"], "skips": {name: self._trim_skip(name, skips) for name in needed}}

    def run_step(self, name: str, x: Features, skips: Features, n_samples: int) -> Features:
        """Return the output of one of `list_steps`."""
        s = self.settings
        if name.startswith("decoder"):
            level = s.depth + 1 - int(name.removeprefix("decoder"))
            lengths = s.list_lengths(count_padded_samples(s, n_samples))[level - 1]
            return getattr(self, name)(x, skips[f"encoder{level}"], lengths)
        if name == "tokens_in" or name.startswith("layer"):
            freq, time = getattr(self, name)(x["freq"], x["time"])
            return {"freq": freq, "time": time}
        if name == "downsample":
            x = {"freq": to_planes(x["freq"], s.levels[-1].freqs), "time": to_planes(x["time"], 1)}
            return self.downsample(x) if s.bottom else x
        return getattr(self, name)(x)

    def _trim_skip(self, name: str, skips: Features) -> Features:
        """Return the skip of an encoder; only that of the freq branch at levels where no decoder takes the other."""
        level = self.settings.levels[int(name.removeprefix("encoder")) - 1]
        whole = level.time is not None and not level.time.bare
        return {branch: skips[name][branch] for branch in (("freq", "time") if whole else ("freq",))}

    def _estimate(self, mix_CxT: jax.Array, padded_CxT: jax.Array, x: Features) -> jax.Array:
        """Return the sum of both branches' estimates, each scaled back to the mean and deviation of its input."""
        s, n_samples = self.settings, padded_CxT.shape[1]
        mean, deviation = compute_moments(spectrogram(padded_CxT, s.nfft))
        wave_SCxT = waveform(x["freq"] * deviation + mean, n_samples)
        mean, deviation = compute_moments(padded_CxT)
        est_SCxT = x["time"][:, 0] * deviation + mean + wave_SCxT
        return est_SCxT.reshape(s.S, s.channels, n_samples)[..., : mix_CxT.shape[1]]


def decoder_name(settings: Settings, level: int) -> str:
    """Return the name of the decoder of a level: the deepest is decoder1."""
    return f"decoder{settings.depth + 1 - level}"


def list_steps(settings: Settings) -> tuple[str, ...]:
    """Return the names of all steps from input to output, in order: the stages, and steps without parameters."""
    s = settings
    encoders = [f"encoder{level.number}" for level in s.levels]
    embedding = ["frequency_embedding"] if s.embedding_weight else []
    layers = [f"layer{number}" for number in range(1, s.layers + 1)]
    bottom = [*(["upsample"] if s.bottom else []), "tokens_in", *layers, "downsample"] if s.layers else []
    decoders = [f"decoder{number}" for number in range(1, s.depth + 1)]
    return (encoders[0], *embedding, *encoders[1:], *bottom, *decoders)


def list_needed_skips(settings: Settings, since: str) -> tuple[str, ...]:
    """Return the encoders before stage `since` whose outputs it or a later stage needs, in order."""
    order = list_steps(settings)
    at = order.index(since)
    done = max(0, at - order.index(decoder_name(settings, settings.depth)))
    names = [f"encoder{level}" for level in range(1, settings.depth + 1 - done)]
    return tuple(name for name in names if order.index(name) < at)


def count_padded_samples(settings: Settings, n_samples: int) -> int:
    """Return the length that a mixture of `n_samples` is zero-padded to.

    Raises:
      ValueError: it is longer than the training segments of the network.
    """
    if settings.segment_samples is None:
        return n_samples
    if n_samples > settings.segment_samples:
        raise ValueError(f"{n_samples} samples exceed the {settings.segment_samples} of a segment")
    return settings.segment_samples


def compute_moments(x: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Return mean and unbiased standard deviation of all of x."""
    return x.mean(), x.std(ddof=1)


def standardise(x: jax.Array, statistics: tuple[jax.Array, jax.Array]) -> jax.Array:
    """Return (x − mean) / standard deviation."""
    mean, deviation = statistics
    return (x - mean) / (_INPUT_EPS + deviation)


def init(settings: Settings, seed: int = 0) -> Params:
    """Return random parameters: uniform kernels and biases, identity norms, small residual branches."""
    return module.init(HTDemucsModule, settings, seed)


def bind(settings: Settings, params: Params) -> HTDemucsModule:
    """Return the network with these parameters."""
    return module.bind(HTDemucsModule, settings, params)
