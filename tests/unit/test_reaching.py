"""Which two releases a first look takes, and how few of them are looked up for it."""

from collections.abc import Callable
from pathlib import Path

import pytest

from orchestrator.images import Image, ImageVariant, Variant
from orchestrator.reaching import choose_pair, one_of_each_version


def make_target(version: str) -> ImageVariant:
    variant = Variant(name="cpu")
    image = Image(
        family="pytorch",
        framework="pytorch",
        version=version,
        released="",
        python="3.11.7",
        base="b",
        requirements=("x",),
        variants=(variant,),
        folder=Path("pytorch"),
    )
    return ImageVariant(image=image, variant=variant)


def sizes_of(sizes: dict[str, int | None], asked: list[str] | None = None) -> Callable[[ImageVariant], int | None]:
    def size_of(target: ImageVariant) -> int | None:
        if asked is not None and target.image.version not in asked:
            asked.append(target.image.version)
        return sizes[target.image.version]

    return size_of


def choose(sizes: dict[str, int | None], at_most: int | None, asked: list[str] | None = None) -> tuple[str, ...] | None:
    pair = choose_pair([make_target(version) for version in sizes], sizes_of(sizes, asked), at_most)
    return pair and tuple(one.target.image.version for one in pair)


@pytest.mark.parametrize(
    ("sizes", "limit", "expected"),
    [
        ({"1.0.1": 586, "1.4.0": 754, "2.13.0": 190}, 1000, ("1.0.1", "2.13.0")),
        ({"1.0.1": None, "1.4.0": 600, "2.13.0": 190, "2.15.0": None}, 1000, ("1.4.0", "2.13.0")),
        ({"1.0.1": 586, "1.4.0": 754}, 1000, None),
        ({"1.0.1": 586, "1.4.0": 754}, None, ("1.0.1", "1.4.0")),
        ({"1.0.1": 900, "1.4.0": 300, "1.7.1": 200, "2.0.1": 2000}, 1000, ("1.4.0", "1.7.1")),
        ({"1.0.1": 500, "1.4.0": 400, "1.7.1": 300, "2.0.1": 900}, 700, ("1.4.0", "1.7.1")),
        ({"1.0.1": 0, "2.13.0": 0}, 0, ("1.0.1", "2.13.0")),
        ({"1.0.1": None, "2.13.0": None}, None, None),
        ({"1.0.1": 10}, None, None),
        ({}, None, None),
    ],
)
def test_the_pair_is_the_widest_span_of_releases_that_fits_the_download(
    sizes: dict[str, int | None], limit: int | None, expected: tuple[str, str] | None
) -> None:
    assert choose(sizes, limit) == expected


def test_of_equally_wide_pairs_the_smaller_download_is_taken() -> None:
    assert choose({"1.0": 500, "1.1": 400, "1.2": 100, "1.3": 300}, 600) == ("1.0", "1.2")


def test_the_sizes_come_with_the_pair() -> None:
    pair = choose_pair([make_target("1.0"), make_target("1.1")], sizes_of({"1.0": 5, "1.1": 4}), None)

    assert pair is not None
    assert [one.download_bytes for one in pair] == [5, 4]


def test_what_lies_between_the_two_is_not_looked_up() -> None:
    asked: list[str] = []

    pair = choose({"0.4": None, "1.0": 1, "1.1": 1, "1.2": 1, "1.3": 1, "2.0": 1, "2.1": None}, None, asked)

    assert pair == ("1.0", "2.0")
    assert sorted(asked) == ["0.4", "1.0", "2.0", "2.1"]


def test_a_second_row_of_a_version_is_not_looked_at_where_the_first_can_run() -> None:
    targets = [make_target(version) for version in ("1.0.1", "1.0.1-py27", "1.1.0-py27", "1.4.0")]

    kept = one_of_each_version(targets)

    assert [target.image.version for target in kept] == ["1.0.1", "1.1.0-py27", "1.4.0"]
