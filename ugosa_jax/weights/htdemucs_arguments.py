"""Arguments of the PyTorch class HTDemucs, and the architecture that they describe."""

import math
from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import Any

from ugosa_jax.errors import require
from ugosa_jax.networks.htdemucs import HTDemucs

PLAIN = {
    "audio_channels": "channels",
    "channels": "width",
    "growth": "growth",
    "nfft": "nfft",
    "depth": "depth",
    "rewrite": "rewrite",
    "freq_emb": "embedding_weight",
    "emb_scale": "embedding_scale",
    "kernel_size": "kernel",
    "time_stride": "time_stride",
    "stride": "stride",
    "context": "context",
    "context_enc": "encoder_context",
    "norm_starts": "norm_starts",
    "norm_groups": "norm_groups",
    "dconv_comp": "dconv_compression",
    "bottom_channels": "bottom",
    "t_layers": "layers",
    "t_hidden_scale": "hidden_scale",
    "t_heads": "heads",
    "t_norm_first": "norm_first",
    "t_max_period": "max_period",
    "t_layer_scale": "layer_scale",
    "t_gelu": "gelu",
    "t_weight_pos_embed": "position_weight",
    "t_cross_first": "cross_first",
    "samplerate": "sample_rate_hz",
}
"""Arguments of the PyTorch class, and the fields of our `HTDemucs` that they are equal to."""

ARGUMENTS = {
    "sources": None,
    "audio_channels": 2,
    "channels": 48,
    "channels_time": None,
    "growth": 2,
    "nfft": 4096,
    "wiener_iters": 0,
    "end_iters": 0,
    "wiener_residual": False,
    "cac": True,
    "depth": 4,
    "rewrite": True,
    "multi_freqs": None,
    "multi_freqs_depth": 3,
    "freq_emb": 0.2,
    "emb_scale": 10,
    "emb_smooth": True,
    "kernel_size": 8,
    "time_stride": 2,
    "stride": 4,
    "context": 1,
    "context_enc": 0,
    "norm_starts": 4,
    "norm_groups": 4,
    "dconv_mode": 1,
    "dconv_depth": 2,
    "dconv_comp": 8,
    "dconv_init": 1e-3,
    "bottom_channels": 0,
    "t_layers": 5,
    "t_emb": "sin",
    "t_hidden_scale": 4.0,
    "t_heads": 8,
    "t_dropout": 0.0,
    "t_max_positions": 10000,
    "t_norm_in": True,
    "t_norm_in_group": False,
    "t_group_norm": False,
    "t_norm_first": True,
    "t_norm_out": True,
    "t_max_period": 10000.0,
    "t_weight_decay": 0.0,
    "t_lr": None,
    "t_layer_scale": True,
    "t_gelu": True,
    "t_weight_pos_embed": 1.0,
    "t_sin_random_shift": 0,
    "t_cape_mean_normalize": True,
    "t_cape_augment": True,
    "t_cape_glob_loc_scale": (5000.0, 1.0, 1.4),
    "t_sparse_self_attn": False,
    "t_sparse_cross_attn": False,
    "t_mask_type": "diag",
    "t_mask_random_seed": 42,
    "t_sparse_attn_window": 500,
    "t_global_window": 100,
    "t_sparsity": 0.95,
    "t_auto_sparsity": False,
    "t_cross_first": False,
    "rescale": 0.1,
    "samplerate": 44100,
    "segment": 10,
    "use_train_segment": True,
}
"""Arguments of the PyTorch class in its order, with its defaults, which are not those of the published checkpoints.

Arguments that are neither read below nor in `PLAIN` are ignored: they concern training, or the options of `REFUSED`."""

REFUSED = {
    "wiener_iters": (0,),
    "end_iters": (0,),
    "wiener_residual": (False,),
    "cac": (True,),
    "multi_freqs": (None, [], ()),
    "t_emb": ("sin",),
    "t_sin_random_shift": (0,),
    "t_sparse_self_attn": (False,),
    "t_sparse_cross_attn": (False,),
}
"""Arguments of which only some values are supported, and these values; others make a different network."""


