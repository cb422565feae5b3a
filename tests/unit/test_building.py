"""Building: what is there is found, what fails does not stop the rest, only what passed its check is kept."""

import json
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from hashlib import sha256
from pathlib import Path

import pytest

from orchestrator.building import NotBuilt, Workshop, build_images, find_built
from orchestrator.disk_space import check_space
from orchestrator.engines import BuildContext, BuiltImage, Job, Outcome
from orchestrator.errors import ConfigurationError, DiskError, EngineError, UsageError
from orchestrator.hardware import Disk, Gpu, Machine
from orchestrator.images import Image, ImageVariant, Variant
from orchestrator.locking import Lock, Pin, read_lock, write_lock
from orchestrator.planning import BuildCost, estimate_build
from orchestrator.wheelhouse import Wheelhouse

WHEEL = b"content"
PIN = Pin(
    name="torch", version="1", file="torch-1-py3-none-any.whl", sha256=sha256(WHEEL).hexdigest(), bytes=len(WHEEL)
)
INSTALLER = replace(PIN, name="pip", file="pip-1-py3-none-any.whl", marker='python_version >= "3"')


@dataclass
class FakeEngine:
    """An engine whose images are names in memory; it says of a framework what the test wants."""

    name: str = "fake"
    says: Mapping[str, object] = field(default_factory=lambda: {"version": "1", "works": True})
    unsupported: str = ""
    without_base: str = ""
    without_builder: bool = False
    unbuildable: str = ""
    kept: dict[str, BuiltImage] = field(default_factory=dict)
    discarded: list[str] = field(default_factory=list)
    contents: dict[str, list[str]] = field(default_factory=dict)

    def check(self) -> str:
        return "fake 1"

    def check_machine(self, machine: Machine) -> None:
        raise AssertionError(machine)

    def unsupported_reason(self, target: ImageVariant) -> str | None:
        return "needs another engine" if target.image.version == self.unsupported else None

    def resolve_base(self, target: ImageVariant, base_digest: str | None) -> str:
        if target.image.version == self.without_base:
            raise EngineError("no such base. Name a mirror.")
        return f"{target.image.base}@{base_digest}"

    def find(self, context: BuildContext) -> BuiltImage | None:
        return self.kept.get(context.inputs_sha256)

    def bases(self, target: ImageVariant) -> tuple[str, ...]:
        return tuple(image.base for image in self.kept.values() if image.target.name == target.name)

    def storage(self) -> Path | None:
        return None

    def check_builder(self) -> None:
        if self.without_builder:
            raise EngineError("no buildx. Install it.")

    def build(self, contexts: Sequence[BuildContext], log_folder: Path) -> Mapping[str, BuiltImage | str]:
        assert log_folder.is_dir()
        return {context.target.name: self._build(context) for context in contexts}

    def _build(self, context: BuildContext) -> BuiltImage | str:
        files = (path for path in context.folder.rglob("*") if path.is_file())
        self.contents[context.target.name] = sorted(path.relative_to(context.folder).as_posix() for path in files)
        if context.target.image.version == self.unbuildable:
            return "exit code 1"
        return BuiltImage(
            target=context.target,
            reference=f"building:{context.target.name}",
            digest="sha256:0",
            base=context.base,
            inputs_sha256=context.inputs_sha256,
            lock_sha256=context.lock_sha256,
        )

    def keep(self, image: BuiltImage) -> BuiltImage:
        self.kept[image.inputs_sha256] = replace(image, reference=image.target.name)
        return self.kept[image.inputs_sha256]

    def discard(self, image: BuiltImage) -> None:
        self.discarded.append(image.reference)

    def launch(self, image: BuiltImage, job: Job) -> Outcome:
        assert job.files["check.py"] == b"check"
        said = {**self.says, "version": self.says.get(image.target.name, image.target.image.version)}
        return Outcome(status="exited", exit_code=0, files={"check.json": json.dumps(said).encode()}, log="")

    def check_gpu(self, gpu: Gpu) -> None:
        raise AssertionError(gpu)

    def enter(self, image: BuiltImage, job: Job) -> int:
        raise AssertionError(image, job)

    def end(self, run: str) -> None:
        raise AssertionError(run)

    def reap(self, run: str | None = None) -> tuple[str, ...]:
        return (run,) if run else ()


