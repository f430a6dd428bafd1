"""Text about a run in its report, from its record: inputs, settings, device and times."""

from collections.abc import Mapping
from typing import Any

from ugosa_jax.reports.sweep.render import format_setting

REFINEMENTS = {
    "residual": "residual distributed over the active sources",
    "wiener": "Wiener masks of the active sources",
}


def describe_run(record: Mapping[str, Any]) -> dict[str, str]:
    """Return the entries of the table at the top of a report.

    Args:
      record: the content of record.json.
    """
    song, weights, adaptation = record["song"], record["weights"], record["adaptation"]
    duration_s = song["samples"] / song["rate_hz"]
    sound = [f"{duration_s:.1f} s", f"{song['rate_hz']} Hz", f"{song['channels']} channels", *song["conversions"]]
    facts = {"song": f"{song['file']} ({'; '.join(sound)})"}
    if record["annotation"]:
        facts["annotation"] = record["annotation"]["file"]
    facts["network"] = f"{weights['name']} ({weights['fingerprint'][:16]})"
    if members := weights.get("members"):
        takes = "; ".join(f"{name} takes {', '.join(member['takes'])}" for name, member in members.items())
        facts["network"] += f": {takes}"
    if record["delta"]:
        facts["delta"] = record["delta"]["file"]
    settings = record["settings"]
    facts["adaptation"] = describe_adaptation(settings["adapt"]) if settings["adapt"] else "none"
    facts["separation"] = describe_separation(settings["separate"])
    facts["device"] = adaptation["device"]
    facts["time"] = describe_timing(adaptation["timing"]) + f", separating {adaptation['separation_s']:.1f} s"
    return facts | {"made": f"{record['environment']['created']} by ugosa_jax {record['environment']['ugosa_jax']}"}


def describe_adaptation(settings: Mapping[str, Any]) -> str:
    """Return the settings of an adaptation as text."""
    parts = [settings["strategy"]]
    parts += [f"λ {format_setting('lam', settings['lam'])}"] if "P-" in settings["strategy"] else []
    parts += [
        f"learning rate {format_setting('learning_rate', settings['learning_rate'])}",
        f"{settings['epochs']} epochs",
    ]
    parts += [f"segments of {settings['segment_s']:g} s"] if settings["segment_s"] else []
    parts += [f"every {settings['hop_s']:g} s"] if settings["hop_s"] else []
    parts += [f"{settings['pitch_shifts']} pitch-shifted copies of each"] if settings["pitch_shifts"] else []
    parts += ["in random order"] if settings["shuffle_seed"] else []
    parts += [f"in {settings['precision']}"] if settings["precision"] != "float32" else []
    return ", ".join(parts)


def describe_separation(settings: Mapping[str, Any]) -> str:
    """Return the settings of a separation as text."""
    parts = [f"chunks of {settings['chunk_s']:g} s"] if settings["chunk_s"] else []
    parts += [] if settings["overlap"] is None else [f"overlap {settings['overlap']:g}"]
    parts = parts or ["chunks as the network's authors use them"]
    parts += [f"mean of {settings['shifts']} shifts"] if settings["shifts"] else []
    parts += ["muted where annotated silent"] if settings["gate"] else []
    parts += [REFINEMENTS[settings["refine"]]] if settings["refine"] != "none" else []
    return ", ".join(parts)


def describe_timing(timing: Mapping[str, float]) -> str:
    """Return the times of an adaptation as text."""
    times = {"compiling": timing["compile_s"], "frozen stages": timing["prefix_s"], "steps": timing["steps_s"]}
    return ", ".join(f"{name} {seconds:.1f} s" for name, seconds in times.items())
