"""Tables: medians and comparisons that can be computed by hand, hostile input, how numbers and names are written."""

import io
import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.helpers.score_rows import score, scores, sweep
from ugosa_jax.errors import InputError
from ugosa_jax.reports.sweep import render, rows, tables

SONGS = ["a", "b", "c"]


def checked(*frames):
    return rows.check_rows(pd.concat(frames, ignore_index=True))


# Reading and checking


def test_scores_written_as_csv_are_read_again(tmp_path):
    table = sweep(songs=["NA", "007", "null", "Þórr – <b>&", 'a "b", c'])
    table.to_csv(tmp_path / "scores.csv", index=False)
    again = rows.read_rows(tmp_path / "scores.csv")
    pd.testing.assert_frame_equal(again, rows.check_rows(table))
    assert set(again.song) == {"NA", "007", "null", "Þórr – <b>&", 'a "b", c'}
    assert again.gated.dtype == bool
    assert again.hop_s.isna().all()


def test_other_columns_are_dropped():
    assert list(rows.check_rows(sweep().assign(host="x"))) == list(rows.check_rows(sweep()))


@pytest.mark.parametrize(
    ("column", "value", "message"),
    [
        ("lam", "one", "column 'lam', row 2: must be a finite number, not 'one'"),
        ("lam", "", "column 'lam', row 2: must be a number, not ''"),
        ("lam", "-1", "column 'lam', row 2: must be at least 0, not '-1'"),
        ("value_db", "loud", "column 'value_db', row 2: must be a number, not 'loud'"),
        ("epochs", "2.5", "column 'epochs', row 2: must be a whole number, not '2.5'"),
        ("n_frames", "1e300", "column 'n_frames', row 2: must be a whole number"),
        ("gated", "maybe", "column 'gated', row 2: must be True or False, not 'maybe'"),
        ("strategy", "P-L3", "column 'strategy', row 2: must be B0 or like P-L3:M, not 'P-L3'"),
        ("rule", "all", "column 'rule', row 2: must be one of target, museval, silent, not 'all'"),
        ("metric", "PES", "column 'metric', row 2: must be one of SDR, SIR, SAR, ISR"),
        ("song", "  ", "column 'song', row 2: must be text"),
    ],
)
def test_bad_values(tmp_path, column, value, message):
    table = sweep().astype(str)
    table.loc[1, column] = value
    table.to_csv(tmp_path / "scores.csv", index=False)
    with pytest.raises(InputError) as error:
        rows.read_rows(tmp_path / "scores.csv")
    assert str(error.value).startswith(f"{tmp_path}/scores.csv: {message}")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is not a CSV table"),
        (b"\xff\xfe\x00\x01", "is not a CSV table"),
        (b'a,b\n"1,2\n', "is not a CSV table"),
        (b"a,b\n1,2,3\n4,5,6,7\n", "."),
        (b"song,strategy\na,B0\n", "column 'sweep' is missing"),
        ((",".join(rows.COLUMNS) + "\n").encode(), "has no rows"),
    ],
)
def test_read_rows_refuses_files_that_are_no_table_of_scores(tmp_path, content, message):
    (tmp_path / "scores.csv").write_bytes(content)
    with pytest.raises(InputError, match=message) as error:
        rows.read_rows(tmp_path / "scores.csv")
    assert str(error.value).startswith(f"{tmp_path}/scores.csv: ")
    assert "\n" not in str(error.value)


def test_no_file(tmp_path):
    with pytest.raises(InputError, match="cannot be read"):
        rows.read_rows(tmp_path / "none.csv")


def test_duplicate_scores_are_refused():
    with pytest.raises(InputError, match=r"row 3: SDR of drums in 'b' with P-L3:M .* is repeated"):
        rows.check_rows(pd.concat([scores(song=["a", "b"]), scores(song=["b"])]))


def test_unprintable_characters_are_replaced():
    table = scores()
    odd = pd.Series(["a\x00\x1b[1m\ud800"], dtype=object)  # texts that pyarrow holds have no lone surrogates
    assert list(rows.check_rows(table.assign(song=odd)).song) == ["a��[1m�"]


@given(st.binary(max_size=300))
def test_any_bytes_are_refused_in_one_line(tmp_path_factory, content):
    path = tmp_path_factory.mktemp("bytes") / "scores.csv"
    path.write_bytes(content)
    with pytest.raises(InputError) as error:
        rows.read_rows(path)
    assert "\n" not in str(error.value)


