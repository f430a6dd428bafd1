"""Write outputs of the PyTorch HTDemucs for architectures that were not published: tests/data/htdemucs/others.npz.

It runs in a separate environment, which the project never depends on:

    python3 -m venv ~/torch-env
    ~/torch-env/bin/pip install torch numpy einops julius openunmix pyyaml tqdm    # a build for the CPU is enough
    ~/torch-env/bin/pip install --no-deps demucs==4.1.0
    ~/torch-env/bin/python scripts/golden_htdemucs.py tests/data/htdemucs/others.npz

Parameters and mixtures are random numbers whose seeds follow from names, so that the file need not contain them. For
every case, the file contains in float64:

    <case>/kwargs      arguments of the class, as JSON
    <case>/estimates   every 23rd value of the estimates
    <case>/names       names of the parameters in alphabetical order
    <case>/norms       Euclidean norm of the gradient of each parameter; the loss is the mean square of the estimates
    <case>/gradient    every 17th value of the concatenated gradients
"""

# pyright: reportMissingImports=false

import json
import sys
import zlib

import numpy as np

SHARED = {
    "sources": ["a", "b"],
    "samplerate": 1000,
    "segment": 1.5,
    "channels": 8,
    "dconv_comp": 4,
    "dconv_mode": 3,
    "depth": 2,
    "nfft": 256,
    "t_layers": 2,
    "t_heads": 2,
    "t_hidden_scale": 1.5,
}
CASES = {
    "mono_cross_first": {"audio_channels": 1, "t_cross_first": True, "t_layers": 3},
    "six_sources_bottom": {"sources": list("abcdef"), "bottom_channels": 12, "t_layers": 1},
    "norms": {"norm_starts": 1, "norm_groups": 2, "t_norm_in": False, "t_norm_in_group": 1},
    "joined_branches": {"depth": 3, "norm_starts": 2, "channels": 4, "context_enc": 1},
    "deep": {"depth": 5, "nfft": 4096, "segment": 5.0, "channels": 4, "growth": 1, "norm_starts": 4, "t_layers": 1},
    "below_the_join": {"depth": 4, "t_layers": 0, "norm_starts": 3, "channels_time": 4},
    "bare_layers": {"rewrite": False, "dconv_mode": 1, "dconv_depth": -3, "freq_emb": 0, "kernel_size": 4, "stride": 2},
    "context_and_stride": {"context": 0, "context_enc": 1, "kernel_size": 5, "stride": 3, "nfft": 144, "dconv_mode": 2},
    "norm_after": {
        "t_norm_first": False,
        "t_layer_scale": False,
        "t_gelu": False,
        "t_group_norm": 2,
        "t_norm_in": False,
    },
    "any_length": {"use_train_segment": False, "t_max_period": 100.0, "t_weight_pos_embed": 0.5, "emb_scale": 3},
}
LENGTH = 1450
ESTIMATES_STEP, GRADIENT_STEP = 23, 17


def draw_tensor(name: str, shape: tuple[int, ...]) -> np.ndarray:
    """Draw a tensor with a seed from its name: kernels that preserve the level, norms and scales of order 1."""
    random = np.random.default_rng(zlib.crc32(name.encode()))
    centre = 0.5 if name.endswith(".scale") else 1.0 if name.endswith(".weight") and len(shape) == 1 else 0.0
    spread = 0.3 if len(shape) == 1 else np.prod(shape[1:]) ** -0.5
    return (centre + spread * random.standard_normal(shape)).astype(np.float32).astype(np.float64)


def draw_mixture(channels: int) -> np.ndarray:
    """Return mix_CxT."""
    return np.cumsum(np.random.default_rng(0).standard_normal((channels, LENGTH)), 1) / 10


def main() -> None:
    import torch
    from demucs.htdemucs import HTDemucs

    torch.set_default_dtype(torch.float64)
    golden = {}
    for case, changed in CASES.items():
        kwargs = SHARED | changed
        model = HTDemucs(**kwargs).eval()
        model.load_state_dict(
            {name: torch.from_numpy(draw_tensor(name, tuple(t.shape))) for name, t in model.state_dict().items()}
        )
        est_SxCxT = model(torch.from_numpy(draw_mixture(model.audio_channels))[None])[0]
        (est_SxCxT**2).mean().backward()
        golden[f"{case}/kwargs"] = np.array(json.dumps(kwargs))
        golden[f"{case}/estimates"] = est_SxCxT.detach().numpy().reshape(-1)[::ESTIMATES_STEP]
        named = sorted(model.named_parameters())
        gradients = [np.zeros(t.shape) if t.grad is None else t.grad.numpy() for _, t in named]
        golden[f"{case}/names"] = np.array([name for name, _ in named])
        golden[f"{case}/norms"] = np.array([np.linalg.norm(gradient) for gradient in gradients])
        every = np.concatenate([gradient.reshape(-1) for gradient in gradients])
        golden[f"{case}/gradient"] = every[::GRADIENT_STEP]
        print(case, f"{sum(t.numel() for t in model.parameters()):,} parameters, peak {est_SxCxT.abs().max():.2f}")
    np.savez_compressed(sys.argv[1], **golden)


if __name__ == "__main__":
    main()
