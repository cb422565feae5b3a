"""What follows from what programs saw of a GPU, and which of the images at hand are tried."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from orchestrator.doctor.checks import Check
from orchestrator.doctor.facts import GpuReport, System
from orchestrator.doctor.local_images import built_on_docker, choose_image, find_base
from orchestrator.doctor.probing import judge_cuda, judge_framework, judge_sight, own_python, see_gpu
from orchestrator.doctor.trying import try_computing, try_here, try_in_container
from orchestrator.engines import BuiltImage, Job, Outcome
from orchestrator.errors import EngineError
from orchestrator.hardware import Gpu
from orchestrator.images import Image, Variant
from tests.docker_answers import make_docker
from tests.launches import FakeEngine

H100 = Gpu(name="NVIDIA H100", compute="9.0", driver="570.86.15", uuid="GPU-a")
SEEN = GpuReport(devices=("nvidia0", "nvidiactl"), cuda="12.8", gpus=(("NVIDIA H100", "9.0"),))
NO_LIBRARY = "libcuda.so.1: cannot open shared object file: No such file or directory"
GOOD = {"version": "2.8.0", "matmul": "ok", "convolution": "ok"}


def outcome(status: str = "exited", exit_code: int | None = 0, log: str = "", **files: object) -> Outcome:
    """files: name without ending -> content of the JSON file."""
    content = {f"{name}.json": json.dumps(value).encode() for name, value in files.items()}
    return Outcome(status=status, exit_code=exit_code, files=content, log=log, gpu_mode="cdi")  # type: ignore[arg-type]


def row(version: str, *variants: Variant, python: str = "3.11.7", folder: Path = Path()) -> Image:
    return Image(
        family="pytorch",
        framework="pytorch",
        version=version,
        released="",
        python=python,
        base=f"python:{python[:4]}-slim",
        requirements=(),
        variants=variants,
        folder=folder,
    )


@pytest.fixture
def catalog(tmp_path: Path) -> tuple[Image, ...]:
    """The rows of what the recorded engine has, with a probe."""
    (tmp_path / "probe.py").write_text("", encoding="utf-8")
    cu117 = Variant(name="cu117", cuda="11.7", compute=("8.6",), min_driver="450.80.02", self_contained=True)
    cu118 = Variant(name="cu118", cuda="11.8", compute=("8.6", "9.0"), min_driver="450.80.02")
    return (
        row("2.0.1", cu117, cu118, python="3.10.13", folder=tmp_path),
        row("2.13.0", Variant(name="cpu"), folder=tmp_path),
    )


def image(folder: Path) -> BuiltImage:
    return replace(own_python(), target=replace(own_python().target, image=row("2.8.0", folder=folder)))


def chain(engine: FakeEngine, image: BuiltImage | None, computing: BuiltImage | None) -> dict[str, Check]:
    return {check.name: check for check in try_in_container(engine, H100, image, computing)}


def test_a_container_that_has_device_files_sees_the_gpu() -> None:
    check = judge_sight(SEEN, "cdi", "orch/pytorch-2.8.0:cu128")

    assert (check.state, check.found) == ("ok", "orch/pytorch-2.8.0:cu128 has nvidia0, nvidiactl (by cdi)")


def test_a_container_without_device_files_was_handed_nothing() -> None:
    check = judge_sight(GpuReport(devices=()), "runtime", "an image")

    assert check.state == "missing"
    assert "no GPU was handed over (runtime)" in check.advice.text


def test_what_an_engine_reports_is_found_once_and_its_remedy_apart() -> None:
    said = 'docker: the engine reports: could not select device driver "" with capabilities: [[gpu]]. Install nvidia-'
    said += "container-toolkit, run `nvidia-ctk runtime configure --runtime=docker` and restart docker; a rootless or "
    said += "snap engine looks on a PATH of its own."

    check = judge_sight(said, "none", "an image")

    assert check.found == 'the engine reports: could not select device driver "" with capabilities: [[gpu]]'
    assert "Install nvidia-container-toolkit" in check.advice.text


@pytest.mark.parametrize(
    ("error", "remedy"),
    [
        (NO_LIBRARY, "/dev/nvidia*"),
        ("cuInit returned 804: CUDA_ERROR_COMPAT_NOT_SUPPORTED_ON_DEVICE ()", "/usr/local/cuda/compat"),
        ("cuInit returned 803: an unknown error ()", "loader's path"),
        ("cuInit returned 12345: an unknown error ()", ""),
    ],
)
def test_an_error_of_cuda_is_found_with_what_is_known_of_it(error: str, remedy: str) -> None:
    check = judge_cuda(replace(SEEN, error=error), H100)

    assert (check.state, check.found) == ("missing", error)
    assert remedy in check.advice.text


def test_cuda_without_a_gpu_is_missing() -> None:
    assert judge_cuda(replace(SEEN, gpus=()), H100).state == "missing"


@pytest.mark.parametrize(
    "gpus", [(("NVIDIA H100", "9.0"), ("NVIDIA H100", "9.0")), (("NVIDIA A100", "8.0"),)], ids=["two", "another"]
)
def test_other_gpus_than_the_one_handed_over_are_a_warning(gpus: tuple[tuple[str, str], ...]) -> None:
    assert judge_cuda(replace(SEEN, gpus=gpus), H100).state == "warning"


def test_the_gpu_that_was_handed_over_is_in_order() -> None:
    assert judge_cuda(SEEN, H100).found == "CUDA 12.8: NVIDIA H100 (compute 9.0)"


@pytest.mark.parametrize(
    ("report", "found", "remedy"),
    [
        (
            {**GOOD, "convolution": "cuDNN error: CUDNN_STATUS_EXECUTION_FAILED\nA hint."},
            "pytorch-2.8.0+cu128: convolution: cuDNN error: CUDNN_STATUS_EXECUTION_FAILED",
            "Take another variant",
        ),
        ({**GOOD, "matmul": "the sum is 3.0, not 4"}, "pytorch-2.8.0+cu128: matmul: the sum is 3.0, not 4", ""),
        ({"version": "2.8.0"}, "pytorch-2.8.0+cu128: matmul and convolution: None", ""),
        ("killed (exit code 137)", "pytorch-2.8.0+cu128: killed (exit code 137)", ""),
    ],
    ids=["cudnn", "wrong", "silent", "dead"],
)
def test_a_framework_that_does_not_compute_is_missing(report: dict[str, object] | str, found: str, remedy: str) -> None:
    check = judge_framework(report, "pytorch-2.8.0+cu128", "cuda")

    assert (check.name, check.state, check.found) == ("framework on the GPU", "missing", found)
    assert remedy in check.advice.text


def test_a_framework_that_computes_is_in_order() -> None:
    assert judge_framework(GOOD, "pytorch-2.8.0+cu128", "cpu").state == "ok"


def test_a_program_is_handed_the_gpu_and_its_report_is_read() -> None:
    engine = FakeEngine(
        answer=lambda _job: outcome(gpu={"devices": ["nvidia0"], "cuda": "12.8", "gpus": [["A", "9.0"]]})
    )

    report, mode = see_gpu(engine, own_python(), H100)

    assert report == GpuReport(devices=("nvidia0",), cuda="12.8", gpus=(("A", "9.0"),))
    assert mode == "cdi"
    assert [job.gpu for job in engine.jobs] == [H100]


@pytest.mark.parametrize(
    ("answer", "report"),
    [
        (
            outcome(exit_code=1, log="Traceback\nImportError: No module named json\n"),
            "ImportError: No module named json (exit code 1)",
        ),
        (outcome(status="timeout", exit_code=None), "it says nothing (timeout)"),
        (outcome(), "it wrote no gpu.json that can be read"),
        (outcome(gpu=["a list"]), "it wrote no gpu.json that can be read"),
    ],
    ids=["dies", "hangs", "silent", "garbage"],
)
def test_a_program_that_ends_badly_is_a_finding(answer: Outcome, report: str) -> None:
    assert see_gpu(FakeEngine(answer=lambda _job: answer), own_python(), H100)[0] == report


def test_a_driver_library_that_the_loader_does_not_know_is_named(tmp_path: Path) -> None:
    engine = FakeEngine(answer=lambda _job: outcome(gpu={"devices": [], "error": NO_LIBRARY}))

    check = try_here(engine, H100, System(libcuda="/usr/local/nvidia/lib64"))

    assert check.state == "missing"
    assert "/usr/local/nvidia/lib64" in check.advice.text


def test_every_step_is_tried_in_turn(tmp_path: Path) -> None:
    (tmp_path / "probe.py").write_text("", encoding="utf-8")
    seen = {"devices": ["nvidia0"], "cuda": "12.8", "gpus": [["NVIDIA H100", "9.0"]]}
    engine = FakeEngine(answer=lambda _job: outcome(gpu=seen, probe=GOOD))

    checks = chain(engine, image(tmp_path), image(tmp_path))

    assert {name: check.state for name, check in checks.items()} == {
        "GPU in a container": "ok",
        "CUDA in an image": "ok",
        "framework on the GPU": "ok",
    }
    assert [job.argv for job in engine.jobs] == [("python", "in/gpu_probe.py"), ("python", "in/probe.py", "cuda")]


def test_after_a_step_that_failed_nothing_more_is_started(tmp_path: Path) -> None:
    def refuse(_job: Job) -> Outcome:
        raise EngineError("docker: the engine reports: unresolvable CDI devices nvidia.com/gpu=0.")

    engine = FakeEngine(answer=refuse)

    checks = chain(engine, image(tmp_path), image(tmp_path))

    assert [check.state for check in checks.values()] == ["missing", "not reached", "not reached"]
    assert len(engine.jobs) == 1


def test_without_an_image_nothing_is_started_and_nothing_failed() -> None:
    engine = FakeEngine()

    checks = chain(engine, None, None)

    assert {check.state for check in checks.values()} == {"not reached"}
    assert checks["GPU in a container"].advice.commands == ("orch build",)
    assert engine.jobs == []


def test_without_a_framework_that_could_compute_the_last_step_is_not_reached() -> None:
    check = try_computing(FakeEngine(), None, H100)

    assert (check.state, check.found) == ("not reached", "no built image computes on this GPU")


def test_the_finished_images_of_an_engine_are_those_with_a_row(catalog: tuple[Image, ...]) -> None:
    found = built_on_docker(make_docker(), catalog)

    assert [one.target.name for one in found] == ["pytorch-2.0.1+cu117", "pytorch-2.13.0+cpu"]
    assert found[0].reference.startswith("orch/pytorch-2.0.1:cu117-")
    assert found[0].digest.startswith("sha256:")


def test_on_a_gpu_an_image_is_tried_only_if_its_variant_has_code_for_it(catalog: tuple[Image, ...]) -> None:
    built = built_on_docker(make_docker(), catalog)
    ampere = replace(H100, compute="8.6")

    chosen = choose_image(built, ampere)

    assert chosen is not None
    assert chosen.target.name == "pytorch-2.0.1+cu117"
    assert choose_image(built, H100) is None
    assert choose_image(built, replace(ampere, driver="440.33")) is None


def test_on_the_cpu_a_cuda_build_that_starts_without_a_gpu_does(catalog: tuple[Image, ...]) -> None:
    built = built_on_docker(make_docker(), catalog)

    chosen = choose_image(built, None)

    assert chosen is not None
    assert chosen.target.name == "pytorch-2.0.1+cu117"


def test_a_family_without_a_probe_is_passed_over(catalog: tuple[Image, ...]) -> None:
    (catalog[0].folder / "probe.py").unlink()

    assert choose_image(built_on_docker(make_docker(), catalog), None) is None


def test_a_base_image_that_lies_on_the_engine_does_where_nothing_is_built(catalog: tuple[Image, ...]) -> None:
    mirrors = {"python:3.11-slim": "orch-test/python:3.11"}

    found = find_base(make_docker(), catalog, mirrors)

    assert found is not None
    assert found.reference == "orch-test/python:3.11"
    assert find_base(make_docker(), catalog, {}) is None
