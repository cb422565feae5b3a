"""Lock, fetch, build, check and launch with real uv and pip, offline: the framework is a wheel of one line."""

import base64
import hashlib
import os
import signal
import subprocess
import sys
import threading
import time
import zipfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from orchestrator.building import NotBuilt, Workshop, build_images
from orchestrator.engines import LOG_AT_MOST_BYTES, BuiltImage, Job, Outcome
from orchestrator.engines.venv import VenvEngine
from orchestrator.errors import EngineError, LockError
from orchestrator.fetching import fetch_files, is_reachable
from orchestrator.images import Image, ImageVariant, Variant
from orchestrator.locking import is_locked, read_lock
from orchestrator.resolving import lock_image
from orchestrator.wheelhouse import Wheelhouse

PYTHON = ".".join(str(part) for part in sys.version_info[:3])
CHECK = """
import json, tiny
json.dump({"version": tiny.__version__, "works": True}, open("out/check.json", "w"))
"""


def make_wheel(folder: Path, name: str, version: str, content: str) -> Path:
    """Write a wheel of one module."""
    folder.mkdir(parents=True, exist_ok=True)
    info = f"{name}-{version}.dist-info"
    files = {
        f"{name}.py": content,
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    lines = [f"{path},sha256={digest(text)},{len(text)}" for path, text in files.items()]
    files[f"{info}/RECORD"] = "\n".join([*lines, f"{info}/RECORD,,"]) + "\n"
    path = folder / f"{name}-{version}-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as wheel:
        for inside, text in files.items():
            wheel.writestr(zipfile.ZipInfo(inside), text)
    return path


def digest(text: str) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).decode().rstrip("=")


class House:
    """A family of two tiny frameworks, a folder of wheels in place of an index, and an empty cache."""

    def __init__(self, root: Path) -> None:
        self.cache = root / "cache"
        self.wheels = root / "wheels"
        self.family = root / "images" / "tiny"
        self.env = {
            "PATH": os.environ["PATH"],
            "HOME": os.environ.get("HOME", ""),
            "PIP_CONFIG_FILE": os.devnull,
            "PIP_NO_INDEX": "1",
            "PIP_FIND_LINKS": str(self.wheels),
        }
        for version in ("1.0", "2.0", "2.0+cpu"):
            make_wheel(self.wheels, "tiny", version, f"__version__ = '{version}'\n")
        pip = make_wheel(self.wheels, "pip", "99.0", "")
        self.family.mkdir(parents=True)
        (self.family / "Dockerfile").write_text("ARG BASE\nFROM ${BASE}\n", encoding="utf-8")
        (self.family / "check.py").write_text(CHECK, encoding="utf-8")
        sha256 = hashlib.sha256(pip.read_bytes()).hexdigest()
        (self.family.parent / "installers.txt").write_text(
            f'# file: {pip.name} {pip.stat().st_size}\npip==99.0 ; python_version >= "3" --hash=sha256:{sha256}\n',
            encoding="utf-8",
        )
        self.engine = VenvEngine(self.cache, {"PATH": os.environ["PATH"], "HOME": os.environ.get("HOME", "")})
        self.wheelhouse = Wheelhouse(folder=self.cache / "wheelhouse", env=self.env)

    def target(self, version: str, wheel: str | None = None) -> ImageVariant:
        variant = Variant(name="cpu")
        image = Image(
            family="tiny",
            framework="tiny",
            version=version,
            released="2026",
            python=PYTHON,
            base=f"python:{PYTHON}",
            requirements=(f"tiny=={wheel or version}",),
            variants=(variant,),
            folder=self.family,
        )
        return ImageVariant(image=image, variant=variant)

    def build(self, *targets: ImageVariant) -> tuple[BuiltImage | NotBuilt, ...]:
        """Lock what has no lock, and build."""
        said: list[str] = []
        for target in targets:
            if not is_locked(target):
                lock_image(target, self.env)
        workshop = Workshop(wheelhouse=self.wheelhouse, folder=self.cache / "build", say=said.append)
        return build_images(self.engine, targets, workshop)


