import csv
import io
import json
from collections.abc import Callable
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
from orchestrator.analysis.conclusions import JudgedConclusion
from orchestrator.analysis.report import render_csv, render_json, render_markdown, render_terminal
from orchestrator.analysis.stats import Interval
from orchestrator.analysis.texts import digits, seconds, spread
from orchestrator.analysis.trials import Outcome, Trial
from orchestrator.analysis.verdicts import Verdict
from orchestrator.specs import Once, Unit

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
        beside=("1.4.0", None, None)[: len(entries)],
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


def systems(unit: Unit | None = None, once: tuple[Once, ...] = ()) -> Comparison:
    """Return three systems at one configuration of 20 examples, out of order."""
    slow = replace(OPEN, value_s=0.9, once_s={"setup_cold_s": 21.0, "setup_s": 1.5, "first_step_s": 1.25})
    base = replace(BASE, value_s=0.02, interval=None)
    given = comparison((LOST, slow, base))
    (table,) = given.tables
    row = replace(table.rows[0], implementation=None, label="h100/b20", parameters={"batch": 20}, published=())
    labels = ("Theano 1.0.1 LSTM", "Theano 1.0.1 FastLSTM", "JAX 0.4.30 lax.scan")
    changed = replace(
        table, rows=(row,), labels=labels, published=(), beside=(), ranks=(), across="system", unit=unit, once=once
    )
    return replace(given, baseline="fastest", tables=(changed,))


def lines_starting(text: str, *starts: str) -> list[str]:
    return [line for line in text.splitlines() if line.lstrip("| ").startswith(starts)]


@pytest.mark.parametrize("form", [lambda one: render_terminal(one, 120), render_markdown])
def test_systems_are_lines_of_their_configuration_fastest_first_and_without_a_time_last(
    form: Callable[[Comparison], str],
) -> None:
    text = form(systems())

    assert [line.lstrip("| ").split()[0:3:2] for line in lines_starting(text, "Theano", "JAX")] == [
        ["JAX", "lax.scan"],
        ["Theano", "FastLSTM"],
        ["Theano", "LSTM"],
    ]
    assert "h100/b20" in text
    assert "chosen by these very times" in text


@pytest.mark.parametrize(
    ("unit", "title", "time"),
    [
        (None, "time per train step", "20.0 ms"),
        ("ms/batch", "time per batch, train step", "20.0 ms"),
        ("us/example", "time per example, train step", "1000 µs"),  # 0.02 s / 20 examples
    ],
)
def test_times_are_written_in_the_unit_of_the_study(unit: Unit | None, title: str, time: str) -> None:
    text = render_terminal(systems(unit), 120)

    (line,) = lines_starting(text, "JAX")
    assert title in text.splitlines()[0]
    assert time in line


def test_programs_get_seconds_whatever_the_unit() -> None:
    comparison = systems("us/example")

    assert json.loads(render_json(comparison))["tables"][0]["rows"][0]["entries"][2]["value_s"] == 0.02
    assert [line["value_s"] for line in csv.DictReader(io.StringIO(render_csv(comparison)))] == ["", "0.9", "0.02"]


@pytest.mark.parametrize("width", [140, 60])
def test_set_up_and_first_step_are_columns_where_a_suite_asks_for_them(width: int) -> None:
    text = render_terminal(systems(once=("setup", "first_step")), width)

    assert all(word in text for word in ("set-up, cold", "first step", "21.0 s", "1.50 s", "1.25 s"))
    assert "21.0 s" not in render_terminal(systems(), width)


def test_a_table_across_images_has_set_up_times_too_and_is_then_written_in_lines() -> None:
    given = comparison((replace(BASE, once_s={"first_step_s": 1.25}), FASTER, LOST))

    text = render_terminal(replace(given, tables=(replace(given.tables[0], once=("first_step",)),)), 200)

    (line,) = lines_starting(text, "1.4.0 cpu")
    assert "1.25 s" in line


def judged(outcome: Outcome = "holds", **changes: object) -> JudgedConclusion:
    """Return a conclusion that was tried once."""
    trial = Trial(
        slower="TensorFlow 1.8.0 LSTMBlockCell",
        faster="TensorFlow 1.8.0 LSTMBlockFusedCell",
        configuration="1x320/CE-long",
        phase="train_step",
        outcome=outcome,
        ratio=2.25,
        interval=Interval(low=2.125, high=2.375),
        size="less than claimed",
        device="cpu",
    )
    one = JudgedConclusion(
        name="fused",
        says="the fused cell is 3.4 times as fast",
        where="results",
        ratio=(3.4,),
        outcome=outcome,
        reason=None,
        trials=(trial,),
    )
    return replace(one, **changes)  # type: ignore[arg-type]


