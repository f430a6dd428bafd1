"""Downmix of multichannel sound to stereo or mono according to ITU-R BS.775, without the LFE channel.

C channels, n samples. Channel positions have FFmpeg's names; FFmpeg sorts the channels of all codecs into one order.
"""

import math

import numpy as np

from ugosa_jax.errors import InputError

USUAL = {
    3: ("FL", "FR", "FC"),
    4: ("FL", "FR", "BL", "BR"),
    5: ("FL", "FR", "FC", "BL", "BR"),
    6: ("FL", "FR", "FC", "LFE", "BL", "BR"),
    8: ("FL", "FR", "FC", "LFE", "BL", "BR", "SL", "SR"),
}
"""Positions of the channels, by their number, if a file does not state them: the order of WAV."""
_HALF = math.sqrt(0.5)  # −3 dB
_SHARES = {
    "FL": (1.0, 0.0),
    "FR": (0.0, 1.0),
    "FC": (_HALF, _HALF),
    "LFE": (0.0, 0.0),
    "LFE2": (0.0, 0.0),
    "BL": (_HALF, 0.0),
    "BR": (0.0, _HALF),
    "SL": (_HALF, 0.0),
    "SR": (0.0, _HALF),
    "BC": (0.5, 0.5),
    "FLC": (1.0, 0.0),
    "FRC": (0.0, 1.0),
}
"""Gains of each position to left and right. A single surround channel goes to both, 3 dB below those of a pair."""


def describe(given: int, positions: tuple[str, ...], channels: int) -> list[str]:
    """Return a note on how `mix` converts channels, as a list; empty if it leaves them unchanged.

    Raises:
      InputError: there are more than two channels, and a position is unknown.
    """
    if given == channels:
        return []
    positions = positions or USUAL.get(given, ())
    if channels not in (1, 2) or (given > 2 and not (positions and _SHARES.keys() >= {*positions})):
        listed = f" ({' '.join(positions)})" if positions else ""
        raise InputError(f"{given} channels{listed} cannot be made {channels}")
    if given == 1:
        return ["mono: copied to both channels"]
    if given == 2:
        return ["stereo: mean of both channels"]
    n_low = sum(position.startswith("LFE") for position in positions)
    return [f"{given - n_low}.{n_low} mixed down to {('mono', 'stereo')[channels - 1]} (ITU-R BS.775)"]


def mix(samples_Cxn: np.ndarray, positions: tuple[str, ...], channels: int) -> np.ndarray:
    """Return sound with one or two channels; call `describe` first, which checks that the conversion is possible."""
    given = len(samples_Cxn)
    if given == channels:
        return samples_Cxn
    if given == 1:
        return np.repeat(samples_Cxn, channels, axis=0)
    stereo_2xn = samples_Cxn
    if given > 2:
        shares_Cx2 = [_SHARES[position] for position in positions or USUAL[given]]
        stereo_2xn = np.asarray(shares_Cx2, np.float32).T @ samples_Cxn
    return stereo_2xn if channels == 2 else stereo_2xn.mean(axis=0, keepdims=True)
