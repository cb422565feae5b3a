"""Names, patterns and versions."""

import pytest

from orchestrator.names import did_you_mean, expand_braces, in_version_range, is_pattern, matches, version_key


def test_versions_sort_as_releases_and_not_as_text() -> None:
    versions = ["1.10.0", "0.4.0", "0.1.12_2", "1.9.1-py27", "1.9.1", "0.3.1post2", "0.2.0_4", "0.3.1", "2.0.0"]

    assert sorted(versions, key=version_key) == [
        "0.1.12_2",
        "0.2.0_4",
        "0.3.1",
        "0.3.1post2",
        "0.4.0",
        "1.9.1",
        "1.9.1-py27",
        "1.10.0",
        "2.0.0",
    ]


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("a", ("a",)),
        ("a-{1,2}", ("a-1", "a-2")),
        ("{a,b}-{1, 2}", ("a-1", "a-2", "b-1", "b-2")),
        ("a-{1}", ("a-1",)),
        ("a-{1", ("a-{1",)),
    ],
)
def test_braces_are_written_out(pattern: str, expected: tuple[str, ...]) -> None:
    assert expand_braces(pattern) == expected


@pytest.mark.parametrize(
    ("version", "text", "expected"),
    [
        ("1.0.1", "pytorch>=1.0,<2.0", True),
        ("2.0.1", "pytorch>=1.0,<2.0", False),
        ("1.10.0", "pytorch > 1.9", True),
        ("0.1.12_2", "pytorch<0.2", True),
        ("1.0.1-py27", "pytorch==1.0.1", True),
        ("1.0.1-py27", "pytorch>1.0.1", False),
        ("1.0.1-py27", "pytorch<1.0.1", False),
        ("1.0.1", "jax>=0.1", False),
        ("1.0.1", "pytorch-1.0.1", False),
    ],
)
def test_a_version_lies_in_a_range(version: str, text: str, expected: bool) -> None:
    assert in_version_range("pytorch", version, text) is expected


def test_a_range_that_cannot_be_read_is_an_error() -> None:
    with pytest.raises(ValueError, match=r"is not a version range such as pytorch>=1\.0,<2\.0"):
        in_version_range("pytorch", "1.0", "pytorch>=one")


def test_a_name_with_brackets_and_slashes_is_matched_by_globs() -> None:
    assert matches("1x320/CE-short", ("1x320/*",))
    assert not matches("1x320/CE-short", ("4x320/*",))


@pytest.mark.parametrize(("text", "expected"), [("pytorch-*", True), ("jax>=1", True), ("pytorch-1.0.1", False)])
def test_a_pattern_means_several_names(text: str, expected: bool) -> None:
    assert is_pattern(text) is expected


@pytest.mark.parametrize(
    ("word", "known", "expected"),
    [
        ("bacth", ["batch", "blocks"], " Did you mean 'batch'?"),
        ("h100", ["A100", "H100"], " Did you mean 'H100'?"),
        ("zzz", ["b", "a"], " Known: a, b."),
        ("zzz", [], ""),
    ],
)
def test_the_nearest_known_word_is_suggested(word: str, known: list[str], expected: str) -> None:
    assert did_you_mean(word, known) == expected
