"""What people read: sizes, durations, tables and progress, plain wherever nobody looks."""

import pytest

from orchestrator import console


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (-1, "0 s"),
        (0, "0 s"),
        (89.4, "89 s"),
        (90, "2 min"),
        (600, "10 min"),
        (5370, "1 h 30 min"),
        (7260, "2 h 01 min"),
        (360_000, "100 h 00 min"),
    ],
)
def test_a_duration_is_written_for_people(seconds: float, text: str) -> None:
    assert console.duration(seconds) == text


@pytest.mark.parametrize(
    ("count", "text"),
    [(0, "0 MB"), (12_400_000, "12 MB"), (99_999_999, "100 MB"), (530_000_000, "0.53 GB"), (2_250_000_000, "2.25 GB")],
)
def test_a_size_is_written_in_decimal_units(count: int, text: str) -> None:
    assert console.size(count) == text


def test_results_go_to_stdout_and_notes_to_stderr(capsys: pytest.CaptureFixture[str]) -> None:
    console.result("table")
    console.note("progress")

    assert capsys.readouterr() == ("table\n", "progress\n")


def test_a_result_is_written_as_it_is(capsys: pytest.CaptureFixture[str]) -> None:
    console.result("[red]{}\n")

    assert capsys.readouterr().out == "[red]{}\n"


def test_a_table_is_plain_and_takes_no_markup_from_its_cells() -> None:
    text = console.table(("name", ">size"), [("[red]a[/red]", "1"), ("b", "20")])

    lines = text.splitlines()
    assert "\x1b" not in text
    assert any("[red]a[/red]" in line for line in lines)
    assert next(line for line in lines if "20" in line).rstrip().endswith("20")
    assert all(line == line.rstrip() for line in lines)


def test_a_table_folds_a_long_cell_and_drops_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("COLUMNS", raising=False)

    text = console.table(("reason",), [("x" * 300,)])

    assert text.count("x") == 300
    assert max(len(line) for line in text.splitlines()) <= console.terminal_width() == 120


def test_what_is_piped_is_as_wide_as_the_user_says(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "200")

    assert console.terminal_width() == 200


def test_progress_without_a_terminal_is_a_line_for_each_step(capsys: pytest.CaptureFixture[str]) -> None:
    progress = console.Progress(10)
    progress.start("a")
    progress.finish("a", "done")
    progress.finish("b", "failed: x")

    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 2
    assert lines[0].startswith("[ 1/10] a  done  (about ")
    assert lines[1].startswith("[ 2/10] b  failed: x")


def test_what_follows_the_steps_is_in_the_time_that_is_left(capsys: pytest.CaptureFixture[str]) -> None:
    console.Progress(1, after_s=1500).finish("gate", "passed")

    assert capsys.readouterr().err == "[1/1] gate  passed  (about 25 min left)\n"


def test_the_last_step_promises_no_time(capsys: pytest.CaptureFixture[str]) -> None:
    console.Progress(1, estimate_s=50).finish("a", "done")

    assert capsys.readouterr().err == "[1/1] a  done\n"
