"""HTDemucs checkpoints: settings are read or refused by name, and the name table is a bijection."""

import dataclasses
import math
from fractions import Fraction

import jax
import numpy as np
import pytest

from tests.helpers import htdemucs_goldens as goldens
from ugosa_jax.errors import InputError
from ugosa_jax.networks.htdemucs import HTDemucs
from ugosa_jax.weights import htdemucs_arguments as arguments
from ugosa_jax.weights import htdemucs_torch

PUBLISHED = goldens.torch_arguments() | {
    "samplerate": 44100,
    "segment": Fraction(39, 5),
    "channels": 48,
    "nfft": 4096,
    "dconv_comp": 8,
    "bottom_channels": 512,
    "t_layers": 5,
    "t_hidden_scale": 4.0,
    "t_heads": 8,
}
SMALL = {"sources": ["a", "b"], "channels": 8, "depth": 2, "nfft": 64, "t_layers": 2, "t_heads": 2, "dconv_mode": 3}
VARIANTS = {
    "default": {},
    "mono": {"audio_channels": 1},
    "bottom": {"bottom_channels": 12},
    "norms": {"norm_starts": 1},
    "cross first": {"t_cross_first": True},
    "joined branches": {"depth": 3, "nfft": 256, "norm_starts": 2},
    "below the join": {"depth": 4, "nfft": 256, "t_layers": 0, "channels_time": 4, "dconv_comp": 4},
    "encoders' dconv": {"dconv_mode": 1},
    "no rewrite": {"rewrite": False},
    "contexts": {"context": 0, "context_enc": 1},
    "no embedding": {"freq_emb": 0},
    "bare transformer": {"t_norm_in": False, "t_norm_out": False, "t_layer_scale": False},
    "one channel": {"channels": 1, "dconv_comp": 1, "bottom_channels": 4, "audio_channels": 1},
}


def test_published_arguments_give_the_published_architecture():
    assert arguments.read_architecture(PUBLISHED) == HTDemucs()


def test_six_source_arguments_give_the_published_architecture():
    six = {"sources": [*PUBLISHED["sources"], "guitar", "piano"], "bottom_channels": 0}
    config = arguments.read_architecture(PUBLISHED | six)
    assert config == HTDemucs(sources=(*HTDemucs().sources, "guitar", "piano"), bottom=0)


def test_missing_arguments_have_the_defaults_of_the_class():
    config = arguments.read_architecture({}, [["a", "b"]])
    assert (config.bottom, config.dconv_decoder, config.segment_samples) == (0, False, 441_000)


def test_positional_arguments_equal_keywords():
    by_name = arguments.read_architecture({"sources": ["a"], "audio_channels": 1, "channels": 16})
    assert arguments.read_architecture({}, (["a"], 1, 16)) == by_name
    with pytest.raises(InputError, match="given once, not 'sources'"):
        arguments.read_architecture({"sources": ["a"]}, (["a"],))
    with pytest.raises(InputError, match="arguments must be at most"):
        arguments.read_architecture({}, [["a"]] * 100)


@pytest.mark.parametrize(
    ("segment", "expected"),
    [(Fraction(39, 5), 343_980), ((39, 5), 343_980), ([39, 5], 343_980), (10, 441_000), (7.8, int(7.8 * 44100))],
)
def test_segment_is_read_as_fraction_pair_or_number(segment, expected):
    assert arguments.read_architecture(PUBLISHED | {"segment": segment}).segment_samples == expected


def test_network_without_a_training_segment_takes_any_length():
    assert arguments.read_architecture(PUBLISHED | {"use_train_segment": False}).segment_samples is None


def test_training_arguments_do_not_change_the_architecture():
    other = {"t_dropout": 0.5, "rescale": None, "emb_smooth": False, "dconv_init": 1, "t_lr": 1e-4, "t_sparsity": 0.1}
    assert arguments.read_architecture(PUBLISHED | other) == HTDemucs()


def test_dconv_mode_and_depth_set_the_residual_branches():
    for mode, expected in enumerate([(False, False), (True, False), (False, True), (True, True)]):
        config = arguments.read_architecture(PUBLISHED | {"dconv_mode": mode})
        assert (config.dconv_encoder, config.dconv_decoder) == expected
    config = arguments.read_architecture(PUBLISHED | {"dconv_depth": -3})
    assert (config.dconv_depth, config.dconv_dilates) == (3, False)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("cac", False),
        ("wiener_iters", 1),
        ("wiener_residual", True),
        ("multi_freqs", [0.5]),
        ("t_emb", "cape"),
        ("t_sin_random_shift", 3),
        ("t_sparse_self_attn", True),
        ("t_sparse_cross_attn", True),
        ("growth", 2.5),
        ("nfft", "4096"),
        ("rewrite", 2),
        ("freq_emb", math.nan),
        ("sources", "drums"),
        ("sources", None),
        ("sources", [1]),
        ("segment", None),
        ("segment", (39, 0)),
        ("segment", math.inf),
        ("dconv_mode", 4),
        ("t_norm_out", -1),
        ("use_train_segment", "yes"),
    ],
)
def test_other_networks_are_refused_by_name(name, value):
    with pytest.raises(InputError, match=f"setting {name} must be"):
        arguments.read_architecture(PUBLISHED | {name: value})


