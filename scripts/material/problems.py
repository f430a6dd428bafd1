"""Errors of the commands in this folder: one line on the terminal, and an exit status for scripts."""

import sys
from collections.abc import Callable


class Problem(Exception):
    """Something is missing, damaged or cannot be written; the message is one line that says what to do."""


def exit_status(main: Callable[[], int]) -> int:
    """Run a command; return its own status, 2 after a problem, 130 after Ctrl-C.

    Args:
        main: the command; 0 if all went well, 1 if a part of its work failed.
    """
    try:
        return main()
    except Problem as problem:
        print(f"error: {problem}", file=sys.stderr)
    except OSError as error:  # a folder that cannot be written, a full disk
        print(f"error: {error.filename or 'a file'}: {error.strerror or error}", file=sys.stderr)
    except KeyboardInterrupt:
        print("interrupted; run the same command again to continue", file=sys.stderr)
        return 130
    return 2
