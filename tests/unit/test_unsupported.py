"""Which cells an implementation or a configuration cannot make, and the reason that a reader is given."""

from pathlib import Path

import pytest

from orchestrator.images import Image
from orchestrator.specs import Configuration, Device, Implementation, Unsupported
from orchestrator.unsupported import why_unsupported

OLD = Unsupported(reason="from 2.0", versions={"pytorch": "<2.0"})
STACKED = Unsupported(reason="one layer", configurations=("4x320/*",))
CTC_ON_CPU = Unsupported(reason="too slow", configurations=("4x320/CTC",), devices=("cpu",))


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
    *unsupported: Unsupported,
    version: str = "2.1.2",
    framework: str = "pytorch",
    device: Device = "cpu",
    name: str = "1x320/CE",
) -> str | None:
    implementation = Implementation(name="one", label="one", frameworks=(), unsupported=unsupported)
    return why_unsupported(image(version, framework), device, implementation, Configuration(name=name, parameters={}))


@pytest.mark.parametrize(
    ("version", "reason"), [("1.13.1", "from 2.0"), ("0.1.12_2", "from 2.0"), ("2.0.1", None), ("2.13.0", None)]
)
def test_a_range_is_one_of_the_versions_of_the_framework(version: str, reason: str | None) -> None:
    assert reason_for(OLD, version=version) == reason


def test_a_range_of_another_framework_says_nothing() -> None:
    assert reason_for(OLD, version="0.4.30", framework="jax") is None


@pytest.mark.parametrize(("name", "reason"), [("1x320/CE", None), ("4x320/CE", "one layer")])
def test_an_implementation_can_lack_some_configurations(name: str, reason: str | None) -> None:
    assert reason_for(STACKED, name=name) == reason


@pytest.mark.parametrize(
    ("device", "name", "reason"),
    [("cuda", "4x320/CTC", None), ("cpu", "4x320/CTC", "too slow"), ("cpu", "4x320/CE", None)],
)
def test_everything_that_is_given_has_to_be_true(device: Device, name: str, reason: str | None) -> None:
    assert reason_for(CTC_ON_CPU, device=device, name=name) == reason


def test_the_first_reason_that_fits_is_given() -> None:
    assert reason_for(CTC_ON_CPU, STACKED, OLD, version="1.0.1", name="4x320/CE") == "one layer"


def test_a_configuration_has_reasons_of_its_own() -> None:
    implementation = Implementation(name="one", label="one", frameworks=())
    configuration = Configuration(name="4x320/CTC", parameters={}, unsupported=(OLD,))

    assert why_unsupported(image("0.4.0"), "cpu", implementation, configuration) == "from 2.0"


def test_a_reason_may_be_that_of_one_family_of_a_framework() -> None:
    on_another_back_end = Unsupported(reason="TensorFlow only", images=("keras-theano-*", "other-2.*"))

    assert reason_for(on_another_back_end, version="2.1.2") == "TensorFlow only"
    assert reason_for(on_another_back_end, version="1.0.1") is None
