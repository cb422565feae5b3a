"""Requirements -> exact wheels: uv resolves, from the indexes of the user's pip configuration."""

import re
import sys
import tempfile
import tomllib
import urllib.parse
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

from uv import find_uv_bin

from orchestrator import process
from orchestrator.closures import ADVICE, look_up
from orchestrator.errors import LockError
from orchestrator.images import ImageVariant
from orchestrator.index_files import IndexFile, with_sizes
from orchestrator.indexes import Indexes, read_indexes
from orchestrator.locking import Lock, Pin, write_lock
from orchestrator.wheel_tags import GLIBC, best_wheel

_TIMEOUT_S = 300.0


def lock_image(target: ImageVariant, env: Mapping[str, str], base_digest: str | None = None) -> Lock:
    """Resolve the requirements of an image variant and write its lock file.

    The resolver names the one wheel that fits, with its hash, so nothing is downloaded for it.
    Raises LockError if a requirement cannot be had from the configured indexes.
    """
    pins = resolve(target, target.requirements, env)
    sources = [pin.file for pin in pins if pin.is_source]
    if sources and not target.image.build_requirements:
        remedy = "Say in the row what makes a wheel of it: build_requirements: [setuptools==…, wheel==…]."
        raise LockError(f"{target.name}: of {sources[0]} there is no wheel.", remedy)
    lock = Lock(
        image=target.name,
        python=target.python,
        base=target.base,
        base_digest=base_digest,
        date=datetime.now(UTC).date().isoformat(),
        pins=pins,
        build_pins=look_up(target, target.build_requirements, read_indexes(env)),
    )
    write_lock(target.lock_path, lock)
    return lock


def resolve(target: ImageVariant, requirements: Sequence[str], env: Mapping[str, str]) -> tuple[Pin, ...]:
    """Find the exact wheels of all requirements and of what they need in turn, for the image's Python.

    Raises LockError with the answer of the indexes.
    """
    indexes = read_indexes(env)
    if target.states_closure:
        return look_up(target, requirements, indexes)
    packages = _resolve_anywhere(target, requirements, indexes, env)
    urls = {name.strip().lower(): url.strip() for name, at, url in (r.partition("@") for r in requirements) if at}
    chosen = with_sizes([_best(_files(package), target.python) for package in packages], indexes)
    return tuple(
        Pin(
            name=str(package["name"]),
            version=str(package.get("version") or file.name.split("-")[1]),
            file=file.name,
            sha256=file.sha256 or "",
            bytes=file.bytes,
            url=urls.get(str(package["name"]).lower()),
        )
        for package, file in zip(packages, chosen, strict=True)
    )


def find_hashes(target: ImageVariant, requirements: Sequence[str], env: Mapping[str, str]) -> frozenset[str]:
    """Return the sha256 of all wheels that would now be given for requirements; asks each index once, without patience.

    Raises LockError with the answer of the indexes.
    """
    if target.states_closure:
        return frozenset(pin.sha256 for pin in look_up(target, requirements, read_indexes(env)))
    packages = _resolve_anywhere(target, requirements, read_indexes(env), {**env, "UV_HTTP_RETRIES": "0"})
    return frozenset(file.sha256 or "" for package in packages for file in _files(package))


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
    raise LockError(what, ADVICE)


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
            *("--python-platform", f"x86_64-manylinux_2_{GLIBC}", "--format", "pylock.toml", *arguments, str(asked)),
        )
        return process.run(argv, timeout_s=_TIMEOUT_S, env=env, cwd=Path(folder), check=False)


def exact(requirement: str) -> str:
    """Ask for a version to the letter: a wheel `2.13.0+cpu` in some folder would satisfy `==2.13.0`, and win."""
    return re.sub(r"^([\w.\[\],-]+)==([^=*;,]+)$", r"\1===\2", requirement)


def explain_uv(stderr: str) -> str:
    """Put the resolver's answer into one line: what failed, and of a chain of causes the last."""
    lines = [line.strip(" ×│╰├─▶\n") for line in stderr.splitlines() if not line.startswith(("warning:", "hint:"))]
    text = " ".join(line for line in lines if line and "No solution found" not in line).replace("Caused by:", "cause:")
    parts = [part.strip(" .") for part in text.removeprefix("error: ").split("cause:")]
    parts = [part for part in parts if part]
    is_network = any(word in text for word in ("Failed to fetch", "error sending request"))
    return f"an index does not answer ({parts[-1]})" if is_network else ": ".join(dict.fromkeys((parts[0], parts[-1])))


def _files(package: Mapping[str, object]) -> list[IndexFile]:
    listed = package.get("wheels") or [package["archive"]]
    return [_file(entry) for entry in listed] if isinstance(listed, list) else []


def _file(entry: Mapping[str, object]) -> IndexFile:
    hashes = entry["hashes"]
    url = str(entry["url"]) if "url" in entry else Path(str(entry["path"])).as_uri()
    size = entry.get("size")
    return IndexFile(
        name=urllib.parse.unquote(urllib.parse.urlsplit(url).path.rsplit("/", 1)[-1]),
        url=url,
        sha256=str(hashes["sha256"]) if isinstance(hashes, dict) else "",
        bytes=size if isinstance(size, int) else None,
    )


def _best(files: Sequence[IndexFile], python: str) -> IndexFile:
    """Choose among the wheels that the resolver lets through."""
    best = best_wheel([file.name for file in files], python)
    return next((file for file in files if file.name == best), files[0])
