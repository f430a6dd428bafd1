"""The installed command `ugosa-jax`, and `python -m ugosa_jax`."""

import contextlib
import logging
import os
import sys
import warnings
from typing import NoReturn

from ugosa_jax import interrupts

BROKEN_PIPE = 141
"""Exit code of a process whose output is closed, as in shells: 128 plus the number of SIGPIPE."""


def program() -> NoReturn:
    """Run the command line and end the process; a termination signal ends it as Ctrl-C does, also while it starts."""
    interrupts.install()
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
        interrupts.heed()
        say_last("interrupted")
        code = interrupts.CODE
    except OSError as error:  # Errors of files are InputErrors, so this is one of standard output.
        interrupts.heed()
        if not isinstance(error, BrokenPipeError):
            say_last(f"error: standard output: cannot be written ({error.strerror or error})")
        code = BROKEN_PIPE if isinstance(error, BrokenPipeError) else 2
        os._exit(code)  # Python would try to flush again at exit, and print a traceback
    interrupts.heed()
    if code == interrupts.CODE:
        os._exit(interrupts.CODE)  # a normal exit may crash while threads of JAX still run
    sys.exit(code)


def silence_libraries() -> None:
    """Silence warnings of libraries; the commands report those that matter to the user in their own words."""
    if not sys.warnoptions:  # the user asked for warnings with -W or PYTHONWARNINGS
        warnings.simplefilter("ignore")
    logging.getLogger().addHandler(logging.NullHandler())  # without a handler, Python prints them to standard error
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")  # of XLA's messages, only errors


def say_last(line: str) -> None:
    """Flush what was printed, and print a last line to standard error; both may be closed."""
    with contextlib.suppress(OSError, ValueError, AttributeError):
        sys.stdout.flush()
    with contextlib.suppress(OSError, ValueError):
        print(line, file=sys.stderr)


if __name__ == "__main__":
    program()
