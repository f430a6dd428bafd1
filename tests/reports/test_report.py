"""The report: its contents follow from the data, no name breaks it, and it is written completely or not at all."""

import html.parser
import re
import xml.etree.ElementTree as ET

import numpy as np
import pandas as pd
import pytest

from tests.helpers.score_rows import scores, sweep
from ugosa_jax.errors import InputError
from ugosa_jax.reports.sweep import rows, sweep_report

VOID = {"meta", "br", "hr", "img", "link"}


class Page(html.parser.HTMLParser):
    """An HTML page: whether every element is closed, its identifiers, its text, what it refers to."""

    def __init__(self, text):
        super().__init__()
        self.open, self.ids, self.links, self.tags, self.text = [], [], [], [], []
        self.feed(text)
        self.close()
        assert not self.open

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.ids += [value for name, value in attrs if name == "id"]
        self.links += [value for name, value in attrs if name in ("href", "xlink:href", "src", "aria-labelledby")]
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self.open.pop()

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text.append(data)


def names(folder):
    return {path.name for path in folder.iterdir()}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A report of a sweep over strategies and one over λ, with a failed cell."""
    study = scores(
        song=list("abcdefg"), value_db=[1.0, 2, 3, 4, 5, 6, 7], sweep=["λ grid"], lam=[0.1, 1.0], source=["drums"]
    )
    table = pd.concat([sweep(sources=["drums"]), study], ignore_index=True)
    table = table[~((table.song == "g") & (table.strategy == "P-L1:D"))]
    folder = tmp_path_factory.mktemp("report")
    assert sweep_report.write(table, folder / "out") == folder / "out" / "report.html"
    return folder / "out"


def test_files(folder):
    table1 = {f"table1-{name}" for name in ("medians.csv", "comparisons.csv", "rules.csv", "silence.csv")}
    study = {f"grid-p-l3-m-lam-{name}.csv" for name in ("medians", "comparisons", "friedman")}
    drawn = {"table1-strategies.svg", "table1-gains.svg", "grid-p-l3-m-lam-curves.svg"}
    tables = table1 | study
    assert names(folder) == {"report.md", "report.html"} | tables | {n.replace(".csv", ".tex") for n in tables} | drawn


def test_html_is_well_formed_and_needs_nothing_else(folder):
    page = Page((folder / "report.html").read_text("utf-8"))
    assert len(page.ids) == len(set(page.ids))
    assert not {"script", "link", "img", "iframe"} & set(page.tags)
    assert page.tags.count("svg") == 3
    assert page.tags.count("table") == 4 + 3
    for link in page.links:
        inside = link.removeprefix("#") in page.ids
        assert inside or (folder / link).is_file(), link
    text = (folder / "report.html").read_text("utf-8")
    assert set(re.findall(r"url\(#(.*?)\)", text)) <= set(page.ids)
    assert not re.search(r"(src|href)=\"https?:", text)


def test_markdown_refers_to_files_that_are_there(folder):
    text = (folder / "report.md").read_text("utf-8")
    links = re.findall(r"\]\((.*?)\)", text)
    assert len(links) == 2 * 7 + 3
    assert all((folder / link).is_file() for link in links)
    assert re.findall(r"^\*\*(Table|Figure) (\d)\.", text, re.MULTILINE) == [
        *[("Table", "1"), ("Figure", "1"), ("Table", "2"), ("Figure", "2"), ("Table", "3"), ("Table", "4")],
        *[("Table", "5"), ("Figure", "3"), ("Table", "6"), ("Table", "7")],
    ]


def test_captions_state_the_basis_of_tables(folder):
    text = (folder / "report.md").read_text("utf-8")
    caption = next(line for line in text.splitlines() if line.startswith("**Table 1."))
    assert "7 songs, 20 frames per song and source" in caption
    assert "rule “target”" in caption
    assert "activations applied to the outputs" in caption
    settings = "λ = 1, learning rate 10⁻⁵, 10 epochs, segments of 4 s, hop of one segment, no pitch-shifted copies"
    assert settings in caption
    assert "1 of 28 cells missing or failed" in caption
    study = next(line for line in text.splitlines() if line.startswith("**Table 5."))
    assert "λ =" not in study  # it is what varies
    assert "No cell missing or failed" in study


def test_numbers_of_the_page_are_those_of_the_tables(folder):
    table = pd.read_csv(folder / "table1-medians.csv", index_col="strategy")
    assert table["drums SDR"].to_dict() == pytest.approx({"P-L1:D": 6.75, "P-L3:M": 7.3, "B-L3:M": 6.4, "B0": 6.0})
    assert table["songs"].to_dict() == {"P-L1:D": 6, "P-L3:M": 7, "B-L3:M": 7, "B0": 7}
    text = "".join(Page((folder / "report.html").read_text("utf-8")).text)
    assert all(number in text for number in ("6.75", "7.30", "6.40", "6.00"))
    compared = pd.read_csv(folder / "table1-comparisons.csv")
    assert compared["songs"].tolist() == [6, 7, 7]
    assert "| P-L1:D | B0 | drums | 6 | 1.25 |" in (folder / "report.md").read_text("utf-8")


def test_svgs_parse(folder):
    for path in folder.glob("*.svg"):
        assert ET.parse(path).getroot().tag.endswith("svg")


def test_same_scores_same_bytes(tmp_path):
    table = sweep(songs=["a", "b"], sources=["drums"])
    for name in ("one", "two"):
        sweep_report.write(table, tmp_path / name)
    assert names(tmp_path / "one") == names(tmp_path / "two")
    for path in (tmp_path / "one").iterdir():
        assert path.read_bytes() == (tmp_path / "two" / path.name).read_bytes()


def test_names_are_escaped(tmp_path):
    table = sweep(songs=["<script>alert(1)</script>", "a_b & c $x$", "日本語"], sources=["<i>&", "vö|cals"])
    table["sweep"] = "../<b>“日本”_&"
    sweep_report.write(table, tmp_path)
    page = Page((tmp_path / "report.html").read_text("utf-8"))
    assert not {"script", "b>"} & set(page.tags)
    assert "Sweep “../<b>“日本”_&”" in page.text
    assert "<script>alert(1)</script>" in [text.strip() for text in page.text]
    assert all(re.fullmatch(r"[a-z0-9-]+\.[a-z]+", name) for name in names(tmp_path))
    latex = (tmp_path / "b-comparisons.tex").read_text("utf-8")
    assert r"$<$i$>$\&" in latex
    markdown = (tmp_path / "report.md").read_text("utf-8")
    assert "<i>" not in markdown
    rows_of_a_table = [
        line for line in markdown.splitlines() if r"vö\|cals" in line and line.startswith("| P-L3:M | B0")
    ]
    assert len(re.split(r"(?<!\\)\|", rows_of_a_table[0])) == 10 + 2


def test_sweeps_whose_names_look_alike_have_their_own_files(tmp_path):
    parts = [scores(song=["a", "b"], sweep=[name]) for name in ("x!", "x?", "歌")]
    sweep_report.write(pd.concat(parts), tmp_path)
    assert {"x-medians.csv", "x-2-medians.csv", "sweep-medians.csv"} <= names(tmp_path)


def test_both_gatings_have_a_section_each(tmp_path):
    parts = [sweep(songs=["a", "b"], sources=["drums"], gated=gated) for gated in (True, False)]
    sweep_report.write(pd.concat(parts), tmp_path)
    text = (tmp_path / "report.md").read_text("utf-8")
    assert "## Sweep “table1”, activations applied to the outputs" in text
    assert "## Sweep “table1”, outputs not gated" in text
    assert {"table1-gated-medians.csv", "table1-ungated-medians.csv"} <= names(tmp_path)


def test_the_paper_rule_is_preferred_and_museval_used_without_it(tmp_path):
    table = sweep(songs=["a", "b"], sources=["drums"])
    sweep_report.write(table[table.rule != "target"], tmp_path)
    assert "rule “museval”" in (tmp_path / "report.md").read_text("utf-8")
    assert "table1-rules.csv" not in names(tmp_path)


def test_one_song(tmp_path):
    sweep_report.write(sweep(songs=["a"]), tmp_path)
    text = (tmp_path / "report.md").read_text("utf-8")
    assert "There is one song; tests and intervals need at least two" in text
    assert "| P-L3:M | B0 | drums | 1 | 1.00 | – | – | 1.00 | – | – |" in text


def test_the_report_says_when_songs_are_too_few_for_a_test(tmp_path):
    sweep_report.write(sweep(songs=list("abcde")), tmp_path / "five")
    assert "no Wilcoxon test can give p below 0.0625" in (tmp_path / "five" / "report.md").read_text("utf-8")
    sweep_report.write(sweep(songs=list("abcdef")), tmp_path / "six")
    assert "no Wilcoxon test" not in (tmp_path / "six" / "report.md").read_text("utf-8")


def test_settings_that_only_vary_together_are_no_study(tmp_path):
    paper, code = scores(song=["a", "b"], lam=[1.0]), scores(song=["a", "b"], lam=[0.25], segment_s=[10.0])
    sweep_report.write(pd.concat([paper, code]), tmp_path)
    text = (tmp_path / "report.md").read_text("utf-8")
    assert "No study of λ, segment length (s): no cells with scores differ only in it." in text
    assert "table1-medians.csv" in names(tmp_path)


def test_sweep_of_a_chain_without_one_segment_length_has_a_report(tmp_path):
    """B0 adapts no network; a chain whose networks have different segments has no length of its own."""
    rows = [scores(song=["a", "b"], strategy=[name], segment_s=[np.nan]) for name in ("B0", "P-L3:M")]
    sweep_report.write(pd.concat(rows), tmp_path / "own")
    assert "segments of each network's own length" in (tmp_path / "own" / "report.md").read_text("utf-8")
    adapted = scores(song=["a", "b"], strategy=["P-L3:M"], segment_s=[1.4])
    sweep_report.write(pd.concat([rows[0], adapted]), tmp_path / "one")
    text = (tmp_path / "one" / "report.md").read_text("utf-8")
    assert "segments of 1.4 s" in text and "own length" not in text


def test_a_setting_with_scores_for_one_value_is_no_study(tmp_path):
    failed = scores(song=["a", "b"], lam=[0.1], value_db=[np.nan, np.nan])
    sweep_report.write(pd.concat([scores(song=["a", "b"], lam=[1.0]), failed]), tmp_path)
    text = (tmp_path / "report.md").read_text("utf-8")
    assert "No study of λ: no cells with scores differ only in it." in text
    assert "2 of 4 cells missing or failed" in text
    assert "| P-L3:M | 2.9M | 5.00 | 2 | 40 |" in text


def test_a_grid_of_two_settings_is_two_studies_at_the_base(tmp_path):
    sweep_report.write(scores(song=["a", "b"], lam=[0.1, 1.0, 10.0], segment_s=[2.0, 4.0]), tmp_path)
    by_lam = pd.read_csv(tmp_path / "table1-p-l3-m-lam-medians.csv")
    by_segment = pd.read_csv(tmp_path / "table1-p-l3-m-segment-s-medians.csv")
    assert by_lam.lam.tolist() == [0.1, 1.0, 10.0]
    assert by_segment.segment_s.tolist() == [2.0, 4.0]
    assert "table1-medians.csv" not in names(tmp_path)  # one strategy: the studies say it all


def test_scores_without_values(tmp_path):
    table = sweep(songs=["a", "b"])
    sweep_report.write(table.assign(value_db=np.nan, n_frames=0), tmp_path)
    text = (tmp_path / "report.md").read_text("utf-8")
    assert "No score of SDR, SIR, SAR or ISR has a value" in text
    assert "8 of 8 cells missing or failed" in text


def test_stars_and_best_values(tmp_path):
    songs = list("abcdefg")
    base = scores(song=songs, lam=[1.0], value_db=[1.0, 2, 3, 4, 5, 6, 7])
    better = scores(song=songs, lam=[10.0], value_db=[1.5, 2.5, 3.5, 4.5, 5.5, 6.5, 7.5])  # p = 2 / 2⁷, Holm 4 / 2⁷
    mixed = scores(song=songs, lam=[0.1], value_db=[0.5, 2.5, 2.5, 4.5, 4.5, 6.5, 6.5])
    silence = scores(song=songs, lam=[1.0], strategy=["P-L3:M"], rule=["silent"], metric=["PES"], value_db=[-50.0] * 7)
    loud = scores(song=songs, strategy=["B0"], rule=["silent"], metric=["PES"], value_db=[-30.0] * 7)
    sweep_report.write(pd.concat([base, better, mixed, silence, loud]), tmp_path)
    lines = (tmp_path / "report.md").read_text("utf-8").splitlines()
    assert "| 1 | 4.00 |" in lines
    assert "| 0.1 | **4.50** |" in lines  # as high as the best, but not in every song
    assert "| 10 | **4.50\\*** |" in lines
    assert any(line.startswith("| P-L3:M | 2.9M | **−50.00** |") for line in lines)


def test_only_b0(tmp_path):
    sweep_report.write(scores(song=["a", "b"], strategy=["B0"], n_tuned=[0]), tmp_path)
    assert "| B0 | – | 5.00 | 2 | 40 |" in (tmp_path / "report.md").read_text("utf-8")


@pytest.mark.parametrize(
    ("table", "message"),
    [
        (sweep().iloc[:0], "table of scores: has no rows"),
        (sweep().drop(columns="rule"), "table of scores: column 'rule' is missing"),
        (sweep().assign(lam="x"), "table of scores: column 'lam', row 1: must be a finite number, not 'x'"),
        (pd.DataFrame(), "table of scores: column 'sweep' is missing"),
    ],
)
def test_tables_that_cannot_be_reported(tmp_path, table, message):
    with pytest.raises(InputError, match=message):
        sweep_report.write(table, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_nothing_is_written_if_a_file_is_in_the_way(tmp_path):
    (tmp_path / "report.html").mkdir()
    with pytest.raises(InputError, match=r"report\.html: is a folder"):
        sweep_report.write(sweep(songs=["a", "b"], sources=["drums"]), tmp_path)
    assert names(tmp_path) == {"report.html"}


def test_write_accepts_the_rows_that_read_rows_returns(tmp_path):
    sweep(songs=["a", "b"], sources=["drums"]).to_csv(tmp_path / "scores.csv", index=False)
    table = rows.read_rows(tmp_path / "scores.csv")
    assert list(table) == list(rows.COLUMNS)
    assert sweep_report.write(table, tmp_path / "out").is_file()


@pytest.mark.parametrize("songs", [("a",), tuple("abcdefg")], ids=["one song", "all songs"])
def test_perfect_scores_are_infinite_and_drawn_nowhere(tmp_path, songs):
    """Where a strategy is perfect, its median is infinite, or that of the other songs."""
    table = sweep()
    table.loc[table.song.isin(songs) & (table.strategy == "P-L3:M") & (table.metric == "SDR"), "value_db"] = np.inf
    table.to_csv(tmp_path / "scores.csv", index=False)
    read = rows.read_rows(tmp_path / "scores.csv")
    assert np.isinf(read.value_db).sum() == len(songs) * 4
    text = sweep_report.write(read, tmp_path / "out").read_text("utf-8")
    assert ("inf" in text) == (len(songs) == 7)


def test_only_perfect_scores(tmp_path):
    table = sweep()
    table.loc[table.metric == "SDR", "value_db"] = np.inf
    assert "inf" in sweep_report.write(rows.check_rows(table), tmp_path / "out").read_text("utf-8")
