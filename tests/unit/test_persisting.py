"""Steps of a conversation whose link is lost and made again."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import cast

import pytest
import requests
from docker.api import APIClient
from docker.errors import APIError

from orchestrator.engines.links import DIRECT, Link
from orchestrator.engines.persisting import Conversation
from orchestrator.errors import HostError

API = cast(APIClient, object())


@dataclass
class Tunnel:
    """A link that can be mended so many times; loses: how often steps find it lost."""

    mends: int
    url: str | None = "unix:///tunnel.sock"
    generation: int = 0

    def mend(self, since: int, /) -> bool:
        if self.generation != since:
            return True
        if self.mends == 0:
            raise HostError("gone for good")
        self.mends -= 1
        self.generation += 1
        return True


def failing(times: int, error: Exception) -> Callable[[APIClient], str]:
    """Return a step that fails so many times and then says how often it was done."""
    done: list[int] = []

    def step(api: APIClient) -> str:
        assert api is API
        done.append(1)
        if len(done) <= times:
            raise error
        return f"done {len(done)} times"

    return step


def talk(link: Link) -> Conversation:
    return Conversation(api=API, link=link)


@pytest.mark.parametrize(
    "error", [requests.ConnectionError(), requests.ReadTimeout(), requests.exceptions.ChunkedEncodingError()]
)
def test_a_step_is_done_again_each_time_its_link_is_lost(error: Exception) -> None:
    result = talk(Tunnel(mends=2)).persist(failing(2, error))

    assert result == "done 3 times"


def test_a_step_that_must_not_be_done_twice_goes_on_in_another_way() -> None:
    result = talk(Tunnel(mends=1)).persist(failing(1, requests.ConnectionError()), lambda _api: "looked whether done")

    assert result == "looked whether done"


def test_an_engine_that_fails_over_a_link_that_holds_is_not_asked_again() -> None:
    with pytest.raises(requests.ConnectionError):
        talk(DIRECT).persist(failing(1, requests.ConnectionError()))


def test_what_the_engine_answers_is_no_lost_link() -> None:
    with pytest.raises(APIError):
        talk(Tunnel(mends=1)).persist(failing(1, APIError("no such container")))


def test_a_link_that_stays_lost_ends_the_conversation() -> None:
    with pytest.raises(HostError):
        talk(Tunnel(mends=1)).persist(failing(2, requests.ConnectionError()))


def test_a_link_that_another_thread_has_mended_is_not_mended_twice() -> None:
    tunnel = Tunnel(mends=1)

    def step(_api: APIClient) -> int:
        if tunnel.generation == 0:
            tunnel.mend(0)  # by another thread, in the middle of the step
            raise requests.ConnectionError
        return tunnel.generation

    assert talk(tunnel).persist(step) == 1
