"""Spleeter (Hennequin, Khlif, Voituret & Moussallam 2020): the U-Net of each source masks the mixture's spectrogram."""

from ugosa_jax.networks.spleeter.spleeter import Spleeter

__all__ = ["Spleeter"]
