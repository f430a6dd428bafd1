"""Hooks of MkDocs, which insert the help of commands, and replace links to files that are not pages of the site.

`<!-- help: sweep run -->` in a page is replaced by the output of `ugosa-jax sweep run --help`.
"""

import contextlib
import io
import re
from pathlib import Path

from ugosa_jax.cli.main import main

ROOT = Path(__file__).parents[1]


def on_page_markdown(markdown: str, **_) -> str:
    """Return the source of a page with the help of commands, and without links to files that are not pages."""
    markdown = re.sub(r"<!-- help: ([\w -]*?) ?-->", lambda match: f"```text\n{print_help(match[1])}\n```", markdown)
    return re.sub(r"\[([^]]+)\]\((?:\.\./)+([^)]+)\)", replace_link, markdown)


def print_help(command: str) -> str:
    """Return the help that a command prints."""
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed), contextlib.suppress(SystemExit):
        main([*command.split(), "--help"])
    return re.sub(r"\x1b\[[\d;]*m", "", printed.getvalue()).rstrip()


def replace_link(match: re.Match[str]) -> str:
    """Return the text that replaces a link to a file of the repository, which the site has no page for.

    Raises:
      FileNotFoundError: there is no such file.
    """
    text, path = match[1], match[2].partition("#")[0]
    if not (ROOT / path).exists():
        raise FileNotFoundError(f"{match[0]}: there is no {path}")
    return text if path in text else f"{text} (`{path}`)"
