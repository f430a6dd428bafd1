"""Hybrid Transformer Demucs: a spectrogram branch and a wave branch that a transformer joins at the bottom."""

from ugosa_jax.networks.htdemucs.architecture import HTDemucs

__all__ = ["HTDemucs"]
