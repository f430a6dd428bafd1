"""Regressions of the song page, in a real browser."""

import signal
import time

import numpy as np
import pytest
import soundfile

from tests.helpers.browser import open_page, run_server, wait
from tests.helpers.networks import make_checkpoint
from tests.helpers.page import (
    adapt_once,
    choose_brush,
    choose_tiny,
    drag,
    import_labels,
    mark,
    marks,
    on,
    open_conflicting_window,
    wait_until_ready,
    wait_until_saved,
)
from ugosa_jax import files
from ugosa_jax.networks.convtasnet import ConvTasNet
from ugosa_jax.weights import checkpoint

pytestmark = pytest.mark.slow
SIX = ("drums", "bass", "other", "vocals", "guitar", "piano")


def test_the_brush_shows_what_it_paints(page):
    """The brush and the state of the chosen mark are independent."""
    mark(page, (6, 12, "drums", "silent"))
    choose_brush(page, "active")
    page.mouse.click(*on(page, "drums", 8))
    shown = page.get_by_role("group", name="what dragging and holding marks").locator("[aria-pressed=true]")
    assert shown.inner_text() == "active"
    drag(page, "bass", 3, 5)
    assert [state for *_, state in marks(page, "bass")] == ["active"]
    page.mouse.click(*on(page, "drums", 8))
    choose_brush(page, "unknown")
    assert marks(page, "drums") == [[6, 12, "silent"]]
    page.get_by_role("group", name="The chosen mark").get_by_role("button", name="active").click()
    assert marks(page, "drums") == [[6, 12, "active"]]


FRAMES = """async (frames) => {
  const lane = document.querySelector('[data-source="vocals"]');
  const seen = [];
  for (let i = 0; i < frames; i += 1) {
    await new Promise(requestAnimationFrame);
    const growing = lane.querySelector('.growing');
    seen.push([!growing.hidden && growing.getBoundingClientRect().width, lane.querySelectorAll('.list .mark').length]);
  }
  return seen;
}"""


def test_a_held_mark_grows_and_other_marks_stay_visible(page):
    mark(page, (10, 12, "vocals", "silent"), (14, 16, "vocals", "active"))
    page.keyboard.press("Space")
    wait(page, "studio.transport.time > 0.3")
    page.keyboard.down("4")
    wait(page, "!document.querySelector('[data-source=\"vocals\"] .growing').hidden")
    page.wait_for_timeout(200)
    seen = page.evaluate(FRAMES, 40)
    page.keyboard.up("4")
    page.keyboard.press("Space")
    widths = [width for width, _ in seen]
    assert all(widths) and widths[-1] > widths[0]
    assert {number for _, number in seen} == {2}
    assert len(marks(page, "vocals")) == 3


def test_first_active_mark_asks_whether_the_source_is_silent_elsewhere(page):
    choose_brush(page, "active")
    drag(page, "vocals", 4, 9)
    page.get_by_text("Is vocals silent everywhere else?").wait_for()
    page.get_by_role("button", name="Yes, silent elsewhere").click()
    assert page.evaluate("studio.store.get('elsewhere').vocals") == "silent"


def test_conflict_notice_stays_until_it_is_decided(page, browser):
    """Edits do not hide the notice, and leaving the page asks for confirmation."""
    with open_conflicting_window(page, browser, ("drums", 3, 4), ("drums", 10, 12)) as other:
        drag(page, "drums", 6, 7)
        assert page.get_by_role("button", name="Keep mine").count() == 1
        assert page.evaluate("studio.store.get('saved')") == "conflict"
        leaving = "(() => { const event = new Event('beforeunload', { cancelable: true }); dispatchEvent(event);"
        leaving += " return event.defaultPrevented; })()"
        assert page.evaluate(leaving)
        page.get_by_role("button", name="Keep mine").click()
        wait_until_saved(page)
        assert not page.evaluate(leaving)
        wait(other, "studio.store.get('marks').length === 2")


