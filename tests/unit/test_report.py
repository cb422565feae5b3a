import csv
import io
import json
from dataclasses import replace

import pytest

from orchestrator.analysis.columns import Column, Setup
from orchestrator.analysis.comparison import (
    Comparison,
    Entry,
    PublishedColumn,
    PublishedEntry,
    RankAgreement,
    Row,
    Table,
)
from orchestrator.analysis.report import render_csv, render_json, render_markdown, render_terminal
from orchestrator.analysis.stats import Interval
from orchestrator.analysis.texts import digits, seconds, spread
from orchestrator.analysis.verdicts import Verdict

SETUP = Setup(
    machine="sha256:a",
    cpu="Xeon A (2 cores)",
    gpu="none",
    power_limit="none",
    driver="none",
    engine="docker",
    threads="1",
    protocol="2 warm-up + 5 samples",
    precision="ieee",
)
FAILURE = "failed (import): no | module <b>torch</b> `x` [bold]"
BASE = Entry(
    value_s=0.533,
    interval=Interval(low=0.52, high=0.546),
    launches=5,
    launched=5,
    verdict=Verdict(name="baseline"),
)
FASTER = Entry(
    value_s=0.145,
    interval=Interval(low=0.14328, high=0.14674),
    launches=5,
    launched=5,
    ratio=0.272,
    ratio_interval=Interval(low=0.265, high=0.2799),
    ratio_n=5,
    is_paired=True,
    verdict=Verdict(name="faster"),
    notes=("busy machine",),
)
OPEN = replace(FASTER, verdict=Verdict(name="inconclusive", blocks_more=12), notes=())
PRINTED = PublishedEntry(
    value_s=0.011, text="11 ms", ratio_to_fastest=1.0, compared="PyTorch versions", notes=("the same runs",)
)
LOST = Entry(launched=5, verdict=Verdict(name="n/a", reason=FAILURE), notes=(FAILURE,))


def column(version: str) -> Column:
    return Column(image=f"pytorch-{version}", variant="cpu", device="cpu", setup=SETUP)


def comparison(entries: tuple[Entry, ...] = (BASE, FASTER, LOST)) -> Comparison:
    versions = ("1.4.0", "1.7.1", "2.13.0")[: len(entries)]
    row = Row(
        benchmark="lstm_asr",
        implementation="cudnn_lstm",
        configuration="1x320/CE-short",
        label="cudnn_lstm 1x320/CE-short",
        frameworks=frozenset({"pytorch"}),
        entries=entries,
        published=(PRINTED,),
    )
    table = Table(
        phase="train_step",
        columns=tuple(column(version) for version in versions),
        labels=tuple(f"{version} cpu" for version in versions),
        rows=(row,),
        published=(PublishedColumn(version="1.4.0", device="GTX 1080", year="2018"),),
        ranks=(
            RankAgreement(
                benchmark="lstm_asr",
                configuration="1x320/CE-short",
                column="1.7.1 cpu",
                version="0.4.0",
                tau=1 / 3,
                n=3,
            ),
        ),
        footnotes=("the same runs", "busy machine", FAILURE),
    )
    return Comparison(
        suites=("pytorch_versions (quick)",),
        runs=("20261120T101500Z-3f9a",),
        setups=(SETUP,),
        baseline="oldest",
        started="2026-11-20T10:15:07.120Z",
        ended="2026-11-20T10:45:31.870Z",
        blocks=5,
        launches=15,
        failed=5,
        study="Braun 2018",
        source="Braun 2018, Table 4",
        tables=(table,),
    )


@pytest.mark.parametrize(
    ("value_s", "text"),
    [
        (0.14512, "145 ms"),
        (0.9996, "1.00 s"),
        (0.99949, "999 ms"),
        (1.4567, "1.46 s"),
        (1234.5, "1234 s"),
        (12.34e-6, "12.3 µs"),
        (0.00999999, "10.0 ms"),
        (3e-12, "0.00300 ns"),
    ],
)
def test_times_have_a_fitting_unit_and_three_digits(value_s: float, text: str) -> None:
    assert seconds(value_s) == text


@pytest.mark.parametrize(
    ("value", "text"), [(0.272, "0.272"), (1.0, "1.00"), (12.34, "12.3"), (0.9999, "1.00"), (1e5, "100000"), (0, "0")]
)
def test_ratios_have_three_digits_and_no_exponent(value: float, text: str) -> None:
    assert digits(value) == text


