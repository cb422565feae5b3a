"""What an implementation or a configuration needs, and the reason that a reader is given."""

from pathlib import Path

import pytest

from orchestrator.needs import find_unmet
from orchestrator.specs import Configuration, Device, Image, Implementation, Need

RECENT = Need(reason="from 2.0", versions={"pytorch": ">=2.0"})
FLAT = Need(reason="one layer", configurations=("1x320/*",))
ON_GPU = Need(reason="a GPU", devices=("cuda",))


def image(version: str, framework: str = "pytorch") -> Image:
    return Image(
        family="other",
        framework=framework,
        version=version,
        released="",
        python="3.11.7",
        base="",
        requirements=(),
        variants=(),
        folder=Path(),
    )


def reason_for(
    *needs: Need, version: str = "2.1.2", framework: str = "pytorch", device: Device = "cpu", name: str = "1x320/CE"
) -> str | None:
    implementation = Implementation(name="one", label="one", frameworks=(), needs=needs)
    return find_unmet(image(version, framework), device, implementation, Configuration(name=name, parameters={}))


@pytest.mark.parametrize(
    ("version", "reason"), [("1.13.1", "from 2.0"), ("0.1.12_2", "from 2.0"), ("2.0.1", None), ("2.13.0", None)]
)
def test_a_range_is_asked_of_the_version_of_the_framework(version: str, reason: str | None) -> None:
    assert reason_for(RECENT, version=version) == reason


def test_a_range_of_another_framework_is_not_asked() -> None:
    assert reason_for(RECENT, version="0.4.30", framework="jax") is None


@pytest.mark.parametrize(("name", "reason"), [("1x320/CE", None), ("4x320/CE", "one layer")])
def test_an_implementation_can_need_some_configurations(name: str, reason: str | None) -> None:
    assert reason_for(FLAT, name=name) == reason


@pytest.mark.parametrize(("device", "reason"), [("cuda", None), ("cpu", "a GPU")])
def test_an_implementation_can_need_a_device(device: Device, reason: str | None) -> None:
    assert reason_for(ON_GPU, device=device) == reason


def test_the_first_need_that_is_not_met_gives_the_reason() -> None:
    assert reason_for(FLAT, ON_GPU, RECENT, version="1.0.1") == "a GPU"


def test_a_configuration_has_needs_of_its_own() -> None:
    implementation = Implementation(name="one", label="one", frameworks=())
    configuration = Configuration(name="4x320/CTC", parameters={}, needs=(RECENT,))

    assert find_unmet(image("0.4.0"), "cpu", implementation, configuration) == "from 2.0"