def test_suggestions_survive_a_reload(page):
    choose_tiny(page)
    page.route("**/events", lambda route: route.abort())  # the page gets no events
    page.get_by_role("button", name="Suggest silences").first.click()
    song = page.evaluate("studio.store.get('song').id")
    deadline = time.monotonic() + 120
    while not any(job["kind"] == "suggest" and job["state"] == "done" for job in jobs_of(page, song)):
        assert time.monotonic() < deadline
        page.wait_for_timeout(200)
    page.unroute("**/events")
    page.reload()
    wait_until_ready(page)
    notice = page.get_by_text("The network suggests").or_(page.get_by_text("No clear silence found."))
    notice.wait_for()
    job = page.evaluate("studio.store.get('jobs').find((job) => job.kind === 'suggest').id")
    found = page.evaluate("studio.store.get('jobs').find((job) => job.kind === 'suggest').result.marks")
    fake = [{"start": 1, "end": 3, "source": "bass", "state": "silent"}, *found]
    page.evaluate(
        "([id, marks]) => studio.store.set({ jobs: studio.store.get('jobs').map((job) => job.id === id ? { ...job, result: { ...job.result, marks } } : job) })",  # noqa: E501
        [job, fake],
    )
    assert page.locator('[data-source="bass"] .suggested').count() >= 1
    page.mouse.click(*on(page, "bass", 2))
    assert [1, 3, "silent"] in marks(page, "bass")
    if page.get_by_role("button", name="Add all").is_visible():
        page.get_by_role("button", name="Add all").click()
    else:
        page.get_by_role("button", name="OK", exact=True).click()
    wait(page, "!studio.store.get('jobs').some((job) => job.kind === 'suggest')")
    assert not [job for job in jobs_of(page, song) if job["kind"] == "suggest"]


def jobs_of(page, song):
    root = page.evaluate("document.documentElement.dataset.root")
    return page.request.get(f"{page.url.split(root)[0]}{root}/api/songs/{song}").json()["jobs"]


HIDE = "Object.defineProperty(document, 'hidden', { configurable: true, get: () => window.away }); window.away = %s; document.dispatchEvent(new Event('visibilitychange'))"  # noqa: E501


def test_hidden_page_shows_in_its_title_that_a_job_is_done(page):
    adapt_once(page)
    mark(page, (0, 7, "vocals", "silent"))
    choose_tiny(page)
    runs = page.evaluate("studio.store.get('runs').length")
    page.get_by_label("epochs", exact=True).fill("1")
    page.get_by_role("button", name="Adapt", exact=True).click()
    wait(page, "studio.store.get('jobs').some((job) => ['waiting', 'running'].includes(job.state))")
    page.evaluate(HIDE % "true")
    wait(page, f"studio.store.get('runs').length > {runs} && document.title.startsWith('✓ Adapted')", 600)
    newest = page.evaluate("studio.store.get('runs').filter((run) => run.strategy !== 'B0').at(-1).id")
    assert page.evaluate("studio.store.get('desk').b") == newest
    page.evaluate(HIDE % "false")
    wait(page, "!document.title.startsWith('✓')")


def test_undo_in_an_import_toast_undoes_the_import_alone(page, tmp_path):
    mark(page, (1, 3, "bass", "silent"), (20, 22, "vocals", "silent"))
    (tmp_path / "labels.txt").write_text("8.0\t9.5\tno bass\n5.0\t6.0\tno drums\n")
    import_labels(page, tmp_path / "labels.txt")
    page.get_by_text("They replace 1 mark of bass.").wait_for()
    drag(page, "vocals", 10, 12)
    page.locator(".toast").get_by_role("button", name="Undo").click()
    assert marks(page, "bass") == [[1, 3, "silent"]] and marks(page, "drums") == []
    assert len(marks(page, "vocals")) == 2  # the later edit stays


def test_import_dialog_offers_silence_of_a_source(page, tmp_path):
    (tmp_path / "labels.txt").write_text("2.0\t6.0\tPause im Graben\n")
    import_labels(page, tmp_path / "labels.txt")
    page.get_by_label("Pause im Graben").select_option(label="silence of bass")
    page.locator("dialog").get_by_role("button", name="Import").click()
    page.get_by_text("1 mark from labels.txt.").wait_for()
    assert marks(page, "bass") == [[2, 6, "silent"]]
    accepted = page.locator("header input[type=file]").get_attribute("accept")
    assert {".eaf", ".rttm", ".json", ".csv"} <= {*accepted.split(",")}


