"""Where the user's pip looks for packages, handed on to uv, which reads none of it."""

import ast
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache

from orchestrator import process

PIP = (sys.executable, "-m", "pip", "--disable-pip-version-check", "--no-input")
_TIMEOUT_S = 60.0


@dataclass(frozen=True, kw_only=True)
class Indexes:
    """Where the user's pip looks for packages."""

    index: str | None = None
    more: tuple[str, ...] = ()
    find_links: tuple[str, ...] = ()
    trusted_hosts: tuple[str, ...] = ()
    no_index: bool = False
    certificates: str | None = None
    proxy: str | None = None

    @property
    def uv_arguments(self) -> tuple[str, ...]:
        """What uv takes from its command line alone."""
        return ("--no-index",) if self.no_index else ()

    def uv_environment(self, extra: str | None) -> dict[str, str]:
        """Say the same to uv, by its environment: addresses may hold passwords, and command lines are logged.

        extra: a package index or page of links (`.html`) besides.
        """
        is_page = extra is not None and extra.endswith(".html")
        links = (*self.find_links, extra) if extra and is_page else self.find_links
        more = (*self.more, extra) if extra and not is_page else self.more
        said = {
            "UV_DEFAULT_INDEX": self.index,
            "UV_EXTRA_INDEX_URL": " ".join(more),
            "UV_FIND_LINKS": ",".join(links),
            "UV_INSECURE_HOST": " ".join(self.trusted_hosts),
            "SSL_CERT_FILE": self.certificates,
            # Without a bundle of its own pip trusts what the system trusts (from 24.2); uv only on request.
            "UV_SYSTEM_CERTS": None if self.certificates else "1",
            "ALL_PROXY": self.proxy,
            # pip takes the best version of all its indexes; uv would stop at the first that knows the name.
            "UV_INDEX_STRATEGY": "unsafe-best-match",
            "UV_PYTHON_DOWNLOADS": "never",
        }
        return {name: value for name, value in said.items() if value}


def read_indexes(env: Mapping[str, str]) -> Indexes:
    """Read where pip looks for packages: its configuration files and PIP_* variables, as pip itself merges them."""
    return _read(frozenset(env.items()))


@cache
def _read(env: frozenset[tuple[str, str]]) -> Indexes:
    done = process.run((*PIP, "config", "list"), timeout_s=_TIMEOUT_S, env=dict(env))
    return parse_indexes(done.stdout)


def parse_indexes(listed: str) -> Indexes:
    """Parse what `pip config list` prints: `section.name='value'` lines."""
    sections: dict[str, dict[str, str]] = {"global": {}, "download": {}, ":env:": {}}
    for line in listed.splitlines():
        key, separator, value = line.partition("=")
        section, _, name = key.partition(".")
        if separator and section in sections:
            sections[section][name] = str(ast.literal_eval(value))
    values = sections["global"] | sections["download"] | sections[":env:"]  # pip's order, the last one counts
    return Indexes(
        index=values.get("index-url"),
        more=tuple(values.get("extra-index-url", "").split()),
        find_links=tuple(values.get("find-links", "").split()),
        trusted_hosts=tuple(values.get("trusted-host", "").split()),
        no_index=values.get("no-index", "").lower() in {"1", "true", "yes", "on"},
        certificates=values.get("cert"),
        proxy=values.get("proxy"),
    )
