"""Which wheel is chosen, and how the resolver's answer is said."""

import pytest
from packaging.tags import Tag

from orchestrator.resolving import explain_uv
from orchestrator.wheel_tags import abi, wheel_tags


@pytest.mark.parametrize(
    ("python", "tag"),
    [("2.7.18", "cp27mu"), ("3.6.15", "cp36m"), ("3.7.16", "cp37m"), ("3.8.18", "cp38"), ("3.13.0", "cp313")],
)
def test_the_abi_follows_the_python(python: str, tag: str) -> None:
    assert abi(python) == tag


def test_a_newer_manylinux_wheel_is_preferred_and_one_for_a_newer_glibc_is_not_taken() -> None:
    tags = list(wheel_tags("3.6.15"))

    assert tags.index(Tag("cp36", "cp36m", "manylinux2010_x86_64")) < tags.index(
        Tag("cp36", "cp36m", "manylinux1_x86_64")
    )
    assert tags.index(Tag("cp36", "cp36m", "linux_x86_64")) < tags.index(Tag("py3", "none", "any"))
    assert Tag("cp36", "cp36m", "manylinux_2_31_x86_64") in tags
    assert Tag("cp36", "cp36m", "manylinux_2_32_x86_64") not in tags


def test_an_unknown_version_is_said_in_one_line() -> None:
    stderr = (
        "warning: The requested Python version 3.6.15 is not available; 3.11.7 will be used instead.\n"
        "error: No solution found when resolving dependencies\n"
        "  cause: Because there is no version of torch==9.9 and you require torch==9.9, we can conclude that your "
        "requirements are unsatisfiable.\n\nhint: look elsewhere\n"
    )

    assert explain_uv(stderr) == (
        "Because there is no version of torch==9.9 and you require torch==9.9, we can conclude that your "
        "requirements are unsatisfiable"
    )


def test_an_index_that_does_not_answer_is_called_so() -> None:
    stderr = (
        "error: Request failed after 3 retries in 5.7s\n  cause: Failed to fetch: https://index.example/torch/\n"
        "  cause: error sending request for url\n  cause: dns error\n  cause: Name or service not known\n"
    )

    assert explain_uv(stderr) == "an index does not answer (Name or service not known)"
