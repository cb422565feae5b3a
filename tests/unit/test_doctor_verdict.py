"""What follows from all checks: what can run here, what to type next, the exit code, and how it is written."""

from typing import cast

import pytest

from orchestrator.doctor.checks import Advice, Check, State
from orchestrator.doctor.rendering import as_json, render
from orchestrator.doctor.verdict import Diagnosis, Means, diagnose
from orchestrator.errors import Exit

STEPS = (
    "GPU driver",
    "MIG",
    "CUDA on this machine",
    "engine docker",
    "buildx",
    "container toolkit",
    "GPU in a container",
    "CUDA in an image",
    "framework on the GPU",
    "engine venv",
)
WITH_GPU = Means(has_gpu=True, gpu="NVIDIA H100", on_gpu=frozenset({"docker", "venv"}))
WITHOUT_GPU = Means()
NO_GPU = dict.fromkeys(("GPU driver",), "missing") | dict.fromkeys(
    (
        "MIG",
        "CUDA on this machine",
        "container toolkit",
        "GPU in a container",
        "CUDA in an image",
        "framework on the GPU",
    ),
    "not reached",
)


def conclude(means: Means, device: str = "auto", **states: str) -> Diagnosis:
    """Draw the conclusions where all steps are in order but these."""
    checks = [Check(name=name, state=cast(State, states.get(name, "ok")), found=f"of {name}") for name in STEPS]
    return diagnose(checks, means, device)


def ways(diagnosis: Diagnosis) -> list[str]:
    return [f"{way.engine} {way.device}" for way in diagnosis.ways]


def test_a_whole_machine_runs_studies_on_its_gpu() -> None:
    diagnosis = conclude(WITH_GPU)

    assert ways(diagnosis) == ["docker cuda", "venv cuda", "docker cpu", "venv cpu"]
    assert diagnosis.verdict == (
        "Studies can run here on the GPU (NVIDIA H100), in Docker containers or in virtual environments.",
    )
    assert (diagnosis.next, diagnosis.exit_code) == ("orch build && orch run", Exit.OK)


def test_what_can_run_on_another_machine_is_said_with_the_option_that_leads_there() -> None:
    means = Means(has_gpu=True, gpu="NVIDIA L4", on_gpu=frozenset({"docker"}), host="ssh://gpu-vm")

    diagnosis = conclude(means, **{"engine venv": "not reached"})
    broken = conclude(means, **{"engine venv": "not reached", "engine docker": "missing"})

    assert diagnosis.verdict == ("Studies can run on ssh://gpu-vm on the GPU (NVIDIA L4), in Docker containers.",)
    assert diagnosis.next == "orch build --host ssh://gpu-vm && orch run --host ssh://gpu-vm"
    assert broken.next.endswith("then: orch doctor --host ssh://gpu-vm")


def test_a_machine_without_a_gpu_runs_them_on_the_cpu() -> None:
    diagnosis = conclude(WITHOUT_GPU, **NO_GPU)

    assert ways(diagnosis) == ["docker cpu", "venv cpu"]
    assert diagnosis.verdict == (
        "Studies can run here on the CPU, in Docker containers or in virtual environments.",
        "No NVIDIA GPU is to be seen here.",
    )
    assert (diagnosis.next, diagnosis.exit_code) == ("orch run quickstart", Exit.OK)


def test_without_docker_virtual_environments_do() -> None:
    diagnosis = conclude(WITHOUT_GPU, **{**NO_GPU, "engine docker": "missing", "buildx": "not reached"})

    assert ways(diagnosis) == ["venv cpu"]
    assert (diagnosis.next, diagnosis.exit_code) == ("orch run quickstart", Exit.OK)


def test_without_any_engine_nothing_can_run() -> None:
    states = {**NO_GPU, "engine docker": "missing", "buildx": "not reached", "engine venv": "missing"}

    diagnosis = conclude(WITHOUT_GPU, **states)

    assert ways(diagnosis) == []
    assert diagnosis.verdict[0] == "Nothing can run here yet."
    assert diagnosis.exit_code == Exit.ENGINE