def make_targets(tmp_path: Path, *versions: str) -> list[ImageVariant]:
    """Make a family with locked rows, and the wheelhouse that has their wheels."""
    family = tmp_path / "images" / "pytorch"
    family.mkdir(parents=True)
    (family / "Dockerfile").write_text("ARG BASE\nFROM ${BASE}\n", encoding="utf-8")
    (family / "check.py").write_text("check", encoding="utf-8")
    installers = f"# file: {INSTALLER.file} {INSTALLER.bytes}\n{INSTALLER.requirement}\n"
    (family.parent / "installers.txt").write_text(installers, encoding="utf-8")
    wheelhouse = make_workshop(tmp_path).wheelhouse
    for pin in (PIN, INSTALLER):
        wheelhouse.path(pin).parent.mkdir(parents=True, exist_ok=True)
        wheelhouse.path(pin).write_bytes(WHEEL)
    return [make_target(family, version) for version in versions]


def make_target(family: Path, version: str) -> ImageVariant:
    variant = Variant(name="cpu")
    image = Image(
        family="pytorch",
        framework="pytorch",
        version=version,
        released="2019",
        python="3.6.15",
        base="python:3.6-slim",
        requirements=("torch==1",),
        variants=(variant,),
        folder=family,
    )
    target = ImageVariant(image=image, variant=variant)
    name = replace(PIN, name="torch")
    extra = replace(PIN, name=f"extra{version.replace('.', '')}")  # so that no two rows have the same inputs
    lock = Lock(
        image=target.name, python="3.6.15", base=image.base, base_digest=None, date="2026-11-20", pins=(name, extra)
    )
    write_lock(target.lock_path, lock)
    return target


def make_workshop(tmp_path: Path) -> Workshop:
    said: list[str] = []
    wheelhouse = Wheelhouse(folder=tmp_path / "wheelhouse", env={})
    return Workshop(wheelhouse=wheelhouse, folder=tmp_path / "build", say=said.append)


def test_an_image_is_built_from_a_folder_of_its_own_checked_and_kept(tmp_path: Path) -> None:
    (target,) = make_targets(tmp_path, "1.0")
    engine = FakeEngine()

    (built,) = build_images(engine, [target], make_workshop(tmp_path))

    assert isinstance(built, BuiltImage)
    assert built.reference == target.name
    assert engine.contents[target.name] == [
        "Dockerfile",
        "build-requirements.txt",
        "requirements.txt",
        "wheels/pip-1-py3-none-any.whl",
        "wheels/torch-1-py3-none-any.whl",
    ]
    assert not list((tmp_path / "build" / "contexts").iterdir())


def test_an_image_taken_as_it_is_gets_nothing_but_the_installer_of_its_own_python(tmp_path: Path) -> None:
    (target,) = make_targets(tmp_path, "1.0")
    as_is = Variant(name="cu90", without_wheels=True, base="official:1.0-gpu", python=target.python)
    target = ImageVariant(image=replace(target.image, python="2.7.18"), variant=as_is)
    empty = Lock(
        image=target.name, python=target.python, base=target.base, base_digest=None, date="2026-11-20", pins=()
    )
    write_lock(target.lock_path, empty)
    engine = FakeEngine()

    (built,) = build_images(engine, [target], make_workshop(tmp_path))

    assert isinstance(built, BuiltImage)
    assert engine.contents[target.name][-1] == "wheels/pip-1-py3-none-any.whl"


def test_what_is_built_is_found_and_not_built_again(tmp_path: Path) -> None:
    targets = make_targets(tmp_path, "1.0", "1.1")
    engine = FakeEngine()
    first = build_images(engine, targets, make_workshop(tmp_path))
    engine.contents.clear()

    again = build_images(engine, targets, make_workshop(tmp_path))

    assert again == first
    assert engine.contents == {}
    assert list(find_built(engine, targets)) == [target.name for target in targets]


