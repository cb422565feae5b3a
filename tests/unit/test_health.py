"""What an image says of itself against what its row promises."""

import json
from pathlib import Path

import pytest

from orchestrator.health import judge_check, read_check, release
from orchestrator.images import Image, ImageVariant, Variant


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
        folder=Path("images/pytorch"),
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