def test_an_engine_that_cannot_build_gives_way_unless_images_are_built() -> None:
    states = {**NO_GPU, "buildx": "missing"}

    assert conclude(WITHOUT_GPU, **states).next == "orch run quickstart --engine venv"
    assert conclude(Means(has_built=True), **states).next == "orch run quickstart"


def test_a_broken_step_to_the_gpu_is_named_with_what_runs_without_it() -> None:
    after = dict.fromkeys(("GPU in a container", "CUDA in an image", "framework on the GPU"), "not reached")

    diagnosis = conclude(
        Means(has_gpu=True, gpu="NVIDIA H100", on_gpu=frozenset({"docker"})),
        **{**after, "container toolkit": "missing"},
    )

    assert ways(diagnosis) == ["docker cpu", "venv cpu"]
    assert diagnosis.verdict[1] == "The GPU cannot be used: container toolkit: of container toolkit."
    assert diagnosis.next == (
        "repair 'container toolkit' as said below, then: orch doctor; or at once, without it: orch run quickstart"
    )
    assert diagnosis.exit_code == Exit.OK


def test_a_gpu_that_containers_cannot_have_is_used_without_them() -> None:
    after = dict.fromkeys(("GPU in a container", "CUDA in an image"), "not reached")

    diagnosis = conclude(WITH_GPU, **{**after, "container toolkit": "missing"})

    assert ways(diagnosis) == ["venv cuda", "docker cpu", "venv cpu"]
    assert diagnosis.verdict[1].startswith("In containers it cannot be used: container toolkit")
    assert diagnosis.next.endswith("orch build --engine venv && orch run --engine venv")
    assert diagnosis.exit_code == Exit.OK


@pytest.mark.parametrize("step", ["GPU in a container", "CUDA in an image", "framework on the GPU"])
def test_a_step_that_was_tried_and_failed_closes_the_way(step: str) -> None:
    means = Means(has_gpu=True, gpu="NVIDIA H100", on_gpu=frozenset({"docker"}))

    assert ways(conclude(means, **{step: "missing"})) == ["docker cpu", "venv cpu"]


def test_a_gpu_that_no_image_has_code_for_leaves_the_cpu() -> None:
    diagnosis = conclude(Means(has_gpu=True, gpu="Tesla K80"), **{"container toolkit": "missing"})

    assert ways(diagnosis) == ["docker cpu", "venv cpu"]
    assert "No image has code for this GPU" in diagnosis.verdict[1]
    assert diagnosis.next == "orch run quickstart"


def test_a_gpu_that_was_asked_for_and_no_image_has_code_for_is_explained_by_the_plan() -> None:
    diagnosis = conclude(Means(has_gpu=True, gpu="Tesla K80"), "cuda")

    assert (diagnosis.next, diagnosis.exit_code) == ("orch plan", Exit.ENGINE)


def test_a_framework_that_does_not_compute_on_the_cpu_leaves_nothing() -> None:
    checks = [Check(name=name, state="ok", found="") for name in ("engine docker", "buildx", "engine venv")]
    failed = Check(name="framework on the CPU", state="missing", found="")

    assert diagnose([*checks, failed], WITHOUT_GPU, "cpu").exit_code == Exit.ENGINE
    assert diagnose(checks, WITHOUT_GPU, "cpu").exit_code == Exit.OK


def test_a_gpu_on_which_nothing_has_computed_should_do() -> None:
    diagnosis = conclude(WITH_GPU, **{"framework on the GPU": "not reached"})

    assert diagnosis.verdict == (
        "Studies should run here on the GPU (NVIDIA H100), in Docker containers or in virtual environments.",
        "Nothing has computed on it yet: no image that could is built.",
    )
    assert diagnosis.exit_code == Exit.OK


