"""A conversation with an engine that goes on after its link was lost and made again."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

import requests
from docker.api import APIClient

from orchestrator.engines.links import Link

T = TypeVar("T")
# What requests raises when its connection breaks. A wait that is too long shows as the first of them too.
BROKEN = (requests.ConnectionError, requests.Timeout, requests.exceptions.ChunkedEncodingError)


@dataclass(frozen=True, kw_only=True)
class Conversation:
    """An engine's API, and the link that carries it."""

    api: APIClient
    link: Link

    def persist(self, step: Callable[[APIClient], T], again: Callable[[APIClient], T] | None = None) -> T:
        """Do a step; if the link is lost meanwhile, make it again and do the step again.

        again: what to do from the second time on, where the engine may have done it without our seeing its answer.
        Raises docker's and requests' errors if the engine fails, HostError if the link stays lost.
        """
        todo = step
        while True:
            since = self.link.generation
            try:
                return todo(self.api)
            except BROKEN:
                if not self.link.mend(since):
                    raise
            todo = again or step
