"""Debian's Chromium, as scripts and tests start it: nothing is downloaded, and it asks nobody for anything."""

import shutil

PROGRAM = shutil.which("chromium")
FLAGS = [
    "--no-sandbox",  # as root there is none
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--autoplay-policy=no-user-gesture-required",
]
