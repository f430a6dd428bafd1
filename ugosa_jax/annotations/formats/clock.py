"""Times as people and programs write them: seconds, or hours, minutes and seconds between colons."""

import re

_NUMBER = re.compile(r"[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]+)?")
_CLOCK = re.compile(r"(?:([0-9]{1,6}):)?([0-9]{1,6}):([0-9]{1,2}(?:\.[0-9]*)?)")


def is_number(value: str) -> bool:
    """Return whether a field is a decimal number, with a point or a comma; finite or not."""
    return _NUMBER.fullmatch(value.replace(",", ".")) is not None


def is_time(value: str) -> bool:
    """Return whether a field is a number of seconds, or minutes or hours before them."""
    return seconds(value) is not None


def seconds(value: str) -> float | None:
    """Return a time in seconds, None if it is none: 62.5, 62,5 s, 1:02.5, 0:01:02.5; decimal signs may be commas."""
    plain = value.replace(",", ".")
    if _NUMBER.fullmatch(plain):
        return float(plain)
    plain = re.sub(r"\s*s(?:ec)?$", "", plain)
    if _NUMBER.fullmatch(plain):
        return float(plain)
    clock = _CLOCK.fullmatch(plain)
    if clock is None or float(clock[3]) >= 60 or (clock[1] is not None and int(clock[2]) >= 60):
        return None
    return int(clock[1] or 0) * 3600 + int(clock[2]) * 60 + float(clock[3])
