"""Verbs, exit codes and streams of the command line."""

import subprocess
import sys
from pathlib import Path

import pytest

from orchestrator import __version__, errors
from orchestrator.__main__ import main
from orchestrator.cli import app
from orchestrator.errors import Exit, OrchError

VERBS = {"doctor", "list", "plan", "build", "lock", "run", "report", "import", "reap"}


def run(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    """Run the command line in this process and return its exit code."""
    monkeypatch.setattr(sys, "argv", ["orch", *arguments])
    try:
        main()
    except SystemExit as ended:
        return int(ended.code or 0)
    return 0


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (errors.UsageError("x"), 2),
        (errors.ConfigurationError("x", file="f"), 2),
        (errors.DiskError("x"), 2),
        (errors.EngineError("x"), 3),
        (errors.BuildError("x"), 3),
        (errors.ProgramError("x"), 3),
        (errors.NothingSelectedError("x"), 6),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, OrchError) else "",
)
def test_an_error_has_the_exit_code_that_is_documented(error: OrchError, code: int) -> None:
    assert error.exit_code == code


def test_every_verb_of_the_documentation_is_there() -> None:
    names = {command.name or getattr(command.callback, "__name__", "") for command in app.registered_commands}

    assert names >= VERBS


@pytest.mark.parametrize("verb", sorted(VERBS))
def test_every_verb_explains_itself(
    verb: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(monkeypatch, verb, "--help") == Exit.OK
    assert f"Usage: orch {verb}" in capsys.readouterr().out


@pytest.mark.parametrize("arguments", [("list",), ("list", "--json"), ("report", "--published")])
def test_a_result_that_cannot_be_written_is_an_error_with_a_remedy(arguments: tuple[str, ...]) -> None:
    with Path("/dev/full").open("w") as full:
        command = (sys.executable, "-m", "orchestrator", *arguments)
        ended = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True, check=False)

    assert ended.returncode == Exit.USAGE
    assert ended.stderr.startswith("orch: stdout: not written (No space left on device). Free disk space")
    assert "Traceback" not in ended.stderr


def test_the_version_is_a_result(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(monkeypatch, "--version") == Exit.OK
    assert capsys.readouterr() == (f"orch {__version__}\n", "")


@pytest.mark.parametrize("arguments", [("ran",), ("run", "--fres"), ("run", "a", "b"), ("list", "--gpu", "x")], ids=str)
def test_a_wrong_command_line_is_exit_2_and_says_so_on_stderr(
    arguments: tuple[str, ...], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(monkeypatch, *arguments) == Exit.USAGE
    assert capsys.readouterr().out == ""


def test_an_expected_error_is_its_message_and_its_exit_code(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    code = run(monkeypatch, "--project", str(tmp_path), "list")

    captured = capsys.readouterr()
    assert code == Exit.USAGE
    assert captured.out == ""
    assert captured.err.startswith("orch: --project ")
    assert "Traceback" not in captured.err


def test_a_configuration_that_is_named_but_missing_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("ORCH_CONFIG", str(tmp_path / "none.toml"))

    assert run(monkeypatch, "report") == Exit.USAGE
    assert "Correct or unset ORCH_CONFIG" in capsys.readouterr().err


def test_a_report_without_runs_says_how_to_make_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("ORCH_CONFIG", raising=False)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))

    assert run(monkeypatch, "report") == Exit.USAGE
    assert "orch run" in capsys.readouterr().err


@pytest.fixture
def empty(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder without anything, where only what is shipped is found."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("ORCH_CONFIG", raising=False)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    return tmp_path


def test_published_numbers_are_printed_without_any_run(
    empty: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(monkeypatch, "report", "--published", "kawakami2017") == Exit.OK
    assert "547,106.703" in capsys.readouterr().out
    assert not (empty / "runs").exists()


def test_all_of_a_repository_is_asked_for_with_published_only(
    empty: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(monkeypatch, "report", "--all") == Exit.USAGE
    assert "--published" in capsys.readouterr().err


def test_imported_times_are_a_run_that_can_be_reported_again(
    empty: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    head = "framework,version,implementation,configuration,iteration,seconds"
    (empty / "raw.csv").write_text(f"{head}\nPyTorch,1.0,cell,small,1,0.5\n", encoding="utf-8")

    assert run(monkeypatch, "import", "raw.csv") == Exit.OK
    imported = capsys.readouterr().out
    assert run(monkeypatch, "report") == Exit.OK

    assert imported.startswith("raw: time per train step")
    assert capsys.readouterr().out.strip() in imported


def test_a_wrong_file_to_import_leaves_no_run(
    empty: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (empty / "raw.csv").write_text("framework\nPyTorch\n", encoding="utf-8")

    assert run(monkeypatch, "import", "raw.csv") == Exit.USAGE
    assert "raw.csv:1: no column version" in capsys.readouterr().err
    assert not (empty / "runs").exists()


@pytest.mark.parametrize("what", ["suite", "benchmark"])
def test_every_example_explains_itself(
    what: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(monkeypatch, "new", what, "--help") == Exit.OK
    assert f"Usage: orch new {what}" in capsys.readouterr().out
