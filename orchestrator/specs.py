"""The frozen types that pass between modules: benchmarks, suites, cells. Those of images and machines stand apart."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from orchestrator.images import ImageVariant

Scalar = str | int | float | bool
Device = Literal["cpu", "cuda"]
Precision = Literal["ieee", "tf32", "amp"]
Unit = Literal["us/example", "ms/batch"]  # of the studies
Once = Literal["setup", "first_step"]  # what happens once in a launch
Across = Literal["image", "system"]  # system: an implementation in an image


@dataclass(frozen=True, kw_only=True)
class Unsupported:
    """Cells that cannot run, and why: those of which everything given here is true."""

    reason: str
    versions: Mapping[str, str] = field(default_factory=dict)  # framework -> range, "<2.0"; none: of any framework
    images: tuple[str, ...] = ("*",)  # patterns of names: keras-theano-*
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
    falls: bool | Mapping[str, bool] = False  # or for each pattern of configurations


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
    """Named changes to a suite's protocol, and which of its rows and columns it has."""

    name: str
    protocol: Mapping[str, Scalar | tuple[str, ...]]  # fields of Protocol
    configurations: tuple[str, ...] = ("*",)
    images: tuple[str, ...] = ()  # in place of the suite's, where there are any
    image_lines: tuple[int, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Compare:
    """What a suite's tables divide by each other, by what, and what they show beside it."""

    across: Across = "image"
    baseline: str = "oldest"  # or an image; across systems: "fastest", or image/implementation
    unit: Unit | None = None  # None: time per iteration in a fitting one
    columns: tuple[Once, ...] = ()  # beside the times, where a table is written in lines


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
    compare: Compare = field(default_factory=Compare)
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
    across: Across = "image"

    @property
    def work(self) -> str:
        return f"{self.benchmark}/{self.implementation}/{self.configuration}"

    @property
    def row(self) -> str:
        """What a table divides by each other, and a block launches back to back."""
        return self.work if self.across == "image" else f"{self.benchmark}/{self.configuration}"

    @property
    def id(self) -> str:
        return f"{self.image.name}/{self.work}"


@dataclass(frozen=True, kw_only=True)
class UnsupportedCell:
    """A cell that cannot run here, and why. No failure."""

    image: str  # without a variant: pytorch-0.4.0
    benchmark: str
    implementation: str
    configuration: str
    reason: str
    across: Across = "image"

    @property
    def work(self) -> str:
        return f"{self.benchmark}/{self.implementation}/{self.configuration}"

    @property
    def row(self) -> str:
        """What a table divides by each other, and a block launches back to back."""
        return self.work if self.across == "image" else f"{self.benchmark}/{self.configuration}"

    @property
    def id(self) -> str:
        return f"{self.image}/{self.work}"
