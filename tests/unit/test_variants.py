"""Which build runs on which GPU: the rule by itself, and what is said of the shipped rows."""

from dataclasses import replace
from pathlib import Path

import pytest

from orchestrator.errors import UsageError
from orchestrator.gpus import find_gpu
from orchestrator.hardware import Gpu
from orchestrator.images import Image, Variant
from orchestrator.names import version_key
from orchestrator.rows import load_versions
from orchestrator.variants import Choice, choose_variant

ROOT = Path(__file__).parents[2]
PYTORCH = {image.version: image for image in load_versions(ROOT / "images" / "pytorch" / "versions.yaml", ROOT)}
VERSIONS = tuple(PYTORCH)


def never(_: object) -> bool:
    return False


def make_image(*variants: Variant) -> Image:
    return Image(
        family="pytorch",
        framework="pytorch",
        version="1.0",
        released="",
        python="3.6.15",
        base="b",
        requirements=("torch==1.0",),
        variants=variants,
        folder=Path("images/pytorch"),
    )


def chosen(choice: Choice | str) -> str:
    return choice if isinstance(choice, str) else choice.target.variant.name


def test_a_cuda_build_that_is_named_is_taken_on_the_cpu_too() -> None:
    named = Variant(name="cu117", cuda="11.7", compute=("8.0",))

    choice = choose_variant(replace(make_image(named), variant_is_named=True), None, never)

    assert chosen(choice) == "cu117"
    assert isinstance(choice, Choice)
    assert choice.note == "CUDA build cu117 on the CPU"
    assert choose_variant(make_image(named), None, never) == "no CPU build was published for this version"


@pytest.mark.parametrize("gpu", [None, find_gpu("V100", None)], ids=["cpu", "gpu"])
def test_a_row_that_only_names_a_system_says_why_it_cannot_be_had(gpu: Gpu | None) -> None:
    row = replace(make_image(), unavailable="its binaries no longer exist")

    assert choose_variant(row, gpu, never) == "its binaries no longer exist"


@pytest.mark.parametrize(
    ("version", "gpu", "reason"),
    [
        ("0.1.12_2", "T4", "no build for compute 7.5: newest native is 6.1 (cu80); PTX 5.2 only partial"),
        ("1.0.1", "H100", "no build for compute 9.0: newest native is 7.5 (cu100); PTX 5.0 only partial"),
        ("1.13.1", "H100", "no build for compute 9.0: newest native is 8.6 (cu117)"),
        ("2.4.1", "B200", "no build for compute 10.0: newest native is 9.0 (cu124)"),
        (
            "2.15.0",
            "P100",
            "no build for compute 6.0: oldest native is 7.5 (cu132); capabilities of cu126, cu134 not known",
        ),
    ],
)
def test_the_reason_names_the_nearest_native_code(version: str, gpu: str, reason: str) -> None:
    assert chosen(choose_variant(PYTORCH[version], find_gpu(gpu), never)) == reason


@pytest.mark.parametrize(
    ("version", "driver", "expected"),
    [
        ("2.13.0", "595.10", "cu132"),
        ("2.13.0", "535.104", "cu126"),  # the floor of CUDA 13 is not met, that of 12 is
        ("2.13.0", "470.57", "needs driver >= 525.60.13 (cu126), found 470.57"),
        ("2.0.1", "450.80.2", "cu118"),
    ],
)
def test_the_driver_floor_decides_between_builds(version: str, driver: str, expected: str) -> None:
    assert chosen(choose_variant(PYTORCH[version], find_gpu("H100", driver), never)) == expected


def test_an_unknown_driver_is_said_not_to_be_checked() -> None:
    choice = choose_variant(PYTORCH["2.4.1"], find_gpu("H100"), never)

    assert isinstance(choice, Choice)
    assert choice.note == "needs driver >= 525.60.13, not checked"


def test_full_ptx_starts_on_a_newer_gpu_and_is_marked() -> None:
    image = make_image(Variant(name="cu101", cuda="10.1", compute=("7.0",), ptx="7.0"))

    choice = choose_variant(image, Gpu(name="g", compute="9.0", driver="600.1"), never)

    assert isinstance(choice, Choice)
    assert choice.jit


@pytest.mark.parametrize(
    ("cuda", "driver", "expected"),
    [
        ("11.8", "520.61.05", "build"),
        ("11.8", "515.105.01", "needs driver >= 520.61.05 (build), found 515.105.01"),
        ("12.7", "565.57.01", "needs driver >= 570.26 (build), found 565.57.01"),
        ("99.0", "600.1", "build"),
    ],
)
def test_ptx_needs_the_driver_of_its_own_cuda_and_not_only_of_its_major(cuda: str, driver: str, expected: str) -> None:
    image = make_image(Variant(name="build", cuda=cuda, compute=("7.0",), ptx="7.0", min_driver="450.80.02"))

    assert chosen(choose_variant(image, Gpu(name="g", compute="9.0", driver=driver), never)) == expected


def test_native_code_needs_the_driver_of_its_major_only() -> None:
    image = make_image(Variant(name="build", cuda="11.8", compute=("9.0",), ptx="9.0", min_driver="450.80.02"))

    assert chosen(choose_variant(image, Gpu(name="g", compute="9.0", driver="470.1"), never)) == "build"


