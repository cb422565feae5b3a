"""What is read off the description of an image."""

import pytest
import requests
from docker.errors import APIError, DockerException

from orchestrator.engines.images import tagged_at, why_gone


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


# What Docker 28.5 answered when it was asked for images of a registry: tests/containers/test_registry.py asks again.
ANSWERS = {
    "deleted": (404, "manifest unknown"),
    "never there": (404, "name unknown: name unknown"),
    "schema 1": (
        400,
        "Docker Image Format v1 and Docker Image manifest version 2, schema 1 support has been removed. Suggest the "
        "author of 127.0.0.1:37445/old:1 to upgrade the image to the OCI Format or Docker Image manifest v2, schema 2. "
        "More information at https://docs.docker.com/go/deprecated-image-specs/",
    ),
    "refused": (500, 'Get "http://127.0.0.1:39555/v2/": dial tcp 127.0.0.1:39555: connect: connection refused'),
    "no such host": (500, 'Get "https://r.example.com/v2/": dial tcp: lookup r.example.com: no such host'),
}


def answer(name: str) -> APIError:
    response = requests.Response()
    response.status_code, explanation = ANSWERS[name]
    return APIError("the engine's answer", response, explanation)


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("deleted", "its registry does not have any more (manifest unknown)"),
        ("never there", "its registry does not have any more (name unknown: name unknown)"),
        ("schema 1", "is of an image format that engines no longer read (manifest schema 1, from before 2016)"),
    ],
)
def test_an_image_is_gone_only_where_its_registry_says_so(name: str, reason: str) -> None:
    assert str(why_gone(answer(name))).startswith(reason)


@pytest.mark.parametrize("error", [answer("refused"), answer("no such host"), DockerException("no engine")])
def test_a_registry_that_does_not_answer_has_deleted_nothing(error: Exception) -> None:
    assert why_gone(error) is None
