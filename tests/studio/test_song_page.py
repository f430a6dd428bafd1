"""The song page in a real browser: marking, importing, adapting, listening, and recovery from a crash."""

import itertools

import numpy as np
import pytest
import soundfile

from tests.helpers.browser import open_page, run_server, wait
from tests.helpers.page import (
    ADAPTED,
    adapt,
    adapt_once,
    choose_brush,
    choose_tiny,
    drag,
    import_labels,
    marks,
    on,
    open_conflicting_window,
    wait_until_ready,
    wait_until_saved,
)


def test_drag_marks_a_stretch_and_undo_removes_it(page):
    choose_brush(page, "silent")
    drag(page, "bass", 4, 10)
    ((start, end, state),) = marks(page, "bass")
    assert (start, end, state) == (pytest.approx(4, abs=0.15), pytest.approx(10, abs=0.15), "silent")
    assert page.locator('[data-source="bass"] .silent-s').inner_text() == f"{end - start:.1f} s silent"
    choose_brush(page, "active")
    drag(page, "bass", 6, 8)  # over an older mark
    assert [state for *_, state in marks(page, "bass")] == ["silent", "active", "silent"]
    page.keyboard.press("Control+z")
    assert len(marks(page, "bass")) == 1
    page.keyboard.press("Control+Shift+Z")
    assert len(marks(page, "bass")) == 3


@pytest.mark.slow
def test_borders_are_dragged(page):
    page.evaluate("studio.history.edit({ marks: [{ start: 4, end: 10, source: 'other', state: 'active' }] })")
    drag(page, "other", 9.95, 14)
    ((start, end, _),) = marks(page, "other")
    assert start == 4 and end == pytest.approx(14, abs=0.3)


@pytest.mark.slow
def test_a_mark_is_chosen_and_changed_by_keys(page):
    page.evaluate("studio.history.edit({ marks: [{ start: 4, end: 10, source: 'drums', state: 'active' }] })")
    page.mouse.click(*on(page, "drums", 6))
    assert page.evaluate("studio.transport.time") == pytest.approx(6, abs=0.1)
    for state in ("silent", "unknown", "active"):
        page.keyboard.press("c")
        assert marks(page, "drums") == [[4, 10, state]]
    page.keyboard.press("Shift+W")
    assert marks(page, "drums") == [[4, 10, "silent"]]
    page.keyboard.press("o")
    assert marks(page, "drums")[0][1] == pytest.approx(6, abs=0.1)
    page.mouse.dblclick(*on(page, "drums", 5))
    assert marks(page, "drums")[0][2] == "unknown"
    page.keyboard.press("Delete")
    assert marks(page, "drums") == []


@pytest.mark.slow
def test_tapping_while_the_mixture_plays(page):
    """The audio element decodes and plays."""
    page.keyboard.press("q")
    page.keyboard.press("Space")
    wait(page, "document.querySelector('audio').currentTime > 0.3")
    page.keyboard.down("4")
    start = page.evaluate("studio.transport.time")
    page.wait_for_timeout(700)
    end = page.evaluate("studio.transport.time")
    page.keyboard.up("4")
    page.keyboard.press("Space")
    assert page.evaluate("document.querySelector('audio').webkitAudioDecodedByteCount") > 0
    ((marked_start, marked_end, state),) = marks(page, "vocals")
    assert (marked_start, marked_end, state) == (pytest.approx(start, abs=0.1), pytest.approx(end, abs=0.1), "active")
    assert page.evaluate("document.querySelector('audio').paused")


@pytest.mark.slow
def test_marks_survive_a_reload(page):
    drag(page, "vocals", 8, 12)
    page.get_by_role("button", name="drums: unmarked is unknown").click()
    before = marks(page, "vocals")
    page.reload()  # at once: the page sends pending edits when it unloads
    wait_until_ready(page)
    assert marks(page, "vocals") == before != []
    assert page.evaluate("studio.store.get('elsewhere').drums") == "silent"


@pytest.mark.slow
def test_a_second_window_follows_edits(page, server, browser):
    other, troubles = open_page(browser, server.address)
    wait_until_ready(other)
    drag(page, "drums", 3, 5)
    wait(other, "studio.store.get('marks').length === 1")
    other.close()
    assert not troubles