UNTESTED = judged("cannot be tested here", reason="the claim is about cuDNN on a GPU", trials=())
ABSENT = judged(
    "cannot be tested here",
    reason="not measured: Keras",
    trials=(replace(judged().trials[0], is_absent=True, ratio=None, interval=None),),
)


@pytest.mark.parametrize("form", [lambda one: render_terminal(one, 400), render_markdown])
def test_conclusions_stand_after_the_tables_with_outcome_ratio_interval_and_size(
    form: Callable[[Comparison], str],
) -> None:
    text = form(replace(comparison(), conclusions=(judged(), UNTESTED, ABSENT)))

    tables, _, below = text.partition("What Braun 2018 concludes, on these records:")
    assert "533" in tables
    assert "holds" in below
    assert "the fused cell is 3.4 times as fast (results)" in below
    pair = "TensorFlow 1.8.0 LSTMBlockCell / TensorFlow 1.8.0 LSTMBlockFusedCell"
    evidence = f"1x320/CE-long: {pair} = 2.250 [2.125, 2.375] on the CPU; less than claimed, 3.4"
    assert evidence in below.replace("\\", "")
    assert "the fused cell is 3.4 times as fast (results): the claim is about cuDNN on a GPU" in below
    assert "1 more conclusion of the study: about systems that are not among these records." in below
    assert "Keras" not in below


def test_a_study_without_conclusions_has_nothing_below_its_tables() -> None:
    assert "concludes" not in render_terminal(comparison(), 120) + render_markdown(comparison())


def test_conclusions_are_data_for_programs() -> None:
    content = json.loads(render_json(replace(comparison(), conclusions=(judged(),))))

    (one,) = content["conclusions"]
    assert (one["name"], one["outcome"], one["ratio"]) == ("fused", "holds", [3.4])
    assert one["trials"][0]["interval"] == {"low": 2.125, "high": 2.375}


def test_a_trial_at_another_configuration_says_that_it_is_one() -> None:
    trial = replace(judged().trials[0], is_elsewhere=True, size=None, configuration="1x320/CE-short")
    one = judged("cannot be tested here", reason="not measured: 1x320/CE-long", trials=(trial,))

    text = render_terminal(replace(comparison(), conclusions=(one,)), 400)

    assert "(results): not measured: 1x320/CE-long" in text
    assert "instead at 1x320/CE-short: TensorFlow 1.8.0 LSTMBlockCell" in text


def test_a_ratio_below_three_blocks_has_no_interval_and_says_why() -> None:
    trial = replace(judged().trials[0], outcome="inconclusive", interval=None, size=None, reason="fewer than 3 blocks")

    text = render_terminal(replace(comparison(), conclusions=(judged("inconclusive", trials=(trial,)),)), 400)

    assert "LSTMBlockFusedCell = 2.250 on the CPU; fewer than 3 blocks" in text


def test_a_label_that_is_too_long_is_wrapped_and_only_on_a_narrow_terminal_the_rest_is_stacked() -> None:
    given = systems()
    long = "Torch7 7.0 Element-Research rnn: nn.Recurrence + nn.Sequencer"
    labels = (given.tables[0].labels[0], long, given.tables[0].labels[2])
    given = replace(given, tables=(replace(given.tables[0], labels=labels),))

    wide, wrapped, narrow = (render_terminal(given, width) for width in (140, 90, 60))

    assert any(long in line and "900 ms" in line for line in wide.splitlines())
    assert any("Torch7" in line and "900 ms" in line for line in wrapped.splitlines())
    assert long not in wrapped
    assert "time, ratio, verdict" in narrow
    assert "time, ratio, verdict" not in wrapped


def test_where_only_versions_were_measured_and_no_conclusion_could_be_tried_one_line_says_so() -> None:
    given = replace(comparison(), conclusions=(UNTESTED, ABSENT))

    for text in (render_terminal(given, 120), render_markdown(given)):
        assert "None of the 2 conclusions of Braun 2018 can be tested on these records." in text
        assert "cuDNN on a GPU" not in text
        assert "holds:" not in text


def test_where_systems_were_measured_each_conclusion_has_its_reason() -> None:
    text = render_terminal(replace(systems(), conclusions=(UNTESTED, ABSENT)), 120)

    assert "the claim is about cuDNN on a GPU" in text
    assert "holds:" not in text