def test_focused_controls_keep_their_keys(page):
    adapt_once(page)
    matched = page.get_by_label("match loudness (B to A)")
    before = matched.is_checked()
    matched.focus()
    page.keyboard.press("Space")
    assert matched.is_checked() != before and not page.evaluate("studio.transport.playing")
    summary = page.locator("summary", has_text="List of marks")
    summary.focus()
    page.keyboard.press("Space")
    assert page.locator("details", has=summary).get_attribute("open") is not None
    assert not page.evaluate("studio.transport.playing")
    page.get_by_label("run A", exact=True).select_option(index=0)
    page.get_by_label("run A", exact=True).focus()
    which = page.evaluate("studio.store.get('mix').version.drums ?? 'b'")
    page.keyboard.press("x")
    assert page.evaluate("studio.store.get('mix').version.drums") == ("a" if which == "b" else "b")


KEYS = """async ([root, event]) => {
  const { listenToKeys } = await import(`${root}/static/keys.js`);
  const called = [];
  const listeners = {}; // the last one of each kind: those that look at what reached the focus come before
  const add = window.addEventListener;
  window.addEventListener = (name, listener) => { listeners[name] = listener; };
  listenToKeys(new Proxy({}, { get: (_, name) => (...given) => called.push([name, ...given]) }));
  window.addEventListener = add;
  const graph = event.graph;
  listeners.keydown({ target: document.body, preventDefault() {}, repeat: false, getModifierState: (name) => name === 'AltGraph' && Boolean(graph), ...event });
  return called;
}"""  # noqa: E501


@pytest.mark.parametrize(
    ("event", "expected"),
    [
        ({"key": "[", "code": "BracketLeft"}, ["border", "start"]),
        ({"key": "[", "code": "Digit8", "ctrlKey": True, "altKey": True}, ["border", "start"]),  # German, Windows
        ({"key": "[", "code": "Digit8", "graph": True}, ["border", "start"]),  # German, X11
        ({"key": "]", "code": "Digit6", "altKey": True}, ["border", "end"]),  # German, Mac
        ({"key": "i", "code": "KeyI"}, ["border", "start"]),
        ({"key": "o", "code": "KeyO"}, ["border", "end"]),
        ({"key": "&", "code": "Digit1"}, ["hold", 1]),  # French
        ({"key": "?", "code": "Minus", "shiftKey": True}, ["help"]),
        ({"key": "W", "code": "KeyW", "shiftKey": True}, ["restate", "silent"]),
    ],
)
def test_keys_work_on_all_keyboard_layouts(page, event, expected):
    root = page.evaluate("document.documentElement.dataset.root")
    assert page.evaluate(KEYS, [root, event]) == [expected]


def test_invalid_folded_setting_is_unfolded(page):
    choose_tiny(page)
    mark(page, (0, 7, "vocals", "silent"))
    page.get_by_text("More settings").click()
    page.get_by_label("weight of silence (λ)").fill("-1")
    page.get_by_text("More settings").click()
    jobs = page.evaluate("studio.store.get('jobs').length")
    page.get_by_role("button", name="Adapt", exact=True).click()
    assert page.get_by_label("weight of silence (λ)").is_visible()
    page.get_by_label("weight of silence (λ)").fill("1")
    page.get_by_label("epochs", exact=True).fill("")
    page.get_by_role("button", name="Adapt", exact=True).click()
    page.get_by_text("Enter a number of epochs.").wait_for()
    assert page.evaluate("studio.store.get('jobs').length") == jobs


def test_settings_without_effect_are_hidden(page):
    choose_tiny(page)
    page.get_by_text("More settings").click()
    assert page.get_by_label("weight of silence (λ)").is_visible()
    page.get_by_label("learn from", exact=True).select_option("R")
    assert not page.get_by_label("weight of silence (λ)").is_visible()
    gate = page.get_by_label("mute stems where their source is marked silent")
    assert gate.is_enabled()
    page.get_by_label("make stems add up to the mixture").select_option("wiener")
    assert gate.is_disabled()