@pytest.fixture
def house(tmp_path: Path) -> House:
    return House(tmp_path)


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> tuple[House, BuiltImage]:
    """One built image for the tests of launches."""
    house = House(tmp_path_factory.mktemp("shared"))
    (built,) = house.build(house.target("1.0"))
    assert isinstance(built, BuiltImage), built.reason
    return house, built


def launch(
    shared: tuple[House, BuiltImage], code: str, *, timeout_s: float = 60.0, cache: str | None = None
) -> Outcome:
    house, image = shared
    job = Job(argv=("python", "in/x.py"), files={"x.py": code.encode()}, timeout_s=timeout_s, cache=cache)
    outcome = house.engine.launch(image, job)
    assert list((house.cache / "launches").iterdir()) == []
    return outcome


def is_running(pid: int) -> bool:
    try:
        return "Z" not in Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[0]
    except OSError:
        return False


def test_a_lock_names_the_exact_wheel_its_hash_and_size_and_no_place(house: House) -> None:
    target = house.target("1.0")

    lock_image(target, house.env)

    (pin,) = read_lock(target.lock_path).pins
    wheel = house.wheels / "tiny-1.0-py3-none-any.whl"
    assert (pin.file, pin.bytes) == (wheel.name, wheel.stat().st_size)
    assert pin.sha256 == hashlib.sha256(wheel.read_bytes()).hexdigest()
    assert str(house.wheels) not in target.lock_path.read_text(encoding="utf-8")


def test_a_cpu_build_nearby_is_not_taken_for_the_version_itself(house: House) -> None:
    lock_image(house.target("2.0"), house.env)

    assert [pin.version for pin in read_lock(house.target("2.0").lock_path).pins] == ["2.0"]


def test_what_no_index_has_is_a_lock_error_that_names_it(house: House) -> None:
    with pytest.raises(LockError, match=r"tiny-9\+cpu: cannot resolve tiny==9: .*no version of tiny==9.*find-links"):
        lock_image(house.target("9"), house.env)


def test_wheels_are_reachable_from_the_wheelhouse_or_the_index(house: House) -> None:
    target = house.target("1.0")
    lock = lock_image(target, house.env)
    from_index = is_reachable(house.wheelhouse, target)
    fetch_files(house.wheelhouse, lock)
    (house.wheels / "tiny-1.0-py3-none-any.whl").unlink()

    assert from_index
    assert is_reachable(house.wheelhouse, target)
    house.wheelhouse.path(lock.pins[0]).unlink()
    assert not is_reachable(house.wheelhouse, target)


def test_two_versions_are_built_and_found_again(house: House) -> None:
    targets = (house.target("1.0"), house.target("2.0"))

    first = house.build(*targets)

    assert house.build(*targets) == first
    assert len({one.digest for one in first if isinstance(one, BuiltImage)}) == 2
    assert list((house.cache / "venvs" / ".half-made").iterdir()) == []
    assert list((house.cache / "build" / "contexts").iterdir()) == []


def test_a_wheel_with_a_flipped_bit_is_refused_with_both_hashes(house: House) -> None:
    target = house.target("1.0")
    lock = lock_image(target, house.env)
    wheel = house.wheels / lock.pins[0].file
    content = bytearray(wheel.read_bytes())
    content[-1] ^= 1
    wheel.write_bytes(content)

    (result,) = house.build(target)

    assert isinstance(result, NotBuilt)
    assert result.phase == "fetch"
    assert (
        f"{wheel.name} has sha256 {hashlib.sha256(content).hexdigest()}, the lock says {lock.pins[0].sha256}"
        in result.reason
    )
    assert house.wheelhouse.missing(lock) == lock.pins