@pytest.mark.slow
def test_two_windows_do_not_overwrite_each_other(page, browser):
    """One window saves while the other one is offline; the conflict is resolved by a question."""
    with open_conflicting_window(page, browser, ("drums", 3, 5), ("bass", 6, 9)) as other:
        page.get_by_role("button", name="Keep mine").click()
        wait_until_saved(page)
        wait(other, "studio.store.get('marks').every((mark) => mark.source === 'drums')")
        assert len(marks(page, "drums")) == len(marks(other, "drums")) == 1


def test_import_and_export_of_label_files(page, tmp_path):
    labels = tmp_path / "labels.txt"
    labels.write_text("2.0\t6.0\tvox\n8.0\t9.5\tno drums\n")
    import_labels(page, labels)
    page.get_by_text("2 marks from labels.txt.").wait_for()
    assert marks(page, "vocals") == [[2, 6, "active"]] and marks(page, "drums") == [[8, 9.5, "silent"]]
    wait_until_saved(page)
    page.get_by_role("button", name="Export marks").click()
    with page.expect_download() as download:
        page.get_by_role("link", name="CSV").click()
    text = download.value.path().read_text()
    assert text.splitlines() == ["start,end,source,state", "2.0,6.0,vocals,active", "8.0,9.5,drums,silent"]
    labels.write_text("2.0\t1.0\tvocals\n")
    import_labels(page, labels)
    page.get_by_text("labels.txt:1: ").wait_for()
    assert len(marks(page, "vocals")) == 1


@pytest.mark.slow
def test_import_asks_for_unknown_names_and_units(page, tmp_path):
    labels = tmp_path / "labels.txt"
    labels.write_text("2000\t6000\tSängerkrieg\n90000000\t91000000\tping\n")
    import_labels(page, labels)
    page.get_by_label("unit").select_option("us")
    page.get_by_role("button", name="Cancel").last.click()
    assert page.locator("dialog").count() == 0 and marks(page, "vocals") == []
    labels.write_text("2.0\t6.0\tSängerkrieg\n6.0\t7.0\tping\n")
    import_labels(page, labels)
    page.get_by_label("Sängerkrieg").select_option("vocals")
    page.locator("dialog").get_by_role("button", name="Import").click()
    page.get_by_text("1 mark from labels.txt.").wait_for()
    assert marks(page, "vocals") == [[2, 6, "active"]]


@pytest.mark.slow
def test_adapt_without_marked_silence_is_refused_at_once(page):
    choose_tiny(page)
    page.get_by_role("button", name="Adapt", exact=True).click()
    refusal = page.get_by_text("Nothing is marked silent yet.")
    refusal.wait_for()
    drag(page, "bass", 4, 10)
    refusal.wait_for(state="detached")


PAINT = """async ([root, strokes]) => {
  const { paint } = await import(`${root}/static/marks.js`);
  return strokes.reduce((marks, [start, end, state]) => paint(marks, 'bass', start, end, state, 32), []);
}"""


@pytest.mark.slow
def test_painted_marks_are_disjoint_and_the_last_stroke_wins(page):
    """After random strokes, every instant has the state of its last stroke, and marks do not overlap."""
    random = np.random.default_rng(0)
    strokes = []
    for _ in range(200):
        start, end = sorted(random.integers(0, 3201, 2) / 100)
        strokes.append([float(start), float(end), str(random.choice(["active", "silent", "unknown"]))])
    root = page.evaluate("document.documentElement.dataset.root")
    found = page.evaluate(PAINT, [root, strokes])
    expected, drawn = np.full(3200, "", object), np.full(3200, "", object)
    for start, end, state in strokes:
        if end - start >= 0.05:
            expected[round(start * 100) : round(end * 100)] = state
    for mark in found:
        place = slice(round(mark["start"] * 100), round(mark["end"] * 100))
        assert not drawn[place].any()
        drawn[place] = mark["state"]
    lost = np.flatnonzero(drawn != expected)
    assert all(drawn[lost] == "") and len(lost) <= 2 * len(strokes)  # slivers under 25 ms are dropped
    touching = [(a, b) for a, b in itertools.pairwise(found) if a["end"] == b["start"]]
    assert touching and all(a["state"] != b["state"] for a, b in touching)


