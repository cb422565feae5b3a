"""`orch build` of toy frameworks, really built: where every image is there already, and cold against `docker build`."""

import json
import os
import random
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

from docker.api import APIClient
from docker.errors import ImageNotFound

from tests.performance.figures import Figure, NotMeasuredError, clock, run_quietly
from tests.performance.spinning import PUBLIC, connected, find_python
from tests.toy_project import SOURCES, Ended, Toy, edit, finish, make_toy, write_wheel

IMAGES, ROUNDS, BAR_S = 30, 7, 1.0
COLD_IMAGES, COLD_ROUNDS, COLD_BAR = 4, 3, 0.75
# An eighth of the modules and of the packed bytes of PyTorch 2.13.0's CPU build: 2371 modules, 190 MB.
MODULES, FUNCTIONS, PAYLOAD_BYTES = 300, 100, 24 * 10**6
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


@dataclass(frozen=True, kw_only=True)
class Workplace:
    """An engine with a Python, and a folder for projects."""

    api: APIClient
    docker: str  # the program
    base: str  # of the engine, in place of the public one
    python: str
    folder: Path

    def make(self, name: str, images: int, more: Mapping[str, str] | None = None) -> Toy:
        """Make a toy project with so many images, in wheels of their own: nothing of them is in the builder's cache."""
        toy = make_toy(self.folder / name, self.folder / name / "cache", self.python)
        config = toy.folder / "orch.toml"
        config.write_text("" if self.base == PUBLIC else f'[mirrors]\n"{PUBLIC}" = "{self.base}"\n', encoding="utf-8")
        toy.env["ORCH_CONFIG"] = str(config)
        rows = "".join(ROW.format(minor=minor, python=self.python, base=PUBLIC) for minor in range(images))
        family = toy.project / "images" / "toy"
        (family / "versions.yaml").write_text(f"family: toy\nframework: toy\nversions:\n{rows}", encoding="utf-8")
        edit(toy.project / "suites" / "toy_versions.yaml", "^images: .*$", 'images: ["toy-*"]')
        for version in (f"9.{minor}.0" for minor in range(images)):
            source = f"# {self.folder.name} {name}\n__version__ = {version!r}\n{SOURCES['1.0.0']}"
            write_wheel(toy.wheels / f"toy-{version}-py3-none-any.whl", "toy", version, source, more)
        return toy


def measure_builds() -> Iterator[Figure]:
    """Build 30 images, then time the same command again; build 4 anew, by `orch` and by `docker build`."""
    with _workplace() as place:
        yield _measure_nothing_to_do(place)
        yield _measure_cold(place)


def _measure_nothing_to_do(place: Workplace) -> Figure:
    toy = place.make("there", IMAGES)
    _finish(toy, "lock", "toy-*")
    tags = _build(toy, ["built"] * IMAGES)
    try:
        times_s = [clock(lambda: _build(toy, ["there"] * IMAGES)) for _ in range(ROUNDS)]
    finally:
        _remove(place.api, tags)
    what = f"orch build, {IMAGES} images, nothing to do"
    return Figure(what=what, measured=median(times_s), bar=BAR_S, unit="s", note=f"median of {ROUNDS}, whole process")


def _measure_cold(place: Workplace) -> Figure:
    """Time both ways in turns, in random order; each has wheels of its own, so that nothing of them is cached."""
    ways: dict[str, Callable[[Workplace, Toy], float]] = {"orch": _build_with_orch, "hand": _build_by_hand}
    generator, bulk, load = random.Random(1), _bulk(), os.getloadavg()[0]
    ratios, ours_s = [], []
    for number in range(COLD_ROUNDS):
        times_s = {}
        for way in generator.sample(sorted(ways), len(ways)):
            toy = place.make(f"cold-{number}-{way}", COLD_IMAGES, bulk)
            times_s[way] = ways[way](place, toy)
            shutil.rmtree(toy.folder)
        ratios.append(times_s["orch"] / times_s["hand"])
        ours_s.append(times_s["orch"])
    shown = " ".join(f"{ratio:.2f}" for ratio in ratios)
    return Figure(
        what=f"cold orch build of {COLD_IMAGES} images / docker build of each",
        measured=median(ratios),
        bar=COLD_BAR,
        note=f"median of {shown}; orch, checks included: {median(ours_s):.1f} s; load before: {load:.1f}",
    )


