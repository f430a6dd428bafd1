"""A studio in its own process, and Chromium as installed on the machine; nothing is downloaded."""

import contextlib
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from scripts.chromium import FLAGS, PROGRAM

PATIENCE_MS = 120_000


class Server:
    """A studio in a process of its own."""

    def __init__(self, work: Path, port: int = 0, arguments: tuple[str, ...] = ("--demo",)):
        command = [sys.executable, "-m", "ugosa_jax", "studio", "--no-browser", "--work", work, "--port", port]
        self.process = subprocess.Popen([*map(str, command), *arguments], stdout=subprocess.PIPE, text=True)
        assert self.process.stdout is not None
        found = re.search(r"http://\S+", self.process.stdout.readline())
        assert found is not None
        self.address = found[0]
        self.port = int(self.address.split(":")[2].split("/")[0])

    def kill(self) -> None:
        """Kill the process, like a crash."""
        os.kill(self.process.pid, signal.SIGKILL)
        self.process.wait(10)

    def stop(self) -> None:
        """Stop the server like Ctrl+C."""
        self.process.send_signal(signal.SIGINT)
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.kill()


@contextlib.contextmanager
def run_server(work: Path, **how) -> Iterator[Server]:
    """Yield a running server and stop it afterwards."""
    server = Server(work, **how)
    try:
        yield server
    finally:
        server.stop()


@contextlib.contextmanager
def chromium() -> Iterator:
    """Yield a browser; skip the tests without one."""
    if PROGRAM is None:
        pytest.skip("no chromium: the page is not tried in a browser (apt-get install chromium)")
    api = pytest.importorskip("playwright.sync_api")
    with api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=PROGRAM, args=FLAGS)
        try:
            yield browser
        finally:
            browser.close()


def open_page(browser, address: str, **how):
    """Return a page and a list that collects its exceptions and violations of the policy."""
    page = browser.new_page(viewport={"width": 1280, "height": 900}, accept_downloads=True, **how)
    page.set_default_timeout(PATIENCE_MS)
    troubles: list[str] = []
    page.on("pageerror", lambda error: troubles.append(str(error)))
    page.on("console", lambda said: troubles.append(said.text) if "Security Policy" in said.text else None)
    page.goto(address)
    return page, troubles


def wait(page, expression: str, seconds: float = 180.0) -> None:
    """Wait until an expression is true in a page. Playwright's own function uses `eval`, which the policy forbids."""
    end = time.monotonic() + seconds
    while not page.evaluate(expression):
        assert time.monotonic() < end, f"timed out: {expression}"
        page.wait_for_timeout(20)
