"""The report of a run: its contents follow from the sound, it needs no other file, and no input breaks it."""

import base64
import dataclasses
import json
import re

import numpy as np
import pytest
import soundfile

from tests.helpers.networks import DUO, make_checkpoint
from tests.reports.test_report import Page
from ugosa_jax.adaptation import engine
from ugosa_jax.adaptation.engine import AdaptationResult, Timing
from ugosa_jax.annotations.annotation import Annotation
from ugosa_jax.annotations.interval import Interval
from ugosa_jax.cli.main import main
from ugosa_jax.config import SeparateConfig
from ugosa_jax.data.song import Song
from ugosa_jax.data.sound import Audio
from ugosa_jax.evaluation.scoring import Evaluation, Score
from ugosa_jax.reports.song import facts, song_figures, song_report, spectrum, summary
from ugosa_jax.reports.song.summary import SoundSummary
from ugosa_jax.weights import checkpoint

SOURCES = ("voice", "rest")
RATE_HZ = 8000


def silent(*spans, source="voice"):
    """Return an annotation of silence only."""
    intervals = tuple(Interval(start, end, source, "silent") for start, end in spans)
    return Annotation(intervals, SOURCES, "unknown")


def sine(hz, n_samples=RATE_HZ, rate_hz=RATE_HZ):
    return np.sin(2 * np.pi * hz * np.arange(n_samples) / rate_hz, dtype=np.float32)


def page_of(folder):
    """Check that a page is well-formed HTML that needs no other file, and return it."""
    text = (folder / "report.html").read_text("utf-8")
    page = Page(text)
    assert not {"script", "link", "iframe", "style b"} & set(page.tags)
    assert page.links and all(link.startswith("data:") for link in page.links)
    assert "@import" not in text and "url(" not in text
    assert len(text) < 15e6
    page.said = " ".join("".join(page.text).split())
    return page


def embedded(page, kind):
    """Return the contents of the data URIs of a kind."""
    start = f"data:{kind};base64,"
    return [base64.b64decode(link.removeprefix(start)) for link in page.links if link.startswith(start)]


# What is kept of a sound.


@pytest.mark.parametrize("rate_hz", [8000, 44100])
def test_a_spectrogram_has_the_power_of_a_tone_in_its_band(rate_hz):
    power_FxN = spectrum.measure_spectrum(0.5 * sine(1000, 2 * rate_hz, rate_hz)[None], rate_hz)
    # Half the squared amplitude. What a Hann window leaks beyond 40 Hz and half the rate is below a hundredth.
    np.testing.assert_allclose(power_FxN.sum(0)[1:-1], 0.125, rtol=0.01)
    loudest = power_FxN.mean(1).argmax()
    bands_hz = spectrum.bands_hz(rate_hz)
    bin_hz = 1 / spectrum.WINDOW_S  # bands are narrower than that at 1 kHz: the tone lies within half a bin
    assert bands_hz[loudest] - bin_hz / 2 <= 1000 <= bands_hz[loudest + 1] + bin_hz / 2


@pytest.mark.parametrize("time_s", [0.3, 7.0, 11.1])
def test_columns_of_a_spectrogram_are_where_the_sound_is(time_s):
    wave_T = np.zeros(12 * RATE_HZ, np.float32)
    wave_T[int(time_s * RATE_HZ)] = 1
    power_N = spectrum.measure_spectrum(wave_T[None], RATE_HZ).sum(0)
    column_s = 12 / len(power_N)
    assert (power_N.argmax() + 0.5) * column_s == pytest.approx(time_s, abs=column_s + spectrum.WINDOW_S / 2)


def test_a_wave_shorter_than_a_window_has_a_spectrogram():
    assert spectrum.measure_spectrum(np.ones((1, 3), np.float32), RATE_HZ).shape == (spectrum.N_BANDS, 1)