def test_an_image_is_found_though_its_base_is_not_to_be_had_any_more(tmp_path: Path) -> None:
    targets = make_targets(tmp_path, "1.0", "1.1")
    engine = FakeEngine()
    built = build_images(engine, targets, make_workshop(tmp_path))
    engine.without_base = "1.0"

    assert list(find_built(engine, targets).values()) == list(built)
    lock = read_lock(targets[0].lock_path)
    write_lock(targets[0].lock_path, replace(lock, pins=(*lock.pins, replace(PIN, name="more"))))
    assert list(find_built(engine, targets)) == [targets[1].name]


def test_two_images_are_checked_at_a_time(tmp_path: Path) -> None:
    targets = make_targets(tmp_path, "1.0", "1.1")
    both = threading.Barrier(2, timeout=60)

    class Meeting(FakeEngine):
        def launch(self, image: BuiltImage, job: Job) -> Outcome:
            both.wait()  # breaks if the other never comes
            return super().launch(image, job)

    built = build_images(Meeting(), targets, make_workshop(tmp_path))

    assert [isinstance(one, BuiltImage) for one in built] == [True, True]


@pytest.mark.parametrize(
    ("engine", "phase", "reason"),
    [
        (FakeEngine(unsupported="1.1"), "base", "needs another engine"),
        (FakeEngine(without_base="1.1"), "base", "no such base. Name a mirror."),
        (FakeEngine(unbuildable="1.1"), "build", "exit code 1"),
        (
            FakeEngine(says={"works": True, "pytorch-1.1+cpu": "1.2"}),
            "health",
            "version 1.1 promised, 1.2 found",
        ),
    ],
    ids=["engine", "base", "build", "health"],
)
def test_one_that_fails_does_not_stop_the_others(tmp_path: Path, engine: FakeEngine, phase: str, reason: str) -> None:
    targets = make_targets(tmp_path, "1.0", "1.1", "1.2")

    first, second, third = build_images(engine, targets, make_workshop(tmp_path))

    assert isinstance(first, BuiltImage)
    assert isinstance(third, BuiltImage)
    assert isinstance(second, NotBuilt)
    assert (second.phase, second.reason) == (phase, reason)


def test_an_engine_that_cannot_build_is_told_before_anything_is_fetched(tmp_path: Path) -> None:
    targets = make_targets(tmp_path, "1.0")
    engine, workshop = FakeEngine(without_builder=True), make_workshop(tmp_path)
    workshop.wheelhouse.path(PIN).unlink()

    with pytest.raises(EngineError, match="no buildx"):
        build_images(engine, targets, workshop)

    assert not (tmp_path / "build").exists()


def test_an_image_that_does_not_pass_is_discarded_and_not_found_later(tmp_path: Path) -> None:
    (target,) = make_targets(tmp_path, "1.1")
    engine = FakeEngine(says={"works": False})

    build_images(engine, [target], make_workshop(tmp_path))

    assert engine.discarded == ["building:pytorch-1.1+cpu"]
    assert find_built(engine, [target]) == {}


def test_an_image_without_a_lock_is_not_resolved_where_only_locks_count(tmp_path: Path) -> None:
    (target,) = make_targets(tmp_path, "1.0")
    target.lock_path.unlink()

    (built,) = build_images(FakeEngine(), [target], make_workshop(tmp_path))

    assert isinstance(built, NotBuilt)
    assert built.phase == "lock"
    assert "orch lock pytorch-1.0+cpu" in built.reason


@pytest.mark.parametrize("name", ["pytorch/Dockerfile", "pytorch/check.py", "installers.txt"])
def test_a_missing_file_of_a_family_is_named_with_a_remedy_before_anything_is_done(tmp_path: Path, name: str) -> None:
    (target,) = make_targets(tmp_path, "1.0")
    (tmp_path / "images" / name).unlink()

    for use in (
        lambda: find_built(FakeEngine(), [target]),
        lambda: build_images(FakeEngine(), [target], make_workshop(tmp_path)),
    ):
        with pytest.raises(
            ConfigurationError, match=rf"images/{name}: cannot be read \(No such file or directory\)\. \w+"
        ):
            use()

    assert not (tmp_path / "build").exists()


