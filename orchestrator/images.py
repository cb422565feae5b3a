"""The frozen types of images: a framework version, its CUDA builds, and the pair that is run."""

from dataclasses import dataclass
from pathlib import Path


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
    compiled_at_run_time: bool = False  # its libraries hold no native code: `compute` is what it compiles for
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
    without_cuda: str = ""  # why no variant has CUDA, where no GPU can be had
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
