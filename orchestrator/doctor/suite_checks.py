"""What the default suite needs of this machine: images that can run here, and disk for them."""

import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path

from orchestrator import console
from orchestrator.disk_space import check_space
from orchestrator.doctor.checks import Advice, Check
from orchestrator.engines import Engine
from orchestrator.errors import DiskError, EngineError
from orchestrator.hardware import Disk, Gpu
from orchestrator.images import Image, ImageVariant
from orchestrator.interpreters import Interpreter
from orchestrator.locking import is_locked
from orchestrator.planning import BuildCost
from orchestrator.variants import Choice, choose_variant

VENV, SUITE, DISK = "engine venv", "default suite", "free disk"


def fitting(images: Sequence[Image], gpu: Gpu | None) -> tuple[ImageVariant, ...]:
    """Return the variants of images that have code for the GPU and its driver, or (None) for the CPU."""
    choices = [choose_variant(image, gpu, is_locked) for image in images]
    return tuple(choice.target for choice in choices if isinstance(choice, Choice))


def runnable(images: Sequence[Image], engine: Engine, gpu: Gpu | None) -> tuple[ImageVariant, ...]:
    """Return those of them that are locked and that an engine can run."""
    found = (target for target in fitting(images, gpu) if is_locked(target))
    return tuple(target for target in found if engine.unsupported_reason(target) is None)


def check_venv(engine: Engine, interpreters: Mapping[str, Interpreter], count: int, total: int) -> Check:
    """Look whether images can run without containers.

    interpreters: by minor version. count: how many of all `total` images can run on the CPU in one of them.
    """
    try:
        version = engine.check()
    except EngineError as error:
        return Check(name=VENV, state="missing", found="uv is missing", advice=Advice(text=str(error)))
    minors = ", ".join(sorted(interpreters, key=lambda minor: tuple(int(part) for part in minor.split("."))))
    found = f"{version}; Python {minors or 'none'}: {count} of {total} images"
    if count == 0:
        text = "Virtual environments need an interpreter of the image's own Python. Install one, as a user:"
        advice = Advice(text=text, commands=("uv python install 3.11",))
        return Check(name=VENV, state="missing", found=found, advice=advice)
    return Check(name=VENV, state="ok", found=found)


def check_suite(name: str, images: Sequence[Image], targets: Sequence[ImageVariant], where: str) -> Check:
    """Look how many images of the default suite can run. where: on which engine and device."""
    found = f"'{name}': {len(targets)} of {len(images)} images can run on {where}"
    if not targets:
        advice = Advice(text="Why not, image by image:", commands=("orch plan",))
        return Check(name=SUITE, state="warning", found=found, advice=advice)
    return Check(name=SUITE, state="ok", found=found)


def suite_is_wrong(error: str) -> Check:
    """Return the check of a default suite that cannot be read."""
    advice = Advice(
        text='Correct it, or name another in orch.toml: suite = "…". These are there:', commands=("orch list",)
    )
    return Check(name=SUITE, state="warning", found=error, advice=advice)


def check_disk(cost: BuildCost, suite: str, cache: Path, storage: Path | None, away: Disk | None = None) -> Check:
    """Look whether the images of the default suite that are not here yet would find room.

    storage: of the engine; None where it is not to be seen from here. away: the disk it is on, on another machine.
    """
    places = {cache} if storage is None or away or storage.is_relative_to(cache) else {cache, storage}
    disks: dict[int, list[Path]] = {}
    for place in sorted(places):
        disks.setdefault(_existing(place).stat().st_dev, []).append(place)
    free = [
        f"{console.size(shutil.disk_usage(_existing(same[0])).free)} at {' and '.join(map(str, same))}"
        for same in disks.values()
    ]
    free += [f"{console.size(away.free_bytes)} at {away.name}"] if away else []
    found = f"{', '.join(free)}; {_tell_cost(cost, suite)}"
    try:
        check_space(cost, cache, ask_above_bytes=0, agreed=True, storage=storage, away=away)
    except DiskError as error:
        return Check(name=DISK, state="warning", found=found, advice=Advice(text=str(error)))
    return Check(name=DISK, state="ok", found=found)


def _tell_cost(cost: BuildCost, suite: str) -> str:
    if not cost.disk_bytes and not cost.unknown_downloads:
        return f"all of '{suite}' is here"
    unknown = f", and {len(cost.unknown_downloads)} of unknown size" if cost.unknown_downloads else ""
    least = "at least " if unknown else ""
    size, fetched = console.size(cost.disk_bytes), console.size(cost.download_bytes)
    return f"'{suite}' needs {least}{size} more ({fetched} to fetch{unknown})"


def _existing(folder: Path) -> Path:
    return next(place for place in (folder, *folder.parents) if place.exists())