@pytest.mark.slow
def test_each_network_starts_with_its_best_settings(page):
    def chosen():
        labels = ("learn from", "layers", "learning rate", "random order (seed)", "make stems add up to the mixture")
        return [page.get_by_label(label, exact=True).input_value() for label in labels]

    wait(page, "studio.store.get('worker').ready")
    page.get_by_label("network", exact=True).select_option("mini")
    assert chosen() == ["R", "L3:M", "0.001", "1", "wiener"]
    page.get_by_text("More settings").click()
    page.get_by_label("learn from", exact=True).select_option("B")
    page.get_by_label("layers", exact=True).select_option("L1:M")
    assert chosen() == ["B", "L1:M", "0.001", "1", "wiener"]
    choose_tiny(page)
    assert chosen() == ["P", "L3:M", "0.00001", "0", "none"]


@pytest.fixture
def adapted(page):
    """Return a page of a song with an adapted run, made by this test or an earlier one."""
    adapt_once(page)
    return page


def test_adaptation_shows_progress_and_adds_a_run(adapted):
    page = adapted
    runs = page.evaluate("studio.store.get('runs').map((run) => run.strategy)")
    assert runs == ["B0", "P-L3:M"]
    card = page.locator(".run", has_text="Run 1").first
    assert "marks in the loss (P-L3:M)" in card.inner_text() and "2 epochs" in card.inner_text()
    card.get_by_role("button", name="More about").click()
    with page.context.expect_page() as report:
        page.get_by_role("link", name="Open the report").click()
    report.value.wait_for_load_state()
    assert "demo song" in report.value.title()
    report.value.close()


@pytest.mark.slow
def test_cancel_stops_a_running_adaptation(page):
    adapt(page, 500)
    wait(page, "studio.store.get('jobs').some((job) => job.state === 'running' && job.losses.length > 1)")
    page.locator(".job").get_by_role("button", name="Cancel").click()
    wait(page, "studio.store.get('jobs').at(-1).state === 'cancelled'")
    assert page.evaluate("studio.store.get('jobs').at(-1).losses.length") < 500
    assert page.locator(".job").count() == 0


HEARD = """async (seconds) => {
  const { deck } = studio.transport;
  const analyser = deck.context.createAnalyser();
  analyser.fftSize = 8192;
  deck.out.connect(analyser);
  const until = deck.context.currentTime + seconds; // it stands still where the machine is too slow
  while (deck.context.currentTime < until) await new Promise((resolve) => setTimeout(resolve, 20));
  const samples = new Float32Array(analyser.fftSize);
  analyser.getFloatTimeDomainData(samples);
  const latency = deck.context.outputLatency || deck.context.baseLatency || 0;
  const end = deck.time + latency;
  deck.out.disconnect(analyser);
  return { end, samples: [...samples] };
}"""


def place_of(samples, stem):
    """Return the best-matching place of a piece in a stem, in samples, and the relative error there."""
    size = 1 << (len(stem) + len(samples)).bit_length()
    product = np.fft.irfft(np.fft.rfft(stem, size) * np.conj(np.fft.rfft(samples, size)))
    total = np.concatenate([[0.0], np.cumsum(stem**2)])
    energy = total[len(samples) :] - total[: -len(samples)]
    place = int(np.argmax(2 * product[: len(energy)] - energy))  # least squares
    piece = stem[place : place + len(samples)]
    return place, float(np.sum((piece - samples) ** 2) / np.sum(samples**2))


