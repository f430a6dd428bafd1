"""Program and flags of Chromium for scripts and tests; the flags keep it from using the network by itself."""

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
