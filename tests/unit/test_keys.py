"""Keys of cells: what changes them and what does not."""

import dataclasses
from pathlib import Path

import pytest

from orchestrator.hardware import Gpu, Machine
from orchestrator.images import Image, ImageVariant, Variant
from orchestrator.keys import cell_key, comparable_key, digest
from orchestrator.specs import Cell, Protocol

MACHINE = Machine(id="sha256:a", cpu="A CPU", cores=2, cpus=(0, 1), memory_bytes=1, kernel="6")
GPU = Gpu(name="NVIDIA H200", compute="9.0", driver="580.1", power_limit_w=700.0, uuid="GPU-1")


def comparable(**changes: object) -> str:
    given: dict[str, object] = {
        "engine": "docker",
        "machine": MACHINE,
        "gpu": None,
        "protocol": Protocol(),
        "code_sha256": "c",
        "jit": False,
    }
    return comparable_key(**{**given, **changes})  # type: ignore[arg-type]


def make_cell(device: str = "cpu") -> Cell:
    variant = Variant(name="cpu")
    image = Image(
        family="toy",
        framework="toy",
        version="1.0",
        released="2026-01-01",
        python="3.11.7",
        base="b",
        requirements=("toy==1.0",),
        variants=(variant,),
        folder=Path("images/toy"),
    )
    return Cell(
        image=ImageVariant(image=image, variant=variant),
        benchmark="b",
        implementation="i",
        configuration="c",
        device="cuda" if device == "cuda" else "cpu",
    )


@pytest.mark.parametrize(
    "changes",
    [
        {"engine": "venv"},
        {"code_sha256": "d"},
        {"machine": dataclasses.replace(MACHINE, cpu="Another CPU")},
        {"protocol": Protocol(threads=1)},
        {"protocol": Protocol(precision="tf32")},
        {"gpu": GPU},
        {"jit": True},
    ],
)
def test_what_must_agree_changes_the_comparable_key(changes: dict[str, object]) -> None:
    assert comparable(**changes) != comparable()


def test_a_lower_power_limit_is_not_comparable() -> None:
    assert comparable(gpu=GPU) != comparable(gpu=dataclasses.replace(GPU, power_limit_w=500.0))


@pytest.mark.parametrize(
    "changes",
    [{"protocol": Protocol(blocks=9)}, {"machine": dataclasses.replace(MACHINE, id="sha256:b", kernel="7")}],
)
def test_more_blocks_or_a_new_kernel_stay_comparable(changes: dict[str, object]) -> None:
    assert comparable(**changes) == comparable()


def test_the_cell_key_changes_with_image_parameters_and_device() -> None:
    keys = {
        cell_key(make_cell(), "k", "image", {"units": 320}),
        cell_key(make_cell(), "k", "other image", {"units": 320}),
        cell_key(make_cell(), "k", "image", {"units": 321}),
        cell_key(make_cell("cuda"), "k", "image", {"units": 320}),
    }

    assert len(keys) == 4


def test_a_digest_does_not_depend_on_the_order_of_keys() -> None:
    assert digest({"a": 1, "b": [2]}) == digest({"b": [2], "a": 1})