def test_a_network_whose_preset_adapts_nothing_has_settings_that_adapt(page):
    """Spleeter's preset is B0, which the form does not offer: it starts with the network's own strategy."""
    choose_tiny(page)
    page.evaluate("""() => {
      const worker = studio.store.get('worker');
      const tiny = worker.networks.find((one) => one.name === document.querySelector('[aria-label=network]').value);
      const spleeter = { ...tiny, name: 'spleeter', default_strategy: 'P-L3:M' };
      studio.store.set({ worker: { ...worker, networks: [...worker.networks, spleeter] } });
    }""")
    page.get_by_label("network", exact=True).select_option("spleeter")
    way = page.get_by_label("learn from", exact=True)
    assert way.input_value() == "P"
    assert "the paper’s" in way.locator("option:checked").inner_text()
    assert page.get_by_label("layers", exact=True).input_value() == "L3:M"


@pytest.mark.parametrize("pixels", [0, 58, 130, 292, 400, 2000])
def test_ruler_shows_times_at_every_zoom(page, pixels):
    page.evaluate(f"studio.timeline.zoomTo({pixels})")
    wait(page, f"studio.timeline.scale === {pixels}")
    page.wait_for_timeout(100)
    labels = page.locator(".ruler span").all_inner_texts()
    assert len(labels) >= 3 and len(set(labels)) == len(labels)


def test_page_state_is_restored(page):
    choose_tiny(page)
    page.get_by_label("epochs", exact=True).fill("3")
    choose_brush(page, "unknown")
    page.evaluate("studio.timeline.zoomTo(120)")
    drag(page, "drums", 1, 2)
    wait_until_saved(page)
    page.reload()
    wait_until_ready(page)
    wait(page, "studio.store.get('worker').ready")
    assert page.get_by_label("epochs", exact=True).input_value() == "3"
    assert page.evaluate("[studio.store.get('brush'), studio.timeline.scale]") == ["unknown", 120]
    page.keyboard.press("Control+z")
    assert marks(page, "drums") == []
    page.evaluate("studio.timeline.zoomTo(0)")


def test_long_names_fit_the_window(server, browser, tmp_path):
    """Pages fit the window, also on a phone; the song is renamed and deleted on the page."""
    soundfile.write(tmp_path / "song.wav", 0.2 * np.sin(np.arange(44100) / 9), 22050)
    home = server.address.rpartition("song/")[0]
    page, troubles = open_page(browser, home)
    page.locator("input[type=file]").set_input_files(tmp_path / "song.wav")
    page.get_by_role("heading", name="song.wav").wait_for()
    wait_until_ready(page)
    address = page.url
    (tmp_path / "again.wav").write_bytes((tmp_path / "song.wav").read_bytes())
    page.goto(home)
    page.locator("input[type=file]").set_input_files(tmp_path / "again.wav")
    page.get_by_text("The same sound was opened before as “song.wav”").wait_for()
    wait_until_ready(page)
    page.get_by_role("button", name="again.wav", exact=True).click()
    page.get_by_label("name", exact=True).fill("x" * 120)
    page.locator("dialog").get_by_role("button", name="OK").click()
    wait(page, f"studio.store.get('song').name === {'x' * 120!r}")
    for width in (1280, 800, 390):
        page.set_viewport_size({"width": width, "height": 800})
        for place in (address, home):
            page.goto(place)
            page.locator(".songs li, .timeline").first.wait_for()
            wait(page, f"document.documentElement.scrollWidth <= {width}")
    page.get_by_role("button", name=f"More about {'x' * 120}").click()
    page.get_by_role("button", name="Delete …").click()
    page.locator(".toast").get_by_role("button", name="Delete", exact=True).click()
    wait(page, "document.querySelectorAll('.songs li').length === 1")
    page.close()
    assert not troubles