def test_levels_are_taken_where_a_source_is_annotated_silent():
    voice_CxT = np.full((2, RATE_HZ), 0.5, np.float32)
    voice_CxT[:, 2000:4000] = 0.1
    stems_SxCxT = np.stack([voice_CxT, voice_CxT])
    song = Audio(voice_CxT, RATE_HZ, "x")
    seen = summary.summarise_stems(np.array_split(stems_SxCxT, 3, -1), song, silent((0.25, 0.5)), (0.0, 1.0))
    assert list(seen) == list(SOURCES)
    assert seen["voice"].silent_db == pytest.approx(-20, abs=1e-4)  # float32 of 0.1
    assert np.isnan(seen["rest"].silent_db)
    assert seen["voice"].peak_N.max() == np.float32(0.5)


def test_channels_in_opposite_phase_do_not_vanish():
    wave_T = sine(1000)
    seen, alone = (
        summary.summarise_mixture(Audio(np.stack(waves), RATE_HZ, "x"), (0.0, 1.0))
        for waves in ([wave_T, -wave_T], [wave_T])
    )
    np.testing.assert_array_equal(seen.peak_N, alone.peak_N)
    np.testing.assert_allclose(seen.spectrum_db_FxN, alone.spectrum_db_FxN, atol=1e-3)  # float32


def test_a_summary_does_not_depend_on_the_blocks():
    random = np.random.default_rng(0)
    stems_SxCxT = random.normal(size=(2, 2, 3 * RATE_HZ + 77)).astype(np.float32)
    song, said = Audio(stems_SxCxT.sum(0), RATE_HZ, "x"), silent((0.5, 1.7), (2.9, 9))
    whole = summary.summarise_stems([stems_SxCxT], song, said, (0.7, 2.3))
    for edges in ([1, 2, 3], [100, 368, 400, 8000, 8001, 24000], [*range(5, 24000, 1000)]):
        found = summary.summarise_stems(np.split(stems_SxCxT, edges, -1), song, said, (0.7, 2.3))
        for source in SOURCES:
            np.testing.assert_array_equal(found[source].peak_N, whole[source].peak_N)
            np.testing.assert_allclose(found[source].spectrum_db_FxN, whole[source].spectrum_db_FxN, atol=1e-6)
            np.testing.assert_allclose(found[source].silent_db, whole[source].silent_db, atol=1e-9)
            assert found[source].mp3 == whole[source].mp3


LENGTH_S = summary.MAX_BYTES / summary.BYTES_PER_S / 10  # 45 s for ten players


@pytest.mark.parametrize(
    ("labels", "expected_s"),
    [
        (silent((100, 145), (200, 220)), 100),
        (silent((20, 21), (200, 245)), 200),
        (silent((290, 300)), 300 - LENGTH_S),
        (silent(), (300 - LENGTH_S) / 2),
    ],
)
def test_excerpt_of_a_long_song_has_the_most_annotated_silence(labels, expected_s):
    assert summary.choose_excerpt(labels, 300.0, 10) == pytest.approx((expected_s, expected_s + LENGTH_S))


def test_the_excerpt_avoids_silence_of_all_sources():
    both = silent((200, 300)).intervals + silent((200, 300), (10, 20), source="rest").intervals
    start_s, _ = summary.choose_excerpt(Annotation(both, SOURCES, "unknown"), 300.0, 10)
    assert start_s <= 10


def test_a_short_song_is_heard_whole():
    assert summary.choose_excerpt(silent((1, 2)), 44.5, 10) == (0.0, 44.5)


