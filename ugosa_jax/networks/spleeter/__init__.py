"""Spleeter (Hennequin, Khlif, Voituret & Moussallam 2020): a U-Net a source masks the mixture's spectrogram."""

from ugosa_jax.networks.spleeter.architecture import Spleeter

__all__ = ["Spleeter"]