def test_page_says_that_a_frozen_server_does_not_answer(browser, tmp_path):
    with run_server(tmp_path / "work") as server:
        page, _ = open_page(browser, server.address)
        wait_until_ready(page)
        server.process.send_signal(signal.SIGSTOP)
        try:
            drag(page, "drums", 1, 2)
            page.get_by_text("not saved yet: no answer").wait_for()
            assert page.evaluate("getComputedStyle(document.body, '::before').content").startswith('"The studio')
        finally:
            server.process.send_signal(signal.SIGCONT)
        wait_until_saved(page)
        page.close()


def test_save_with_a_lost_answer_is_no_conflict(page):
    """The page recognises its own save on the server when the answer was lost."""
    lost = []

    def lose(route):
        if not lost:
            lost.append(route.fetch().status)
            route.abort()
        else:
            route.continue_()

    page.route("**/marks", lose)
    drag(page, "drums", 1, 2)
    wait(page, "studio.store.get('saved') === 'away'")
    drag(page, "drums", 4, 5)
    wait_until_saved(page)
    page.unroute("**/marks")
    assert lost == [200] and len(marks(page, "drums")) == 2


def test_marks_snap_to_the_grid(page):
    """Drags and keys set borders to a near beat or onset, and only to a near one."""
    page.evaluate("studio.store.set({ snap: 'beats', rhythm: { beats_s: [2, 4, 6, 8], onsets_s: [2.5, 9] } })")
    near = 6 / page.evaluate("studio.timeline.pixels")
    drag(page, "bass", 2 + near, 5)
    ((start, end, _),) = marks(page, "bass")
    assert start == 2 and end == pytest.approx(5, abs=0.15)
    page.evaluate("studio.transport.seek(8.1)")
    page.evaluate("studio.store.set({ selected: studio.store.get('marks')[0] })")
    page.keyboard.press("o")
    assert marks(page, "bass") == [[2, 8, "silent"]]
    page.evaluate("studio.store.set({ snap: 'onsets' })")
    drag(page, "drums", 2.5 - near, 9 + near)
    assert marks(page, "drums") == [[2.5, 9, "silent"]]
    page.evaluate("studio.store.set({ snap: 'off' })")
    drag(page, "vocals", 2 + near, 9 + near)
    assert marks(page, "vocals")[0][0] != 2


def test_a_dragged_border_stops_at_the_other_border(page):
    mark(page, (4, 10, "other", "silent"))
    drag(page, "other", 10, 2)
    ((start, end, _),) = marks(page, "other")
    assert start == 4 and end == pytest.approx(4.05, abs=0.01)


def test_triple_click_on_adapt_adds_one_job(page):
    choose_tiny(page)
    mark(page, (0, 7, "vocals", "silent"))
    page.get_by_label("epochs", exact=True).fill("400")
    page.get_by_role("button", name="Adapt", exact=True).click(click_count=3, delay=20)
    wait(page, "studio.store.get('jobs').some((job) => ['waiting', 'running'].includes(job.state))")
    page.wait_for_timeout(1500)
    open_ = page.evaluate("studio.store.get('jobs').filter((job) => ['waiting', 'running'].includes(job.state)).length")
    assert open_ == 1
    page.locator(".job").get_by_role("button", name="Cancel").click()
    wait(page, "!studio.store.get('jobs').some((job) => ['waiting', 'running', 'stopping'].includes(job.state))", 120)


def test_runs_keep_their_names_on_the_page(page):
    """Runs have permanent numbers; a name and a note are shown everywhere."""
    adapt_once(page)
    numbers = page.evaluate(
        "studio.store.get('runs').filter((run) => run.strategy !== 'B0')"
        ".map((run) => studio.store.get('titles')[run.id].number)"
    )
    assert numbers == sorted(set(numbers)) and numbers[0] >= 1
    card = page.locator(".run", has_text="P-L3:M").last
    card.get_by_role("button", name="More about").click()
    page.get_by_role("button", name="Name and note …").click()
    page.get_by_label("name", exact=True).fill("with more silence")
    page.get_by_label("note", exact=True).fill("drums are better")
    page.locator("dialog").get_by_role("button", name="OK").click()
    page.locator(".run", has_text="drums are better").get_by_text("with more silence").first.wait_for()
    assert "with more silence" in page.get_by_label("run B", exact=True).inner_text()