def test_switching_between_runs_keeps_the_place(adapted, server):
    """The output before and after a switch matches the stems of A and B at the time that the page shows."""
    page = adapted
    page.evaluate("studio.store.set({ desk: { ...studio.store.get('desk'), matched: false } })")
    page.get_by_role("button", name="Solo drums").click()
    wait(page, "studio.store.get('heard') === 'stems'")
    song = server.address.rpartition("/")[2]
    desk = page.evaluate("studio.store.get('desk')")
    runs = f"{server.address.rpartition('/song/')[0]}/api/songs/{song}/runs"
    stems = {which: read(page, f"{runs}/{desk[which]}/drums.wav") for which in "ab"}
    page.evaluate("studio.transport.seek(6)")
    page.keyboard.press("Space")
    wait(page, "studio.transport.playing && !studio.transport.deck.stalled && studio.transport.time > 6.3")
    for which in ("b", "a", "b"):
        if page.evaluate("studio.store.get('mix').version.drums ?? 'b'") != which:
            page.keyboard.press("x")
        hear_stem(page, stems[which])
    page.keyboard.press("Space")
    page.get_by_role("button", name="Solo drums").click()


def hear_stem(page, stem):
    """Assert that the page plays a stem at the time that it shows; a loaded machine may drop out in some pieces."""
    for _ in range(6):
        heard = page.evaluate(HEARD, 0.4)
        place, differs = place_of(np.array(heard["samples"]), stem)
        end = (place + len(heard["samples"])) / 44100
        if differs < 1e-6 and end == pytest.approx(heard["end"], abs=0.02):
            return
    pytest.fail(f"relative error {differs:.1e} at {end:.3f} s, while the page shows {heard['end']:.3f} s")


def read(page, address):
    """Return a sound on the server, mixed to mono as the analyser does."""
    content = page.request.get(address).body()
    import io

    samples_TxC, _ = soundfile.read(io.BytesIO(content), dtype="float64")
    return samples_TxC.mean(1)


@pytest.mark.slow
def test_a_loop_comes_back_to_its_start(adapted):
    page = adapted
    page.evaluate("studio.store.set({ selected: null })")
    page.evaluate("studio.transport.setLoop({ start: 2, end: 2.8 })")
    for what in ("Mixture", "Stems"):
        page.get_by_role("button", name=what, exact=True).click()
        page.evaluate("studio.transport.seek(2.4)")
        page.keyboard.press("Space")
        wait(page, "studio.transport.playing && studio.transport.time > 2.5", 10)
        wait(page, "studio.transport.time < 2.4", 10)
        assert 1.99 <= page.evaluate("studio.transport.time") <= 2.85
        page.keyboard.press("Space")
    page.keyboard.press("Escape")


@pytest.mark.slow
def test_a_blind_comparison_is_recorded(adapted):
    page = adapted
    panel = page.get_by_role("region", name="Blind comparison")
    panel.get_by_role("button", name="Begin").click()
    wait(page, "document.activeElement.textContent === 'Sound 1'")
    vote = panel.get_by_role("button", name="2 is better")
    assert vote.is_disabled()  # nothing has been heard yet
    box = vote.bounding_box()
    assert box["y"] + box["height"] <= 900  # within the window
    panel.get_by_text("Listen to sound 2 first.").wait_for()
    assert vote.is_disabled()
    panel.get_by_role("button", name="Sound 2").click()
    began = page.locator(".clock").inner_text()
    vote.click(trial=True)  # waits until it is enabled
    assert page.locator(".clock").inner_text() != began  # the playhead is that of the comparison
    page.keyboard.press("Space")
    page.wait_for_timeout(300)  # the clock follows ten times a second
    paused = panel.locator("output").inner_text()
    page.wait_for_timeout(300)
    assert panel.locator("output").inner_text() == paused and not page.evaluate("studio.transport.playing")
    vote.click()
    panel.get_by_text("Sound 1 was").wait_for()
    assert "after 5 votes" in panel.locator(".tally").inner_text()
    panel.get_by_role("button", name="take the vote back").click()
    panel.get_by_text("The vote is taken back.").wait_for()
    assert page.evaluate("studio.store.get('votes')") == []


@pytest.mark.slow
def test_suggestions_are_added_and_override_nothing(adapted):
    page = adapted
    choose_tiny(page)
    page.evaluate("studio.history.edit({ marks: [{ start: 0, end: 32, source: 'vocals', state: 'active' }] })")
    page.get_by_role("button", name="Suggest silences").first.click()
    notice = page.locator(
        ".notice", has=page.get_by_role("button", name="Dismiss").or_(page.get_by_role("button", name="OK"))
    )
    notice.wait_for()
    if notice.get_by_role("button", name="Add all").is_visible():
        notice.get_by_role("button", name="Add all").click()
    assert marks(page, "vocals") == [[0, 32, "active"]]