def test_native_code_of_an_older_build_comes_before_ptx_of_a_newer_one() -> None:
    old = Variant(name="cu90", cuda="9.0", compute=("7.0",))
    image = make_image(old, Variant(name="cu101", cuda="10.1", compute=("6.0",), ptx="6.0"))

    assert chosen(choose_variant(image, Gpu(name="g", compute="7.5"), never)) == "cu90"


@pytest.mark.parametrize("ptx", ["none", "5.0:partial", "12.0:documented", "9.0"])
def test_ptx_that_is_partial_only_documented_or_for_newer_gpus_counts_for_nothing(ptx: str) -> None:
    image = make_image(Variant(name="cu90", cuda="9.0", compute=("6.0",), ptx=ptx))

    assert chosen(choose_variant(image, Gpu(name="g", compute="8.0"), never)).startswith("no build for compute 8.0")


def test_cuda_10_is_newer_than_9_2() -> None:
    builds = (Variant(name="cu100", cuda="10.0", compute=("7.0",)), Variant(name="cu92", cuda="9.2", compute=("7.0",)))

    assert chosen(choose_variant(make_image(*builds), Gpu(name="g", compute="7.0"), never)) == "cu100"


def test_an_image_without_cuda_builds_says_so_on_a_gpu() -> None:
    image = make_image(Variant(name="cpu"))

    assert choose_variant(image, Gpu(name="g", compute="7.0"), never) == "no CUDA build is listed for this version"


def test_why_there_is_no_cuda_build_is_the_reason_where_the_row_says_it() -> None:
    image = replace(make_image(Variant(name="cpu")), without_cuda="it compiles for the CPU only")

    assert choose_variant(image, Gpu(name="g", compute="7.0"), never) == "it compiles for the CPU only"


@pytest.mark.parametrize(
    ("locked", "expected"),
    [
        ({"cpu", "cu90"}, "cpu"),
        ({"cu90"}, "cu90"),
        ({"cu100"}, "cpu"),  # does not carry its libraries
        (set(), "cpu"),
    ],
)
def test_the_cpu_takes_the_cpu_build_unless_only_a_self_contained_one_is_locked(
    locked: set[str], expected: str
) -> None:
    image = make_image(
        Variant(name="cu90", cuda="9.0", self_contained=True), Variant(name="cu100", cuda="10.0"), Variant(name="cpu")
    )

    assert chosen(choose_variant(image, None, lambda target: target.variant.name in locked)) == expected


def test_a_cuda_build_on_the_cpu_is_named_so() -> None:
    choice = choose_variant(make_image(Variant(name="cu90", cuda="9.0", self_contained=True)), None, never)

    assert isinstance(choice, Choice)
    assert choice.note == "CUDA build cu90 on the CPU"


@pytest.mark.parametrize("version", ["0.1.12_2", "0.2.0_4"])
def test_versions_without_a_cpu_build_say_so(version: str) -> None:
    assert choose_variant(PYTORCH[version], None, never) == "no CPU build was published for this version"


def test_the_rows_are_in_the_order_of_their_versions_and_their_cuda() -> None:
    assert sorted(VERSIONS, key=version_key) == list(VERSIONS)
    for image in PYTORCH.values():
        cuda = [version_key(variant.cuda) for variant in image.variants if variant.cuda]
        assert cuda == sorted(cuda)


def test_wheels_beside_the_default_index_say_where_they_come_from() -> None:
    variants = [(image, variant) for image in PYTORCH.values() for variant in image.variants]

    for image, variant in variants:
        has_address = any("@ https://download.pytorch.org/whl/" in line for line in variant.requirements)
        assert has_address or version_key(image.version) >= version_key("1.0")
        assert (variant.index is None) == (variant.local_version is None)
        assert not (has_address and variant.index)


def test_a_gpu_is_found_however_it_is_written() -> None:
    assert find_gpu("nvidia geforce rtx-3090").compute == "8.6"


def test_an_unknown_gpu_gets_a_suggestion() -> None:
    with pytest.raises(UsageError, match=r"--gpu H1000: unknown GPU\. Did you mean 'H100'\?"):
        find_gpu("H1000")


@pytest.mark.parametrize("driver", ["foo", "", "535.104 beta"])
def test_a_driver_that_is_no_version_is_a_usage_error(driver: str) -> None:
    with pytest.raises(UsageError, match=f"--driver {driver}: is no version"):
        find_gpu("H100", driver)


@pytest.mark.parametrize("name", ["GH200", "GB200"])
def test_a_gpu_that_only_comes_with_an_arm64_host_is_not_planned_for(name: str) -> None:
    with pytest.raises(UsageError, match="unknown GPU"):
        find_gpu(name)


@pytest.mark.parametrize(
    ("locked", "expected"),
    [((), "cu128"), (("cu118",), "cu118"), (("cu118", "cu128"), "cu128"), (("cu90",), "cu128")],
    ids=["none: the newest", "the only one", "both: the newest", "one that would be compiled from PTX: not"],
)
def test_of_the_builds_for_a_gpu_one_with_a_lock_is_taken(locked: tuple[str, ...], expected: str) -> None:
    image = make_image(
        Variant(name="cu90", cuda="9.0", compute=("7.0",), ptx="7.0"),
        Variant(name="cu118", cuda="11.8", compute=("9.0",)),
        Variant(name="cu128", cuda="12.8", compute=("9.0",)),
    )

    choice = choose_variant(image, Gpu(name="g", compute="9.0"), lambda target: target.variant.name in locked)

    assert chosen(choice) == expected