WORDS = """async ([root]) => {
  const { formatDecibels, formatExact, parseTime, plural } = await import(`${root}/static/dom.js`);
  const { isDrawn } = await import(`${root}/static/chart.js`);
  return [plural(1, "epoch"), plural(2, "epoch"), formatDecibels(-0.04), formatDecibels(-3.21),
    formatExact(65.2504), parseTime("1:05,25"), parseTime("12.5"), Number.isNaN(parseTime("x")),
    isDrawn([[1, 1, 0]], 2), isDrawn([[1, 1, 0.1]], 2), isDrawn([[1, 1, 0]], 1)];
}"""


def test_numbers_and_times_are_formatted(page):
    root = page.evaluate("document.documentElement.dataset.root")
    expected = ["1 epoch", "2 epochs", "0.0", "−3.2", "1:05.250", 65.25, 12.5, True, False, True, False]
    assert page.evaluate(WORDS, [root]) == expected


STRETCH = """async ([root, speed]) => {
  const { HOP, findPlaces, overlapAdd } = await import(`${root}/static/stretch.js`);
  const tone = (hz, i) => Math.sin((2 * Math.PI * hz * i) / 44100);
  const reader = (sound) => async (from, count) => [Float32Array.from({ length: count }, (_, i) => sound(from + i))];
  const parts = [(i) => 0.4 * tone(440, i), (i) => 0.2 * tone(1234.5, i)];
  const mixture = reader((i) => parts[0](i) + parts[1](i));
  const out = [[], [], []];
  let last = null;
  for (let piece = 0; piece < 3; piece += 1) {
    const starts = await findPlaces(mixture, 9000, 60 * piece, 60, speed, last);
    last = starts.at(-1);
    for (const [k, read] of [mixture, ...parts.map(reader)].entries()) out[k].push(...(await overlapAdd(read, starts, 60 * HOP))[0]);
  }
  return out;
}"""  # noqa: E501


@pytest.mark.parametrize("speed", [0.5, 0.75])
def test_slowed_stems_keep_their_pitch_and_their_sum(page, speed):
    root = page.evaluate("document.documentElement.dataset.root")
    mixture, low, high = (np.array(one) for one in page.evaluate(STRETCH, [root, speed]))
    assert len(mixture) == 3 * 60 * 512
    np.testing.assert_allclose(low + high, mixture, atol=1e-6)
    for sound, hz in ((low, 440), (high, 1234.5)):
        spectrum = np.abs(np.fft.rfft(sound * np.hanning(len(sound))))
        assert np.argmax(spectrum) * 44100 / len(sound) == pytest.approx(hz, abs=1.0)
    slope = 0.4 * 2 * np.pi * 440 / 44100 + 0.2 * 2 * np.pi * 1234.5 / 44100
    assert np.abs(np.diff(mixture[600:])).max() < 1.05 * slope  # no seams