def test_unknown_arguments_are_refused():
    with pytest.raises(InputError, match="those of HTDemucs, not 'dconv_lstm'"):
        arguments.read_architecture(PUBLISHED | {"dconv_lstm": 2})


@pytest.mark.parametrize("kwargs", VARIANTS.values(), ids=VARIANTS)
def test_names_are_a_bijection(kwargs):
    config = arguments.read_architecture(SMALL | kwargs)
    params = goldens.make_random_params(config)
    state = htdemucs_torch.to_torch(params, config)
    assert len(state) == len(htdemucs_torch.build_table(config)) == len(jax.tree.leaves(params))
    back = htdemucs_torch.from_torch(state, config)
    jax.tree.map(np.testing.assert_array_equal, params, back)
    again = htdemucs_torch.to_torch(back, config)
    assert again.keys() == state.keys()
    assert all((again[name] == state[name]).all() for name in state)


def test_names_and_layouts_equal_those_of_torch():
    config, params = goldens.network()
    golden = goldens.load("state")
    assert htdemucs_torch.to_torch(params, config).keys() == golden.keys()
    decoder, layer = params["decoder1"]["freq"], params["layer2"]["time"]
    assert params["encoder2"]["freq"]["conv"]["kernel"][5, 2, 6] == golden["encoder.1.conv.weight"][6, 2, 5, 0]
    assert params["encoder2"]["time"]["conv"]["kernel"][5, 2, 6] == golden["tencoder.1.conv.weight"][6, 2, 5]
    assert params["frequency_embedding"]["embedding"][3, 77] == golden["freq_emb.embedding.weight"][77, 3]
    assert decoder["conv"]["kernel"][1, 12, 30] == golden["decoder.0.conv_tr.weight"][30, 12, 1, 0]
    assert decoder["rewrite"]["kernel"][2, 0, 30, 60] == golden["decoder.0.rewrite.weight"][60, 30, 0, 2]
    block = decoder["dconv"]["block2"]
    assert block["squeeze"]["kernel"][2, 30, 11] == golden["decoder.0.dconv.layers.1.0.weight"][11, 30, 2]
    assert block["scale"][9] == golden["decoder.0.dconv.layers.1.6.scale"][9]
    cross = golden["crosstransformer.layers_t.1.cross_attn.in_proj_weight"]
    assert layer["attend"]["kernel"][7, 80] == cross[80, 7]
    assert layer["contract"]["kernel"][70, 7] == golden["crosstransformer.layers_t.1.linear2.weight"][7, 70]


def test_paths_are_in_running_order():
    table = htdemucs_torch.build_table(HTDemucs())
    assert len(table) == 533
    assert list(dict.fromkeys(path.split(".")[0] for path in table)) == list(HTDemucs().stages)


def test_tensors_that_do_not_fit_are_named():
    config, _ = goldens.network()
    state = goldens.load("state")
    missing = {name: tensor for name, tensor in state.items() if name != "freq_emb.embedding.weight"}
    with pytest.raises(InputError, match=r"tensors missing: freq_emb\.embedding\.weight"):
        htdemucs_torch.from_torch(missing, config)
    with pytest.raises(InputError, match="unexpected tensors: odd"):
        htdemucs_torch.from_torch(state | {"odd": np.zeros(1, np.float32)}, config)
    turned = {"tencoder.0.conv.weight": state["tencoder.0.conv.weight"].T}
    with pytest.raises(InputError, match=r"wrong shapes: tencoder.0.conv.weight \(8, 2, 4\) instead of \(4, 2, 8\)"):
        htdemucs_torch.from_torch(state | turned, config)
    with pytest.raises(InputError, match=r"freq_emb\.embedding\.weight must be floating point"):
        htdemucs_torch.from_torch(state | {"freq_emb.embedding.weight": np.zeros((256, 4), int)}, config)
    params = htdemucs_torch.from_torch(state, config)
    other = dataclasses.replace(config, bottom=0)
    with pytest.raises(InputError, match="unexpected tensors: downsample"):
        htdemucs_torch.to_torch(params, other)
