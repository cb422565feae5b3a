"""The frozen types that pass between modules: images, benchmarks, suites, cells, machines."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

Scalar = str | int | float | bool
Device = Literal["cpu", "cuda"]
Precision = Literal["ieee", "tf32", "amp"]


def framework_version(row: str) -> str:
    """Return the version of a framework that a row is of: `1.0.1-py27`, the same on another Python, is of 1.0.1."""
    return row.partition("-")[0]


@dataclass(frozen=True, kw_only=True)
class Variant:
    """One CUDA build of an image, or its CPU build."""

    name: str  # cu117, cpu
    cuda: str | None = None
    cudnn: str | None = None
    compute: tuple[str, ...] = ()  # compute capabilities with native code, "8.6"
    ptx: str = "none"  # none | 9.0 | 5.0:partial | 12.0:documented (the last two are not relied on)
    min_driver: str | None = None  # lowest Linux driver, 525.60.13
    local_version: str | None = None  # torch==1.10.2+cu113; None: the version as the default index has it
    requirements: tuple[str, ...] = ()  # in place of the image's, where the wheel is a file with an address
    index: str | None = None  # package index or page of links that has the wheel, besides the user's own
    self_contained: bool = False  # carries its CUDA libraries and starts without a GPU
    python: str | None = None  # in place of the image's, where it stands on another base
    base: str | None = None
    without_wheels: bool = False  # its base, or the Dockerfile by itself, brings the framework
    download_bytes: int | None = None  # of all its wheels, where it was measured
    source: str = ""


@dataclass(frozen=True, kw_only=True)
class Image:
    """One framework version: a row of `images/<family>/versions.yaml`."""

    family: str
    framework: str
    version: str  # of the framework; a second row of it adds a word that says how it differs: 1.0.1-py27
    released: str
    folder: Path  # of the family: Dockerfile, versions.yaml, locks/
    python: str = ""  # full patch version, 3.6.15
    base: str = ""
    requirements: tuple[str, ...] = ()
    variants: tuple[Variant, ...] = ()  # oldest CUDA first, cpu last
    unavailable: str = ""  # why there is nothing to build: the system is only named, beside what was published of it
    needs_container: bool = False  # its Dockerfile does more than install wheels
    build_requirements: tuple[str, ...] = ()  # what makes wheels of its source archives; never in the image
    platform: str = "linux/amd64"
    source: str = ""
    line: int = 0  # in versions.yaml
    variant_is_named: bool = False  # the only variant was asked for: it is taken on the CPU too
    own_python: Path | None = None  # an interpreter of the user's, in place of a built image

    @property
    def name(self) -> str:
        return f"{self.family}-{self.version}"

    @property
    def framework_version(self) -> str:
        return framework_version(self.version)


@dataclass(frozen=True, kw_only=True)
class ImageVariant:
    """The pair that is locked, built and run."""

    image: Image
    variant: Variant

    @property
    def name(self) -> str:
        return f"{self.image.name}+{self.variant.name}"

    @property
    def python(self) -> str:
        return self.variant.python or self.image.python

    @property
    def base(self) -> str:
        return self.variant.base or self.image.base

    @property
    def states_closure(self) -> bool:
        """Whether the row lists all that is installed, because no resolver can know it."""
        return self.variant.without_wheels or bool(self.image.build_requirements) or self.python.startswith("2.")

    @property
    def build_requirements(self) -> tuple[str, ...]:
        return () if self.variant.without_wheels else self.image.build_requirements

    @property
    def requirements(self) -> tuple[str, ...]:
        """The requirements as they are resolved: the first is the framework and takes the local version."""
        if self.variant.without_wheels:
            return ()
        first, *others = self.variant.requirements or self.image.requirements
        local = self.variant.local_version
        return (f"{first}+{local}" if local else first, *others)

    @property
    def lock_path(self) -> Path:
        return self.image.folder / "locks" / f"{self.name}.txt"


@dataclass(frozen=True, kw_only=True)
class Unsupported:
    """Cells that cannot run, and why: those of which everything given here is true."""

    reason: str
    versions: Mapping[str, str] = field(default_factory=dict)  # framework -> range, "<2.0"; none: of any framework
    configurations: tuple[str, ...] = ("*",)
    devices: tuple[Device, ...] = ("cpu", "cuda")


@dataclass(frozen=True, kw_only=True)
class Implementation:
    """One way to write a benchmark, and what differs in it by design."""

    name: str
    label: str  # the study's own name for it, where it has one
    frameworks: tuple[str, ...]
    traits: Mapping[str, Scalar] = field(default_factory=dict)  # biases, peepholes, skip_input, activation …
    parameters: Mapping[str, int] = field(default_factory=dict)  # pattern of configurations -> trained values
    unsupported: tuple[Unsupported, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Configuration:
    name: str
    parameters: Mapping[str, Scalar]
    step_s: Mapping[str, float] = field(default_factory=dict)  # device -> seconds of one step, for estimates only
    unsupported: tuple[Unsupported, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Measure:
    """A number derived from samples when a table is made."""

    name: str
    phase: str
    unit: str
    better: Literal["lower", "higher"]
    per: str | None = None  # parameter that is divided by the sample: batch -> sequences per second


@dataclass(frozen=True, kw_only=True)
class Benchmark:
    """One measured thing: a folder of `suites/benchmarks/`."""

    name: str
    title: str
    folder: Path
    scripts: Mapping[str, str]  # framework -> file in the folder
    implementations: tuple[Implementation, ...]
    configurations: tuple[Configuration, ...]
    measures: tuple[Measure, ...]
    reference: str | None = None  # file in the folder; None: no gate
    probe: Mapping[str, Scalar] = field(default_factory=dict)
    falls: bool = False


@dataclass(frozen=True, kw_only=True)
class Protocol:
    """How a cell is measured."""

    phases: tuple[str, ...] = ("train_step",)
    warmup: int = 20
    samples: int = 50
    at_most_s: float = 60.0  # per phase, warm-up included; never fewer than 5 samples
    blocks: int = 5
    precision: Precision = "ieee"
    threads: int | None = None  # None: physical cores
    caches: Literal["warm", "cold"] = "warm"
    timeout_s: float = 900.0  # of one launch, whatever it does


@dataclass(frozen=True, kw_only=True)
class Exclusion:
    """Patterns of cells that a suite leaves out."""

    image: str = "*"
    implementation: str = "*"
    configuration: str = "*"


@dataclass(frozen=True, kw_only=True)
class Selection:
    """What a suite takes from one benchmark; names or patterns."""

    benchmark: str
    implementations: tuple[str, ...] = ("*",)
    configurations: tuple[str, ...] = ("*",)
    exclude: tuple[Exclusion, ...] = ()
    line: int = 0  # in the suite


@dataclass(frozen=True, kw_only=True)
class Profile:
    """Named changes to a suite's protocol."""

    name: str
    protocol: Mapping[str, Scalar | tuple[str, ...]]  # fields of Protocol
    configurations: tuple[str, ...] = ("*",)


