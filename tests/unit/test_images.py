"""What is read off the description of an image."""

import pytest

from orchestrator.engines.images import tagged_at


@pytest.mark.parametrize(
    ("told", "seconds"),
    [
        ("2026-11-20T12:34:42.609314664Z", 1795178082.609314),
        ("2026-11-20T13:34:42+01:00", 1795178082.0),
        ("0001-01-01T00:00:00Z", -62135596800.0),
    ],
)
def test_the_time_of_the_last_tag_is_read_however_exact_it_is(told: str, seconds: float) -> None:
    described = {"Created": "2020-01-01T00:00:00Z", "Metadata": {"LastTagTime": told}}

    assert tagged_at(described) == pytest.approx(seconds, abs=1e-5)
