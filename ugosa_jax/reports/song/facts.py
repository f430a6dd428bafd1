"""The record of a run in words: what was run, on what, and how long it took."""

from collections.abc import Mapping
from typing import Any

from ugosa_jax.reports.sweep.render import setting


def describe(record: Mapping[str, Any]) -> dict[str, str]:
    """Return what the head of a report says.

    Args:
      record: what `ugosa-jax separate` writes to record.json.
    """
    song, weights, adaptation = record["song"], record["weights"], record["adaptation"]
    duration_s = song["samples"] / song["rate_hz"]
    sound = [f"{duration_s:.1f} s", f"{song['rate_hz']} Hz", f"{song['channels']} channels", *song["conversions"]]
    said = {"song": f"{song['file']} ({'; '.join(sound)})"}
    if record["annotation"]:
        said["annotation"] = record["annotation"]["file"]
    said["network"] = f"{weights['name']} ({weights['fingerprint'][:16]})"
    if members := weights.get("members"):
        takes = "; ".join(f"{name} takes {', '.join(member['takes'])}" for name, member in members.items())
        said["network"] += f": {takes}"
    if record["delta"]:
        said["delta"] = record["delta"]["file"]
    settings = record["settings"]
    said["adaptation"] = adapting(settings["adapt"]) if settings["adapt"] else "none"
    said["separation"] = separating(settings["separate"])
    said["device"] = adaptation["device"]
    said["time"] = timing(adaptation["timing"]) + f", separating {adaptation['separation_s']:.1f} s"
    return said | {"made": f"{record['environment']['created']} by ugosa_jax {record['environment']['ugosa_jax']}"}


def adapting(settings: Mapping[str, Any]) -> str:
    """Return settings of an adaptation in words."""
    said = [settings["strategy"]]
    said += [f"λ {setting('lam', settings['lam'])}"] if "P-" in settings["strategy"] else []
    said += [f"learning rate {setting('learning_rate', settings['learning_rate'])}", f"{settings['epochs']} epochs"]
    said += [f"segments of {settings['segment_s']:g} s"] if settings["segment_s"] else []
    said += [f"every {settings['hop_s']:g} s"] if settings["hop_s"] else []
    said += [f"{settings['pitch_shifts']} pitch-shifted copies of each"] if settings["pitch_shifts"] else []
    said += ["in random order"] if settings["shuffle_seed"] else []
    said += [f"in {settings['precision']}"] if settings["precision"] != "float32" else []
    return ", ".join(said)


def separating(settings: Mapping[str, Any]) -> str:
    """Return settings of a separation in words."""
    said = [f"chunks of {settings['chunk_s']:g} s"] if settings["chunk_s"] else []
    said += [] if settings["overlap"] is None else [f"overlap {settings['overlap']:g}"]
    said = said or ["chunks as the network's authors have them"]
    said += [f"mean of {settings['shifts']} shifts"] if settings["shifts"] else []
    said += ["muted where annotated silent, which is what their level there shows"] if settings["gate"] else []
    refined = {"residual": "what their sum lacks dealt to those that play", "wiener": "Wiener masks of those that play"}
    said += [refined[settings["refine"]]] if settings["refine"] != "none" else []
    return ", ".join(said)


def timing(timing: Mapping[str, float]) -> str:
    """Return how long an adaptation took, in words."""
    return f"compiling {timing['compile_s']:.1f} s, prefix {timing['prefix_s']:.1f} s, steps {timing['steps_s']:.1f} s"