def _build_with_orch(place: Workplace, toy: Toy) -> float:
    """Return how long `orch build` takes, the wheels in its wheelhouse."""
    _finish(toy, "lock", "toy-*", "--fetch")
    tags: list[str] = []
    try:
        return clock(lambda: tags.extend(_build(toy, ["built"] * COLD_IMAGES)))
    finally:
        _remove(place.api, tags)


def _build_by_hand(place: Workplace, toy: Toy) -> float:
    """Return how long the same takes with `docker build`, one image after the other, its context made before."""
    _finish(toy, "lock", "toy-*")
    (installer,) = toy.wheels.glob("pip-*.whl")
    commands, tags = [], []
    for lock in sorted((toy.project / "images" / "toy" / "locks").glob("*.txt")):
        version = lock.stem.removeprefix("toy-").partition("+")[0]
        context, tag = toy.folder / "contexts" / version, f"orch-bench/{toy.folder.name}:{version}"
        (context / "wheels").mkdir(parents=True)
        shutil.copy(toy.project / "images" / "toy" / "Dockerfile", context)
        shutil.copy(lock, context / "requirements.txt")
        for wheel in (installer, *toy.wheels.glob(f"toy-{version}-*.whl")):
            os.link(wheel, context / "wheels" / wheel.name)
        arguments = ("--build-arg", f"BASE={place.base}", "--build-arg", f"PIP={installer.name}", "--tag", tag)
        commands.append((place.docker, "build", "--quiet", *arguments, str(context)))
        tags.append(tag)
    try:
        return sum(clock(partial(run_quietly, command)) for command in commands)
    finally:
        _remove(place.api, tags)


def _bulk() -> Mapping[str, str]:
    """Return what makes a wheel heavy: modules, and bytes that pack to half."""
    functions = "".join(f"def f{number}(x):\n    return x * {number} + 1\n\n\n" for number in range(FUNCTIONS))
    modules = {f"m{number}.py": functions for number in range(MODULES)}
    return {**modules, "libtoy.so": random.Random(1).randbytes(PAYLOAD_BYTES).hex()}


@contextmanager
def _workplace() -> Iterator[Workplace]:
    """Give an engine and a folder, and drop from the builder's cache what came in the meantime."""
    docker = shutil.which("docker")
    if docker is None:
        raise NotMeasuredError("no `docker` on PATH to compare with")
    with connected() as api, TemporaryDirectory(prefix="orch-bench-") as name:
        base, _, python = find_python(api)
        before = _cached(api)
        try:
            yield Workplace(api=api, docker=docker, base=base, python=python, folder=Path(name))
        finally:
            for record in _cached(api) - before:
                run_quietly((docker, "builder", "prune", "--force", "--all", "--filter", f"id={record}"))


def _cached(api: APIClient) -> frozenset[str]:
    return frozenset(record["ID"] for record in api.df()["BuildCache"] or ())


def _remove(api: APIClient, tags: Sequence[str]) -> None:
    for tag in tags:
        with suppress(ImageNotFound):  # it was not built: what hindered it is the better error
            api.remove_image(tag, force=True)


def _build(toy: Toy, states: Sequence[str]) -> list[str]:
    """Run `orch build` and return the tags. Raises RuntimeError if the images are not in the states expected."""
    done = json.loads(_finish(toy, *BUILD).stdout)
    if [one["state"] for one in done] != list(states):
        raise RuntimeError(f"the images should be {', '.join(states)}: {done}")
    return [one["text"] for one in done]


def _finish(toy: Toy, *arguments: str) -> Ended:
    ended = finish(toy.start(*arguments), BUILDING_S)
    if ended.exit_code != os.EX_OK:
        raise RuntimeError(f"orch {arguments[0]} ended with {ended.exit_code}:\n{ended.stderr[-2000:]}")
    return ended
