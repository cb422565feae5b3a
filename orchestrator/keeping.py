"""What lies on disk for later, images, wheels and caches: listed with its size, removed where nothing needs it."""

import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from orchestrator import console, process
from orchestrator.building import find_built
from orchestrator.catalog import load_images
from orchestrator.engines import Engine
from orchestrator.engines.claims import find_dead, remove_leftovers
from orchestrator.engines.docker_stock import DockerStock
from orchestrator.engines.stock import Kept, Stock
from orchestrator.engines.venv_stock import VenvStock, disk_bytes
from orchestrator.errors import EngineError
from orchestrator.fleet.locks import MACHINE
from orchestrator.images import ImageVariant
from orchestrator.shipped import shipped_folders
from orchestrator.usage import last_used
from orchestrator.wheelhouse import find_unused
from orchestrator.workbench import Workbench


@dataclass(frozen=True, kw_only=True)
class KeptImage:
    """One line of `orch images`."""

    image: str  # pytorch-1.13.1+cu117
    engine: str
    state: str  # current | stale | other project
    bytes: int
    shared_bytes: int  # of these in layers that other images have too
    made_s: float  # since 1970
    used_s: float | None  # None: not since it was made
    reference: str


@dataclass(frozen=True, kw_only=True)
class Leftover:
    """One thing that nothing needs any more."""

    kind: str
    name: str
    bytes: int
    used_s: float  # since 1970: last used, else made
    remove: Callable[[], None]


@dataclass(frozen=True, kw_only=True)
class _Shelf:
    """What one engine keeps, and which of it is up to date."""

    engine: str
    stock: Stock
    kept: tuple[Kept, ...]
    known: frozenset[str]  # variants of the project
    current: frozenset[str]  # hashes of inputs

    @property
    def images(self) -> Iterator[Kept]:
        return (kept for kept in self.kept if kept.kind == "image")

    def state(self, kept: Kept) -> str:
        """current: what `orch build` finds; stale: of a row of the project, with other inputs; or of no row of it."""
        if kept.name not in self.known:
            return "other project"
        return "current" if kept.inputs_sha256 in self.current else "stale"


def list_images(bench: Workbench) -> tuple[KeptImage, ...]:
    """Return the images on every engine that answers, by name."""
    cache = bench.settings.cache
    found = [_describe(shelf, kept, cache) for shelf in _survey(bench) for kept in shelf.images]
    return tuple(sorted(found, key=lambda one: (one.engine, one.image, one.made_s)))


def find_leftovers(bench: Workbench, older_than_s: float = 0.0) -> tuple[Leftover, ...]:
    """Return stale images, unused wheels, compile caches and contexts of dead builds, not used for so long."""
    until_s = time.time() - older_than_s
    everything = (*_left_on_engines(bench), *_left_wheels(bench), *_left_contexts(bench))
    return tuple(one for one in everything if one.used_s <= until_s)


def remove_all(bench: Workbench, leftovers: Sequence[Leftover]) -> tuple[Leftover, ...]:
    """Remove what was found; returns what is gone. What is in use after all is said and stays.

    Waits, aloud, for the end of a run: between its launches no container has its compile caches.
    """
    gone = []
    with bench.host.taken(MACHINE, bench.host.name):
        for one in leftovers:
            try:
                one.remove()
            except (EngineError, OSError) as error:
                console.note(f"{one.kind} {one.name}: stays: {error}")
                continue
            gone.append(one)
    return tuple(gone)


def _left_on_engines(bench: Workbench) -> Iterator[Leftover]:
    cache = bench.settings.cache
    for shelf in _survey(bench):
        for kept in shelf.kept:
            if kept.kind == "compile cache":
                remove = partial(_remove_cache, cache, shelf.stock, kept)
                yield _leftover(kept, kept.made_s, remove)
            elif shelf.state(kept) == "stale":
                yield _leftover(
                    kept, last_used(cache, kept.inputs_sha256) or kept.made_s, partial(shelf.stock.remove, kept)
                )


def _leftover(kept: Kept, used_s: float, remove: Callable[[], None]) -> Leftover:
    own = kept.bytes - kept.shared_bytes
    return Leftover(kind=kept.kind, name=kept.reference, bytes=own, used_s=used_s, remove=remove)


def _remove_cache(cache: Path, stock: Stock, kept: Kept) -> None:
    """Remove a compile cache, and the passed gates with it: passing one again is what fills it again."""
    stock.remove(kept)
    shutil.rmtree(cache / "gates", ignore_errors=True)


def _left_wheels(bench: Workbench) -> Iterator[Leftover]:
    wheelhouse = bench.wheelhouse
    families = {bench.project.images, *(folder / "images" for folder in shipped_folders())}
    for path in find_unused(wheelhouse, families):
        described = path.stat()

        def remove(path: Path = path) -> None:
            with process.exclusive(wheelhouse.folder / ".lock"):
                shutil.rmtree(path.parent)

        yield Leftover(kind="wheel", name=path.name, bytes=described.st_size, used_s=described.st_mtime, remove=remove)


def _left_contexts(bench: Workbench) -> Iterator[Leftover]:
    parent = bench.settings.cache / "build" / "contexts"
    dead = [folder for folder in find_dead(parent) if folder.is_dir()]
    if dead:
        used_s = max(folder.stat().st_mtime for folder in dead)
        size = sum(disk_bytes(folder) for folder in dead)
        remove = partial(_clear, parent)
        yield Leftover(kind="context", name=f"{len(dead)} of dead builds", bytes=size, used_s=used_s, remove=remove)


def _clear(parent: Path) -> None:
    remove_leftovers(parent)


def _describe(shelf: _Shelf, kept: Kept, cache: Path) -> KeptImage:
    return KeptImage(
        image=kept.name,
        engine=shelf.engine,
        state=shelf.state(kept),
        bytes=kept.bytes,
        shared_bytes=kept.shared_bytes,
        made_s=kept.made_s,
        used_s=last_used(cache, kept.inputs_sha256),
        reference=kept.reference,
    )


def _survey(bench: Workbench) -> Iterator[_Shelf]:
    """Look at every engine that may be taken and answers."""
    rows = (ImageVariant(image=image, variant=one) for image in load_images(bench.project) for one in image.variants)
    known = {target.name: target for target in rows}
    for engine, stock in _stocks(bench):
        kept = stock.kept()
        targets = {one.name: known[one.name] for one in kept if one.kind == "image" and one.name in known}
        built = find_built(engine, targets.values()).values()
        current = frozenset(image.inputs_sha256 for image in built)
        yield _Shelf(engine=engine.name, stock=stock, kept=kept, known=frozenset(known), current=current)


def _stocks(bench: Workbench) -> Iterator[tuple[Engine, Stock]]:
    """Yield the engines that may be taken and answer; one that was asked for by name has to."""
    names = bench.options.engine_names
    bench.host.check_engine()
    for name in names:
        docker = bench.open_docker() if name == "docker" else None
        engine = docker or bench.open_engine(name)
        try:
            engine.check()
        except EngineError as error:
            if len(names) == 1:
                raise
            console.note(f"Without the images of {name}: {error}")
            continue
        yield engine, DockerStock(docker) if docker else VenvStock(bench.settings.cache)