@pytest.mark.parametrize(
    ("rate_hz", "channels", "played"), [(44100, 2, 44100), (96000, 1, 48000), (6000, 2, 8000), (48000, 6, 48000)]
)
def test_players_hold_the_excerpt(tmp_path, rate_hz, channels, played):
    wave_T = 0.2 * sine(440, 2 * rate_hz, rate_hz)
    wave_T[: rate_hz // 2] = wave_T[rate_hz * 3 // 2 :] = 0
    sound = Audio(np.tile(wave_T, (channels, 1)), rate_hz, "x")
    (tmp_path / "x.mp3").write_bytes(summary.summarise_mixture(sound, (0.5, 1.5)).mp3)
    decoded_TxC, found_hz = soundfile.read(tmp_path / "x.mp3", always_2d=True)
    assert found_hz == played
    assert decoded_TxC.shape == (played, min(channels, 2))
    share = 0.2 if channels < 6 else 0.2 * (1 + 2 * np.sqrt(0.5))  # front, and centre and rear at −3 dB
    # The edges of a tone that begins at once, and the codec's noise, are far below 5 %.
    assert decoded_TxC[played // 4 : -played // 4].std() == pytest.approx(share / np.sqrt(2), rel=0.05)


def test_a_page_is_never_too_large():
    """Noise is what compresses worst; the pictures of a long song are about 2 MB."""
    noise_CxT = np.random.default_rng(0).normal(size=(2, 2 * 48000)).astype(np.float32)
    assert len(summary.encode_mp3(Audio(noise_CxT, 48000, "x"))) <= 2 * summary.BYTES_PER_S
    assert summary.MAX_BYTES * 4 / 3 + 2.5e6 < 15e6


# The page, of sounds and losses made up here.


def result(losses_ExIx3=None, stopped_at=None):
    if losses_ExIx3 is None:
        return engine.make_unadapted_result()
    return AdaptationResult({}, losses_ExIx3, stopped_at, Timing(), "device")


def look(sources, silent_db):
    peak_N, spectrum_db = np.linspace(0, 1, 9), np.full((spectrum.N_BANDS, 4), -30.0)
    return {
        source: SoundSummary(peak_N, spectrum_db, db, b"ID3") for source, db in zip(sources, silent_db, strict=True)
    }


EXCERPT_S = (0.0, 2.0)


def song_with(said, name="song.wav"):
    return Song(Audio(np.zeros((1, 2 * RATE_HZ), np.float32), RATE_HZ, name), annotation=said)


def evaluation_of(values):
    """Return scores; those of the other rule must not be used."""
    scores = []
    for (source, metric), value_db in values.items():
        rule = "silent" if metric == "PES" else "target"
        scores += [Score(False, "museval", source, metric, 99.0, 7), Score(False, rule, source, metric, value_db, 7)]
    return Evaluation(tuple(scores))


def test_the_table_of_levels():
    runs = [
        song_report.ReportRun("B0", "", result(), look(SOURCES, [-20.0, np.nan]), None),
        song_report.ReportRun("P", "", result(), look(SOURCES, [-32.5, np.nan]), None),
    ]
    sheet = song_report.tabulate_levels(silent((0.5, 2)), 2.0, runs)
    assert sheet.heads == ["source", "annotated silent (s)", "B0", "P", "change"]
    assert sheet.cells == [["voice", "1.5", "−20.00", "−32.50", "−12.50"], ["rest", "0.0", "–", "–", "–"]]
    assert song_report.tabulate_levels(silent(), 2.0, runs) is None


def test_the_table_of_scores_marks_the_better_run():
    metrics = ("SDR", "ISR", "SIR", "SAR", "PES")
    before = {("voice", metric): 1.0 for metric in metrics} | {("voice", "SAR"): None}
    after = {("voice", metric): 2.0 for metric in metrics} | {("voice", "ISR"): 0.5}
    runs = [
        song_report.ReportRun(name, "", result(), look(SOURCES, [0, 0]), evaluation_of(scores))
        for name, scores in (("B0", before), ("P", after))
    ]
    sheet = song_report.tabulate_scores(["voice"], runs)
    assert sheet.groups == [("", 1), *((metric, 2) for metric in metrics), ("", 1)]
    assert sheet.heads == ["source", *["B0", "P"] * 5, "frames"]
    numbers = ["1.00", "2.00", "1.00", "0.50", "1.00", "2.00", "–", "2.00", "1.00", "2.00"]
    assert sheet.cells == [["voice", *numbers, "7"]]
    assert sheet.bold == {(0, 2), (0, 3), (0, 6), (0, 8), (0, 9)}  # PES: lower is better; a score beats none


def test_everything_is_escaped(tmp_path):
    names = ("<b>&\"'", "$x_1$ 歌")
    labels = Annotation((Interval(0, 1, names[0], "silent"),), names, "unknown")
    losses_ExIx3 = np.ones((2, 3, 3))
    scores = evaluation_of(
        {(source, metric): 1.0 for source in names for metric in ("SDR", "ISR", "SIR", "SAR", "PES")}
    )
    runs = [
        song_report.ReportRun("B0", "<u>", result(), look(names, [-1, -1]), scores),
        song_report.ReportRun("P<i>", "a & b", result(losses_ExIx3, (1, 2)), look(names, [-1, -1]), scores),
    ]
    said = {"<i>fact": "</dd><i>"}
    path = tmp_path / "report.html"
    song_report.write(
        path, song_with(labels, "<b>&.wav"), EXCERPT_S, runs, said, {"record": "</pre><script>1</script>"}
    )
    page = page_of(tmp_path)
    assert not {"b", "i", "u"} & set(page.tags)
    assert "<b>&.wav" in page.text
    assert page.text.count(names[0]) == 1 + 2  # players, levels, scores
    assert "P<i>: loss, gradient or weights were not finite in epoch 2, step 3." in page.said
    assert "</pre><script>1</script>" in page.said
    svgs = [svg.decode() for svg in embedded(page, "image/svg+xml")]
    assert len(svgs) == 2
    assert "$x_1$ 歌" in svgs[0]


def test_the_same_run_gives_the_same_page():
    runs = [song_report.ReportRun("P", "", result(np.ones((2, 3, 3))), look(SOURCES, [-1, -1]), None)]
    pages = [song_report.render_html(song_with(silent((0, 1))), EXCERPT_S, runs, {}, {}) for _ in range(2)]
    assert pages[0] == pages[1]


def test_lanes_show_the_annotation():
    """What nothing is said of is unknown, and what reaches past the song's end is cut."""
    said = (Interval(0.5, 1, "voice", "active"), Interval(1.5, 2.3, "voice", "silent"))
    labels = Annotation(said, SOURCES, "unknown")
    drawn = song_figures.draw_waves(labels, 2.0, look(["mixture"], [0.0])["mixture"], {"B0": look(SOURCES, [0, 0])})
    _, voice, rest = drawn.axes
    lanes = [[path.get_extents().intervalx.tolist() for path in bars.get_paths()] for bars in voice.collections[2:]]
    assert lanes == [[[0, 2]], [[1.5, 2]], [[0.5, 1]]]  # unknown, silent, active
    assert [len(bars.get_paths()) for bars in rest.collections[2:]] == [1, 0, 0]


def test_losses_are_drawn_as_they_are():
    losses_ExIx3 = np.full((3, 4, 3), np.nan)
    losses_ExIx3[0] = [5, 4, 1]
    losses_ExIx3[1, :2] = [3, 2.5, 0.5]
    drawn = song_figures.draw_losses({"B0": result(), "P": result(losses_ExIx3, (1, 2))})
    assert [axis.get_title() for axis in drawn.axes] == ["total", "reconstruction", "sound where silent"]
    steps, epochs, stop = drawn.axes[0].lines
    np.testing.assert_array_equal(steps.get_ydata()[:6], [5, 5, 5, 5, 3, 3])
    np.testing.assert_array_equal(epochs.get_xydata(), [[0.5, 5]])  # the epoch that stopped has no mean
    assert set(stop.get_xdata()) == {1.5}
    losses_ExIx3[..., 2] = 0
    drawn = song_figures.draw_losses({"B0": result(), "B": result(losses_ExIx3)})
    assert [axis.get_title() for axis in drawn.axes] == ["reconstruction"]


def test_each_run_has_its_colour():
    assert song_figures.assign_colours(["B0"]) == {"B0": song_figures.LAST}
    assert song_figures.assign_colours(["B0", "P"]) == {"B0": song_figures.FIRST, "P": song_figures.LAST}
    assert song_figures.assign_colours(["B0", "B", "P"]) == {
        "B0": song_figures.FIRST,
        "B": song_figures.BETWEEN,
        "P": song_figures.LAST,
    }


def test_facts_leave_out_what_does_not_apply():
    settings = {"strategy": "B-L5:D", "lam": 3.0, "learning_rate": 3e-5, "epochs": 2}
    settings |= {"segment_s": 4.0, "hop_s": None, "pitch_shifts": 0, "shuffle_seed": 0, "precision": "float32"}
    assert facts.describe_adaptation(settings) == "B-L5:D, learning rate 3×10⁻⁵, 2 epochs, segments of 4 s"
    settings |= {"strategy": "P-L5:D", "hop_s": 0.5, "pitch_shifts": 2}
    assert facts.describe_adaptation(settings).startswith("P-L5:D, λ 3, ")
    assert facts.describe_adaptation(settings).endswith("every 0.5 s, 2 pitch-shifted copies of each")
    assert facts.describe_adaptation(settings | {"shuffle_seed": 1}).endswith("copies of each, in random order")
    assert facts.describe_adaptation(settings | {"precision": "bfloat16"}).endswith(", in bfloat16")
    assert facts.describe_separation(dataclasses.asdict(SeparateConfig())) == "chunks as the network's authors use them"
    refined = dataclasses.asdict(SeparateConfig(overlap=0.25, refine="wiener"))
    assert facts.describe_separation(refined) == "overlap 0.25, Wiener masks of the active sources"


# The command.


@pytest.fixture(scope="module")
def duo(tmp_path_factory):
    """A network of two sources at 8 kHz, in stereo."""
    path = tmp_path_factory.mktemp("weights") / "duo.safetensors"
    checkpoint.save(make_checkpoint(DUO), path)
    return path


def separated(folder, duo, *more, channels=2, rate_hz=RATE_HZ, annotated=True):
    """Separate a second of noise named `<b>&.wav`; return the exit code and the page."""
    mix_TxC = np.random.default_rng(0).uniform(-0.3, 0.3, (rate_hz, channels))
    soundfile.write(folder / "<b>&.wav", mix_TxC, rate_hz, subtype="FLOAT")
    (folder / "song.csv").write_text("start,end,source\n0.5,1,voice\n")
    labels = ("--annotation", folder / "song.csv") if annotated else ()
    fast = ("--segment-s", "0.25", "--epochs", "2", "--learning-rate", "1e-3")
    arguments = ("separate", folder / "<b>&.wav", *labels, "--weights", duo, "--out", folder / "out", *fast, *more)
    code = main([str(argument) for argument in arguments])
    return code, page_of(folder / "out") if code < 2 else None


def test_separate_reports_before_and_after(tmp_path, duo):
    code, page = separated(tmp_path, duo)
    assert code == 0
    assert "<b>&.wav" in page.text
    assert "P-L3:M, λ 1, learning rate 10⁻³, 2 epochs, segments of 0.25 s" in page.text
    assert page.tags.count("audio") == 1 + 2 * 2
    assert page.tags.count("img") == 3
    assert all(sound[0] == 0xFF and sound[1] >= 0xE0 for sound in embedded(page, "audio/mpeg"))  # a frame's header
    assert embedded(page, "image/png")[0][:4] == b"\x89PNG"
    record = json.loads((tmp_path / "out" / "record.json").read_text("utf-8"))
    assert json.dumps(record, indent=2, ensure_ascii=False) in page.text
    # The level that the page shows of the adapted voice is that of the stem that was written.
    voice_TxC, _ = soundfile.read(tmp_path / "out" / "voice.wav")
    level_db = 10 * np.log10(np.mean(voice_TxC[: RATE_HZ // 2] ** 2))
    assert f"{level_db:.2f}".replace("-", "−") in page.text


def test_true_stems_are_scored(tmp_path, duo):
    stems_SxTxC = np.random.default_rng(1).uniform(-0.3, 0.3, (2, RATE_HZ, 2))
    stems_SxTxC[1] = 0  # one that is never heard has no scores
    (tmp_path / "true").mkdir()
    for source, stem_TxC in zip(SOURCES, stems_SxTxC, strict=True):
        soundfile.write(tmp_path / "true" / f"{source}.wav", stem_TxC, RATE_HZ, subtype="FLOAT")
    code, page = separated(tmp_path, duo, "--references", tmp_path / "true")
    assert code == 0
    assert "Scores against the true stems" in page.text
    assert re.search(r"SDR ?ISR ?SIR ?SAR ?PES", page.said)


@pytest.mark.parametrize(
    ("rate_hz", "n_samples", "said"),
    [
        (RATE_HZ, 7000, "the true stems have 8000 Hz, 2 channels, 7000 samples, but the stems of"),
        (16000, 8000, "16000 Hz"),
    ],
)
def test_true_stems_that_do_not_fit_are_refused_before_the_work(tmp_path, duo, capsys, rate_hz, n_samples, said):
    (tmp_path / "true").mkdir()
    for source in SOURCES:
        soundfile.write(tmp_path / "true" / f"{source}.wav", np.full((n_samples, 2), 0.1), rate_hz)
    assert separated(tmp_path, duo, "--references", tmp_path / "true")[0] == 2
    captured = capsys.readouterr()
    assert said in captured.err
    assert "song  " not in captured.out
    assert not (tmp_path / "out").exists()


def test_true_stems_are_not_overwritten(tmp_path, duo, capsys):
    assert separated(tmp_path, duo, "--references", tmp_path / "out")[0] == 2
    assert "would be overwritten by the stems" in capsys.readouterr().err


def test_b0_without_annotation(tmp_path, duo):
    code, page = separated(tmp_path, duo, "--strategy", "B0", annotated=False)
    assert code == 0
    assert page.tags.count("audio") == 1 + 2
    assert page.tags.count("img") == 2
    assert "Level of the stems in annotated silence" not in page.text
    assert "none" in page.text


def test_a_run_that_stopped_early(tmp_path, duo):
    code, page = separated(tmp_path, duo, "--learning-rate", "1e37")
    assert code == 1
    assert re.search(r"P-L3:M: loss, gradient or weights were not finite in epoch \d, step \d\.", page.said)


def test_stems_louder_than_anything(tmp_path, duo):
    """MP3 encoders abort the whole process at samples like these."""
    net = checkpoint.load(duo)
    loud = {**net.params, "decoder": {"kernel": net.params["decoder"]["kernel"] * np.float32(1e22)}}
    checkpoint.save(dataclasses.replace(net, params=loud), tmp_path / "loud.safetensors")
    code, _ = separated(tmp_path, tmp_path / "loud.safetensors", "--strategy", "B0")
    assert code == 0
    peaks = json.loads((tmp_path / "out" / "record.json").read_text("utf-8"))["outputs"]
    assert max(stem["peak"] for stem in peaks.values()) > 1e20


@pytest.mark.parametrize(("channels", "rate_hz"), [(1, 11025), (6, 8000)])
def test_mono_and_surround(tmp_path, duo, channels, rate_hz):
    code, page = separated(tmp_path, duo, "--strategy", "P-L4:D", channels=channels, rate_hz=rate_hz)
    assert code == 0
    sounds = embedded(page, "audio/mpeg")
    assert len(sounds) == 5
    (tmp_path / "mixture.mp3").write_bytes(sounds[0])
    info = soundfile.info(tmp_path / "mixture.mp3")
    assert (info.channels, info.samplerate, info.frames) == (min(channels, 2), rate_hz, rate_hz)


def test_a_report_of_a_delta_has_one_run(tmp_path, duo):
    assert separated(tmp_path, duo)[0] == 0
    (tmp_path / "out" / "adapted.delta.safetensors").rename(tmp_path / "d.safetensors")
    code, page = separated(tmp_path, duo, "--delta", tmp_path / "d.safetensors")
    assert code == 0
    assert page.tags.count("audio") == 1 + 2
    assert {"delta", "d.safetensors"} <= set(page.text)
