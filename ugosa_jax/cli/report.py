"""The command `ugosa-jax report`: tables, figures and tests of significance of sweeps."""

import pandas as pd

from ugosa_jax.cli import options
from ugosa_jax.reports.sweep import report as page
from ugosa_jax.sweeps import results


def report(args: options.Report) -> int:
    """Write the report of stores and tables; return 0.

    Raises:
      InputError: one of them holds no scores, or the report cannot be written.
    """
    tables = [page.read_rows(path) if path.suffix == ".csv" else results.finished(path) for path in args.scores]
    print(f"written    {page.write(pd.concat(tables, ignore_index=True), args.out)}")
    return 0
