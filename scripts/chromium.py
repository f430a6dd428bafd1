"""Program and flags of Chromium for scripts and tests; the flags stop its own use of the network."""

import shutil

PROGRAM = shutil.which("chromium")
FLAGS = [
    "--no-sandbox",  # Chromium has no sandbox as root
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--autoplay-policy=no-user-gesture-required",
]