def test_keyboard_alone_leads_from_an_empty_page_to_a_stem(browser, tiny, tmp_path):
    """Open the example, mark a silence while paused, adapt and save a stem, without a pointer."""
    with run_server(tmp_path / "work", arguments=()) as server:
        page, troubles = open_page(browser, server.address)

        def press(role, name, key="Enter"):
            control = page.get_by_role(role, name=name, exact=True).first
            for _ in range(150):
                if control.evaluate("(element) => element === document.activeElement"):
                    break
                page.keyboard.press("Tab")
            assert control.evaluate("(element) => element === document.activeElement"), name
            page.keyboard.press(key)

        press("button", "Open the example song")
        page.locator(".timeline").wait_for()  # evaluating during the navigation would fail
        wait_until_ready(page)
        mark(page)
        assert not page.locator('[data-source="residual"]').is_visible()  # before there are stems
        page.get_by_text("The example song is marked already").wait_for()
        page.keyboard.press("4")  # the lane of the vocals
        page.keyboard.press("n")
        assert marks(page, "vocals") == [[0, 2, "silent"]]
        page.keyboard.press("End")
        page.keyboard.press("o")
        assert marks(page, "vocals")[0][1] == pytest.approx(32, abs=0.01)
        page.keyboard.press("Home")
        for _ in range(3):
            page.keyboard.press("ArrowRight")
        page.keyboard.press("o")
        page.keyboard.press("Control+ArrowRight")
        assert marks(page, "vocals") == [[0.1, 6.1, "silent"]]
        assert "vocals, silent, 0.10 to 6.10" in page.locator("#spoken").inner_text()
        wait_until_saved(page)
        choose_tiny(page)
        page.get_by_label("epochs", exact=True).focus()
        page.keyboard.press("Control+a")
        page.keyboard.type("1")
        page.keyboard.press("Enter")
        page.get_by_text("Adapted. B is Run 1").wait_for(timeout=600_000)
        page.evaluate("document.activeElement.blur()")
        press("button", "Hear the stems")
        step = page.locator(".path li.now")
        assert (
            step.inner_text() == "Listen"
            and page.evaluate("document.activeElement.textContent") == "Switch A and B (X)"
        )
        page.keyboard.press("Enter")
        assert step.inner_text() == "Save stems"
        with page.expect_download() as download:
            press("button", "All stems of A (zip)")
        assert download.value.suggested_filename == "demo song, not adapted, stems.zip"
        press("button", "Save sound …")
        page.locator("dialog").get_by_label("sound", exact=True).select_option(label="vocals of Run 1")
        with page.expect_download() as download:
            page.locator("dialog").get_by_role("button", name="Save").focus()
            page.keyboard.press("Enter")
        samples, rate = soundfile.read(download.value.path())
        assert rate == 44100 and len(samples) == pytest.approx(32 * 44100, abs=1)
        assert download.value.suggested_filename == "demo song vocals, Run 1.flac"
        page.close()
    assert not troubles


def test_marks_are_listed_typed_copied_and_moved(page):
    mark(page, (4, 10, "other", "silent"), (12, 14, "bass", "active"))
    page.locator("summary", has_text="List of marks").click()
    row = page.locator(".marklist tbody tr").first
    row.get_by_label("from").fill("0:03.250")
    row.get_by_label("from").press("Enter")
    page.get_by_role("heading", name="List of marks").focus()
    wait(page, "studio.store.get('marks').some((mark) => mark.start === 3.25)")
    page.get_by_label("tick other").check()
    page.get_by_label("lane to copy to").select_option("drums")
    page.get_by_role("button", name="copy to", exact=True).click()
    assert marks(page, "drums") == [[3.25, 10, "silent"]]
    page.get_by_label("tick other").check()
    page.get_by_label("seconds to move by").fill("-0,25")
    page.get_by_role("button", name="move by", exact=True).click()
    assert marks(page, "other") == [[3, 9.75, "silent"]]
    row.get_by_label("to", exact=True).fill("2")
    row.get_by_label("to", exact=True).press("Enter")
    page.get_by_text("a mark lasts at least 0.05 s").wait_for()
    assert marks(page, "other") == [[3, 9.75, "silent"]]


def test_a_mark_is_moved_as_a_whole(page):
    mark(page, (4, 10, "other", "silent"))
    page.mouse.click(*on(page, "other", 7))
    grip = page.locator('[data-source="other"] .grip').bounding_box()
    x, y = grip["x"] + grip["width"] / 2, grip["y"] + 6
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x + 50, y, steps=4)
    assert page.locator("[data-times]:visible").count() == 1  # the times of what is dragged
    page.mouse.up()
    assert page.locator("[data-times]:visible").count() == 0
    ((start, end, _),) = marks(page, "other")
    assert end - start == pytest.approx(6, abs=0.002)
    assert start == pytest.approx(4 + 50 / page.evaluate("studio.timeline.pixels"), abs=0.1)