def test_a_dockerfile_that_builds_no_wheels_is_refused_for_a_source_archive(tmp_path: Path) -> None:
    (target,) = make_targets(tmp_path, "1.0")
    lock = read_lock(target.lock_path)
    write_lock(target.lock_path, replace(lock, pins=(*lock.pins, replace(PIN, name="old", file="old-1.tar.gz"))))

    with pytest.raises(
        ConfigurationError, match=r"images/pytorch/Dockerfile: installs wheels only, .* needs old-1\.tar\.gz\. Build"
    ):
        build_images(FakeEngine(), [target], make_workshop(tmp_path))


def test_a_lock_that_is_a_folder_is_named_with_a_remedy(tmp_path: Path) -> None:
    (target,) = make_targets(tmp_path, "1.0")
    target.lock_path.unlink()
    target.lock_path.mkdir()

    with pytest.raises(
        ConfigurationError, match=r"cannot be read \(Is a directory\)\. Restore the file, or make it anew"
    ):
        build_images(FakeEngine(), [target], make_workshop(tmp_path))


def test_the_cost_counts_what_is_missing_and_what_lies_twice(tmp_path: Path) -> None:
    (target,) = make_targets(tmp_path, "1.0")
    wheelhouse = make_workshop(tmp_path).wheelhouse
    wheelhouse.path(PIN).unlink()

    cost = estimate_build([target], wheelhouse.missing_bytes)

    # Two entries of 7 bytes: downloaded 14, a copy 14, unpacked 64, and 0.2 GB of base.
    assert cost == BuildCost(download_bytes=14, disk_bytes=92 + 200_000_000, unknown_downloads=())


def test_too_little_disk_stops_before_anything_is_fetched(tmp_path: Path) -> None:
    cost = BuildCost(download_bytes=1, disk_bytes=10**18, unknown_downloads=())

    with pytest.raises(DiskError, match=r"1000000000\.00 GB of disk are needed"):
        check_space(cost, tmp_path / "not yet there", ask_above_bytes=20 * 10**9, agreed=True)


def test_the_disk_of_the_engine_has_to_hold_the_images_and_that_of_the_cache_the_download(tmp_path: Path) -> None:
    cost = BuildCost(download_bytes=1, disk_bytes=2, unknown_downloads=())
    full = Path("/proc")  # a file system of its own that has nothing free

    with pytest.raises(DiskError, match=r"are needed, 0 MB are free at /proc\. .* remove images there"):
        check_space(cost, tmp_path, ask_above_bytes=20, agreed=False, storage=full)
    with pytest.raises(DiskError, match=r"free at /proc\. .* put the cache elsewhere"):
        check_space(cost, full / "orch", ask_above_bytes=20, agreed=False, storage=tmp_path)
    check_space(cost, tmp_path, ask_above_bytes=20, agreed=False, storage=tmp_path / "images")


def test_the_disk_of_another_machine_has_to_hold_the_images(tmp_path: Path) -> None:
    cost = BuildCost(download_bytes=1, disk_bytes=10**9, unknown_downloads=())
    small = Disk(name="/var/lib/docker of ssh://gpu-vm", free_bytes=10**6)

    with pytest.raises(
        DiskError, match=r"1\.00 GB of disk are needed, 1 MB are free at /var/lib/docker of ssh://gpu-vm"
    ):
        check_space(cost, tmp_path, ask_above_bytes=20, agreed=False, storage=Path("/var/lib/docker"), away=small)
    check_space(cost, tmp_path, ask_above_bytes=20, agreed=False, away=replace(small, free_bytes=10**10))


def test_a_large_download_wants_a_yes(tmp_path: Path) -> None:
    cost = BuildCost(download_bytes=21, disk_bytes=1, unknown_downloads=())

    check_space(cost, tmp_path, ask_above_bytes=20, agreed=True)
    with pytest.raises(UsageError, match=r"more than build\.ask_above_gb .* Say --yes"):
        check_space(cost, tmp_path, ask_above_bytes=20, agreed=False)