# Order and choice


def test_strategies_in_the_papers_order():
    names = ["B0", "B-L1:D", "P-L1:3", "P-L2:M", "R-L1:D", "P-L10:D", "P-L2:D", "B-L1:M", "P-L1:D"]
    table = checked(*(scores(strategy=[name]) for name in names))
    assert rows.list_strategies(table) == [
        *("R-L1:D", "P-L1:D", "P-L2:D", "P-L10:D", "P-L2:M", "P-L1:3"),
        *("B-L1:D", "B-L1:M", "B0"),
    ]


def test_strategies_of_other_networks_are_sorted_by_place():
    names = ["B0", "P-D4:D", "P-T5:M", "P-G:end", "B-E1:D", "P-T5:D", "P-T1:D", "P-D1:D"]
    table = checked(*(scores(strategy=[name]) for name in names))
    assert rows.list_strategies(table) == [
        *("P-T1:D", "P-T5:D", "P-D1:D", "P-D4:D", "P-T5:M", "P-G:end"),
        *("B-E1:D", "B0"),
    ]


def test_sources_of_the_published_networks_come_first():
    assert rows.list_sources(checked(scores(source=["piano", "vocals", "drums"]))) == ["drums", "vocals", "piano"]


def test_varied_settings_vary_within_a_strategy_that_uses_them():
    table = checked(
        scores(strategy=["P-L3:M"], epochs=[5, 10]),
        scores(strategy=["B-L3:M"], lam=[0.1, 1.0]),  # λ means nothing to B
        scores(strategy=["B0"], learning_rate=[1e-5, 1e-4]),  # nothing means anything to B0
        scores(strategy=["P-L1:D"], segment_s=[8.0]),  # differs from P-L3:M, but does not vary
    )
    assert rows.list_varied(table) == ["epochs"]


def test_base_is_the_default_or_the_middle_one():
    def base(field, values):
        return rows.choose_base(pd.Series(values, name=field, dtype=float))

    assert base("lam", [100, 0.01, 1]) == 1
    assert base("segment_s", [2, 4, 6, 8]) == 4
    assert base("epochs", [40, 5, 20]) == 20
    assert base("epochs", [2, 4, 6, 8]) == 4
    assert math.isnan(base("hop_s", [1, math.nan]))


def test_rows_at_the_base_keep_strategies_that_have_one_value():
    table = checked(
        scores(strategy=["P-L3:M"], lam=[0.1, 1.0, 10.0], segment_s=[2.0, 4.0]),
        scores(strategy=["B-L3:M"], lam=[0.1], segment_s=[2.0, 4.0]),
        scores(strategy=["B0"], lam=[7.0]),
    )
    chosen = rows.select_base(table)
    assert sorted(zip(chosen.strategy, chosen.lam, chosen.segment_s, strict=True)) == [
        ("B-L3:M", 0.1, 4.0),
        ("B0", 7.0, 4.0),
        ("P-L3:M", 1.0, 4.0),
    ]
    along = rows.select_base(table[table.strategy == "P-L3:M"], "lam")
    assert sorted(along.lam) == [0.1, 1.0, 10.0]
    assert set(along.segment_s) == {4.0}


def test_missing_cells():
    table = checked(scores(song=SONGS, strategy=["P-L3:M", "B0"]), scores(song=["a"], strategy=["P-L1:D"]))
    assert rows.count_missing(table) == (2, 9)
    table.loc[0, "value_db"] = np.nan  # a cell without any score counts as missing
    assert rows.count_missing(table) == (3, 9)


# Table 1, rules, silence


def test_table1_by_hand():
    table = tables.make_table1(
        checked(
            scores(song=SONGS, strategy=["P-L3:M"], value_db=[1.0, 2.0, 9.0]),
            scores(song=SONGS, strategy=["P-L3:M"], metric=["SIR"], value_db=[4.0, np.nan, 6.0]),
            scores(song=["a", "b"], strategy=["B0"], value_db=[3.0, 4.0], n_tuned=[0]),
            scores(song=SONGS, strategy=["P-L3:M"], source=["bass"], n_frames=[7], value_db=[-1.0, -2.0, -3.0]),
        )
    )
    assert list(table.index) == ["P-L3:M", "B0"]
    assert [c for c in table if c[0] and c[1]] == [("drums", "SDR"), ("drums", "SIR"), ("bass", "SDR"), ("bass", "SIR")]
    assert table["drums", "SDR"].tolist() == [2.0, 3.5]
    assert table["drums", "SIR"].iloc[0] == 5.0
    assert math.isnan(table["drums", "SIR"].iloc[1])
    assert table["bass", "SDR"].iloc[0] == -2.0
    assert table["", "#TP"].tolist() == [2_919_444, 0]
    assert table["", "songs"].tolist() == ["0–3", "0–2"]  # no song has SIR of bass
    assert table["", "frames"].tolist() == ["21–60", "0–40"]


