"""Files for TensorBoard with the losses and scores of a sweep; each cell is a run."""

from pathlib import Path
from typing import Any

from ugosa_jax import files
from ugosa_jax.errors import require_extra
from ugosa_jax.sweeps.cell import Cell


def check_installed() -> None:
    """Raise InputError unless the package that writes the format is installed."""
    with require_extra("tensorboard"):
        import tensorboardX  # noqa: F401


def write_run(folder: Path, cell: Cell, record: dict[str, Any]) -> None:
    """Write the mean losses of each epoch and the scores by the rule "target", unless the run exists already.

    Args:
      folder: folder of all runs; the run of a cell is a folder in it, named after song, strategy and ID.
      cell: the cell.
      record: its record; nothing is written for a cell that failed.

    Raises:
      InputError: the run cannot be written.
    """
    from tensorboardX import SummaryWriter

    run = folder / f"{cell.song} {cell.adapt.strategy} {cell.id}".replace("/", "-").replace(":", "-")
    if record["status"] != "done" or any(run.glob("events.*")):
        return
    with files.replace_folder_when_done(run) as scratch, SummaryWriter(str(scratch)) as writer:
        for epoch, losses in enumerate(record["adaptation"]["losses"]):
            for name, value in losses.items():
                if value is not None:
                    writer.add_scalar(f"loss/{name}", value, epoch)
        for score in record["scores"]:
            if score["rule"] == "target" and score["value_db"] is not None:
                gated = "gated" if score["gated"] else "plain"
                writer.add_scalar(f"{score['metric']} {gated}/{score['source']}", score["value_db"], 0)
