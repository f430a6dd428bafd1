"""What strategies R make remixes of: the stems of a song as the network gives them before it is adapted.

After RemixIT (Tzinis et al. 2022) and Self-Remixing (Saijo & Ogawa 2023); new is that the annotation refines the stems.
"""

import numpy as np

from ugosa_jax.annotations import annotation as annotations
from ugosa_jax.annotations.annotation import Annotation
from ugosa_jax.config import SeparateConfig
from ugosa_jax.separation import members, refine
from ugosa_jax.weights.chain import Member


def first_stems(net: Member, mix_CxT: np.ndarray, annotation: Annotation) -> np.ndarray:
    """Return what the network makes of a standardised mixture before it is adapted, refined with the annotation.

    Returns:
      (S, C, T); they add up to the mixture, and are zero where their source is annotated silent.
    """
    settings = SeparateConfig(refine="wiener")
    est_SxCxT = members.separate(net, net.params, mix_CxT, settings)
    gain_SxT = annotations.compute_gains(annotation, mix_CxT.shape[1], net.architecture.sample_rate_hz, settings.fade_s)
    return refine.refine(est_SxCxT, mix_CxT, gain_SxT, settings)