def test_two_scores_of_a_kind_are_refused():
    table = rows.check_rows(sweep())
    with pytest.raises(InputError, match="choose one sweep, setting, gating and rule"):
        tables.make_table1(table)  # both rules
    with pytest.raises(InputError, match="no scores"):
        tables.make_table1(table[table.metric == "PES"])


def test_rules_side_by_side():
    table = tables.compare_rules(rows.check_rows(sweep(songs=SONGS)))
    assert list(table.columns) == [
        (name, rule) for name in ("frames", "songs", "SDR", "SIR", "SAR", "ISR") for rule in ("target", "museval")
    ]
    assert table.loc[("B0", "drums"), ("frames", "target")] == 60
    assert table.loc[("B0", "drums"), ("frames", "museval")] == 9
    assert table.loc[("B0", "bass"), ("SDR", "target")] == 4  # 3, 4, 5
    assert table.loc[("B0", "bass"), ("SDR", "museval")] == 5
    assert (table["songs"] == 3).all(axis=None)


def test_rules_where_one_has_less():
    target = scores(song=SONGS, strategy=["P-L3:M", "B0"], metric=["SDR", "SIR"], source=["drums", "bass"])
    museval = scores(song=["a"], strategy=["B0"], rule=["museval"], n_frames=[2])
    table = tables.compare_rules(checked(target, museval))
    assert table["SDR", "museval"].dropna().to_dict() == {("B0", "drums"): 5.0}
    assert table["SIR", "museval"].isna().all()
    assert table["songs", "museval"].tolist() == [0, 0, 1, 0]
    assert table["frames", "museval"].tolist() == [0, 0, 2, 0]


def test_silence_table_keeps_what_has_no_value():
    table = rows.check_rows(sweep(songs=SONGS))
    table.loc[(table.metric == "EPS") & (table.source == "bass"), ["value_db", "n_frames"]] = [np.nan, 0]
    found = tables.tabulate_silence(table)
    assert found["drums", "PES"].tolist() == [-41.1, -41.1, -40.4, -40.0]
    assert found["bass", "EPS"].isna().all()
    assert found["", "songs"].tolist() == ["0–3"] * 4


# Comparisons and studies


def test_comparisons_by_hand():
    table = rows.check_rows(sweep())
    found = tables.compare_strategies(table[table.rule == "target"])
    assert list(zip(found.strategy, found.against, found.source, strict=True)) == [
        ("P-L1:D", "B0", "drums"),
        ("P-L3:M", "B0", "drums"),
        ("P-L1:D", "B0", "bass"),
        ("P-L3:M", "B0", "bass"),
        ("P-L3:M", "B-L3:M", "drums"),
        ("P-L3:M", "B-L3:M", "bass"),
    ]
    np.testing.assert_allclose(found.difference_db, [1.3] * 4 + [0.9] * 2, atol=1e-9)  # 1 + 0.3, the middle song
    np.testing.assert_allclose(found.p, 2 / 2**7, atol=1e-12)  # P is better in all seven songs
    np.testing.assert_allclose(found.p_holm, [4 / 2**7] * 4 + [2 / 2**7] * 2, atol=1e-12)  # families of two, and of one
    assert (found.effect == 1).all()
    assert (found.songs == 7).all()
    assert ((found.low_db >= 1.0 - 0.4) & (found.low_db < found.difference_db)).all()
    assert ((found.high_db <= 1.6 + 1e-9) & (found.high_db > found.difference_db)).all()


def test_comparisons_use_the_songs_that_have_both():
    table = checked(
        scores(song=SONGS, strategy=["P-L3:M"], value_db=[2.0, 3.0, np.nan]),
        scores(song=["b", "c"], strategy=["B0"], value_db=[1.0, 1.0]),
    )
    found = tables.compare_strategies(table)
    assert found[["songs", "difference_db"]].values.tolist() == [[1, 2.0]]
    assert found.p.isna().all()