def test_a_wheel_that_changed_in_the_wheelhouse_is_never_installed_and_fetched_anew(house: House) -> None:
    target = house.target("1.0")
    lock = lock_image(target, house.env)
    fetch_files(house.wheelhouse, lock)
    changed = make_wheel(house.cache / "changed", "tiny", "1.0", "__version__ = '6.6'\n")
    house.wheelhouse.path(lock.pins[0]).write_bytes(changed.read_bytes())

    (first,) = house.build(target)
    (second,) = house.build(target)

    assert isinstance(first, NotBuilt)
    assert first.phase == "build"
    assert "Damaged on disk and removed: tiny-1.0-py3-none-any.whl." in first.reason
    assert isinstance(second, BuiltImage)


def test_an_image_that_is_not_what_it_promised_is_gone_and_the_next_is_built(house: House) -> None:
    wrong, right = house.build(house.target("3.0", wheel="1.0"), house.target("2.0"))

    assert isinstance(wrong, NotBuilt)
    assert (wrong.phase, wrong.reason) == ("health", "version 3.0 promised, 1.0 found")
    assert isinstance(right, BuiltImage)
    assert [path.name for path in (house.cache / "venvs").glob("tiny-*")] == [Path(right.reference).name]


def test_a_framework_that_does_not_import_is_said_with_its_last_lines(house: House) -> None:
    make_wheel(house.wheels, "tiny", "4.0", "raise ImportError('libnothing.so: cannot open')\n")

    (result,) = house.build(house.target("4.0"))

    assert isinstance(result, NotBuilt)
    assert result.phase == "health"
    assert "tiny does not start (exit code 1)" in result.reason
    assert "libnothing.so: cannot open" in result.reason


def test_python_2_and_missing_interpreters_are_unsupported_with_the_way_out(house: House) -> None:
    engine = VenvEngine(house.cache, {"PATH": "", "HOME": ""})
    old, missing = house.target("1.0"), house.target("1.0")
    old = replace(old, image=replace(old.image, python="2.7.18"))
    missing = replace(missing, image=replace(missing.image, python="3.99.0"))

    assert engine.unsupported_reason(old) == "Python 2.7.18 needs the docker engine"
    assert str(engine.unsupported_reason(missing)).startswith("no Python 3.99 on this machine (uv python install 3.99)")
    with pytest.raises(EngineError, match=r"no Python 3\.99"):
        engine.resolve_base(missing, None)


def test_what_needs_more_than_wheels_is_unsupported(house: House) -> None:
    plain = house.target("1.0")
    compiled = replace(plain, image=replace(plain.image, needs_container=True))
    based = replace(plain, variant=replace(plain.variant, base="tensorflow/tensorflow:1.8.0-gpu-py3"))

    reasons = [house.engine.unsupported_reason(target) for target in (plain, compiled, based)]

    assert reasons == [None, *["needs the docker engine: its image holds more than wheels"] * 2]


def test_a_launch_brings_back_its_files_its_log_and_its_exit_code(shared: tuple[House, BuiltImage]) -> None:
    code = "import sys, tiny\nopen('out/a.txt', 'w').write(tiny.__version__)\nprint('hello')\nsys.exit(3)\n"

    outcome = launch(shared, code)

    assert (outcome.status, outcome.exit_code, outcome.files, outcome.log) == (
        "exited",
        3,
        {"a.txt": b"1.0"},
        "hello\n",
    )


