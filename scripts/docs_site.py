"""Hooks of MkDocs: the options of every command, from its own `--help`; links to files that are not pages.

`<!-- help: sweep run -->` in a page becomes what `ugosa-jax sweep run --help` prints.
"""

import contextlib
import io
import re
from pathlib import Path

from ugosa_jax.cli.main import main

ROOT = Path(__file__).parents[1]


def on_page_markdown(markdown: str, **_) -> str:
    """Return the source of a page with its commands' help filled in, and without links that leave the site."""
    markdown = re.sub(r"<!-- help: ([\w -]*?) ?-->", lambda match: f"```text\n{print_help(match[1])}\n```", markdown)
    return re.sub(r"\[([^]]+)\]\((?:\.\./)+([^)]+)\)", replace_link, markdown)


def print_help(command: str) -> str:
    """Return what a command prints when it is asked for help."""
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed), contextlib.suppress(SystemExit):
        main([*command.split(), "--help"])
    return re.sub(r"\x1b\[[\d;]*m", "", printed.getvalue()).rstrip()


def replace_link(match: re.Match[str]) -> str:
    """Return a file of the repository as text, as the site has no page for it.

    Raises:
      FileNotFoundError: there is no such file.
    """
    text, path = match[1], match[2].partition("#")[0]
    if not (ROOT / path).exists():
        raise FileNotFoundError(f"{match[0]}: there is no {path}")
    return text if path in text else f"{text} (`{path}`)"
