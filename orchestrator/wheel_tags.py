"""Which wheels a Python of our bases can install, and which of several it would take."""

from collections.abc import Iterable, Sequence

from packaging.tags import Tag, compatible_tags, cpython_tags
from packaging.utils import parse_wheel_filename

# The oldest base of Python 3 is Debian 11 with glibc 2.31: a wheel that wants more would not start there. That of
# Python 2.7 is Debian 10; the wheels of its time want less anyway.
GLIBC = 31
PLATFORMS = (
    *(f"manylinux_2_{minor}_x86_64" for minor in range(GLIBC, 4, -1)),
    *("manylinux2014_x86_64", "manylinux2010_x86_64", "manylinux1_x86_64", "linux_x86_64"),
)
WHEEL = ".whl"


def best_wheel(names: Sequence[str], python: str) -> str | None:
    """Choose as pip does: the first of these file names by the tags its Python prefers, None if none can be installed.

    Names of other files than wheels are not looked at.
    """
    order = {tag: place for place, tag in enumerate(wheel_tags(python))}
    places = {name: min(order.get(tag, len(order)) for tag in parse_wheel_filename(name)[3]) for name in _wheels(names)}
    best = min(places, key=lambda name: places[name], default=None)
    return best if best is not None and places[best] < len(order) else None


def _wheels(names: Sequence[str]) -> list[str]:
    return [name for name in names if name.endswith(WHEEL)]


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