def test_nothing_to_compare():
    assert tables.compare_strategies(checked(scores(song=SONGS, strategy=["P-L1:D", "P-L2:D"]))).empty


def test_study_by_hand():
    songs = list("abcdef")
    base = np.array([1.0, 2, 3, 4, 5, 6])
    up, mixed = np.array([1.0, 2, 3, 4, 5, 6]) / 10, np.array([1.0, -2, 3, -4, 5, -6]) / 10
    table = checked(
        scores(song=songs, lam=[1.0], value_db=base),
        scores(song=songs, lam=[10.0], value_db=base + up),
        scores(song=songs, lam=[0.1], value_db=base + mixed),
    )
    found = tables.study_setting(table, "lam")
    assert found.base == 1.0
    assert found.medians.index.tolist() == [0.1, 1.0, 10.0]
    np.testing.assert_allclose(found.medians["drums", "SDR"], [3.45, 3.5, 3.85], atol=1e-12)  # middle: 3.3, 3.6
    assert found.comparisons.lam.tolist() == [0.1, 10.0]
    # up: all signs alike. mixed: W₊ = 1+3+5 = 9, W₋ = 12; W₊ ≤ 9 has 27 of the 64 choices of signs.
    np.testing.assert_allclose(found.comparisons.p, [54 / 64, 2 / 64], atol=1e-12)
    np.testing.assert_allclose(found.comparisons.p_holm, [54 / 64, 4 / 64], atol=1e-12)
    np.testing.assert_allclose(found.comparisons.effect, [-3 / 21, 1.0], atol=1e-12)
    # Ranks of λ = 0.1, 1, 10: (2.5, 1, 2.5) in three songs, where mixed equals up, (1, 2, 3) in the others.
    chi2 = 12 / (6 * 3 * 4) * (10.5**2 + 9**2 + 16.5**2) - 3 * 6 * 4
    ties = 1 - 3 * (2**3 - 2) / (6 * (3**3 - 3))
    assert found.friedman.chi2[0] == pytest.approx(chi2 / ties, abs=1e-9)


def test_study_with_a_base_of_the_callers():
    found = tables.study_setting(checked(scores(song=SONGS, epochs=[5, 10, 20])), "epochs", base=5)
    assert found.comparisons.epochs.tolist() == [10, 20]
    with pytest.raises(InputError, match="epochs: the base 7 is not among the values 5, 10, 20"):
        tables.study_setting(checked(scores(song=SONGS, epochs=[5, 10, 20])), "epochs", base=7)
    with pytest.raises(InputError, match="epochs: has 1"):
        tables.study_setting(checked(scores(song=SONGS)), "epochs")


def test_study_of_the_hop_counts_a_missing_one_as_a_segment():
    found = tables.study_setting(checked(scores(song=SONGS, hop_s=[math.nan, 1.0, 2.0])), "hop_s")
    assert found.medians.index.tolist() == [1.0, 2.0, 4.0]
    assert found.base == 4.0
    assert found.comparisons.hop_s.tolist() == [1.0, 2.0]


def test_study_of_sources_that_not_all_values_have():
    table = checked(
        scores(song=SONGS, lam=[0.1, 1.0], source=["drums"]),
        scores(song=SONGS, lam=[0.1], source=["bass"]),
        scores(song=SONGS, lam=[0.1, 1.0], source=["vocals"], value_db=[np.nan] * 3),
    )
    found = tables.study_setting(table, "lam")
    assert found.comparisons.source.tolist() == ["drums"]  # bass has no base, vocals no score


# As text


@pytest.mark.parametrize(
    ("field", "value", "text"),
    [
        ("lam", 1e-4, "10⁻⁴"),
        ("lam", 1.0, "1"),
        ("lam", 10.0, "10"),
        ("lam", 100.0, "10²"),
        ("lam", 0.25, "0.25"),
        ("lam", 0.0, "0"),
        ("learning_rate", 1e-5, "10⁻⁵"),
        ("learning_rate", 3e-5, "3×10⁻⁵"),
        ("segment_s", 4.0, "4"),
        ("segment_s", 2.5, "2.5"),
        ("epochs", 100.0, "100"),
        ("hop_s", math.nan, "one segment"),
    ],
)
def test_settings_are_written_as_the_field_does(field, value, text):
    assert render.format_setting(field, value) == text


