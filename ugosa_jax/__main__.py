"""The installed command `ugosa-jax`, and `python -m ugosa_jax`."""

import os
import signal
import sys
import warnings
from types import FrameType
from typing import NoReturn

INTERRUPTED = 130


def program() -> NoReturn:
    """Run the command line and end the process; a termination signal ends it as Ctrl-C does, also while it starts."""
    signal.signal(signal.SIGTERM, _interrupt)
    warnings.filterwarnings("ignore", category=RuntimeWarning)  # numpy's; what matters is said in plain words
    try:
        from ugosa_jax.cli.main import main

        code = main()
        sys.stdout.flush()
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        code = INTERRUPTED
    if code == INTERRUPTED:
        os._exit(code)  # JAX's threads may be at work, and do not like to see the interpreter go
    sys.exit(code)


def _interrupt(_number: int, _frame: FrameType | None) -> NoReturn:
    raise KeyboardInterrupt


if __name__ == "__main__":
    program()
