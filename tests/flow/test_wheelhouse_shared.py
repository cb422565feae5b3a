"""One wheelhouse under several processes: real pip, wheels in a folder in place of an index."""

import hashlib
import os
import subprocess
import sys
import zipfile
from dataclasses import replace
from pathlib import Path

from orchestrator.fetching import fetch_files
from orchestrator.locking import Lock, Pin, write_lock
from orchestrator.wheelhouse import Wheelhouse

FETCH = """
import os, sys
from pathlib import Path
from orchestrator.fetching import fetch_files
from orchestrator.locking import read_lock
from orchestrator.wheelhouse import Wheelhouse
wheelhouse = Wheelhouse(folder=Path(sys.argv[1]), env=os.environ)
sys.stdout.write(str(fetch_files(wheelhouse, read_lock(Path(sys.argv[2])))))
"""


def make_wheel(folder: Path, name: str) -> Pin:
    """Write a wheel and return its pin."""
    folder.mkdir(exist_ok=True)
    info = f"{name}-1.0.dist-info"
    path = folder / f"{name}-1.0-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as wheel:
        wheel.writestr(f"{name}.py", "x = 1\n" * 1000)
        wheel.writestr(f"{info}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
        wheel.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        wheel.writestr(f"{info}/RECORD", "")
    sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
    return Pin(name=name, version="1.0", file=path.name, sha256=sha256, bytes=path.stat().st_size)


def make_lock(*pins: Pin) -> Lock:
    return Lock(image="tiny-1+cpu", python="3.11.7", base="python:3.11", base_digest=None, date="2026-11-20", pins=pins)


def environment(wheels: Path) -> dict[str, str]:
    mine = {"PIP_CONFIG_FILE": os.devnull, "PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(wheels)}
    return {"PATH": os.environ["PATH"], "HOME": os.environ.get("HOME", ""), **mine}


def test_two_processes_fill_it_at_once_and_each_wheel_comes_once(tmp_path: Path) -> None:
    one, two, three = (make_wheel(tmp_path / "wheels", name) for name in ("one", "two", "three"))
    locks = {"a.txt": make_lock(one, two), "b.txt": make_lock(two, three)}
    for name, lock in locks.items():
        write_lock(tmp_path / name, lock)

    started = [
        subprocess.Popen(
            [sys.executable, "-c", FETCH, str(tmp_path / "wheelhouse"), str(tmp_path / name)],
            env=environment(tmp_path / "wheels"),
            cwd=Path(__file__).parents[2],
            stdout=subprocess.PIPE,
            text=True,
        )
        for name in locks
    ]
    fetched = sum(int(process.communicate()[0]) for process in started)

    wheelhouse = Wheelhouse(folder=tmp_path / "wheelhouse", env={})
    assert [wheelhouse.missing(lock) for lock in locks.values()] == [(), ()]
    assert fetched == sum(pin.bytes or 0 for pin in (one, two, three))


def test_what_a_killed_download_left_is_cleared(tmp_path: Path) -> None:
    pin = make_wheel(tmp_path / "wheels", "one")
    wheelhouse = Wheelhouse(folder=tmp_path / "wheelhouse", env=environment(tmp_path / "wheels"))
    left = wheelhouse.folder / ".incoming-killed"
    left.mkdir(parents=True)

    fetch_files(wheelhouse, make_lock(pin))

    assert not left.exists()
    assert wheelhouse.missing(make_lock(pin)) == ()


def test_a_wheel_of_the_size_but_not_the_content_is_removed_and_named(tmp_path: Path) -> None:
    pin = make_wheel(tmp_path / "wheels", "one")
    other = replace(pin, name="other", sha256="0" * 64)
    wheelhouse = Wheelhouse(folder=tmp_path / "wheelhouse", env=environment(tmp_path / "wheels"))
    fetch_files(wheelhouse, make_lock(pin))
    wheelhouse.path(other).parent.mkdir(parents=True)
    wheelhouse.path(other).write_bytes(wheelhouse.path(pin).read_bytes())

    assert wheelhouse.remove_damaged(make_lock(pin, other)) == (other.file,)
    assert wheelhouse.missing(make_lock(pin, other)) == (other,)
