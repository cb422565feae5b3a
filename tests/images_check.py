"""Every environment for real, `make images-check`: build each image, pass its gate, train one step of two nets in it.

    make images-check                                        the images of IMAGES, one after the other
    make images-check ARGS="tensorflow2-2.10.1 theano-1.0.5" these
    make images-check ARGS="--keep …"                        leave images and downloads

An LSTM and a convolution (`images/steps.py`) are trained on one core, in a container that has no network. What was
fetched and built is removed before the next image, so that the largest of them needs the disk and not their sum.
Prints the table of `images/README.md`; ends in 1 if an image could not be built, or did not learn.
"""

import argparse
import json
import math
import os
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import docker

from orchestrator import console
from orchestrator.building import NotBuilt, Workshop, build_images, find_built
from orchestrator.catalog import load_images, match_images
from orchestrator.engines import BuiltImage, Job
from orchestrator.errors import ConfigurationError, OrchError
from orchestrator.fetching import fetch_files
from orchestrator.images import Image
from orchestrator.locking import is_locked, read_lock
from orchestrator.options import Options
from orchestrator.variants import Choice, choose_variant
from orchestrator.workbench import Workbench

ROOT = Path(__file__).parents[1]
STEPS = ROOT / "images" / "steps.py"
TIMEOUT_S = 1800.0  # Theano compiles an LSTM for minutes
BUILD_CACHE_BYTES = 10 * 10**9  # of the builder, kept for what images share
NETS = ("lstm", "convolution")
ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS"), "1")
IMAGES = (
    "pytorch-{1.0.1-py27,1.0.1,1.13.1+cu117,2.0.1+cu117,2.13.0}",
    "tensorflow1-{1.8.0-py27,1.8.0,1.15.5}",
    "tensorflow2-{2.0.0,2.4.1,2.10.1,2.15.1,2.21.0}",
    "theano-{1.0.1,1.0.5}",
    "keras-{tensorflow,theano}-2.1.6",
    "caffe-1.0",
    "jax-0.12.0.1",
    "chainer-7.8.1",
    "mxnet-{1.2.1,1.9.1}",
    "cntk-2.7",
    "pytensor-3.3.7",
    "paddle-3.3.1",
    "torch7-7.0",
)


@dataclass(frozen=True, kw_only=True)
class Net:
    """How one net was trained."""

    first_s: float  # made, compiled and trained once
    step_s: float
    losses: tuple[float, ...]

    @property
    def fault(self) -> str | None:
        if not all(map(math.isfinite, self.losses)):
            return "a loss is not finite"
        return None if self.losses[-1] < self.losses[0] else f"the loss does not fall: {self.losses}"


@dataclass(frozen=True, kw_only=True)
class Row:
    """What is known of one image in the end."""

    name: str
    download_bytes: int | None = None
    image_bytes: int = 0
    build_s: float | None = None  # None: it was there already
    import_s: float = 0.0
    nets: Mapping[str, Net] = field(default_factory=dict)
    fault: str | None = None