def read_architecture(kwargs: Mapping[str, Any], args: Sequence[Any] = ()) -> HTDemucs:
    """Return the architecture that arguments of the PyTorch class describe.

    Args:
      kwargs: arguments by name. `segment`, in seconds, is a Fraction, a pair (numerator, denominator) or a number.
      args: the first arguments, by their position.

    Raises:
      InputError: an argument is unknown, of the wrong type, or describes a network of another kind.
    """
    require(len(args) <= len(ARGUMENTS), "arguments", f"at most {len(ARGUMENTS)}", len(args))
    given = dict(zip(ARGUMENTS, args, strict=False))
    twice = sorted(given.keys() & kwargs.keys())
    require(not twice, "settings", "given once", ", ".join(twice)[:120])
    unknown = sorted(str(name) for name in kwargs.keys() - ARGUMENTS.keys())
    require(not unknown, "settings", "those of HTDemucs", ", ".join(unknown)[:120])
    found = ARGUMENTS | given | dict(kwargs)
    for name, possible in REFUSED.items():
        expected = " or ".join(map(repr, possible))
        require(any(found[name] == value for value in possible), f"setting {name}", expected, found[name])
    settings = {ours: _read_number(found, name, getattr(HTDemucs, ours)) for name, ours in PLAIN.items()}
    settings |= {"sources": _read_sources(found), "segment_samples": _read_segment_samples(found)}
    width = found["channels_time"] or found["channels"]
    settings["wave_width"] = _read_number({"channels_time": width}, "channels_time", HTDemucs.wave_width)
    return HTDemucs(**settings, **_read_residual(found), **_read_norms(found))  # pyright: ignore[reportArgumentType]


def _read_number(found: Mapping[str, Any], name: str, like: Any) -> Any:
    """Return an argument as a number of the type of `like`; PyTorch accepts numbers as flags, and None as zero."""
    value = 0 if found[name] is None else found[name]
    if isinstance(like, bool):
        require(type(value) in (bool, int) and value in (0, 1), f"setting {name}", "true or false", value)
        return bool(value)
    kinds = (int, float, bool) if isinstance(like, float) else (int,)
    require(type(value) in kinds and math.isfinite(value), f"setting {name}", "a number", value)
    return type(like)(value)


def _read_sources(found: Mapping[str, Any]) -> tuple[str, ...]:
    names = found["sources"]
    is_valid = isinstance(names, list | tuple) and all(type(name) is str for name in names)
    require(is_valid, "setting sources", "a list of names", names)
    return tuple(names)


def _read_segment_samples(found: Mapping[str, Any]) -> int | None:
    """Return int(segment · sample rate), or None if the network takes inputs of any length."""
    segment_s, rate_hz = found["segment"], found["samplerate"]
    if not _read_number(found, "use_train_segment", True):
        return None
    if isinstance(segment_s, list | tuple):
        whole = len(segment_s) == 2 and all(type(part) is int for part in segment_s) and segment_s[1] > 0
        require(whole, "setting segment", "a pair of numerator and denominator", segment_s)
        segment_s = Fraction(*segment_s)
    is_valid = type(segment_s) in (Fraction, int, float) and math.isfinite(segment_s)
    require(is_valid, "setting segment", "a fraction or a number of seconds", segment_s)
    return int(segment_s * rate_hz)


def _read_residual(found: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings of DConv: mode 1 is in encoders, 2 in decoders, 3 in both; a negative depth: no dilation."""
    mode, depth = _read_number(found, "dconv_mode", 0), _read_number(found, "dconv_depth", 0)
    require(0 <= mode <= 3, "setting dconv_mode", "0, 1, 2 or 3", mode)
    in_layers = {"dconv_encoder": bool(mode & 1), "dconv_decoder": bool(mode & 2)}
    return in_layers | {"dconv_depth": abs(depth), "dconv_dilates": depth > 0}


def _read_norms(found: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings of the transformer's norms; PyTorch's arguments are flags or numbers of groups."""
    alone, together, inside, out = (
        _read_groups(found, f"t_{n}") for n in ("norm_in", "norm_in_group", "group_norm", "norm_out")
    )
    first = _read_number(found, "t_norm_first", True)
    return {
        "norm_in": bool(alone or together),
        "norm_in_groups": 0 if alone else together,
        "layer_norm_groups": inside,
        "norm_out_groups": out if first and out % 2 else 0,  # the original tests `True & out`, which is the last bit
    }


def _read_groups(found: Mapping[str, Any], name: str) -> int:
    value = found[name]
    require(type(value) in (bool, int) and value >= 0, f"setting {name}", "true, false or a number of groups", value)
    return int(value)
