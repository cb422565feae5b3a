"""The harness, run for real by every interpreter found: what it measures, and what it refuses to measure."""

import json
import platform
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Literal

import pytest

from orchestrator.gates import check_gate, compute_reference
from orchestrator.specs import Protocol
from tests.bench import QUICK, SHIPPED, Bench, Launched, interpreters, make_bench

PYTHONS = interpreters() or {platform.python_version(): sys.executable}
SPIN = "spin/run_python.py"
ASYNCHRONOUS = """
    import threading, time
    running = []

    def finish():
        while running:
            running.pop().join()

    def start():
        train_step()
        running.append(threading.Thread(target=time.sleep, args=(0.01,)))
        running[-1].start()
"""


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return make_bench(tmp_path)


def spin(
    bench: Bench,
    python: str = sys.executable,
    *,
    version: str | None = None,
    mode: Literal["measure", "gate"] = "measure",
    protocol: Protocol = QUICK,
    **changes: object,
) -> Launched:
    known = {path: number for number, path in PYTHONS.items()} | {sys.executable: platform.python_version()}
    version = version or known[python]
    return bench.launch(
        bench.benchmark("spin"), python, implementation="loop", version=version, mode=mode, protocol=protocol, **changes
    )


@pytest.mark.parametrize("version", PYTHONS)
def test_all_scripts_compile_under_every_interpreter(version: str, tmp_path: Path) -> None:
    scripts = [
        str(path) for path in (*SHIPPED.glob("*.py"), *SHIPPED.glob("*/*.py")) if not path.name.startswith("reference")
    ]
    check = "import sys\nfor path in sys.argv[1:]: compile(open(path).read(), path, 'exec')"

    done = subprocess.run((PYTHONS[version], "-c", check, *scripts), capture_output=True, check=False)

    assert done.returncode == 0, done.stderr.decode()


@pytest.mark.parametrize("version", PYTHONS)
def test_a_launch_is_measured_under_every_interpreter(version: str, bench: Bench) -> None:
    before = time.monotonic()

    launched = spin(bench, PYTHONS[version])

    report = launched.report
    assert before < report.windows["train_step"][0] < report.windows["train_step"][1] < time.monotonic()
    assert (report.status, launched.exit_code) == ("ok", 0), report.failure
    assert report.environment is not None
    assert report.environment.python == version
    assert {entry["check"] for entry in report.sanity} == {
        "loss_finite", "loss_falls", "synchronised", "loop_time", "clock", "parameters",
    }  # fmt: skip
    assert len(report.samples["train_step"]) == len(report.cpu_samples["train_step"]) == 5
    assert report.timer == ("clock_gettime(CLOCK_MONOTONIC)" if version.startswith("2") else "perf_counter")


@pytest.mark.parametrize("version", PYTHONS)
def test_the_gate_agrees_with_the_reference_under_every_interpreter(version: str, bench: Bench, tmp_path: Path) -> None:
    benchmark = bench.benchmark("spin")

    launched = spin(bench, PYTHONS[version], mode="gate")

    reference = compute_reference(benchmark, benchmark.implementations[0], benchmark.configurations[0], tmp_path)
    assert launched.gate is not None
    entries = check_gate(launched.gate, reference, "ieee")
    assert [entry for entry in entries if not entry["ok"]] == []


def test_the_set_up_of_a_gate_launch_is_the_cold_one_of_its_two(bench: Bench) -> None:
    slow_at_first = "cold = [0.2]\n\n\ndef setup(job):\n    __import__('time').sleep(cold.pop() if cold else 0)\n"
    bench.plant(SPIN, "\n\ndef setup(job):\n", slow_at_first)

    assert (spin(bench, mode="gate").report.measures["setup_s"] or 0) > 0.2


@pytest.mark.skipif(len(PYTHONS) < 2, reason="only one Python is installed")
def test_the_generator_gives_the_same_numbers_under_every_interpreter() -> None:
    program = (
        "import sys, zlib; sys.path.insert(0, sys.argv[1]); import portable\n"
        "flat = portable.tensor('lstm.0.input', (700, 100), -0.3, 0.7)\n"
        "raw = flat.tobytes() if hasattr(flat, 'tobytes') else flat.tostring()\n"
        "print([int(zlib.crc32(raw) & 0xffffffff), portable.labels('y', 70000, 10)[-5:]])"
    )

    said = {
        subprocess.run((python, "-c", program, str(SHIPPED)), capture_output=True, check=True).stdout
        for python in PYTHONS.values()
    }

    assert len(said) == 1


