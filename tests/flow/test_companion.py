"""A program beside ours, which ends when we do: real programs."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from orchestrator.errors import ProgramError
from orchestrator.process import Companion
from tests.toy_project import wait_until

ECHO = ("sh", "-c", 'echo "complaint" >&2; while read line; do echo "heard $line"; done')
# Starts a companion and says which process it is; then waits to be killed.
OWNER = """
import sys, time
from pathlib import Path
from orchestrator.process import Companion
companion = Companion(("sh", "-c", "echo $$; cat"), Path(sys.argv[1]))
print(companion.read_line(60), flush=True)
time.sleep(60)
"""


@pytest.fixture
def log_file(tmp_path: Path) -> Path:
    return tmp_path / "log"


def test_lines_go_both_ways_and_complaints_to_a_file(log_file: Path) -> None:
    companion = Companion(ECHO, log_file)

    companion.write_line("one")
    companion.write_line("two")
    heard = [companion.read_line(60), companion.read_line(60)]
    companion.end()

    assert heard == ["heard one", "heard two"]
    assert companion.complaints() == "complaint\n"


def test_a_line_that_does_not_come_is_no_longer_waited_for(log_file: Path) -> None:
    companion = Companion(ECHO, log_file)

    with pytest.raises(TimeoutError):
        companion.read_line(0.01)

    companion.end()


def test_one_that_has_ended_is_heard_to_its_end_and_takes_no_more(log_file: Path) -> None:
    companion = Companion(("echo", "last words"), log_file)

    ended = companion.has_ended(60)
    heard = [companion.read_line(60), companion.read_line(60)]

    assert ended
    assert heard == ["last words", None]
    with pytest.raises(OSError, match="Broken pipe"):
        companion.write_line("too late")
    companion.end()


def test_one_that_runs_has_not_ended_until_it_is_ended(log_file: Path) -> None:
    companion = Companion(ECHO, log_file)

    before = companion.has_ended()
    companion.end()

    assert [before, companion.has_ended()] == [False, True]


def test_a_program_that_is_missing_is_named(log_file: Path) -> None:
    with pytest.raises(ProgramError, match="no-such-program: program not found"):
        Companion(("no-such-program",), log_file)


def test_it_ends_when_its_owner_is_killed(log_file: Path) -> None:
    owner = subprocess.Popen((sys.executable, "-c", OWNER, str(log_file)), stdout=subprocess.PIPE, text=True)
    assert owner.stdout
    companion = Path("/proc") / owner.stdout.readline().strip()
    was_there = companion.exists()

    os.kill(owner.pid, signal.SIGKILL)
    owner.communicate()

    assert was_there
    wait_until(lambda: not companion.exists())
