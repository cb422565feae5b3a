"""What a real Docker engine answered once, for tests that start none."""

import json
from dataclasses import replace
from pathlib import Path
from typing import cast

from docker.api import APIClient

from orchestrator.doctor.engine_facts import describe
from orchestrator.doctor.facts import Docker

ANSWERS = json.loads((Path(__file__).parent / "data" / "docker" / "engine_28.json").read_text(encoding="utf-8"))


class Recorded:
    """Answers as the engine did; `changed` lays other values over /info."""

    def __init__(self, **changed: object) -> None:
        self._changed = changed

    def info(self) -> dict[str, object]:
        return {**ANSWERS["info"], **self._changed}

    def version(self) -> dict[str, object]:
        return dict(ANSWERS["version"])

    def images(self) -> list[dict[str, object]]:
        return list(ANSWERS["images"])


def make_docker(**changed: object) -> Docker:
    """Return what is known of the recorded engine, as one of this machine. changed: keys of its /info."""
    return replace(describe(cast(APIClient, Recorded(**changed))), is_here=True)
