"""What an image says of itself against what its row promises."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from orchestrator.engines import BuiltImage, Job, Outcome
from orchestrator.health import check_image, judge_check, read_check, release
from orchestrator.images import Image, ImageVariant, Variant
from tests.launches import FakeEngine

ROOT = Path(__file__).parents[2]


def make_target(
    version: str = "1.10.2", cuda: str | None = "11.3", compute: tuple[str, ...] = ("8.0",)
) -> ImageVariant:
    variant = Variant(name="any", cuda=cuda, compute=compute)
    image = Image(
        family="pytorch",
        framework="pytorch",
        version=version,
        released="2022-01-27",
        python="3.9.18",
        base="python:3.9-slim",
        requirements=("torch==1.10.2",),
        variants=(variant,),
        folder=ROOT / "images" / "pytorch",
    )
    return ImageVariant(image=image, variant=variant)


def said(version: str = "1.10.2+cu113", works: bool = True, **more: object) -> dict[str, object]:
    return {"version": version, "works": works, **more}


@pytest.mark.parametrize(
    ("version", "counts"),
    [
        ("1.0.1.post2", "1.0.1"),
        ("1.10.2+cu113", "1.10.2"),
        ("0.1.12_2", "0.1.12"),
        ("0.3.1post2", "0.3.1"),
        ("2.0.0a0+git1", "2.0.0a0"),
        ("2.13.0", "2.13.0"),
    ],
)
def test_a_version_counts_up_to_its_post_or_local_part(version: str, counts: str) -> None:
    assert release(version) == counts


def test_an_image_that_holds_what_was_promised_passes() -> None:
    assert judge_check(make_target(), said(cuda="11.3", native=["sm_70", "sm_80", "sm_86"])) is None


def test_a_framework_that_cannot_say_its_architectures_passes_without() -> None:
    assert judge_check(make_target(), said()) is None


def test_a_cuda_version_may_be_said_with_its_patch() -> None:
    assert judge_check(make_target("1.0.1", "9.0", ()), said("1.0.1.post2", cuda="9.0.176")) is None


@pytest.mark.parametrize(
    ("found", "reason"),
    [
        (said("1.10.1"), "version 1.10.2 promised, 1.10.1 found"),
        (said(cuda="10.2"), "CUDA 11.3 promised, 10.2 found"),
        (said(cuda=None), "CUDA 11.3 promised, none found"),
        (said(native=["sm_70", "sm_75"]), "no native code for 8.0: it has sm_70 sm_75"),
        (said(works=False), "a product of two matrices is wrong"),
    ],
)
def test_the_first_difference_is_the_reason(found: dict[str, object], reason: str) -> None:
    assert judge_check(make_target(), found) == reason


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "its check wrote no check.json that can be read"),
        (b"[1]", "its check.json names no version"),
        (b'{"works": true}', "its check.json names no version"),
    ],
)
def test_a_check_that_says_nothing_of_use_is_told_from_a_wrong_image(content: bytes, reason: str) -> None:
    assert read_check(content) == reason


def test_what_a_check_wrote_is_read_whole() -> None:
    assert read_check(json.dumps(said(cuda="11.3")).encode()) == said(cuda="11.3")


def test_a_cuda_build_in_place_of_a_cpu_build_is_noticed() -> None:
    assert judge_check(make_target(cuda=None), said(cuda="11.3")) == "CUDA none promised, 11.3 found"


def scanned(*native: str) -> bytes:
    """Write what the scan of one library found."""
    found = [{"native": list(native), "ptx": [], "count": 5}]
    return json.dumps({"libraries": {"libtorch_cuda.so": found if native else []}}).encode()


def check(variant: Variant, scan: Outcome) -> tuple[str | None, list[Job]]:
    """Check an image whose check is content and whose scan ends so; returns what is wrong, and what was launched."""
    target = replace(make_target(cuda=variant.cuda), variant=variant)
    fine = Outcome(status="exited", exit_code=0, files={"check.json": json.dumps(said()).encode()}, log="")
    engine = FakeEngine(answer=lambda job: scan if job.argv[1] == "in/fatbins.py" else fine)
    image = BuiltImage(
        target=target, reference="toy", digest="sha256:0", base="", inputs_sha256="sha256:1", lock_sha256="sha256:2"
    )
    return check_image(engine, image), engine.jobs


def ends(exit_code: int = 0, log: str = "", **files: bytes) -> Outcome:
    return Outcome(
        status="exited", exit_code=exit_code, files={f"{name}.json": one for name, one in files.items()}, log=log
    )


CU113 = Variant(name="cu113", cuda="11.3", compute=("7.0", "8.0"))


def test_a_cuda_build_is_kept_if_its_libraries_hold_what_was_promised() -> None:
    wrong, jobs = check(CU113, ends(gpu_code=scanned("sm_70", "sm_80")))

    assert wrong is None
    assert jobs[-1].files == {"fatbins.py": (ROOT / "images" / "fatbins.py").read_bytes()}


@pytest.mark.parametrize(
    ("scan", "reason"),
    [
        (ends(gpu_code=scanned("sm_70")), "native code for 8.0 promised, not found: it has 7.0"),
        (ends(gpu_code=scanned()), "native code for 7.0, 8.0 promised, but none of its libraries holds GPU code"),
        (ends(), "the scan of its GPU code wrote no gpu_code.json that can be read"),
        (
            ends(exit_code=1, log="IOError: no"),
            "its libraries cannot be scanned for GPU code (exit code 1): IOError: no\n  IOError: no",
        ),
    ],
)
def test_a_cuda_build_is_not_kept_if_its_libraries_do_not_hold_what_was_promised(scan: Outcome, reason: str) -> None:
    wrong, _ = check(CU113, scan)

    assert wrong == reason


@pytest.mark.parametrize(
    "variant",
    [Variant(name="cpu"), Variant(name="cu113", cuda="11.3"), replace(CU113, compiled_at_run_time=True)],
    ids=["of the CPU", "of unknown capabilities", "compiled at run time"],
)
def test_who_promises_no_native_code_is_not_scanned(variant: Variant) -> None:
    wrong, jobs = check(variant, ends())

    assert wrong is None
    assert [job.argv for job in jobs] == [("python", "in/check.py")]
