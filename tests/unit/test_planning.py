"""Suite × images -> cells: what is planned, what is left out and why, and what it costs."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from orchestrator.errors import NothingSelectedError, UsageError
from orchestrator.hardware import Gpu
from orchestrator.images import Image, ImageVariant, Variant
from orchestrator.planning import (
    Plan,
    Target,
    apply_profile,
    default_profile,
    estimate,
    estimate_build,
    plan_cells,
    require_cells,
)
from orchestrator.specs import (
    Benchmark,
    Compare,
    Configuration,
    Exclusion,
    Implementation,
    Profile,
    Protocol,
    Selection,
    Suite,
    Unsupported,
)

CPU = Target(device="cpu")
BENCHMARK = Benchmark(
    name="lstm",
    title="",
    folder=Path(),
    scripts={"pytorch": "run_pytorch.py", "jax": "run_jax.py"},
    implementations=(
        Implementation(name="fused", label="fused", frameworks=("pytorch",)),
        Implementation(name="basic", label="basic", frameworks=("pytorch",)),
        Implementation(name="scan", label="scan", frameworks=("jax",)),
    ),
    configurations=(
        Configuration(name="short", parameters={}, step_s={"cpu": 0.5}),
        Configuration(name="long", parameters={}),
    ),
    measures=(),
)
SUITE = Suite(
    name="s",
    title="",
    path=Path("s.yaml"),
    sha256="",
    images=("*",),
    selections=(Selection(benchmark="lstm"),),
    protocol=Protocol(warmup=2, samples=8, at_most_s=60, blocks=3),
    profiles=(
        Profile(name="quick", protocol={"samples": 5, "threads": 1}, configurations=("sh*",)),
        Profile(name="paper", protocol={"blocks": 1}),
    ),
)


def make_image(version: str, framework: str = "pytorch", **changes: object) -> Image:
    image = Image(
        family=framework,
        framework=framework,
        version=version,
        released="",
        python="3.11.7",
        base="b",
        requirements=("x",),
        variants=(Variant(name="cu90", cuda="9.0", compute=("7.0",)), Variant(name="cpu", download_bytes=100)),
        folder=Path(framework),
    )
    return replace(image, **changes)  # type: ignore[arg-type]


def make_plan(
    suite: Suite = SUITE,
    images: tuple[Image, ...] = (make_image("1.0"), make_image("1.10")),
    target: Target = CPU,
    engine_reason: Callable[[ImageVariant], str | None] = lambda _: None,
) -> Plan:
    return plan_cells(suite, images, {"lstm": BENCHMARK}, target, lambda _: True, engine_reason)


def test_cells_come_row_by_row_with_the_oldest_version_first() -> None:
    plan = make_plan(images=(make_image("1.10"), make_image("1.9"), make_image("0.1.12_2")))

    assert [cell.id for cell in plan.cells[:4]] == [
        "pytorch-0.1.12_2+cpu/lstm/fused/short",
        "pytorch-1.9+cpu/lstm/fused/short",
        "pytorch-1.10+cpu/lstm/fused/short",
        "pytorch-0.1.12_2+cpu/lstm/basic/short",
    ]


def test_what_two_selections_both_name_is_one_cell() -> None:
    both = replace(SUITE, selections=(Selection(benchmark="lstm", configurations=("short",)), *SUITE.selections))

    plan = make_plan(both)

    assert {cell.id for cell in plan.cells} == {cell.id for cell in make_plan().cells}
    assert len(plan.cells) == len(make_plan().cells)


def test_an_implementation_of_another_framework_is_no_combination() -> None:
    plan = make_plan(images=(make_image("1.0"), make_image("0.4.30", framework="jax")))

    assert {(cell.image.image.framework, cell.implementation) for cell in plan.cells} == {
        ("pytorch", "fused"),
        ("pytorch", "basic"),
        ("jax", "scan"),
    }
    assert plan.unsupported == ()


def test_the_reason_of_an_image_comes_before_that_of_an_implementation() -> None:
    flat = Unsupported(reason="one layer only", configurations=("long",))
    fused, *others = BENCHMARK.implementations
    benchmark = replace(BENCHMARK, implementations=(replace(fused, unsupported=(flat,)), *others))
    images = (make_image("1.0"), make_image("1.1", platform="linux/arm64"))

    plan = plan_cells(SUITE, images, {"lstm": benchmark}, CPU, lambda _: True, lambda _: None)

    reasons = {(one.image, one.implementation, one.configuration): one.reason for one in plan.unsupported}
    assert {cell.row for cell in plan.cells} == {"lstm/fused/short", "lstm/basic/short", "lstm/basic/long"}
    assert reasons["pytorch-1.0", "fused", "long"] == "one layer only"
    assert reasons["pytorch-1.1", "fused", "long"] == "no amd64 wheel"
    assert len(reasons) == 5


def test_what_a_suite_excludes_is_dropped() -> None:
    excluded = Exclusion(image="pytorch-1.0", implementation="ba*", configuration="*")
    suite = replace(SUITE, selections=(Selection(benchmark="lstm", exclude=(excluded,)),))

    plan = make_plan(suite)

    assert ("pytorch-1.0", "basic") not in {(cell.image.image.name, cell.implementation) for cell in plan.cells}
    assert len(plan.cells) == 6
    assert plan.unsupported == ()


def test_every_combination_without_a_build_is_unsupported_with_its_reason() -> None:
    target = Target(device="cuda", gpu=Gpu(name="H100", compute="9.0"))

    plan = make_plan(images=(make_image("1.0"),), target=target)

    assert plan.cells == ()
    assert [(one.image, one.row) for one in plan.unsupported] == [
        ("pytorch-1.0", "lstm/fused/short"),
        ("pytorch-1.0", "lstm/basic/short"),
        ("pytorch-1.0", "lstm/fused/long"),
        ("pytorch-1.0", "lstm/basic/long"),
    ]
    assert {one.reason for one in plan.unsupported} == {"no build for compute 9.0: newest native is 7.0 (cu90)"}


def test_what_the_engine_can_never_run_is_unsupported() -> None:
    plan = make_plan(engine_reason=lambda target: "no Python 3.6" if target.image.version == "1.0" else None)

    assert {one.reason for one in plan.unsupported} == {"no Python 3.6"}
    assert {cell.image.image.version for cell in plan.cells} == {"1.10"}


def test_on_another_architecture_there_is_no_wheel() -> None:
    plan = make_plan(target=Target(device="cpu", platform="linux/arm64"))

    assert plan.cells == ()
    assert {one.reason for one in plan.unsupported} == {"no arm64 wheel"}


def test_nothing_that_can_run_is_an_error_with_the_reasons_only_when_cells_are_required() -> None:
    plan = make_plan(target=Target(device="cpu", platform="linux/arm64"))

    with pytest.raises(NothingSelectedError, match=r"pytorch-1.0: no arm64 wheel\n  pytorch-1.10: no arm64 wheel"):
        require_cells(plan)


@pytest.mark.parametrize(
    ("suite", "images"),
    [
        (SUITE, ()),
        (replace(SUITE, selections=()), (make_image("1.0"),)),
        (SUITE, (make_image("1.0", framework="tensorflow"),)),
    ],
    ids=["no image", "no benchmark", "no implementation for the framework"],
)
def test_an_empty_selection_is_an_error(suite: Suite, images: tuple[Image, ...]) -> None:
    with pytest.raises(NothingSelectedError, match="selects nothing"):
        make_plan(suite, images)


def test_ptx_marks_its_cells() -> None:
    jit = make_image("1.0", variants=(Variant(name="cu90", cuda="9.0", compute=("7.0",), ptx="7.0"),))

    plan = make_plan(images=(jit,), target=Target(device="cuda", gpu=Gpu(name="g", compute="9.0", driver="600")))

    assert all(cell.jit and cell.device == "cuda" for cell in plan.cells)


def test_across_systems_a_row_is_a_configuration_and_ids_stay_as_they_are() -> None:
    suite = replace(SUITE, compare=Compare(across="system", baseline="fastest"))

    across_images, across_systems = make_plan(), make_plan(suite)

    assert {cell.row for cell in across_systems.cells} == {"lstm/short", "lstm/long"}
    assert [cell.id for cell in across_systems.cells] == [cell.id for cell in across_images.cells]


def test_a_profile_changes_the_protocol_and_narrows_the_configurations() -> None:
    suite = apply_profile(SUITE, "quick")

    assert suite.protocol == Protocol(warmup=2, samples=5, at_most_s=60, blocks=3, threads=1)
    assert {cell.configuration for cell in make_plan(suite).cells} == {"short"}


def test_a_profile_may_have_images_of_its_own() -> None:
    few = Profile(name="few", protocol={}, images=("pytorch-1.0",), image_lines=(9,))
    suite = apply_profile(replace(SUITE, image_lines=(3,), profiles=(few, *SUITE.profiles)), "few")

    assert (suite.images, suite.image_lines) == (("pytorch-1.0",), (9,))
    assert apply_profile(SUITE, "paper").images == ("*",)


def test_an_unknown_profile_gets_a_suggestion() -> None:
    with pytest.raises(UsageError, match="Did you mean 'quick'"):
        apply_profile(SUITE, "quik")


@pytest.mark.parametrize(
    ("suite", "device", "asked", "expected"),
    [
        (SUITE, "cpu", None, "quick"),
        (SUITE, "cpu", "paper", "paper"),
        (SUITE, "cuda", None, None),
        (replace(SUITE, profiles=()), "cpu", None, None),
    ],
)
def test_quick_is_taken_on_the_cpu_unless_another_is_asked_for(
    suite: Suite, device: str, asked: str | None, expected: str | None
) -> None:
    assert default_profile(suite, "cuda" if device == "cuda" else "cpu", asked) == expected


def test_the_estimate_adds_downloads_disk_and_time() -> None:
    plan = make_plan(apply_profile(SUITE, "quick"), images=(make_image("1.0"), make_image("1.10")))

    found = estimate(plan, {"lstm": BENCHMARK}, lambda _: 60, lambda target: target.image.version == "1.10")

    # One image to build: 60 of its 100 bytes to fetch, 100 in the builder, 460 unpacked, a base of 0.2 GB.
    assert (found.build.download_bytes, found.build.disk_bytes) == (60, 60 + 100 + 460 + 200_000_000)
    # 4 cells of 3 launches of 7 steps of 0.5 s, and a gate of one; 5 s of start for each of the 4; 45 s for one build.
    assert found.seconds == pytest.approx(4 * (3 * 3.5 + 0.5 + 4 * 5) + 45)


def test_a_cuda_build_unpacks_to_half_as_much_as_a_cpu_build_of_its_size() -> None:
    image = make_image("1.0", variants=(Variant(name="cu90", cuda="9.0"), Variant(name="cpu")))
    cuda, cpu = (ImageVariant(image=image, variant=variant) for variant in image.variants)

    disk = [estimate_build([target], lambda _: 1000).disk_bytes - 200_000_000 for target in (cuda, cpu)]

    assert disk == [2 * 1000 + 2300, 2 * 1000 + 4600]


def test_the_estimate_is_capped_by_the_time_of_a_phase_but_not_below_seven_steps() -> None:
    suite = replace(SUITE, protocol=Protocol(warmup=10, samples=100, at_most_s=2, blocks=1))
    plan = make_plan(replace(suite, selections=(Selection(benchmark="lstm", configurations=("short",)),)))

    found = estimate(plan, {"lstm": BENCHMARK}, lambda _: 0, lambda _: True)

    assert found.seconds == pytest.approx(len(plan.cells) * (7 * 0.5 + 0.5 + 2 * 5))


def test_downloads_of_unknown_size_are_named_and_not_counted() -> None:
    found = estimate(make_plan(), {"lstm": BENCHMARK}, lambda _: None, lambda _: False)

    assert found.build.unknown_downloads == ("pytorch-1.0+cpu", "pytorch-1.10+cpu")
    assert found.build.download_bytes == 0
