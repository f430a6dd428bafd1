"""Messages are a single line, whatever characters the names in them contain."""

import os
import pickle

import pytest

from ugosa_jax.errors import InputError, error_context, to_one_line


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("e\nmpty.wav", r"e\nmpty.wav"),
        ("a\r\tb\0", r"a\r\tb\x00"),
        ("\x1b[31mred\x1b[0m \x9b", r"\x1b[31mred\x1b[0m \x9b"),
        (os.fsdecode(b"bad\xff.wav"), r"bad\xff.wav"),
        ("\ud800 and \udfff", r"\ud800 and \udfff"),
        ("turned \u202egnp.wav", r"turned \u202egnp.wav"),
        ("line\u2028 and paragraph\u2029", r"line\u2028 and paragraph\u2029"),
        ("Ágætis byrjun – 𝄞 λ·ε", "Ágætis byrjun – 𝄞 λ·ε"),
        ("family 👨‍👩‍👧 می‌خواهم", "family 👨‍👩‍👧 می‌خواهم"),
        (r"C:\new\x.wav", r"C:\new\x.wav"),
    ],
)
def test_a_line_is_one_line(text, shown):
    assert to_one_line(text) == shown == to_one_line(to_one_line(text))
    shown.encode("utf-8")


def test_an_error_is_one_line():
    with pytest.raises(InputError) as caught, error_context("a\nb.csv"):
        raise InputError("source '\x1b]0;title\x07' is not known")
    assert str(caught.value) == r"a\nb.csv: source '\x1b]0;title\x07' is not known"
    assert str(pickle.loads(pickle.dumps(caught.value))) == str(caught.value)


@pytest.mark.parametrize("place", ["", ":3"])
def test_a_file_is_named_once_by_the_innermost_that_knows_the_line(place):
    with pytest.raises(InputError) as caught, error_context("a\nb.csv"), error_context("a\nb.csv"):
        raise InputError(f"a\nb.csv{place}: holds nothing")
    assert str(caught.value) == rf"a\nb.csv{place}: holds nothing"


def test_a_file_inside_another_is_named_with_it():
    with pytest.raises(InputError) as caught, error_context("songs"), error_context("songs.csv"):
        raise InputError("holds nothing")
    assert str(caught.value) == "songs: songs.csv: holds nothing"