@pytest.mark.parametrize("step", STEPS[:-1])
def test_where_a_gpu_is_asked_for_each_step_has_to_be_good(step: str) -> None:
    is_on_its_way = step not in {"buildx", "CUDA on this machine"}

    diagnosis = conclude(
        Means(has_gpu=True, gpu="NVIDIA H100", has_built=True, on_gpu=frozenset({"docker"})),
        "cuda",
        **{"engine venv": "missing", step: "missing"},
    )

    assert diagnosis.exit_code == (Exit.ENGINE if is_on_its_way else Exit.OK)


def test_a_gpu_that_was_asked_for_and_not_proven_is_no_success() -> None:
    diagnosis = conclude(WITH_GPU, "cuda", **{"framework on the GPU": "not reached"})

    assert diagnosis.exit_code == Exit.ENGINE
    assert diagnosis.next == "orch build && orch doctor --device cuda"


def test_a_gpu_that_was_asked_for_and_is_not_there_is_no_success_whatever_the_cpu_can() -> None:
    diagnosis = conclude(WITHOUT_GPU, "cuda", **NO_GPU)

    assert ways(diagnosis) == []
    assert diagnosis.verdict[0] == "Nothing can run here on a GPU yet."
    assert diagnosis.next == "repair 'GPU driver' as said below, then: orch doctor --device cuda"
    assert diagnosis.exit_code == Exit.ENGINE


def test_a_cpu_that_was_asked_for_is_not_told_of_gpus() -> None:
    diagnosis = conclude(WITHOUT_GPU, "cpu")

    assert diagnosis.verdict == ("Studies can run here on the CPU, in Docker containers or in virtual environments.",)


def test_a_project_without_the_first_look_is_built_and_run() -> None:
    means = Means(has_quickstart=False)

    assert conclude(means, **NO_GPU).next == "orch build && orch run"


def diagnosis_of(*checks: Check) -> Diagnosis:
    return Diagnosis(
        checks=checks, ways=(), verdict=("Nothing can run here yet.",), next="orch doctor", exit_code=Exit.ENGINE
    )


def test_the_verdict_and_the_next_command_come_first() -> None:
    lines = render(diagnosis_of(Check(name="load", state="ok", found="0.1")), 80).splitlines()

    assert lines[:2] == ["Nothing can run here yet.", "Next: orch doctor"]


@pytest.mark.parametrize("width", [80, 120])
def test_all_but_commands_fits_the_terminal(width: int) -> None:
    command = "curl -fsSL https://example.org/" + "x" * 150
    advice = Advice(text="a long remedy " * 20, commands=(command,))
    check = Check(name="container toolkit", state="missing", found="a long finding " * 20, advice=advice)

    lines = render(diagnosis_of(check), width).splitlines()

    assert [line for line in lines if len(line) > width] == [f"    {command}"]


def test_steps_that_were_not_reached_after_the_same_one_share_a_line() -> None:
    skipped = [Check(name=name, state="not reached", found="after: GPU driver") for name in ("one", "two")]

    text = render(diagnosis_of(*skipped), 120)

    assert "2 steps more" in text
    assert "one, two; after: GPU driver" in text


def test_without_advice_there_is_nothing_to_do() -> None:
    assert "What to do" not in render(diagnosis_of(Check(name="load", state="ok", found="0.1")), 80)


def test_as_json_each_check_has_its_state_and_remedy() -> None:
    advice = Advice(text="Do:", commands=("this", "that"))

    shown = as_json(diagnosis_of(Check(name="load", state="warning", found="9", advice=advice)))

    assert shown["checks"] == [
        {"name": "load", "state": "warning", "found": "9", "remedy": "Do:", "commands": ["this", "that"]}
    ]
    assert (shown["can_run"], shown["verdict"], shown["next"]) == ([], "Nothing can run here yet.", "orch doctor")