def main(arguments: Sequence[str]) -> int:
    """Check the images; returns the exit code."""
    parser = argparse.ArgumentParser(prog="make images-check", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("images", nargs="*", default=list(IMAGES), help="names or patterns; default: one of each kind")
    parser.add_argument("--keep", action="store_true", help="leave what was built and fetched")
    options = parser.parse_args(arguments)
    bench = Workbench(Options(project=ROOT, engine="docker", device="cpu"), cwd=Path.cwd(), env=os.environ)
    try:
        bench.engine.check_builder()
        known = load_images(bench.project)
        images = [image for pattern in options.images for image in match_images(known, pattern)]
    except (OrchError, ValueError) as error:
        console.note(f"make images-check: {error}")
        return 3
    rows = [check(bench, image, keep=options.keep) for image in images]
    console.result(table(rows))
    return int(any(row.fault for row in rows))


def check(bench: Workbench, image: Image, *, keep: bool) -> Row:
    """Build one image and train in it; what fails is the row's fault and ends nothing."""
    try:
        return told(build_and_train(bench, image, keep=keep))
    except OrchError as error:
        return told(Row(name=image.name, fault=str(error)))


def build_and_train(bench: Workbench, image: Image, *, keep: bool) -> Row:
    """Leave nothing of what came in, unless told to keep it."""
    choice = choose_variant(image, None, is_locked)
    if not isinstance(choice, Choice):
        return Row(name=image.name, fault=choice)
    target = choice.target
    lock = read_lock(target.lock_path)
    missing = bench.wheelhouse.missing(lock)
    was_there = bool(find_built(bench.engine, [target]))
    if not was_there:
        fetch_files(bench.wheelhouse, lock, target.variant.index)  # not counted as building
    begin = time.monotonic()
    workshop = Workshop(wheelhouse=bench.wheelhouse, folder=bench.settings.cache / "build")
    (built,) = build_images(bench.engine, [target], workshop)
    build_s = None if was_there else time.monotonic() - begin
    try:
        if isinstance(built, NotBuilt):
            return Row(name=target.name, download_bytes=lock.bytes, fault=f"{built.phase}: {built.reason}")
        size = int(docker.from_env().api.inspect_image(built.reference)["Size"])
        row = Row(name=target.name, download_bytes=lock.bytes, image_bytes=size, build_s=build_s)
        return train(bench, built, row)
    finally:
        if not keep:
            for pin in missing:
                bench.wheelhouse.path(pin).unlink(missing_ok=True)
            if isinstance(built, BuiltImage) and not was_there:
                bench.engine.discard(built)
            docker.from_env().api.prune_builds(keep_storage=BUILD_CACHE_BYTES)


def train(bench: Workbench, built: BuiltImage, row: Row) -> Row:
    """Run the family's step in a container, on one core."""
    files = {"steps.py": STEPS.read_bytes(), "step.py": find_step(bench, built.target.image).read_bytes()}
    cpu = min(os.sched_getaffinity(0))
    job = Job(argv=("python", "in/step.py"), files=files, timeout_s=TIMEOUT_S, env=ONE_THREAD, cpus=(cpu,))
    ended = bench.engine.launch(built, job)
    if "step.json" not in ended.files:
        return replace(row, fault=f"{ended.status} {ended.exit_code}: {ended.log.strip()[-2000:]}")
    report = json.loads(ended.files["step.json"])
    nets = {name: Net(**{**report[name], "losses": tuple(report[name]["losses"])}) for name in NETS if name in report}
    faults = [f"{name}: {net.fault}" for name, net in nets.items() if net.fault]
    return replace(row, import_s=report["import_s"], nets=nets, fault="; ".join(faults) or None)


def find_step(bench: Workbench, image: Image) -> Path:
    """Return a family's step.py; one without shares that of another family of its framework. Raises OrchError."""
    others = (one.folder for one in load_images(bench.project) if one.framework == image.framework)
    found = next((folder / "step.py" for folder in (image.folder, *others) if (folder / "step.py").is_file()), None)
    if found is None:
        raise ConfigurationError("no step.py trains in it. Copy that of another family.", file=str(image.folder))
    return found


def told(row: Row) -> Row:
    console.note(f"{row.name}: {row.fault or 'built, imported and trained'}")
    return row


def table(rows: Sequence[Row]) -> str:
    """Write the rows as the table of the README, in Markdown."""
    head = ("image", "download", "image on disk", "build", "import", *(f"{net}: first, then each" for net in NETS))
    lines = [head, tuple("---" for _ in head), *map(cells, rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def cells(row: Row) -> tuple[str, ...]:
    if row.fault:
        return (row.name, row.fault.splitlines()[0], *[""] * (3 + len(NETS)))
    return (
        row.name,
        console.size(row.download_bytes) if row.download_bytes else "",
        console.size(row.image_bytes),
        "there" if row.build_s is None else f"{row.build_s:.0f} s",
        f"{row.import_s:.1f} s",
        *(spent(row.nets.get(name)) for name in NETS),
    )


def spent(net: Net | None) -> str:
    return f"{net.first_s:.1f} s, {net.step_s * 1000:.0f} ms" if net else "–"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
