"""How names, patterns and versions are compared, expanded and suggested."""

import difflib
import re
from collections.abc import Iterable
from fnmatch import fnmatchcase
from itertools import product

from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.version import Version

LISTED_AT_MOST = 12
_RANGE = re.compile(r"([A-Za-z][\w-]*?)\s*([<>=!~]=?.*)")


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """Return the end of a message that names the nearest known word, or a few of them; starts with a space."""
    names = sorted(known)
    folded = {name.lower(): name for name in names}
    near = difflib.get_close_matches(word.lower(), folded, n=1, cutoff=0.6)
    if near:
        return f" Did you mean '{folded[near[0]]}'?"
    if not names:
        return ""
    more = ", …" if len(names) > LISTED_AT_MOST else ""
    return f" Known: {', '.join(names[:LISTED_AT_MOST])}{more}."


def version_key(text: str) -> Version:
    """Return what versions are sorted by; `0.1.12_2`, the build number of a package, counts as a post-release.

    `1.0.1-py27`, a second row of a version, comes right after 1.0.1 and lies in the same ranges.
    Raises ValueError if it is no version.
    """
    return Version(re.sub(r"-(?=[a-z][a-z0-9.]*$)", "+", text).replace("_", "-"))


def matches(name: str, patterns: Iterable[str]) -> bool:
    """Tell whether a name fits one of the patterns: globs with {a,b}."""
    return any(fnmatchcase(name, glob) for pattern in patterns for glob in expand_braces(pattern))


def expand_braces(pattern: str) -> tuple[str, ...]:
    """Write out `a-{b,c}` as `a-b`, `a-c`; several groups multiply, they do not nest."""
    parts = [part[1:-1].split(",") if part[:1] == "{" else [part] for part in re.split(r"(\{[^{}]*\})", pattern)]
    return tuple("".join(item.strip() for item in choice) for choice in product(*parts))


def is_pattern(text: str) -> bool:
    """Tell whether a text means several names (a glob or a range) and not one."""
    return bool(_RANGE.fullmatch(text)) or any(sign in text for sign in "*?[")


def in_version_range(family: str, version: str, text: str) -> bool:
    """Tell whether a version lies in a range such as `pytorch>=1.0,<2.0`; False if the text is no range.

    Raises ValueError if the range cannot be read.
    """
    found = _RANGE.fullmatch(text)
    if not found or found[1] != family:
        return False
    try:
        return SpecifierSet(found[2]).contains(version_key(version), prereleases=True)
    except InvalidSpecifier as error:
        raise ValueError(f"'{text}' is not a version range such as {family}>=1.0,<2.0") from error