@pytest.mark.parametrize("version", PYTHONS)
def test_peak_memory_is_that_of_the_program_and_not_of_who_started_it(version: str) -> None:
    ballast = bytearray(b"1") * 2**28
    program = "import clocks; kept = bytearray(b'1') * 2**25; print(clocks.peak_memory_bytes())"

    said = subprocess.run(
        (PYTHONS[version], "-c", program),
        cwd=SHIPPED,
        capture_output=True,
        check=True,
        env={"PYTHONDONTWRITEBYTECODE": "1"},
    ).stdout

    assert 2**25 < int(said) < len(ballast)


@pytest.mark.parametrize(("device", "shortest_s"), [("cpu", 0.001), ("cuda", 0.010)])
def test_short_iterations_are_grouped_until_a_sample_is_long_enough(
    bench: Bench, device: str, shortest_s: float
) -> None:
    plant_a_clock_of_the_steps_own(bench, step_s=1e-6)

    launched = spin(bench, parameters={"points": 10}, device=device)

    group = launched.report.group["train_step"]
    assert launched.report.samples["train_step"] == pytest.approx([1e-6] * 5)
    assert shortest_s * 0.999999 <= group * 1e-6 <= shortest_s * 1.3


def test_an_iteration_that_is_long_enough_is_a_sample_by_itself(bench: Bench) -> None:
    plant_a_clock_of_the_steps_own(bench, step_s=0.002)

    launched = spin(bench, parameters={"points": 10})

    assert launched.report.group["train_step"] == 1


def plant_a_clock_of_the_steps_own(bench: Bench, step_s: float) -> None:
    """Let the clock of the harness go on in a step alone, whatever the machine is doing."""
    real = 'wall_clock = getattr(time, "perf_counter", None) or _posix_clock(1)'
    bench.plant("clocks.py", real, "now = [1.0]\nwall_clock = lambda: now[0]")
    bench.plant(SPIN, "import platform\n", "import clocks\nimport platform\n")
    bench.plant(SPIN, "    def train_step():\n", f"    def train_step():\n        clocks.now[0] += {step_s}\n")


def test_the_garbage_collector_is_off_inside_samples_and_on_before(bench: Bench) -> None:
    bench.plant(SPIN, "import platform\n", "import gc\nimport platform\n")
    bench.plant(SPIN, 'fetch=lambda: last["loss"]', "fetch=lambda: 2.0 if gc.isenabled() else 1.0")

    launched = spin(bench)

    assert (launched.sanity("loss_falls")["first"], launched.sanity("loss_falls")["last"]) == (2.0, 1.0)


def test_a_phase_ends_when_its_time_is_up_but_not_below_five_samples(bench: Bench) -> None:
    bench.plant(SPIN, "    def train_step():\n", "    def train_step():\n        time.sleep(0.02)\n")
    bench.plant(SPIN, "import platform\n", "import platform\nimport time\n")

    launched = spin(bench, protocol=replace(QUICK, warmup=50, samples=50, at_most_s=0.001))

    assert len(launched.report.warmup["train_step"]) == 2
    assert len(launched.report.samples["train_step"]) == 5


def test_as_many_samples_are_taken_as_the_protocol_says(bench: Bench) -> None:
    launched = spin(bench, protocol=replace(QUICK, warmup=7, samples=31))

    assert len(launched.report.warmup["train_step"]) == 7
    assert len(launched.report.samples["train_step"]) == 31
    assert launched.report.measures["first_step_s"] == launched.report.warmup["train_step"][0]


def test_what_a_script_cannot_do_here_is_unsupported_with_its_reason(bench: Bench) -> None:
    bench.plant(SPIN, "    last = {}\n", "    raise harness.UnsupportedError('needs a C compiler')\n")

    launched = spin(bench)

    assert (launched.report.status, launched.exit_code) == ("unsupported", 1)
    assert launched.report.failure is not None
    assert (launched.report.failure.kind, launched.report.failure.message) == ("Unsupported", "needs a C compiler")


