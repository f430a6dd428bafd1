"""Take pictures of the studio with the demo song: docs/studio.png, or every state of the page into a folder.

    python scripts/studio_screenshot.py
    python scripts/studio_screenshot.py --states shots

It needs Debian's chromium and `pip install playwright`; the browsers of playwright are not needed.
"""

import argparse
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import chromium
from playwright.sync_api import Page, sync_playwright

from ugosa_jax.errors import InputError, exit_status

PICTURE = Path(__file__).parents[1] / "docs" / "studio.png"
PATIENCE_S = 600
RUN = "Adapted. B is Run"


def main() -> int:
    """Start a studio, adapt the demo song, take the pictures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--states", type=Path, help="folder for pictures of every state, instead of docs/studio.png")
    args = parser.parse_args()
    if chromium.PROGRAM is None:
        raise InputError("chromium: not found (apt-get install chromium)")
    with tempfile.TemporaryDirectory() as work, sync_playwright() as playwright:
        command = [sys.executable, "-m", "ugosa_jax", "studio", "--no-browser", "--port", "0", "--work", work]
        server = subprocess.Popen([*command, "--demo"], stdout=subprocess.PIPE, text=True)
        assert server.stdout is not None
        address = server.stdout.readline().split()[1]
        browser = playwright.chromium.launch(executable_path=chromium.PROGRAM, args=chromium.FLAGS)
        try:
            if args.states:
                take_states(browser, address, args.states, server)
            else:
                page = open_page(browser, address, "dark", (1440, 900))
                adapt(page, 10)
                prepare_picture(page)
                page.screenshot(path=PICTURE)
                print(f"written {PICTURE}")
        finally:
            browser.close()
            server.kill()
            server.wait()
    return 0


def take_states(browser, address: str, folder: Path, server: subprocess.Popen) -> None:
    """Take a picture of every state of the page."""
    folder.mkdir(parents=True, exist_ok=True)

    def take(page: Page, name: str, whole: bool = True) -> None:
        page.wait_for_timeout(400)
        page.screenshot(path=folder / f"{name}.png", full_page=whole)
        print(f"written {folder / name}.png", flush=True)

    home = address.rpartition("song/")[0]
    take(open_page(browser, home, "light", song=False), "home")
    page = open_page(browser, address, "light")
    take(page, "fresh-light")
    start_adaptation(page, 30)
    wait_until(page, "studio.store.get('jobs').some((job) => job.losses.length > 3)")
    page.evaluate("studio.history.edit({ marks: [], elsewhere: {} })")
    take(page, "busy-nothing-marked")
    page.get_by_role("button", name="Undo").click()
    page.get_by_role("button", name="Cancel").click()
    take(page, "stopping")
    wait_until(page, "studio.store.get('jobs').at(-1).state === 'cancelled'")
    page.get_by_text("More settings").click()
    page.get_by_label("training segment (s)").fill("60")
    page.get_by_text("less than one training segment").wait_for()
    take(page, "refused")
    page.get_by_label("training segment (s)").fill("")
    page.get_by_text("More settings").click()
    adapt(page, 10)
    prepare_picture(page)
    take(page, "adapted-light")
    for scheme, size in (("dark", (1280, 900)), ("light", (1024, 768)), ("dark", (820, 1180))):
        other = open_page(browser, address, scheme, size, has_touch=size[0] < 1200)
        prepare_picture(other)
        take(other, f"adapted-{scheme}-{size[0]}")
        other.close()
    page.get_by_role("button", name="spectra").click()
    wait_until(page, "studio.timeline.rows.filter((row) => row.spectrum).length === 5")
    page.get_by_role("button", name="Begin").click()
    page.get_by_text("Listen to sound 2 first.").wait_for()
    page.get_by_role("button", name="More about Run 1").click()
    take(page, "spectra-blind-menu")
    page.keyboard.press("Escape")
    page.get_by_role("button", name="Sound 2").click()
    page.get_by_role("button", name="2 is better").click()
    page.evaluate("studio.transport.seek(8)")
    page.keyboard.press("?")
    take(page, "keys", whole=False)
    page.get_by_role("button", name="Close").last.click()
    page.evaluate("studio.timeline.zoom(4)")
    server.kill()
    page.locator("body.away").wait_for()
    page.evaluate("studio.history.edit({ elsewhere: { drums: 'silent', vocals: 'silent' } })")
    wait_until(page, "studio.store.get('saved') === 'away'")
    take(page, "away-zoomed")


def open_page(
    browser, address: str, scheme: str, size: tuple[int, int] = (1280, 900), song: bool = True, **options
) -> Page:
    """Open a page and wait until it is drawn."""
    page = browser.new_page(viewport={"width": size[0], "height": size[1]}, color_scheme=scheme, **options)
    page.on("pageerror", lambda error: print(f"error on the page: {error}"))
    page.goto(address)
    if song:
        wait_until(page, "window.studio && studio.store.get('worker').ready")
    page.wait_for_timeout(1500)
    return page


def start_adaptation(page: Page, epochs: int) -> None:
    """Start an adaptation with the bundled network."""
    page.get_by_label("network", exact=True).select_option("mini")
    page.get_by_label("epochs", exact=True).fill(str(epochs))
    page.get_by_role("button", name="Adapt", exact=True).click()


def adapt(page: Page, epochs: int) -> None:
    """Start an adaptation, and wait until it is done."""
    start_adaptation(page, epochs)
    page.get_by_text(RUN).wait_for(timeout=1000 * PATIENCE_S)
    page.get_by_role("button", name="Close").last.click()


def prepare_picture(page: Page) -> None:
    """Show the stems, in the middle of the song."""
    page.get_by_role("button", name="Stems", exact=True).click()
    page.evaluate("studio.transport.seek(14.2)")
    page.evaluate("studio.store.set({ selected: null })")
    page.wait_for_timeout(500)


def wait_until(page: Page, expression: str) -> None:
    """Wait until an expression is true on the page."""
    end = time.monotonic() + PATIENCE_S
    while not page.evaluate(expression):
        if time.monotonic() > end:
            raise InputError(f"timed out: {expression}")
        page.wait_for_timeout(100)


if __name__ == "__main__":
    sys.exit(exit_status(main))