@pytest.mark.slow
def test_lanes_show_spectra(adapted):
    page = adapted
    page.get_by_role("button", name="spectra").click()
    wait(page, "studio.timeline.rows.filter((row) => row.spectrum?.width >= 1300).length === 5")
    page.get_by_role("button", name="waves").click()
    wait(page, "studio.timeline.rows.filter((row) => row.sound).length === 6")


def test_a_song_is_opened_by_choosing_a_file(server, browser, tmp_path):
    path = tmp_path / "tone <b>.wav"
    soundfile.write(path, 0.2 * np.sin(np.arange(3 * 22050) / 9), 22050)
    page, troubles = open_page(browser, server.address.rpartition("song/")[0])
    page.locator("input[type=file]").set_input_files(path)
    page.get_by_role("heading", name="tone <b>.wav").wait_for()
    wait_until_ready(page)
    assert page.evaluate("studio.store.get('marks')") == []
    page.goto(server.address.rpartition("song/")[0])
    assert page.locator(".songs li").count() == 2
    (tmp_path / "bad.wav").write_bytes(b"nothing")
    page.locator("input[type=file]").set_input_files(tmp_path / "bad.wav")
    page.get_by_text("bad.wav: cannot be read as sound").wait_for()
    page.close()
    assert not troubles


@pytest.mark.slow
def test_page_and_queue_survive_a_killed_server(browser, tiny, tmp_path):
    """The open page waits for the new server, saves later edits, and shows the interrupted job."""
    with run_server(tmp_path / "work") as first:
        page, troubles = open_page(browser, first.address)
        wait_until_ready(page)
        adapt(page, 500)
        wait(page, "studio.store.get('jobs').some((job) => job.stage?.startsWith('separating'))")
        drag(page, "bass", 4, 6)
        wait_until_saved(page)
        first.kill()
        drag(page, "other", 20, 22)  # cannot be saved yet
        wait(page, "studio.store.get('saved') === 'away'")
        unsaved = marks(page, "other")
        with run_server(tmp_path / "work", port=first.port, arguments=()) as second:
            assert first.address.startswith(second.address)
            wait(page, "studio.store.get('saved') === 'saved'")
            page.locator(".job[data-state=interrupted]").wait_for()
            page.reload()
            wait_until_ready(page)
            assert marks(page, "other") == unsaved != []
            assert len(marks(page, "bass")) == 1
            page.locator(".job").get_by_role("button", name="Try again").click()
            wait(page, "studio.store.get('jobs').some((job) => job.state === 'running')")
            left = {path.name for path in (tmp_path / "work").rglob(".unfinished-*")}
            assert not left
            page.close()
    assert not [trouble for trouble in troubles if "Failed to fetch" not in trouble]


@pytest.mark.slow
def test_the_bundled_network_adapts_the_demo_song(browser, tmp_path):
    with run_server(tmp_path / "work") as server:
        page, troubles = open_page(browser, server.address)
        wait_until_ready(page)
        wait(page, "studio.store.get('worker').ready")
        page.get_by_label("network", exact=True).select_option("mini")
        page.get_by_label("learn from", exact=True).select_option("P")  # the loss of remixes varies with the remix
        page.get_by_text("More settings").click()
        page.get_by_label("learning rate", exact=True).select_option("0.0001")
        page.get_by_label("epochs", exact=True).fill("3")
        page.get_by_role("button", name="Adapt", exact=True).click()
        page.get_by_text(ADAPTED).wait_for(timeout=600_000)
        run = page.evaluate("studio.store.get('runs').at(-1)")
        assert run["losses"][-1][0] < run["losses"][0][0]
        assert run["levels"]["vocals"]["leakage"] < run["levels"]["vocals"]["unadapted"]["leakage"] + 1
        page.close()
    assert not troubles
