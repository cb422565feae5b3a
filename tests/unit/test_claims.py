"""Folders of processes: what a dead one left is taken, what a living one has is not."""

import sys
import tempfile
from pathlib import Path
from typing import Any

import pytest

from orchestrator.engines.claims import Claim, find_dead, is_any_alive, take_leftovers
from orchestrator.process import run

DIES = "import os, sys\nfrom pathlib import Path\nfrom orchestrator.engines.claims import Claim\n"


def die_with_claim(parent: Path, note: str) -> None:
    """Let another process claim a folder and die of it, as by kill -9."""
    code = f"{DIES}Claim(Path(sys.argv[1]), note=sys.argv[2])\nos._exit(0)"
    assert run((sys.executable, "-c", code, str(parent), note), timeout_s=60.0).exit_code == 0


def test_a_folder_of_a_dead_process_is_taken_by_the_run_it_names(tmp_path: Path) -> None:
    die_with_claim(tmp_path, "run-1")
    (dead,) = find_dead(tmp_path)

    others = list(take_leftovers(tmp_path, note="run-2"))
    (taken,) = take_leftovers(tmp_path, note="run-1")

    assert others == []
    assert taken == dead
    assert list(tmp_path.iterdir()) == []


def test_what_died_before_it_said_whose_it_is_is_anybodys(tmp_path: Path) -> None:
    (tmp_path / "tmpabc.lock").touch()

    (taken,) = take_leftovers(tmp_path, note="run-2")

    assert taken == tmp_path / "tmpabc"
    assert list(tmp_path.iterdir()) == []


def test_a_folder_in_use_is_not_taken(tmp_path: Path) -> None:
    claim = Claim(tmp_path, note="run-1")

    assert is_any_alive(tmp_path)
    assert list(take_leftovers(tmp_path)) == []
    assert claim.folder.is_dir()
    claim.release()
    assert list(tmp_path.iterdir()) == []


def test_a_lock_taken_for_a_dead_ones_before_it_is_held_is_made_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[str] = []
    make = tempfile.mkstemp

    def removed_at_once(**options: Any) -> tuple[int, str]:
        lock, name = make(**options)
        made.append(name)
        if len(made) == 1:
            list(take_leftovers(tmp_path))
        return lock, name

    monkeypatch.setattr(tempfile, "mkstemp", removed_at_once)
    claim = Claim(tmp_path)

    assert [Path(name).exists() for name in made] == [False, True]
    assert is_any_alive(tmp_path)
    claim.release()
