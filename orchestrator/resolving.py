"""Requirements -> exact wheels: uv resolves, from the indexes of the user's pip configuration."""

import re
import ssl
import sys
import tempfile
import tomllib
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from packaging.tags import Tag, compatible_tags, cpython_tags
from packaging.utils import parse_wheel_filename
from uv import find_uv_bin

from orchestrator import process
from orchestrator.errors import LockError
from orchestrator.indexes import Indexes, read_indexes
from orchestrator.locking import Lock, Pin, write_lock
from orchestrator.specs import ImageVariant

# The oldest base of the rows is Debian 11 with glibc 2.31: a wheel that wants more would not start there.
_GLIBC = 31
_PLATFORM = f"manylinux_2_{_GLIBC}_x86_64"
PLATFORMS = (
    *(f"manylinux_2_{minor}_x86_64" for minor in range(_GLIBC, 4, -1)),
    *("manylinux2014_x86_64", "manylinux2010_x86_64", "manylinux1_x86_64", "linux_x86_64"),
)
_TIMEOUT_S = 300.0
_SIZE_TIMEOUT_S = 10.0


@dataclass(frozen=True, kw_only=True)
class _File:
    """A wheel that would do, and where it lies."""

    name: str
    url: str
    sha256: str
    bytes: int | None


def lock_image(target: ImageVariant, env: Mapping[str, str], base_digest: str | None = None) -> Lock:
    """Resolve the requirements of an image variant and write its lock file.

    The resolver names the one wheel that fits, with its hash, so nothing is downloaded for it.
    Raises LockError if a requirement cannot be had from the configured indexes.
    """
    lock = Lock(
        image=target.name,
        python=target.python,
        base=target.base,
        base_digest=base_digest,
        date=datetime.now(UTC).date().isoformat(),
        pins=resolve(target, target.requirements, env),
    )
    write_lock(target.lock_path, lock)
    return lock


def resolve(target: ImageVariant, requirements: Sequence[str], env: Mapping[str, str]) -> tuple[Pin, ...]:
    """Find the exact wheels of all requirements and of what they need in turn, for the image's Python.

    Raises LockError with the answer of the indexes.
    """
    indexes = read_indexes(env)
    packages = _resolve_anywhere(target, requirements, indexes, env)
    urls = {name.strip().lower(): url.strip() for name, at, url in (r.partition("@") for r in requirements) if at}
    chosen = [(package, _best(_files(package), target.python)) for package in packages]
    sizes = _sizes([file for _, file in chosen], indexes.certificates)
    return tuple(
        Pin(
            name=str(package["name"]),
            version=str(package.get("version") or file.name.split("-")[1]),
            file=file.name,
            sha256=file.sha256,
            bytes=size,
            url=urls.get(str(package["name"]).lower()),
        )
        for (package, file), size in zip(chosen, sizes, strict=True)
    )


def find_hashes(target: ImageVariant, requirements: Sequence[str], env: Mapping[str, str]) -> frozenset[str]:
    """Return the sha256 of all wheels that would now be given for requirements; asks each index once, without patience.

    Raises LockError with the answer of the indexes.
    """
    packages = _resolve_anywhere(target, requirements, read_indexes(env), {**env, "UV_HTTP_RETRIES": "0"})
    return frozenset(file.sha256 for package in packages for file in _files(package))


def _resolve_anywhere(
    target: ImageVariant, requirements: Sequence[str], indexes: Indexes, env: Mapping[str, str]
) -> list[dict[str, object]]:
    """Ask the user's own indexes first: they may be all that answers here; then the row's index as well."""
    places = (None, target.variant.index) if target.variant.index else (None,)
    for place in places:
        done = _compile(target, requirements, indexes.uv_arguments, {**env, **indexes.uv_environment(place)})
        if done.exit_code == 0:
            packages: list[dict[str, object]] = tomllib.loads(done.stdout).get("packages", [])
            return packages
    what = f"{target.name}: cannot resolve {', '.join(requirements)}: {explain_uv(done.stderr)}."
    raise LockError(what, _ADVICE)


