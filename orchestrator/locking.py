"""Lock files: what one image variant is made of, by name, version, hash, file and size. No addresses of indexes."""

import hashlib
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from orchestrator.errors import ConfigurationError, LockError
from orchestrator.images import ImageVariant
from orchestrator.wheel_tags import WHEEL

HEADER = ("image", "python", "base", "base_digest", "bytes", "date")
_PIN = re.compile(
    r"(?P<name>[\w.-]+) ?(?:==(?P<version>[^\s;@]+)|@ (?P<url>\S+))"
    r"(?: ; (?P<marker>[^#]+?))? --hash=sha256:(?P<sha256>[0-9a-f]{64})"
)
ARCHIVES = (".tar.gz", ".zip")  # that a package may be published in, to be made a wheel
_FILE = re.compile(r"# file: (?P<file>[\w.+!-]+\.(?:whl|tar\.gz|zip)) (?P<bytes>\d+|unknown)")
_BUILD = "# build:"  # what follows makes wheels of the source archives above, and is not installed


@dataclass(frozen=True, kw_only=True)
class Pin:
    """One wheel or source archive of a lock."""

    name: str
    version: str
    file: str  # numpy-1.16.6-cp36-cp36m-manylinux1_x86_64.whl
    sha256: str
    bytes: int | None  # None: the index did not say
    url: str | None = None  # of a requirement that is an address: torch @ https://download.pytorch.org/…
    marker: str | None = None  # of installers.txt: python_version == "3.6"

    @property
    def is_source(self) -> bool:
        """Whether it has to be made a wheel first."""
        return not self.file.endswith(WHEEL)

    @property
    def what(self) -> str:
        """Name and version, or name and address."""
        return f"{self.name} @ {self.url}" if self.url else f"{self.name}=={self.version}"

    @property
    def requirement(self) -> str:
        """The line of the lock file."""
        marker = f" ; {self.marker}" if self.marker else ""
        return f"{self.what}{marker} --hash=sha256:{self.sha256}"


@dataclass(frozen=True, kw_only=True)
class Lock:
    """All files of one image variant."""

    image: str  # pytorch-1.0.1+cu90
    python: str  # 3.6.15
    base: str
    base_digest: str | None  # sha256:…; None: no registry answered
    date: str  # ISO 8601
    pins: tuple[Pin, ...]
    build_pins: tuple[Pin, ...] = ()  # of the tools that make wheels of source archives

    @property
    def files(self) -> tuple[Pin, ...]:
        """All that is downloaded, each once: setuptools may be installed as well as build."""
        return tuple(dict.fromkeys((*self.pins, *self.build_pins)))

    @property
    def bytes(self) -> int | None:
        """Download size of all files; None if one of them is not known."""
        sizes = [pin.bytes for pin in self.files]
        return None if None in sizes else sum(size for size in sizes if size is not None)


def is_locked(target: ImageVariant) -> bool:
    """Say whether a variant has its committed lock."""
    return target.lock_path.exists()


def why_unlocked(target: ImageVariant) -> str | None:
    """Say what is missing where a variant has no committed lock, and how to make it; None if it has one.

    Where the CPU build has none, the newest CUDA build that has one is named: it can be asked for by that name.
    """
    if is_locked(target):
        return None
    siblings = (ImageVariant(image=target.image, variant=variant) for variant in reversed(target.image.variants))
    locked = (one.name for one in siblings if is_locked(one)) if target.variant.cuda is None else iter(())
    other = next(locked, None)
    return f"not locked{f' ({other} is)' if other else ''}: orch lock {target.name}"


