"""A project with a framework of a few lines: real wheels, real locks, real builds, in a second; no network.

toy 1.0.0 works, 2.0.0 does 1.5 times the work for the same result, 3.0.0 does not import.
"""

import base64
import ensurepip
import hashlib
import json
import os
import platform
import re
import shutil
import signal
import subprocess
import sys
import sysconfig
import time
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).parents[1]
DATA = Path(__file__).parent / "data" / "toy"
SLOWDOWN = 1.5
TIMEOUT_S = 300.0  # of a command line: many launches, on a machine that others use
_WORK = "def work(n):\n    x = 0\n    for i in range(n):\n        x += i % 7\n    return x * 1.0\n"
SOURCES = {
    "1.0.0": _WORK,
    "2.0.0": _WORK.replace(
        "return", f"y = 0\n    for i in range(int(n * {SLOWDOWN - 1})):\n        y += i % 7\n    return"
    ),
    "3.0.0": "raise ImportError('libtoy.so.3: cannot open shared object file')\n",
}


@dataclass(frozen=True, kw_only=True)
class Ended:
    """How a command line ended."""

    exit_code: int
    stdout: str
    stderr: str

    @property
    def run_folder(self) -> Path:
        return Path(self.stdout.splitlines()[-1])


@dataclass(frozen=True, kw_only=True)
class Toy:
    """The toy project in a folder of its own, and `orch` there: the real program, hermetic."""

    folder: Path  # of the test: runs/ lands here
    cache: Path
    wheels: Path
    env: dict[str, str] = field(default_factory=dict)  # what a test changes
    around: tuple[str, ...] = ()  # a program that is given the command line and starts it

    @property
    def project(self) -> Path:
        return self.folder / "project"

    @property
    def environment(self) -> dict[str, str]:
        kept = {name: os.environ[name] for name in ("PATH", "HOME", "DOCKER_HOST") if name in os.environ}
        return {
            **kept,
            "XDG_CACHE_HOME": str(self.cache),
            "XDG_CONFIG_HOME": str(self.folder / "no-config"),
            "PIP_CONFIG_FILE": os.devnull,
            "PIP_NO_INDEX": "1",
            "PIP_FIND_LINKS": str(self.wheels),
            **self.env,
        }

    def start(self, *arguments: str) -> "subprocess.Popen[str]":
        """Start `orch` in a process group of its own, as a terminal does."""
        return subprocess.Popen(
            (*self.around, sys.executable, "-m", "orchestrator", "--project", str(self.project), *arguments),
            cwd=self.folder,
            env={"PYTHONPATH": str(ROOT), **self.environment},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def orch(self, *arguments: str, timeout_s: float = TIMEOUT_S) -> Ended:
        """Run `orch` to its end."""
        return finish(self.start(*arguments), timeout_s)

    def runs(self) -> list[Path]:
        return sorted((self.folder / "runs").glob("*/"))

    def records(self, run: Path | None = None) -> list[dict[str, object]]:
        """Return the records of a run, by default of the only one, as a foreign program reads them."""
        (run,) = [run] if run else self.runs()
        return [json.loads(path.read_text(encoding="utf-8")) for path in sorted((run / "records").glob("*.json"))]


def measured(records: list[dict[str, object]]) -> list[tuple[str, int]]:
    """Return cell and block of each good launch."""
    return sorted((r["cell"]["id"], r["launch"]["block"]) for r in records if r["status"] == "ok")  # type: ignore[index]


def record_files(run: Path) -> dict[str, int]:
    """Return the records of a run and when each was last written."""
    return {path.name: path.stat().st_mtime_ns for path in (run / "records").iterdir()}


def marked_processes(toy: Toy) -> list[str]:
    """Return the command lines of launches on the venv engine that are still alive in this cache."""
    alive = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            if str(toy.cache / "orch" / "launches").encode() in (entry / "environ").read_bytes():
                alive.append((entry / "cmdline").read_bytes().decode())
        except OSError:
            continue
    return alive


def left_folders(toy: Toy) -> list[str]:
    """Return the folders of launches on the venv engine that are still there."""
    return [path.name for path in (toy.cache / "orch" / "launches").iterdir()]


def finish(program: "subprocess.Popen[str]", timeout_s: float = TIMEOUT_S) -> Ended:
    """Wait for a started `orch`."""
    try:
        stdout, stderr = program.communicate(timeout=timeout_s)
    finally:
        if program.poll() is None:
            os.killpg(program.pid, signal.SIGKILL)
    return Ended(exit_code=program.returncode, stdout=stdout, stderr=stderr)


def wait_until(happened: Callable[[], object], timeout_s: float = 60.0) -> None:
    """Wait for something outside. Raises TimeoutError."""
    until = time.monotonic() + timeout_s
    while not happened():
        if time.monotonic() > until:
            raise TimeoutError
        time.sleep(0.02)


# How each implementation of suites/faults.yaml goes wrong: status of its record, and a part of the reason.
FAULTS = (
    ("raises", "failed", "RuntimeError: the step does not work"),
    ("no_kernel", "failed", "no kernel image is available for execution on the device"),
    ("raises_later", "failed", "RuntimeError: the step worked a while"),
    ("exits", "failed", "no report written; exit code 7"),
    ("exits_after_report", "failed", "exit code 3 after a good report"),
    ("hangs", "timeout", "time limit"),
    ("hangs_deaf", "timeout", "time limit"),
    ("silent", "failed", "no report written; exit code 0"),
    ("garbage", "failed", "not a report"),
    ("truncated", "failed", "not a report"),
    ("lies", "failed", "finite number"),
    ("says_nothing", "failed", "without a reason"),
    ("not_finite", "invalid", "the loss is not finite"),
    ("huge", "failed", "larger than 64 MiB"),
    ("no_time", "failed", "0.0 is no duration"),
    ("back_in_time", "failed", "-1.0 is no duration"),
    ("out_of_time", "failed", "1e+308 s is longer than the launch"),
    ("longer_than_it_took", "failed", "100 s in all, longer than the launch"),
    ("packed", "failed", "the most is environment"),
    ("checks_all", "failed", "the most is sanity"),
    ("talks", "failed", "so much to say so much to say"),
    ("nests", "failed", "recursion limit exceeded"),
    ("links", "failed", "a link or a special file"),
    ("moves_out", "failed", "no report written"),
)


def make_toy(folder: Path, cache: Path, python: str | None = None, salt: str = "") -> Toy:
    """Copy the toy project and the harness, make the wheels.

    python: of the rows, x.y.z; None: the running one. salt: makes other wheels, and so other images, of the same code.
    """
    toy = Toy(folder=folder, cache=cache, wheels=folder / "wheels")
    make_project(toy.project, python or platform.python_version())
    make_wheels(toy.wheels, salt)
    write_installers(toy.project / "images" / "installers.txt", toy.wheels)
    return toy


def make_project(project: Path, python: str) -> None:
    """Copy the toy project and the harness; its rows name the Python."""
    shutil.copytree(DATA, project)
    for source in (ROOT / "suites" / "benchmarks").glob("*.py"):
        shutil.copy(source, project / "suites" / "benchmarks")
    shutil.copy(ROOT / "images" / "jax" / "Dockerfile", project / "images" / "toy")
    rows = project / "images" / "toy" / "versions.yaml"
    text = rows.read_text(encoding="utf-8").replace("3.11.7", python)
    rows.write_text(text.replace("python:3.11-", f"python:{python.rpartition('.')[0]}-"), encoding="utf-8")


def make_wheels(folder: Path, salt: str) -> None:
    """Write the wheels of all versions, and the pip that this Python carries, to a folder for pip's --find-links."""
    folder.mkdir(parents=True, exist_ok=True)
    for version, source in SOURCES.items():
        write_wheel(
            folder / f"toy-{version}-py3-none-any.whl", "toy", version, f"# {salt}\n__version__ = {version!r}\n{source}"
        )
    shutil.copy(bundled_pip(), folder)


def bundled_pip() -> Path:
    """Return the pip wheel of the running Python; Debian keeps it apart."""
    places = (Path(ensurepip.__file__).parent / "_bundled", Path(sysconfig.get_config_var("WHEEL_PKG_DIR") or "/none"))
    return next(wheel for place in places for wheel in sorted(place.glob("pip-*.whl")))


def write_installers(path: Path, wheels: Path) -> None:
    """Name that pip as the one for every Python."""
    (wheel,) = wheels.glob("pip-*.whl")
    sha256 = hashlib.sha256(wheel.read_bytes()).hexdigest()
    version = wheel.name.split("-")[1]
    path.write_text(
        f'# file: {wheel.name} {wheel.stat().st_size}\npip=={version} ; python_version >= "3" --hash=sha256:{sha256}\n',
        encoding="utf-8",
    )


def write_wheel(path: Path, name: str, version: str, source: str, more: Mapping[str, str] | None = None) -> None:
    """Write a wheel with one module; more: other files in its package, by name."""
    info = f"{name}-{version}.dist-info"
    files = {
        f"{name}/__init__.py": source,
        **{f"{name}/{file}": text for file, text in (more or {}).items()},
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: tests\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    files[f"{info}/RECORD"] = "".join(f"{file},sha256={_hash(text)},{len(text)}\n" for file, text in files.items())
    files[f"{info}/RECORD"] += f"{info}/RECORD,,\n"
    with zipfile.ZipFile(path, "w") as wheel:
        for file, text in files.items():
            place = zipfile.ZipInfo(file, (2026, 1, 1, 0, 0, 0))
            wheel.writestr(place, text, zipfile.ZIP_DEFLATED if more else zipfile.ZIP_STORED)


def users_own() -> dict[str, str]:
    """The environment in which downloads, where there are any, go the user's own way, into the user's own cache."""
    folders = {"XDG_CACHE_HOME": str(Path.home() / ".cache"), "XDG_CONFIG_HOME": str(Path.home() / ".config")}
    plain = {"PIP_CONFIG_FILE": "", "PIP_NO_INDEX": "", "PIP_FIND_LINKS": ""}
    return {**plain, **folders, **os.environ}


def edit(path: Path, pattern: str, replacement: str) -> None:
    """Change a file of the project; fails if it has no such place."""
    text, count = re.subn(pattern, replacement, path.read_text(encoding="utf-8"), flags=re.MULTILINE)
    assert count, f"{path}: nothing matches {pattern}"
    path.write_text(text, encoding="utf-8")


def _hash(text: str) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).rstrip(b"=").decode()
