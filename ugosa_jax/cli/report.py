"""The command `ugosa-jax report`: tables, figures and tests of significance of sweeps."""

from ugosa_jax.cli import options
from ugosa_jax.cli.output import say
from ugosa_jax.errors import InputError, require_extra

with require_extra("reports"):
    import pandas as pd

    from ugosa_jax.reports.sweep import rows, sweep_report
    from ugosa_jax.sweeps import score_table


def report(args: options.Report) -> int:
    """Write the report of results directories and tables; return 0.

    Raises:
      InputError: one of them holds no scores, or the report cannot be written.
    """
    if not args.scores:
        raise InputError("RESULTS: name at least one results directory, or table")
    tables = [rows.read_rows(path) if path.suffix == ".csv" else score_table.read_scores(path) for path in args.scores]
    say(f"written    {sweep_report.write(pd.concat(tables, ignore_index=True), args.out)}")
    return 0
