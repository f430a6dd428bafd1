"""Actions on the page of a song, in a browser."""

import contextlib

from tests.helpers.browser import open_page, wait

MARKS = "studio.store.get('marks').filter((mark) => mark.source === {!r}).map((m) => [m.start, m.end, m.state])"
ADAPTED = "Adapted. B is Run"


def wait_until_ready(page):
    wait(page, "window.studio !== undefined")


def wait_until_saved(page):
    wait(page, "studio.store.get('saved') === 'saved'")


def marks(page, source):
    return page.evaluate(MARKS.format(source))


def mark(page, *fields):
    """Replace all marks by marks (start, end, source, state)."""
    marks = [dict(zip(("start", "end", "source", "state"), one, strict=True)) for one in fields]
    page.evaluate("(marks) => studio.history.edit({ marks, elsewhere: {} })", marks)
    wait_until_saved(page)


def on(page, source, time_s):
    """Return the screen position of a time in a lane."""
    box = page.locator(f'[data-source="{source}"] .wave').bounding_box()
    left, pixels = page.evaluate("[studio.timeline.bar.scrollLeft, studio.timeline.pixels]")
    return box["x"] + time_s * pixels - left, box["y"] + box["height"] / 2


def drag(page, source, start_s, end_s):
    page.mouse.move(*on(page, source, start_s))
    page.mouse.down()
    page.mouse.move(*on(page, source, (start_s + end_s) / 2), steps=4)
    page.mouse.move(*on(page, source, end_s), steps=4)
    page.mouse.up()


@contextlib.contextmanager
def open_conflicting_window(page, browser, mine, theirs):
    """Yield a second window whose mark was saved while the page was offline, so that the page's own is refused.

    Args:
      page: a page without marks.
      browser: opens the second window.
      mine: a mark (source, start, end) drawn on the page.
      theirs: a mark drawn in the second window.
    """
    other, troubles = open_page(browser, page.url)
    wait_until_ready(other)
    page.route("**/marks", lambda route: route.abort())
    drag(page, *mine)
    wait(page, "studio.store.get('saved') === 'away'")
    drag(other, *theirs)
    wait_until_saved(other)
    page.unroute("**/marks")
    page.get_by_role("alert").get_by_text("another window changed them meanwhile").wait_for()
    yield other
    other.close()
    assert not troubles


def choose_brush(page, state):
    page.get_by_role("group", name="what dragging and holding marks").get_by_role("button", name=state).click()


def choose_tiny(page):
    wait(page, "studio.store.get('worker').ready")
    page.get_by_label("network", exact=True).select_option("tiny")


def adapt(page, epochs):
    """Mark some silence and start an adaptation with the tiny network."""
    choose_tiny(page)
    mark(page, (0, 7, "vocals", "silent"), (0, 4, "drums", "silent"))
    page.get_by_label("epochs", exact=True).fill(str(epochs))
    page.get_by_role("button", name="Adapt", exact=True).click()


def adapt_once(page):
    """Adapt, unless an earlier test has done it on this song."""
    if not page.evaluate("studio.store.get('runs').some((run) => run.strategy !== 'B0')"):
        adapt(page, 2)
        page.locator(".job[data-state=running] canvas").wait_for()
        page.get_by_text(ADAPTED).wait_for(timeout=600_000)


def import_labels(page, path):
    """Import a file of marks."""
    page.locator("header input[type=file]").set_input_files(path)