CLIPPED = """() => {
  const context = document.createElement("canvas").getContext("2d");
  const room = (select) => { const { font, paddingLeft } = getComputedStyle(select); context.font = font; return select.clientWidth - 2 * parseFloat(paddingLeft) - 14; };
  const cut = (one) => one.tagName === "SELECT" ? context.measureText(one.selectedOptions[0]?.text ?? "").width > room(one) : one.scrollWidth > one.clientWidth + 1;
  return [...document.querySelectorAll("button, select, h2, b, .head, .head > *, .head .line, .legend, .path p, table, td, th")].filter((one) => one.checkVisibility() && cut(one)).map((one) => one.outerHTML.slice(0, 120));
}"""  # noqa: E501


def test_controls_are_large_enough_and_have_names(page):
    adapt_once(page)
    small = page.evaluate(
        "[...document.querySelectorAll('button, select, input, summary')].filter((one) => one.checkVisibility())"
        ".filter((one) => { const at = (one.closest('label.check') ?? one).getBoundingClientRect();"
        " return at.width < 24 || at.height < 18 || (at.height < 24 && one.tagName !== 'SUMMARY'); })"
        ".map((one) => one.outerHTML.slice(0, 120))"
    )
    assert small == []
    nameless = page.evaluate(
        "[...document.querySelectorAll('button, select, input:not([hidden])')].filter((one) => one.checkVisibility())"
        ".filter((one) => !(one.ariaLabel || one.textContent.trim() || one.labels?.length)).length"
    )
    assert nameless == 0
    assert page.get_by_role("list", name="marks of drums").count() == 1
    page.get_by_label("network", exact=True).select_option("mini")
    page.get_by_text("More settings").click()
    for width in (1440, 1280, 1024, 640):  # the last one is 1280 at 200 %
        page.set_viewport_size({"width": width, "height": 800})
        assert page.evaluate(CLIPPED) == [], width


def test_runs_that_are_the_same_are_not_compared(page):
    adapt_once(page)
    switch = page.get_by_role("group", name="drums: which run is heard")
    assert switch.is_visible()
    page.evaluate("studio.store.set({ desk: { ...studio.store.get('desk'), a: studio.store.get('desk').b } })")
    assert not switch.is_visible()


def test_faders_and_clip_light(page):
    adapt_once(page)
    page.get_by_role("button", name="Stems", exact=True).click()
    page.get_by_label("volume of drums").fill("-6")
    assert page.evaluate("studio.store.get('mix').volume.drums") == pytest.approx(10 ** (-6 / 20))
    levels = page.evaluate("[...studio.transport.deck.tracks.values()].map((track) => [track.name, track.level])")
    drums = [level for name, level in levels if name.endswith("/drums") and level]
    assert len(drums) == 1
    page.get_by_label("master volume").fill("-40")
    assert page.evaluate("studio.transport.deck.volume") == 0
    page.get_by_label("master volume").dblclick()
    assert page.evaluate("studio.transport.deck.volume") == 1


def test_lanes_follow_the_sources_of_the_network(browser, tmp_path):
    """A network with six sources has six lanes, also after a reload; a network with four has four again."""
    six = make_checkpoint(ConvTasNet(N=8, L=160, B=5, H=7, X=1, R=4, sources=SIX))
    checkpoint.save(six, files.get_cache_folder() / "weights" / "six.safetensors")
    with run_server(tmp_path / "work") as server:
        page, troubles = open_page(browser, server.address)
        wait_until_ready(page)
        wait(page, "studio.store.get('worker').ready")
        page.get_by_label("network", exact=True).select_option("six")
        page.locator('[data-source="piano"]').wait_for()  # the page reloads
        page.reload()
        page.locator('[data-source="piano"]').wait_for()
        wait(page, "window.studio && document.querySelectorAll('.row.lane').length === 6")
        wait(page, "studio.store.get('worker').ready && studio.store.get('network') === 'six'")
        assert page.get_by_label("network", exact=True).input_value() == "six"
        page.get_by_label("network", exact=True).select_option("mini")
        page.locator('[data-source="piano"]').wait_for(state="detached")
        page.locator(".row.lane").nth(3).wait_for()
        page.close()
    (files.get_cache_folder() / "weights" / "six.safetensors").unlink()
    assert not troubles