def plant_a_clock_of_the_device(bench: Bench, milliseconds: str) -> None:
    """Give the workload events of a device: `milliseconds` is what one of them makes of the host's readings."""
    bench.plant(
        SPIN,
        "\n    def train_step():\n",
        "\n    import clocks\n\n    class Event(object):\n"
        "        def record(self):\n            self.read = clocks.wall_clock()\n\n"
        f"        def elapsed_time(self, later):\n            return {milliseconds}\n\n    def train_step():\n",
    )
    bench.plant(SPIN, '{"train_step": train_step}', '{"train_step": train_step}, event=Event')


def test_the_device_times_each_sample_too(bench: Bench) -> None:
    plant_a_clock_of_the_device(bench, "(later.read - self.read) * 1e3")

    launched = spin(bench)

    report = launched.report
    assert report.status == "ok", report.failure
    assert launched.sanity("event_time")["ok"]
    for event_s, wall_s in zip(report.event_samples["train_step"], report.samples["train_step"], strict=True):
        assert 0.5 * wall_s < event_s <= wall_s


@pytest.mark.parametrize(
    ("milliseconds", "kind"),
    [("(later.read - self.read) * 500", "event_time"), ("(later.read - self.read) * 2e3", "event_time"),
     ("1 / 0", "ZeroDivisionError"), ("float('nan')", "ValueError")],
    ids=["half", "twice", "raises", "no number"],
)  # fmt: skip
def test_a_device_clock_that_disagrees_or_fails_is_a_failed_launch(bench: Bench, milliseconds: str, kind: str) -> None:
    plant_a_clock_of_the_device(bench, milliseconds)

    launched = spin(bench)

    assert launched.exit_code == 1
    assert launched.report.failure is not None
    assert launched.report.failure.kind == kind


def test_peak_device_memory_is_that_of_the_samples(bench: Bench) -> None:
    bench.plant(SPIN, "    last = {}\n", "    last = {}\n    held = []\n")
    bench.plant(SPIN, "    def train_step():\n", "    def train_step():\n        held.append(1)\n")
    memory = "device_memory=lambda: len(held), reset_device_memory=lambda: held.__delitem__(slice(None))"
    bench.plant(SPIN, '{"train_step": train_step}', f'{{"train_step": train_step}}, {memory}')

    launched = spin(bench)

    assert launched.report.measures["device_memory_bytes"] == launched.report.group["train_step"] * 5


@pytest.mark.parametrize(
    ("good", "bad", "check"),
    [
        ("weight[0] -= RATE", "weight[0] += RATE", "loss_falls"),
        ('last["loss"], last["gradient"] = loss / len(points) / 2', 'last["loss"], last["gradient"] = loss * 1e999 * 0',
         "loss_finite"),
        ("parameter_count=len(weight)", "parameter_count=2", "parameters"),
    ],
)  # fmt: skip
def test_a_step_that_computes_something_else_is_a_failed_launch(bench: Bench, good: str, bad: str, check: str) -> None:
    bench.plant(SPIN, good, bad)

    launched = spin(bench)

    assert_refused(launched, check)


def test_a_step_that_is_not_waited_for_is_a_failed_launch(bench: Bench) -> None:
    plant_asynchronous(bench, sync="lambda: None", fetch='lambda: (finish(), last["loss"])[1]')

    launched = spin(bench)

    assert_refused(launched, "synchronised")


def test_work_between_the_samples_is_a_failed_launch(bench: Bench) -> None:
    plant_asynchronous(bench, sync="sync_before_only", fetch='lambda: last["loss"]')
    bench.plant(
        SPIN,
        "    def start():\n",
        "    calls = []\n\n    def sync_before_only():\n        calls.append(1)\n"
        "        if len(calls) % 2 == 0:\n            finish()\n\n    def start():\n",
    )

    launched = spin(bench)

    assert_refused(launched, "loop_time")


def test_cpu_time_in_place_of_wall_time_is_a_failed_launch(bench: Bench) -> None:
    """A step that waits, as one does for a GPU, takes no CPU time: the clock of the first study is none."""
    bench.plant(
        "clocks.py",
        'wall_clock = getattr(time, "perf_counter", None) or _posix_clock(1)',
        "wall_clock = time.process_time",
    )
    bench.plant(SPIN, "    def train_step():\n", "    def train_step():\n        time.sleep(0.002)\n")
    bench.plant(SPIN, "import platform\n", "import platform\nimport time\n")

    launched = spin(bench)

    assert_refused(launched, "clock")