def test_numbers():
    assert [render.format_decibels(x) for x in (1.005e1, -0.5, -0.001, math.nan)] == ["10.05", "−0.50", "0.00", "–"]
    assert [render.format_probability(x) for x in (1.0, 0.0312, 0.0004, math.nan)] == ["1.000", "0.031", "<0.001", "–"]
    parameters = [render.format_count(n) for n in (8_244_284, 272_384, 10_240, 999, 0)]
    assert parameters == ["8.2M", "0.3M", "10.2k", "999", "–"]


def table1_sheet():
    table = rows.check_rows(sweep(songs=SONGS, sources=["drums"]))
    frame = tables.make_table1(table[table.rule == "target"])
    return frame, render.make_sheet(frame, "max")


def test_best_value_of_each_column_is_marked():
    _, sheet = table1_sheet()
    assert sheet.bold == {(r, c) for r in (0, 1) for c in (2, 3, 4, 5)}  # both P look the same
    assert sheet.groups == [("", 2), ("drums", 4), ("", 2)]
    assert sheet.cells[0] == ["P-L1:D", "1.0k", "5.10", "5.10", "5.10", "5.10", "3", "60"]


def test_markdown():
    _, sheet = table1_sheet()
    lines = render.to_markdown(sheet).splitlines()
    assert lines[0] == "| strategy | \\#TP | drums SDR | drums SIR | drums SAR | drums ISR | songs | frames |"
    assert lines[1] == "| :-- | --: | --: | --: | --: | --: | --: | --: |"
    assert lines[2].startswith("| P-L1:D | 1.0k | **5.10** |")
    assert len(lines) == 2 + 4


def test_latex():
    _, sheet = table1_sheet()
    text = render.to_latex(sheet, "Songs & 50 % of_them, λ = 10⁻⁴", "tab:x")
    assert r"\caption{Songs \& 50 \% of\_them, $\lambda$ = 10$^{-4}$}" in text
    assert r"\begin{tabular}{@{}lrrrrrrr@{}}" in text
    assert r"\multicolumn{2}{c}{} & \multicolumn{4}{c}{drums} & \multicolumn{2}{c}{} \\" in text
    assert r"\cmidrule(lr){3-6}" in text
    assert r"\textbf{5.10}" in text
    body = text.split(r"\midrule")[1].split(r"\bottomrule")[0].strip().splitlines()
    assert len(body) == 4
    assert all(line.count(" & ") == 7 and line.endswith(r" \\") for line in body)


def test_names_cannot_break_out_of_a_table():
    evil = r"a|b_c & 50%$x$ \emph{}~^#<b>"
    table = checked(scores(source=[evil], song=SONGS, strategy=["P-L3:M", "B0"]))
    sheet = render.make_sheet(tables.compare_strategies(table))
    assert (
        r"a$|$b\_c \& 50\%\$x\$ \textbackslash{}emph\{\}\textasciitilde{}\textasciicircum{}\#$<$b$>$"
        in render.to_latex(sheet, "", "x")
    )
    line = render.to_markdown(sheet).splitlines()[2]
    assert r"a\|b\_c &amp; 50%\$x\$ \\emph{}\~^\#&lt;b&gt;" in line


def test_csv_keeps_full_precision():
    frame, _ = table1_sheet()
    again = pd.read_csv(io.StringIO(render.to_csv(frame)))
    assert list(again) == [
        *("strategy", "#TP", "drums SDR", "drums SIR", "drums SAR", "drums ISR", "songs", "frames"),
    ]
    assert again["drums SDR"].tolist() == frame["drums", "SDR"].tolist()


def test_stars_stand_behind_their_number():
    frame = pd.DataFrame([[1.0], [2.0]], index=pd.Index([0.1, 1.0], name="lam"), columns=[("drums", "SDR")])
    frame.columns = pd.MultiIndex.from_tuples(frame.columns)
    stars = pd.DataFrame([[True], [False]], index=frame.index, columns=frame.columns)
    sheet = render.make_sheet(frame, "max", stars)
    assert sheet.cells == [["0.1", "1.00*"], ["1", "2.00"]]
    assert sheet.bold == {(1, 1)}


def test_a_score_has_the_columns_of_the_table():
    assert set(score()) == set(rows.COLUMNS)
