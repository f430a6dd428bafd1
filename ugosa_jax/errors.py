"""The one exception that means "the input is at fault, not the program"."""


class InputError(ValueError):
    """Input that cannot be used; the message is one line that names the file and the line or field.

    The command line prints the message after ``error:`` and exits with code 2.
    """