def plant_asynchronous(bench: Bench, sync: str, fetch: str) -> None:
    bench.plant(SPIN, "\n    def train_step():\n", f"{ASYNCHRONOUS}\n    def train_step():\n")
    bench.plant(SPIN, '{"train_step": train_step}', f'{{"train_step": start}}, sync={sync}')
    bench.plant(SPIN, 'fetch=lambda: last["loss"]', f"fetch={fetch}")


def assert_refused(launched: Launched, check: str) -> None:
    report = launched.report
    assert (report.status, launched.exit_code) == ("failed", 1)
    assert report.failure is not None
    assert (report.failure.phase, report.failure.kind) == ("sanity", check)
    assert launched.sanity(check)["ok"] is False
    assert len(report.samples["train_step"]) == 5


@pytest.mark.parametrize(
    ("good", "bad", "phase", "kind"),
    [
        ("import platform\n", "import platform\nimport no_such_framework\n", "import", "ModuleNotFoundError"),
        ("import platform\n", "import platform, sys\nsys.exit('no CUDA driver')\n", "import", "SystemExit"),
        ("import platform\n", "import platform\ndef (\n", "import", "SyntaxError"),
        ("    last = {}\n", "    raise RuntimeError('no kernel image')\n", "setup", "RuntimeError"),
        ("facts={", "fact={", "setup", "TypeError"),
        ("loss = gradient = 0.0", "raise RuntimeError('CUDA out of memory.')", "warmup", "OutOfMemory"),
        ("loss = gradient = 0.0", "loss = gradient = 0.0; last[len(last)] = 1; 1 / (len(last) < 400)", "samples",
         "ZeroDivisionError"),
    ],
)  # fmt: skip
def test_what_a_script_raises_is_reported_with_its_phase(
    bench: Bench, good: str, bad: str, phase: str, kind: str
) -> None:
    bench.plant(SPIN, good, bad)

    launched = spin(bench, protocol=replace(QUICK, samples=500))

    failure = launched.report.failure
    assert (launched.report.status, launched.exit_code) == ("failed", 1)
    assert failure is not None
    assert (failure.phase, failure.kind) == (phase, kind), failure
    assert failure.log_tail.startswith("Traceback")


def test_a_framework_of_another_version_is_not_measured(bench: Bench) -> None:
    launched = spin(bench, version="3.5.0")

    assert launched.report.failure is not None
    assert launched.report.failure.phase == "import"
    assert "python 3.5.0 was promised" in launched.report.failure.message
    assert launched.report.samples == {}


def test_a_phase_the_script_does_not_have_is_named_with_those_it_has(bench: Bench) -> None:
    launched = spin(bench, protocol=replace(QUICK, phases=("forward", "train_step")))

    assert launched.report.failure is not None
    assert "no phase forward here, only train_step" in launched.report.failure.message


def test_what_a_script_prints_does_not_touch_its_report(bench: Bench) -> None:
    bench.plant(SPIN, "import platform\n", "import os, platform\nos.write(1, b'\\xff\\x00{]' * 1000)\n")

    launched = spin(bench)

    assert launched.report.status == "ok"
    assert "{]{]" in launched.log.replace("\x00", "").replace("�", "")


def test_a_message_that_is_no_ascii_is_reported_by_python_2_too(bench: Bench) -> None:
    old = [python for version, python in PYTHONS.items() if version.startswith("2.7")]
    if not old:
        pytest.skip("no Python 2.7 is installed")
    bench.plant(SPIN, "    last = {}\n", "    raise RuntimeError(b'\\xe9\\xff')\n")

    launched = spin(bench, old[0])

    assert launched.report.failure is not None
    assert launched.report.failure.kind == "RuntimeError"


def test_a_detached_or_infinite_gradient_is_written_as_null(bench: Bench) -> None:
    bench.plant(SPIN, '{"weight": [last["gradient"]]}', '{"weight": [float("inf")], "other": None}')

    launched = spin(bench, mode="gate")

    assert launched.gate is not None
    assert json.loads(json.dumps(launched.gate["probe"]))["gradients"] == {"weight": [None], "other": None}