def test_a_launch_sees_nothing_of_the_users_environment(
    shared: tuple[House, BuiltImage], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LD_PRELOAD_LATER", "mine")
    code = "import getpass, os, tempfile\nprint('LD_PRELOAD_LATER' in os.environ, getpass.getuser())\n"
    code += "print(os.environ['HOME'].startswith(os.getcwd()), tempfile.gettempdir().startswith(os.getcwd()))\n"

    assert launch(shared, code).log == "False orch\nTrue True\n"


def test_a_named_compile_cache_stays_and_an_unnamed_one_does_not(shared: tuple[House, BuiltImage]) -> None:
    code = "import os\nplace = os.environ['XDG_CACHE_HOME']\nprint(os.path.exists(place))\n"
    code += "os.makedirs(place, exist_ok=True)\n"

    logs = [launch(shared, code, cache=cache).log.strip() for cache in ("named", "named", None, None)]

    assert logs == ["False", "True", "False", "False"]


def test_a_launch_is_pinned_to_its_cpus_from_the_start(shared: tuple[House, BuiltImage]) -> None:
    house, image = shared
    mine = os.sched_getaffinity(0)
    code = b"import os\nprint(sorted(os.sched_getaffinity(0)))\n"

    outcome = house.engine.launch(
        image, Job(argv=("python", "in/x.py"), files={"x.py": code}, timeout_s=60.0, cpus=(max(mine),))
    )

    assert outcome.log == f"[{max(mine)}]\n"
    assert os.sched_getaffinity(0) == mine


def test_a_time_limit_ends_a_launch_and_whatever_left_its_session(shared: tuple[House, BuiltImage]) -> None:
    code = (
        "import subprocess, sys, time\n"
        "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(100)'], start_new_session=True)\n"
        "open('out/pid', 'w').write(str(child.pid))\nprint('started', flush=True)\ntime.sleep(100)\n"
    )

    outcome = launch(shared, code, timeout_s=3.0)

    assert (outcome.status, outcome.exit_code, outcome.log) == ("timeout", None, "started\n")
    assert not is_running(int(outcome.files["pid"]))


def test_a_child_that_holds_the_output_open_does_not_hold_the_launch(shared: tuple[House, BuiltImage]) -> None:
    code = "import subprocess, sys\nsubprocess.Popen([sys.executable, '-c', 'import time; time.sleep(100)'])\n"
    code += "print('done')\n"

    outcome = launch(shared, code, timeout_s=50.0)

    assert (outcome.status, outcome.exit_code, outcome.log) == ("exited", 0, "done\n")


def test_a_program_that_closes_its_output_is_waited_for(shared: tuple[House, BuiltImage]) -> None:
    code = "import os, time\nos.close(1)\nos.close(2)\ntime.sleep(0.3)\nopen('out/late', 'w').close()\n"

    assert launch(shared, code).files == {"late": b""}


def test_a_program_that_is_killed_says_so_in_its_log(shared: tuple[House, BuiltImage]) -> None:
    outcome = launch(shared, "import os, signal\nos.kill(os.getpid(), signal.SIGKILL)\n")

    assert (outcome.status, outcome.exit_code) == ("exited", -signal.SIGKILL)
    assert "killed by SIGKILL, not by orch" in outcome.log


def test_of_a_log_without_end_the_end_is_kept(shared: tuple[House, BuiltImage]) -> None:
    outcome = launch(shared, "for i in range(200000):\n    print(i)\nprint('the end')\n")

    assert len(outcome.log) <= LOG_AT_MOST_BYTES
    assert outcome.log.endswith("199999\nthe end\n")


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        ("os.symlink('/etc/hostname', 'out/report.json')", "a link or a special file"),
        ("os.mkfifo('out/report.json')", "a link or a special file"),
        ("os.makedirs('out/a'); os.symlink('/etc', 'out/a/b')", "a link or a special file"),
        ("open('out/big', 'wb').truncate(64 * 2**20 + 1)", "larger than 64 MiB"),
        ("os.rmdir('out'); os.symlink('/etc', 'out')", "out/ is a link"),
    ],
)
def test_an_output_that_is_a_trap_is_refused(shared: tuple[House, BuiltImage], code: str, reason: str) -> None:
    outcome = launch(shared, f"import os\n{code}\n")

    assert outcome.files == {}
    assert "orch: the output is refused: " in outcome.log
    assert reason in outcome.log


def test_an_input_stays_in_its_folder(shared: tuple[House, BuiltImage]) -> None:
    house, image = shared

    with pytest.raises(EngineError, match="leads out of its folder"):
        house.engine.launch(image, Job(argv=("python",), files={"../x.py": b""}, timeout_s=1.0))


