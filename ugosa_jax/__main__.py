"""The installed command `ugosa-jax`, and `python -m ugosa_jax`."""

import contextlib
import logging
import os
import sys
import warnings
from typing import NoReturn

from ugosa_jax import interrupts

BROKEN_PIPE = 141
"""Exit code if standard output is closed early: 128 plus the number of SIGPIPE, as in shells."""


def program() -> NoReturn:
    """Run the command line and exit; Ctrl-C and termination signals are handled from the start, before imports."""
    interrupts.install_handlers()
    silence_libraries()
    code = 0
    try:
        try:
            from ugosa_jax.cli.main import main

            code = main()
        except SystemExit as end:  # from the argument parser, which has printed its help or an error
            code = end.code
        if sys.stdout is not None:  # None if it was closed with `>&-`
            sys.stdout.flush()
    except KeyboardInterrupt:
        interrupts.acknowledge()
        print_last_line("interrupted")
        code = interrupts.EXIT_CODE
    except OSError as error:  # from standard output: errors of other files are InputErrors
        interrupts.acknowledge()
        if not isinstance(error, BrokenPipeError):
            print_last_line(f"error: standard output: cannot be written ({error.strerror or error})")
        code = BROKEN_PIPE if isinstance(error, BrokenPipeError) else 2
        os._exit(code)  # Python would try to flush again at exit, and print a traceback
    interrupts.acknowledge()
    if code == interrupts.EXIT_CODE:
        os._exit(interrupts.EXIT_CODE)  # a normal exit may crash while threads of JAX still run
    sys.exit(code)


def silence_libraries() -> None:
    """Silence the warnings of libraries; the commands themselves report problems that concern the user."""
    if not sys.warnoptions:  # -W or PYTHONWARNINGS, with which users ask for warnings
        warnings.simplefilter("ignore")
    logging.getLogger().addHandler(logging.NullHandler())  # without any handler, Python prints log messages
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")  # XLA prints errors only


def print_last_line(line: str) -> None:
    """Flush standard output, and print a line to standard error; both may be closed."""
    with contextlib.suppress(OSError, ValueError, AttributeError):
        sys.stdout.flush()
    with contextlib.suppress(OSError, ValueError):
        print(line, file=sys.stderr)


if __name__ == "__main__":
    program()