def read_lock(path: Path) -> Lock:
    """Read a lock file.

    Raises LockError if there is none, ConfigurationError with file and line for a damaged one.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except FileNotFoundError as error:
        raise LockError(f"{path}: no lock. Make it with: orch lock {path.stem}") from error
    except OSError as error:
        raise ConfigurationError(f"cannot be read ({error.strerror}). {_remedy(path)}", file=str(path)) from error
    except UnicodeDecodeError as error:
        raise ConfigurationError(f"not a text file. {_remedy(path)}", file=str(path)) from error
    header = _read_header(lines, path)
    end = lines.index(_BUILD) if _BUILD in lines else len(lines)
    pins = read_pins(path, lines[:end])
    digest = header["base_digest"]
    return Lock(
        image=header["image"],
        python=header["python"],
        base=header["base"],
        base_digest=None if digest == "none" else digest,
        date=header["date"],
        pins=pins,
        build_pins=read_pins(path, ["" for _ in lines[:end]] + lines[end:]),  # line numbers stay
    )


def read_pins(path: Path, lines: list[str] | None = None) -> tuple[Pin, ...]:
    """Read the pinned files of a lock or of `installers.txt`: a `# file: name bytes` line before each requirement.

    Raises ConfigurationError with file and line for anything else.
    """
    pins: list[Pin] = []
    file: re.Match[str] | None = None
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines() if lines is None else lines, start=1):
        if line.startswith("# file:"):
            file = _match(_FILE, line, "`# file: NAME BYTES`", path, number)
        elif line.strip() and not line.startswith("#"):
            if file is None:
                raise ConfigurationError(
                    f"no `# file:` line before this one. {_remedy(path)}", file=str(path), line=number
                )
            pins.append(_pin(_match(_PIN, line, "`name==version --hash=sha256:…`", path, number), file))
            file = None
    return tuple(pins)


def write_lock(path: Path, lock: Lock) -> None:
    """Write a lock file in one step. Raises LockError if the folder cannot be written."""
    values = {
        "image": lock.image,
        "python": lock.python,
        "base": lock.base,
        "base_digest": lock.base_digest or "none",
        "bytes": "unknown" if lock.bytes is None else str(lock.bytes),
        "date": lock.date,
    }
    header = "".join(f"# {key}: {values[key]}\n" for key in HEADER)
    build = f"{_BUILD}\n{_listed(lock.build_pins)}" if lock.build_pins else ""
    partial = path.with_name(f".{path.name}.partial")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        partial.write_text(header + _listed(lock.pins) + build, encoding="utf-8")
        partial.replace(path)
    except OSError as error:
        reason = error.strerror or str(error)
        raise LockError(f"{path}: cannot be written ({reason}). Copy the images folder and use --project.") from error


def requirements(pins: Iterable[Pin]) -> str:
    """Return what is installed offline: names, versions and hashes, sorted; the same text for the same files."""
    return "".join(sorted(f"{pin.name}=={pin.version} --hash=sha256:{pin.sha256}\n" for pin in pins))


def check_lock(lock: Lock, target: ImageVariant) -> None:
    """Raise LockError if a lock was made for another state of its row."""
    from packaging.requirements import Requirement
    from packaging.utils import canonicalize_name

    remedy = f"Make the lock anew: orch lock {target.name}"
    for what, locked, wanted in (("python", lock.python, target.python), ("base", lock.base, target.base)):
        if locked != wanted:
            raise LockError(f"{target.lock_path}: locked for {what} {locked}, the row says {wanted}. {remedy}")
    is_closed = target.states_closure or bool(lock.build_pins)
    for pins, texts in ((lock.pins, target.requirements), (lock.build_pins, target.build_requirements)):
        surplus = {canonicalize_name(pin.name): pin.version for pin in pins}
        for asked in map(Requirement, texts):
            held = surplus.pop(canonicalize_name(asked.name), None)
            if held is None or not asked.specifier.contains(held, prereleases=True):
                what = f"the row asks for {asked}, the lock has {held or 'none'}"
                raise LockError(f"{target.lock_path}: {what}. {remedy}")
        if is_closed and surplus:
            raise LockError(f"{target.lock_path}: the row does not ask for {', '.join(surplus)}. {remedy}")


def lock_sha256(lock: Lock) -> str:
    """Return the hash of what a lock installs and builds with; its date and comments do not count."""
    build = f"{_BUILD}\n{requirements(lock.build_pins)}" if lock.build_pins else ""
    return hashlib.sha256((requirements(lock.pins) + build).encode()).hexdigest()


def inputs_sha256(dockerfile: bytes, base: str, lock: Lock) -> str:
    """Return the hash of all an image is made of: Dockerfile, base with digest, files.

    Every part is hashed on its own first, so that no two different inputs run together.
    """
    parts = (hashlib.sha256(dockerfile).hexdigest(), hashlib.sha256(base.encode()).hexdigest(), lock_sha256(lock))
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()


def _read_header(lines: list[str], path: Path) -> dict[str, str]:
    found: dict[str, str] = {}
    for number, key in enumerate(HEADER, start=1):
        line = lines[number - 1] if len(lines) >= number else ""
        if not line.startswith(f"# {key}: "):
            raise ConfigurationError(f"`# {key}: …` expected. {_remedy(path)}", file=str(path), line=number)
        found[key] = line.removeprefix(f"# {key}: ").strip()
    return found


def _match(pattern: re.Pattern[str], line: str, wanted: str, path: Path, number: int) -> re.Match[str]:
    found = pattern.fullmatch(line.rstrip())
    if found is None:
        raise ConfigurationError(f"{wanted} expected. {_remedy(path)}", file=str(path), line=number)
    return found


def _remedy(path: Path) -> str:
    return f"Restore the file, or make it anew: orch lock {path.stem}"


def _pin(requirement: re.Match[str], file: re.Match[str]) -> Pin:
    size = file["bytes"]
    return Pin(
        name=requirement["name"],
        version=requirement["version"] or _version(file["file"]),
        file=file["file"],
        sha256=requirement["sha256"],
        bytes=None if size == "unknown" else int(size),
        url=requirement["url"],
        marker=requirement["marker"],
    )


def _version(file: str) -> str:
    """Return the version that the name of a file tells; that of a source archive has the package's own dashes."""
    archive = next((suffix for suffix in ARCHIVES if file.endswith(suffix)), "")
    return file.removesuffix(archive).rpartition("-")[2] if archive else file.split("-")[1]


def _listed(pins: Iterable[Pin]) -> str:
    return "".join(
        f"# file: {pin.file} {'unknown' if pin.bytes is None else pin.bytes}\n{pin.requirement}\n" for pin in pins
    )
