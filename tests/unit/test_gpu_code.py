"""The GPU code that was found in an image against what its row promises, in the numbers of published wheels."""

import json

import pytest

from orchestrator.gpu_code import FatBinaries, judge_gpu_code, read_gpu_code
from orchestrator.images import Variant

TENSORFLOW_1 = Variant(name="cu90", cuda="9.0", compute=("3.5", "3.7", "5.2", "6.0", "6.1", "7.0"), ptx="7.0")
TENSORFLOW_2 = Variant(name="cu122", cuda="12.2", compute=("5.0", "6.0", "7.0", "7.5", "8.0"), ptx="8.0")
PYTORCH = Variant(name="cu90", cuda="9.0", compute=("3.5", "5.0", "6.0", "7.0"), ptx="5.0:partial")


def hold(count: int, native: str, ptx: str = "") -> FatBinaries:
    return FatBinaries(
        native=tuple(f"sm_{one}" for one in native.split()),
        ptx=tuple(f"compute_{one}" for one in ptx.split()),
        count=count,
    )


# As the scan finds them: fat binaries that hold the same, and how many.
WHEELS = {
    "tensorflow-gpu 1.12.3": (hold(191, "37", "37"),),
    "tensorflow 1.15.5": (),
    "tensorflow-gpu 1.15.5": (
        hold(415, "35 37 52 60 61 70", "35 37 52 60 61 70"),
        hold(1, "35 37 52 60 61 70"),
    ),
    "tensorflow 2.15.1": (
        hold(1149, "50 60 70 75", "80"),
        hold(362, "", "80"),
        hold(247, "50 60 70 75 80", "80"),
        hold(1, "50 60 70 75 80"),
    ),
    "torch 1.0.1": (
        hold(560, "35 50 60 70"),
        hold(321, "35 50 60 70", "50"),
        hold(58, "35 50 60 61 70"),
        hold(49, "35"),
        hold(26, "70"),
        hold(15, "50 60"),
    ),
}


@pytest.mark.parametrize(
    ("variant", "wheel"),
    [
        (TENSORFLOW_1, "tensorflow-gpu 1.15.5"),
        (TENSORFLOW_2, "tensorflow 2.15.1"),
        (PYTORCH, "torch 1.0.1"),
    ],
)
def test_wheels_that_hold_what_their_rows_promise_pass(variant: Variant, wheel: str) -> None:
    assert judge_gpu_code(variant, WHEELS[wheel]) is None


@pytest.mark.parametrize(
    ("wheel", "reason"),
    [
        (
            "tensorflow-gpu 1.12.3",
            "native code for 3.5, 5.2, 6.0, 6.1, 7.0 promised, not found: it has 3.7, and PTX 3.7",
        ),
        (
            "tensorflow 1.15.5",
            "native code for 3.5, 3.7, 5.2, 6.0, 6.1, 7.0 promised, but none of its libraries holds GPU code",
        ),
    ],
)
def test_the_two_wheels_that_hold_less_than_their_neighbours_are_caught(wheel: str, reason: str) -> None:
    assert judge_gpu_code(TENSORFLOW_1, WHEELS[wheel]) == reason


def test_ptx_of_some_kernels_is_not_ptx_of_every_kernel() -> None:
    full = Variant(name="cu90", cuda="9.0", compute=("7.0",), ptx="5.0")

    reason = judge_gpu_code(full, WHEELS["torch 1.0.1"])

    assert reason == "PTX 5.0 of every kernel promised, but only 321 of 1029 fat binaries have it"


def test_ptx_that_only_newer_gpus_can_compile_is_not_what_was_promised() -> None:
    older = Variant(name="cu122", cuda="12.2", compute=("5.0",), ptx="7.5")

    assert judge_gpu_code(older, WHEELS["tensorflow 2.15.1"]) is not None


def test_native_code_that_came_with_a_library_of_nvidias_is_not_the_frameworks() -> None:
    promised = Variant(name="cu90", cuda="9.0", compute=("6.1",))

    reason = judge_gpu_code(promised, WHEELS["torch 1.0.1"])

    assert reason is not None
    assert reason.startswith("native code for 6.1 promised, not found: it has 3.5, 5.0, 6.0")


@pytest.mark.parametrize("suffix", ["a", "f"])
def test_code_for_one_gpu_or_family_is_not_native_code_for_its_capability(suffix: str) -> None:
    promised = Variant(name="cu130", cuda="13.0", compute=("8.0", "9.0"), ptx="9.0")

    reason = judge_gpu_code(promised, (hold(10, f"80 90{suffix}", f"90{suffix}"),))

    assert reason == f"native code for 9.0 promised, not found: it has 8.0, 9.0{suffix}, and PTX 9.0{suffix}"


def test_a_wheel_of_ptx_alone_has_no_native_code() -> None:
    promised = Variant(name="cu122", cuda="12.2", compute=("8.0", "12.0"), ptx="8.0")

    reason = judge_gpu_code(promised, (hold(10, "", "80 120"),))

    assert reason == "native code for 8.0, 12.0 promised, not found: it has none, and PTX 8.0, 12.0"


def test_a_scan_is_read_but_for_names_that_are_none() -> None:
    content = json.dumps(
        {"libraries": {"a.so": [{"native": ["sm_80"], "ptx": ["compute_80"], "count": 3}], "b.so": []}}
    )

    assert read_gpu_code(content.encode()) == (hold(3, "80", "80"),)


@pytest.mark.parametrize(
    "content",
    [b"", b"[]", b"{}", b'{"libraries": 1}', b'{"libraries": {"a.so": [{"native": [], "ptx": [], "count": "many"}]}}'],
)
def test_a_scan_that_cannot_be_read_is_told_from_missing_code(content: bytes) -> None:
    assert read_gpu_code(content) == "the scan of its GPU code wrote no gpu_code.json that can be read"