def test_an_interval_is_written_as_half_its_width_and_as_a_factor_when_wide() -> None:
    assert spread(Interval(low=99.0, high=101.0)) == "±1.0 %"
    assert spread(Interval(low=0.1, high=10.0)) == "×÷10.0"
    assert spread(None) == ""


@pytest.mark.parametrize("width", [60, 80, 120, 200])
def test_no_line_of_a_terminal_table_is_longer_than_the_terminal(width: int) -> None:
    text = render_terminal(comparison(), width)

    assert max(len(line) for line in text.splitlines()) <= width


@pytest.mark.parametrize("width", [60, 80, 120, 200])
def test_a_terminal_table_has_time_ratio_interval_verdict_and_footnotes_at_any_width(width: int) -> None:
    text = render_terminal(comparison(), width)

    words = [
        "145 ms ±1.2 %",
        "0.272 [0.265, 0.280]",
        "faster ²",
        "– ³",
        "11 ms, 1.0× ¹",
        "³ failed (import): no | module",
    ]
    assert [word for word in words if word not in text] == []


@pytest.mark.parametrize("width", [60, 70, 80, 100, 120])
@pytest.mark.parametrize("labels", [("1.4.0 cpu", "2.13.0 cpu"), ("1.12.1 cu113 on cpu", "2.13.0 cpu, setup 2")])
def test_labels_and_verdicts_are_whole_from_sixty_columns_on(width: int, labels: tuple[str, str]) -> None:
    doubtful = replace(OPEN, notes=("busy machine", FAILURE), verdict=Verdict(name="inconclusive", blocks_more=120))
    made = comparison((BASE, doubtful))
    table = replace(made.tables[0], labels=labels)

    text = render_terminal(replace(made, tables=(table,)), width)

    words = [*labels, "baseline", "inconclusive +120 ² ³", "533 ms ±2.5 %", "0.272 [0.265, 0.280]", "11 ms, 1.0× ¹"]
    assert [word for word in words if word not in text] == []
    assert max(len(line) for line in text.splitlines()) <= width


def test_a_label_too_long_for_the_terminal_is_wrapped_and_not_cut() -> None:
    made = comparison()
    labels = tuple(f"somebodys-framework {label} on cpu, setup {number}" for number, label in enumerate("abc"))
    table = replace(made.tables[0], labels=labels)

    text = render_terminal(replace(made, tables=(table,)), 60)

    assert "…" not in text
    assert [text.count(word) for word in ("somebodys-framework", "setup 0", "setup 2")] == [3, 1, 1]


def test_a_narrow_terminal_gets_a_line_per_version_where_measured_and_published_share_one() -> None:
    lines = render_terminal(comparison(), 80).splitlines()

    (line,) = [line for line in lines if line.startswith("1.4.0 cpu")]
    assert "533 ms" in line
    assert "11 ms, 1.0×" in line


def test_a_second_row_of_a_version_shares_its_line_with_what_was_published_of_the_version() -> None:
    whole = comparison()
    columns = tuple(column(version) for version in ("1.4.0-py27", "1.7.1", "2.13.0"))
    table = replace(whole.tables[0], columns=columns, labels=tuple(f"{one.version} cpu" for one in columns))

    lines = render_terminal(replace(whole, tables=(table,)), 80).splitlines()

    (line,) = [line for line in lines if line.startswith("1.4.0")]
    assert line.startswith("1.4.0-py27 cpu")
    assert "11 ms, 1.0×" in line


def test_a_wide_terminal_gets_the_versions_as_columns() -> None:
    lines = render_terminal(comparison(), 160).splitlines()

    assert any("1.4.0 cpu" in line and "2.13.0 cpu" in line for line in lines)


def test_ratios_around_one_have_the_third_decimal_that_decides_the_verdict() -> None:
    near = replace(FASTER, ratio=1.0123, ratio_interval=Interval(low=0.9771, high=12.34))

    assert "1.012 [0.977, 12.3]" in render_terminal(comparison((BASE, near)), 120)