@dataclass(frozen=True, kw_only=True)
class Suite:
    """One study: images × benchmarks under a protocol."""

    name: str
    title: str
    path: Path
    sha256: str
    images: tuple[str, ...]  # names, globs with {a,b}, or version ranges
    selections: tuple[Selection, ...]
    protocol: Protocol
    profiles: tuple[Profile, ...] = ()
    profile: str | None = None  # the one already applied
    study: str | None = None
    baseline: str = "oldest"
    choose: Literal["all", "oldest_and_newest"] = "all"  # the latter: of the first pattern with two that fit here
    download_at_most_bytes: int | None = None  # without --yes
    image_lines: tuple[int, ...] = ()  # of `images`, in the file
    baseline_line: int | None = None


@dataclass(frozen=True, kw_only=True)
class Cell:
    """Image variant × implementation × configuration; its id is used everywhere."""

    image: ImageVariant
    benchmark: str
    implementation: str
    configuration: str
    device: Device
    jit: bool = False  # starts by compiling PTX: kept apart

    @property
    def row(self) -> str:
        return f"{self.benchmark}/{self.implementation}/{self.configuration}"

    @property
    def id(self) -> str:
        return f"{self.image.name}/{self.row}"


@dataclass(frozen=True, kw_only=True)
class UnsupportedCell:
    """A cell that cannot run here, and why. No failure."""

    image: str  # without a variant: pytorch-0.4.0
    benchmark: str
    implementation: str
    configuration: str
    reason: str

    @property
    def row(self) -> str:
        return f"{self.benchmark}/{self.implementation}/{self.configuration}"
