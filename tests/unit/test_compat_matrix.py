"""The rows of PyTorch and what is chosen from them, against the matrix of its wheels, row by row."""

from pathlib import Path

import pytest

from orchestrator.gpus import find_gpu
from orchestrator.locking import check_lock, read_lock
from orchestrator.rows import load_versions
from orchestrator.specs import Image, ImageVariant
from orchestrator.variants import Choice, choose_variant
from tests.compat_matrix import GPUS, Expected, Wheel, expect, newest_patches, numbers, read_matrix, release

ROOT = Path(__file__).parents[2]
IMAGES = load_versions(ROOT / "images" / "pytorch" / "versions.yaml", ROOT)
LOCKED = [
    target
    for image in IMAGES
    for target in (ImageVariant(image=image, variant=variant) for variant in image.variants)
    if target.lock_path.exists()
]
# None: not checked. The others lie below, between and above the floors of CUDA 8 to 13.
DRIVERS = (None, "367.48", "390.46", "450.80.02", "535.104", "580.65.06")


def wheels_of(image: Image) -> list[Wheel]:
    known = [wheel for wheel in read_matrix() if wheel.version == release(image.version)]
    return sorted(known, key=lambda wheel: numbers(wheel.cuda))


def choose(image: Image, gpu: str, driver: str | None) -> Expected:
    """Say in the matrix's words what the planner takes."""
    choice = choose_variant(image, find_gpu(gpu, driver), lambda _: False)
    if isinstance(choice, Choice):
        return Expected(variant=choice.target.variant.name, jit=choice.jit)
    needed = choice.removeprefix("needs driver >= ")
    return Expected(variant=None, driver=needed.split()[0] if needed != choice else None)


@pytest.mark.parametrize("driver", DRIVERS)
@pytest.mark.parametrize("gpu", GPUS)
def test_what_is_chosen_for_a_gpu_and_a_driver_is_what_the_matrix_says(gpu: str, driver: str | None) -> None:
    expected = {image.version: expect(image.version, gpu, driver) for image in IMAGES}

    assert {image.version: choose(image, gpu, driver) for image in IMAGES} == expected


@pytest.mark.parametrize("image", IMAGES, ids=lambda image: str(image.version))
def test_a_row_has_every_cuda_build_of_the_matrix_with_its_facts(image: Image) -> None:
    builds = [
        Wheel(
            version=release(image.version),
            cuda=build.cuda,
            cudnn=build.cudnn or "",
            compute=build.compute,
            ptx=build.ptx if build.compute else "",
            min_driver=build.min_driver or "",
        )
        for build in image.variants
        if build.cuda
    ]

    assert builds == wheels_of(image)
    assert [build.variant for build in builds] == [variant.name for variant in image.variants if variant.cuda]


def test_each_minor_release_from_0_4_on_is_there_with_its_newest_patch() -> None:
    there = {image.version for image in IMAGES}

    assert newest_patches((0, 4)) <= there


@pytest.mark.parametrize("target", LOCKED, ids=lambda target: str(target.name))
def test_a_lock_is_of_its_row_and_installs_the_cudnn_that_the_row_names(target: ImageVariant) -> None:
    lock = read_lock(target.lock_path)

    check_lock(lock, target)
    installed = {pin.version for pin in lock.pins if pin.name.startswith("nvidia-cudnn-")}
    assert lock.image == target.name
    assert installed <= {target.variant.cudnn}