def test_an_inconclusive_entry_says_how_many_blocks_more_and_the_legend_explains_it() -> None:
    text = render_terminal(comparison((BASE, OPEN)), 120)

    assert "inconclusive +12" in text
    assert "inconclusive +N: N blocks more" in text
    assert "inconclusive" not in render_terminal(comparison(), 120)


def test_the_legend_says_what_the_study_divides_by() -> None:
    without = replace(comparison().tables[0].rows[0], published=(replace(PRINTED, ratio_to_fastest=None),))
    bare = replace(comparison(), tables=(replace(comparison().tables[0], rows=(without,)),))

    words = (
        "N.N×: as the study prints it, to the fastest of its PyTorch versions at the same configuration (Braun 2018,"
    )
    assert words in render_terminal(comparison(), 200)
    assert "N.N×" not in render_terminal(bare, 200)


def test_the_head_says_suite_machine_engine_date_and_what_failed() -> None:
    text = render_terminal(comparison(), 200)

    assert text.startswith("pytorch_versions (quick): time per train step\nXeon A (2 cores), 1 thread; docker;")
    assert "2026-11-20 10:15 to 10:45 UTC; 5 blocks, 15 launches, 5 of them not ok; run 20261120T101500Z-3f9a" in text


def test_rank_agreement_is_told_with_its_n() -> None:
    text = render_terminal(comparison(), 200)

    assert "Rank agreement with Braun 2018, 0.4.0" in text
    assert "1x320/CE-short, n = 3: 1.7.1 cpu 0.33" in text


def test_every_line_of_the_markdown_table_has_the_same_number_of_cells() -> None:
    lines = [line for line in render_markdown(comparison()).splitlines() if line.startswith("|")]

    counts = {line.replace("\\|", "").count("|") for line in lines}

    assert len(lines) == 3
    assert counts == {6}


def test_markdown_has_the_entry_in_one_cell_and_its_footnotes_below() -> None:
    text = render_markdown(comparison()).replace("\N{NO-BREAK SPACE}", " ")

    assert "| 145 ms ±1.2 %<br>0.272 [0.265, 0.280]<br>**faster** <sup>2</sup> |" in text
    assert "| 11 ms, 1.0× <sup>1</sup> |" in text
    assert "<sup>2</sup> busy machine" in text


def test_text_of_a_program_is_not_read_as_markdown_or_html() -> None:
    text = render_markdown(comparison())

    assert "no \\| module &lt;b&gt;torch&lt;/b&gt; \\`x\\` \\[bold\\]" in text


def test_names_with_underscores_stay_readable_in_markdown() -> None:
    assert "cudnn_lstm 1x320/CE-short" in render_markdown(comparison())


def test_csv_has_a_line_per_row_and_column_in_full_precision() -> None:
    lines = list(csv.DictReader(io.StringIO(render_csv(comparison()))))

    assert [(line["source"], line["column"], line["value_s"], line["verdict"]) for line in lines] == [
        ("measured", "1.4.0 cpu", "0.533", "baseline"),
        ("measured", "1.7.1 cpu", "0.145", "faster"),
        ("measured", "2.13.0 cpu", "", "n/a"),
        ("Braun 2018", "1.4.0, GTX 1080, 2018", "0.011", ""),
    ]
    assert lines[1]["ratio_high"] == "0.2799"
    assert lines[2]["notes"] == FAILURE


def test_a_text_that_a_spreadsheet_would_compute_is_quoted_in_csv() -> None:
    evil = replace(LOST, notes=("busy machine",))
    table = replace(comparison().tables[0], labels=("=cmd()", "b", "c"))
    changed = replace(comparison((BASE, FASTER, evil)), tables=(table,))

    (first, *_) = csv.DictReader(io.StringIO(render_csv(changed)))

    assert first["column"] == "'=cmd()"


def test_json_has_everything_with_its_schema() -> None:
    content = json.loads(render_json(comparison()))

    assert content["schema"] == "orch.comparison/1"
    entry = content["tables"][0]["rows"][0]["entries"][1]
    assert entry["ratio_interval"] == {"low": 0.265, "high": 0.2799}
    assert entry["verdict"] == {"name": "faster", "reason": None, "blocks_more": None}
    assert content["tables"][0]["rows"][0]["frameworks"] == ["pytorch"]


def test_json_refuses_what_is_no_number() -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        render_json(comparison((replace(BASE, value_s=float("nan")),)))