def _compile(
    target: ImageVariant, requirements: Sequence[str], arguments: tuple[str, ...], env: Mapping[str, str]
) -> process.Finished:
    """Let uv resolve for the full patch version: `3.6` would mean 3.6.0, which newer wheels refuse."""
    with tempfile.TemporaryDirectory(prefix="orch-lock-") as folder:
        asked = Path(folder) / "requirements.in"
        asked.write_text("\n".join(exact(one) for one in requirements), encoding="utf-8")
        argv = (
            *(find_uv_bin(), "pip", "compile", "--quiet", "--no-config", "--no-build", "--no-header", "--no-annotate"),
            *("--python", sys.executable, "--python-version", target.python),
            *("--python-platform", f"x86_64-manylinux_2_{_GLIBC}", "--format", "pylock.toml", *arguments, str(asked)),
        )
        return process.run(argv, timeout_s=_TIMEOUT_S, env=env, cwd=Path(folder), check=False)


def exact(requirement: str) -> str:
    """Ask for a version to the letter: a wheel `2.13.0+cpu` in some folder would satisfy `==2.13.0`, and win."""
    return re.sub(r"^([\w.\[\],-]+)==([^=*;,]+)$", r"\1===\2", requirement)


_ADVICE = (
    "Check the row and the network; wheels that lie elsewhere are found through pip's own configuration"
    " (index-url, extra-index-url, find-links)."
)


def explain_uv(stderr: str) -> str:
    """Put the resolver's answer into one line: what failed, and of a chain of causes the last."""
    lines = [line.strip(" ×│╰├─▶\n") for line in stderr.splitlines() if not line.startswith(("warning:", "hint:"))]
    text = " ".join(line for line in lines if line and "No solution found" not in line).replace("Caused by:", "cause:")
    parts = [part.strip(" .") for part in text.removeprefix("error: ").split("cause:")]
    parts = [part for part in parts if part]
    is_network = any(word in text for word in ("Failed to fetch", "error sending request"))
    return f"an index does not answer ({parts[-1]})" if is_network else ": ".join(dict.fromkeys((parts[0], parts[-1])))


def _files(package: Mapping[str, object]) -> list[_File]:
    listed = package.get("wheels") or [package["archive"]]
    return [_file(entry) for entry in listed] if isinstance(listed, list) else []


def _file(entry: Mapping[str, object]) -> _File:
    hashes = entry["hashes"]
    url = str(entry["url"]) if "url" in entry else Path(str(entry["path"])).as_uri()
    size = entry.get("size")
    return _File(
        name=urllib.parse.unquote(urllib.parse.urlsplit(url).path.rsplit("/", 1)[-1]),
        url=url,
        sha256=str(hashes["sha256"]) if isinstance(hashes, dict) else "",
        bytes=size if isinstance(size, int) else None,
    )


def _best(files: Sequence[_File], python: str) -> _File:
    """Choose as pip does: the first file by the order of the tags its Python would prefer."""
    order = {tag: place for place, tag in enumerate(wheel_tags(python))}
    return min(files, key=lambda file: min(order.get(tag, len(order)) for tag in parse_wheel_filename(file.name)[3]))


def wheel_tags(python: str) -> Iterable[Tag]:
    """Yield the tags of wheels that a Python of our bases can install, the best first."""
    major, minor = (int(part) for part in python.split(".")[:2])
    yield from cpython_tags((major, minor), [abi(python)], PLATFORMS)
    yield from compatible_tags((major, minor), f"cp{major}{minor}", PLATFORMS)


def abi(python: str) -> str:
    """Return the ABI tag of a CPython: cp27mu, cp36m, cp311."""
    major, minor = (int(part) for part in python.split(".")[:2])
    suffix = "mu" if major < 3 else "m" if minor < 8 else ""
    return f"cp{major}{minor}{suffix}"


def _sizes(files: Sequence[_File], certificates: str | None) -> list[int | None]:
    """Ask for the sizes the index did not give; None where nobody answers."""
    context = ssl.create_default_context(cafile=certificates)

    def ask(file: _File) -> int | None:
        if file.bytes is not None:
            return file.bytes
        try:
            request = urllib.request.Request(file.url, method="HEAD")
            with urllib.request.urlopen(request, timeout=_SIZE_TIMEOUT_S, context=context) as reply:
                length = reply.headers["Content-Length"]
        except (urllib.error.URLError, OSError, ValueError):
            return None
        return int(length) if length and length.isdigit() else None

    with ThreadPoolExecutor(max_workers=8) as pool:
        return list(pool.map(ask, files))
