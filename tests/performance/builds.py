"""`orch build` where every image is there already: 30 images of a toy framework, really built first."""

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

from docker.api import APIClient

from tests.performance.figures import Figure, clock
from tests.performance.spinning import PUBLIC, connected, find_python
from tests.toy_project import SOURCES, Ended, Toy, edit, finish, make_toy, write_wheel

IMAGES = 30
ROUNDS = 7
BAR_S = 1.0
BUILDING_S = 900.0
BUILD = ("build", "toy_versions", "--engine", "docker", "--device", "cpu", "--json")
ROW = """  "9.{minor}.0":
    released: 2026-01-01
    python: "{python}"
    base: {base}
    requirements: [toy==9.{minor}.0]
    source: tests
    variants:
      cpu: {{}}
"""


def measure_builds() -> Iterator[Figure]:
    """Build 30 images, then time the same command again; the images are removed."""
    with connected() as api, _built(api) as toy:
        times_s = [clock(lambda: _build(toy, "there")) for _ in range(ROUNDS)]
    what = f"orch build, {IMAGES} images, nothing to do"
    yield Figure(what=what, measured=median(times_s), bar=BAR_S, unit="s", note=f"median of {ROUNDS}, whole process")


@contextmanager
def _built(api: APIClient) -> Iterator[Toy]:
    base, _, python = find_python(api)
    with TemporaryDirectory(prefix="orch-bench-") as name:
        folder = Path(name)
        config = folder / "orch.toml"
        config.write_text("" if base == PUBLIC else f'[mirrors]\n"{PUBLIC}" = "{base}"\n', encoding="utf-8")
        toy = make_toy(folder, folder / "cache", python)
        toy.env["ORCH_CONFIG"] = str(config)
        _write_rows(toy, python)
        tags = _build(toy, "built")
        try:
            yield toy
        finally:
            for tag in tags:
                api.remove_image(tag, force=True)


def _write_rows(toy: Toy, python: str) -> None:
    rows = "".join(ROW.format(minor=minor, python=python, base=PUBLIC) for minor in range(IMAGES))
    text = f"family: toy\nframework: toy\nversions:\n{rows}"
    (toy.project / "images" / "toy" / "versions.yaml").write_text(text, encoding="utf-8")
    edit(toy.project / "suites" / "toy_versions.yaml", "^images: .*$", 'images: ["toy-*"]')
    for minor in range(IMAGES):
        version = f"9.{minor}.0"
        source = f"__version__ = {version!r}\n{SOURCES['1.0.0']}"
        write_wheel(toy.wheels / f"toy-{version}-py3-none-any.whl", "toy", version, source)


def _build(toy: Toy, state: str) -> list[str]:
    """Run `orch build` and return the tags. Raises RuntimeError if not every image is in the state expected."""
    ended: Ended = finish(toy.start(*BUILD), BUILDING_S)
    if ended.exit_code != os.EX_OK:
        raise RuntimeError(f"orch build ended with {ended.exit_code}:\n{ended.stderr[-2000:]}")
    done = json.loads(ended.stdout)
    if [one["state"] for one in done] != [state] * IMAGES:
        raise RuntimeError(f"{IMAGES} images should be {state}: {ended.stdout[-2000:]}")
    return [one["text"] for one in done]
