"""The record of scripts/bench_peer.py as Markdown, beside the goals."""

import statistics
from collections.abc import Iterator

STRATEGY = "P-L3:M"  # of the rows song, compile and memory
RATIO_GOALS = {"forward": 4.5, "blocks": 4.5, "L3:M": 9.0, "L1:D": 4.5, "song": 7.0}
SHARE_GOALS = {"L3:M": 65.0}
COLD_GOAL_S, CACHED_GOAL_S, MEMORY_GOAL_GB = 25.0, 3.0, 4.0


def table(record: dict) -> str:
    """Return what was measured in Markdown."""
    ours, peer, lengths = (record["setting"][key] for key in ("ours", "peer", "lengths"))
    setting = ", ".join(f"{name} {value}" for name, value in (ours | peer).items() if name != "device")
    titles = {"demucs": "Full-size network", "mini": "Bundled network (mini)"}
    lines = [
        "# Side by side with PyTorch",
        "",
        "Made by scripts/bench_peer.py, which says how. Medians, with the least and the most in brackets; both take",
        "turns, and ratios are those of the medians, in brackets those of single turns.",
        "",
        f"{ours['device']}; {setting}.",
    ]
    for name in (name for name in titles if name in record):
        lines += ["", f"## {titles[name]}, segments of {lengths['segment_s']:g} s", ""]
        lines += section(record[name], lengths, has_goals=name == "demucs")
        busy = max(row["busy_percent"] for row in record[name].values())
        lines += ["", f"Before a row was measured, other programs used {busy:.0f} % of the processors at the most."]
    return "\n".join(lines) + "\n"


def section(rows: dict, lengths: dict, has_goals: bool) -> list[str]:
    """Return the tables of one network."""
    song = f"song of {lengths['song_s']:g} s, {lengths['epochs']} epochs, {STRATEGY}, from start to stems"
    labels = {"forward": "forward", "blocks": "forward + backward of four blocks"}
    labels |= {name: f"one P-{name} step, frozen stages kept" for name in ("L1:D", "L3:M", "L5:D")} | {"song": song}
    lines = ["| what | PyTorch s | this package s | ratio | goal | losses differ by | turns |", "|---" * 7 + "|"]
    for name in (name for name in labels if name in rows):
        row, goal = rows[name], RATIO_GOALS.get(name) if has_goals else None
        if name == "song":
            row = row | {"peer_s": [extrapolated_s(rows, lengths)]}
        ratio = statistics.median(row["peer_s"]) / statistics.median(row["ours_s"])
        ratios = [a / b for a, b in zip(row["peer_s"], row["ours_s"], strict=True)]
        differ = f"{row['loss_difference']:.0e}" if "loss_difference" in row else "–"
        is_extrapolated = " extrapolated" if name == "song" else ""
        cells = [labels[name], spread(row["peer_s"]) + is_extrapolated, spread(row["ours_s"])]
        cells += [f"{ratio:.1f}× ({min(ratios):.1f}–{max(ratios):.1f})", verdict(ratio, goal, "≥", "×")]
        lines.append("| " + " | ".join([*cells, differ, str(len(ratios))]) + " |")
    lines += ["", "| this package | found | goal |", "|---|---|---|"]
    lines += [f"| {' | '.join(cells)} |" for cells in own_cells(rows, lengths, has_goals)]
    return lines + song_notes(rows.get("song"), lengths)


def own_cells(rows: dict, lengths: dict, has_goals: bool) -> Iterator[tuple[str, str, str]]:
    """Yield the rows that have no counterpart at the peer."""
    cold_s, cached_s, memory_gb = (COLD_GOAL_S, CACHED_GOAL_S, MEMORY_GOAL_GB) if has_goals else (None,) * 3
    for name in (name for name in ("L1:D", "L3:M", "L5:D") if name in rows):
        yield f"frozen stages before {name}, once a segment", f"{spread(rows[name]['prefix_s'])} s", "–"
    for name in (name for name in ("L1:D", "L3:M", "L5:D") if name in rows):
        row, rate = rows[name], rows[name]["matmul_flops_per_s"]
        shares = [100 * row["flops"] / seconds / rate for seconds in row["ours_s"]]
        goal = SHARE_GOALS.get(name) if has_goals else None
        label = f"share of {rate / 1e9:.0f} GFLOP/s, the measured matmul rate, that a P-{name} step reaches"
        yield label, f"{spread(shares)} %", verdict(statistics.median(shares), goal, "≥", " %")
    if row := rows.get("compile"):
        for key, label, goal in (("cold_s", "no cache", cold_s), ("cached_s", "from the cache", cached_s)):
            is_met = verdict(statistics.median(row[key]), goal, "≤", " s")
            yield f"compile {STRATEGY}, new process, {label}", f"{spread(row[key])} s", is_met
    if row := rows.get("memory"):
        peaks_gb = [peak / 1e9 for peak in row["peak_bytes_E"]]
        label = f"peak memory, {STRATEGY}, {lengths['long_song_s']:g} s song, after 1, 2, 3 epochs"
        yield label, f"{', '.join(f'{gb:.2f}' for gb in peaks_gb)} GB", verdict(peaks_gb[-1], memory_gb, "≤", " GB")


def extrapolated_s(rows: dict, lengths: dict) -> float:
    """Return what a whole song would take PyTorch, by the medians of its steps and of its forward pass."""
    forward_s, step_s = (statistics.median(rows[name]["peer_s"]) for name in ("forward", "L3:M"))
    n_steps = lengths["epochs"] * rows["song"]["n_segments"]
    return n_steps * step_s + rows["song"]["separated_s"] / lengths["segment_s"] * forward_s


def song_notes(row: dict | None, lengths: dict) -> list[str]:
    """Return what the time of the whole song is made of."""
    if row is None:
        return []
    parts = ", ".join(f"{name} {row[name + '_s']:.1f} s" for name in ("compile", "prefix", "steps", "separate"))
    n_steps = lengths["epochs"] * row["n_segments"]
    return [
        "",
        f"The song took this package: {parts};",
        "the rest is starting and loading. PyTorch's time is extrapolated from the medians above:",
        f"{n_steps} P-L3:M steps, and forward for {row['separated_s']:g} s of overlapping chunks; nothing for starting",
        "and loading.",
    ]


def verdict(found: float, goal: float | None, sign: str, unit: str) -> str:
    """Return a goal and whether it is met."""
    if goal is None:
        return "–"
    is_met = found >= goal if sign == "≥" else found <= goal
    return f"{sign} {goal:g}{unit}, {'met' if is_met else 'not met'}"


def spread(values: list[float]) -> str:
    """Return the median, and in brackets the least and the most if there are several."""
    few = lambda x: f"{x:.2f}" if x < 100 else f"{x:.0f}"  # noqa: E731
    middle = few(statistics.median(values))
    return middle if len(values) == 1 else f"{middle} ({few(min(values))}–{few(max(values))})"
