"""The rows of every family and what is chosen from them, against the matrix of CUDA builds, row by row."""

from pathlib import Path

import pytest

from orchestrator.gpus import find_gpu
from orchestrator.images import Image, ImageVariant
from orchestrator.locking import check_lock, read_lock
from orchestrator.rows import load_versions
from orchestrator.variants import Choice, choose_variant
from tests.compat_matrix import GPUS, Expected, Wheel, expect, newest_patches, numbers, read_matrix, release

ROOT = Path(__file__).parents[2]
FAMILIES = {path.parent.name: load_versions(path, ROOT) for path in sorted(ROOT.glob("images/*/versions.yaml"))}
# Of these the matrix has the builds in numbers, under the name of the framework.
MATRIX_NAMES = {"pytorch": "pytorch", "tensorflow1": "tensorflow", "tensorflow2": "tensorflow"}
LISTED = [image for family in MATRIX_NAMES for image in FAMILIES[family]]
LOCKED = [
    target
    for images in FAMILIES.values()
    for image in images
    for target in (ImageVariant(image=image, variant=variant) for variant in image.variants)
    if target.lock_path.exists()
]
# Releases that are there for the CPU: what their CUDA builds hold is not in the matrix.
FOR_THE_CPU = {"tensorflow2-2.0.0", "tensorflow2-2.4.1"}
# Two digits name a capability up to 9.9: libgpuarray cannot say more, whatever NVRTC could.
TWO_DIGITS = [gpu for gpu, compute in GPUS.items() if compute < (10, 0)]
# None: not checked. The others lie below, between and above the floors of CUDA 8 to 13.
DRIVERS = (None, "367.48", "390.46", "450.80.02", "535.104", "580.65.06")


def wheels_of(image: Image) -> list[Wheel]:
    known = [wheel for wheel in read_matrix(MATRIX_NAMES[image.family]) if wheel.version == release(image.version)]
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
@pytest.mark.parametrize("family", MATRIX_NAMES)
def test_what_is_chosen_for_a_gpu_and_a_driver_is_what_the_matrix_says(
    family: str, gpu: str, driver: str | None
) -> None:
    images = FAMILIES[family]
    expected = {image.version: expect(image.version, gpu, driver, MATRIX_NAMES[family]) for image in images}

    assert {image.version: choose(image, gpu, driver) for image in images} == expected


@pytest.mark.parametrize("image", LISTED, ids=lambda image: str(image.name))
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
    assert builds or image.name in FOR_THE_CPU
    assert [build.variant for build in builds] == [variant.name for variant in image.variants if variant.cuda]


def test_each_minor_release_from_0_4_on_is_there_with_its_newest_patch() -> None:
    there = {image.version for image in FAMILIES["pytorch"]}

    assert newest_patches((0, 4)) <= there


def test_each_release_of_tensorflow_from_1_4_on_is_there() -> None:
    there = {image.version for family in ("tensorflow1", "tensorflow2") for image in FAMILIES[family]}

    assert {wheel.version for wheel in read_matrix("tensorflow") if numbers(wheel.version) >= (1, 4)} <= there


def test_keras_has_the_facts_of_the_tensorflow_it_stands_on() -> None:
    ((build, _),) = (image.variants for image in FAMILIES["keras-tensorflow"])
    (wheel,) = (wheel for wheel in read_matrix("tensorflow") if wheel.version == "1.8.0")

    assert (build.cuda, build.cudnn, build.compute) == (wheel.cuda, wheel.cudnn, wheel.compute)
    assert (build.ptx, build.min_driver) == (wheel.ptx, wheel.min_driver)


@pytest.mark.parametrize("gpu", GPUS)
def test_theano_on_todays_cuda_runs_where_its_back_end_can_name_the_capability(gpu: str) -> None:
    chosen = {choose(image, gpu, None).variant for image in FAMILIES["theano-compat"]}

    assert chosen == ({"cu118"} if gpu in TWO_DIGITS else {None})


@pytest.mark.parametrize("gpu", GPUS)
def test_where_no_cuda_build_is_known_every_gpu_is_refused(gpu: str) -> None:
    known = {*MATRIX_NAMES, "keras-tensorflow", "theano-compat"}

    chosen = {choose(image, gpu, None) for family in FAMILIES.keys() - known for image in FAMILIES[family]}

    assert chosen == {Expected(variant=None)}


@pytest.mark.parametrize("target", LOCKED, ids=lambda target: str(target.name))
def test_a_lock_is_of_its_row_and_installs_the_cudnn_that_the_row_names(target: ImageVariant) -> None:
    lock = read_lock(target.lock_path)

    check_lock(lock, target)
    installed = [pin.version for pin in lock.pins if pin.name.startswith("nvidia-cudnn-")]
    assert lock.image == target.name
    assert all(f"{version}.".startswith(f"{target.variant.cudnn}.") for version in installed)
