"""The installed command `ugosa-jax`, and `python -m ugosa_jax`."""

import contextlib
import logging
import os
import sys
import warnings
from typing import NoReturn

from ugosa_jax import interrupts

BROKEN_PIPE = 141
"""Exit code of a process whose output nobody reads, as shells give it: 128 and the number of SIGPIPE."""


def program() -> NoReturn:
    """Run the command line and end the process; a termination signal ends it as Ctrl-C does, also while it starts."""
    interrupts.install()
    silence_libraries()
    code = 0
    try:
        try:
            from ugosa_jax.cli.main import main

            code = main()
        except SystemExit as end:  # of the argument parser, which has printed its help or its refusal
            code = end.code
        if sys.stdout is not None:  # as it is under `>&-`
            sys.stdout.flush()
    except KeyboardInterrupt:
        interrupts.heed()
        say_last("interrupted")
        code = interrupts.CODE
    except OSError as error:  # what commands do to files is an InputError: this is what is printed
        interrupts.heed()
        if not isinstance(error, BrokenPipeError):
            say_last(f"error: standard output: cannot be written ({error.strerror or error})")
        code = BROKEN_PIPE if isinstance(error, BrokenPipeError) else 2
        os._exit(code)  # Python would try to write once more what is left, and fail aloud
    interrupts.heed()
    if code == interrupts.CODE:
        os._exit(interrupts.CODE)  # JAX's threads may be at work, and do not like to see the interpreter go
    sys.exit(code)


def silence_libraries() -> None:
    """Keep warnings of libraries from standing between our lines; what matters of them is said in plain words."""
    if not sys.warnoptions:  # -W and PYTHONWARNINGS ask to see them
        warnings.simplefilter("ignore")
    logging.getLogger().addHandler(logging.NullHandler())  # without a handler, Python prints them to standard error
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")  # XLA's: errors alone


def say_last(line: str) -> None:
    """Flush what was printed, and print a last line to standard error; both may be closed."""
    with contextlib.suppress(OSError, ValueError, AttributeError):
        sys.stdout.flush()
    with contextlib.suppress(OSError, ValueError):
        print(line, file=sys.stderr)


if __name__ == "__main__":
    program()