def test_a_cache_that_cannot_be_written_is_said_with_the_way_out(house: House) -> None:
    house.cache.write_text("a file where the folder should be", encoding="utf-8")

    with pytest.raises(EngineError, match=r"cannot be written .*XDG_CACHE_HOME"):
        house.build(house.target("1.0"))


def test_a_build_that_was_killed_leaves_nothing_that_is_found_and_is_cleared_by_the_next(house: House) -> None:
    left = house.cache / "venvs" / ".half-made" / "left"
    left.mkdir(parents=True)
    left.with_suffix(".lock").touch()

    (built,) = house.build(house.target("1.0"))

    assert isinstance(built, BuiltImage)
    assert list(left.parent.iterdir()) == []


def test_an_interrupt_ends_the_launch_leaves_nothing_and_passes(shared: tuple[House, BuiltImage]) -> None:
    timer = threading.Timer(1.0, os.kill, (os.getpid(), signal.SIGINT))
    started = time.monotonic()

    timer.start()
    with pytest.raises(KeyboardInterrupt):
        launch(shared, "import time\ntime.sleep(100)\n")

    assert time.monotonic() - started < 50
    assert list((shared[0].cache / "launches").iterdir()) == []


def test_launches_of_a_run_that_is_ended_from_another_thread_return(shared: tuple[House, BuiltImage]) -> None:
    house, image = shared
    code = b"import time; open('out/begun', 'w').close(); time.sleep(60)"
    job = Job(argv=("python", "in/x.py"), files={"x.py": code}, timeout_s=60.0, labels={"run": "ended"})

    with ThreadPoolExecutor(2) as pool:
        launched = [pool.submit(house.engine.launch, image, job) for _ in range(2)]
        while not all(one.done() for one in launched):
            if len(list(house.cache.glob("launches/*/out/begun"))) == 2:
                house.engine.end("another")
                house.engine.end("ended")

    assert [one.result().exit_code for one in launched] == [-9, -9]
    assert list((house.cache / "launches").iterdir()) == []


def test_what_a_killed_orch_left_is_reaped_and_what_lives_is_not(shared: tuple[House, BuiltImage]) -> None:
    house, image = shared
    killed, living = start_launch(house, image, "killed"), start_launch(house, image, "living")
    killed[0].kill()
    killed[0].wait()

    removed = house.engine.reap()

    assert [len(removed), is_running(killed[1]), is_running(living[1])] == [1, False, True]
    living[0].kill()
    living[0].wait()
    assert house.engine.reap("another run") == ()
    assert len(house.engine.reap("living")) == 1
    assert not is_running(living[1])


def start_launch(house: House, image: BuiltImage, run: str) -> tuple["subprocess.Popen[bytes]", int]:
    """Launch a sleeping program from an orch of its own; returns that orch and the process id of the program."""
    pid_file = house.cache / f"{run}.pid"
    job = f"import os, time; open({str(pid_file)!r}, 'w').write(str(os.getpid())); time.sleep(100)"
    code = f"""
from pathlib import Path
from types import SimpleNamespace
from orchestrator.engines import Job
from orchestrator.engines.venv import VenvEngine
job = Job(argv=("python", "-c", {job!r}), files={{}}, timeout_s=100.0, labels={{"run": {run!r}}})
target = SimpleNamespace(image=SimpleNamespace(own_python=None))
image = SimpleNamespace(reference={image.reference!r}, target=target, env={{}})
VenvEngine(Path({str(house.cache)!r}), {{}}).launch(image, job)
"""
    orch = subprocess.Popen([sys.executable, "-c", code], cwd=Path(__file__).parents[2])
    deadline = time.monotonic() + 30
    while not (pid_file.exists() and pid_file.read_text(encoding="utf-8")) and time.monotonic() < deadline:
        time.sleep(0.02)
    return orch, int(pid_file.read_text(encoding="utf-8"))
