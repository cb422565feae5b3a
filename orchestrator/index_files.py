"""The files that package indexes list, looked up and fetched by name: nothing of a package is run for it."""

import base64
import hashlib
import os
import ssl
import sys
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import cache
from html.parser import HTMLParser
from http.client import HTTPException
from pathlib import Path
from typing import BinaryIO

from packaging.utils import canonicalize_name
from uv import find_uv_bin

from orchestrator import process
from orchestrator.indexes import Indexes

_TIMEOUT_S = 60.0  # without a byte
_SIZE_TIMEOUT_S = 10.0
_AT_ONCE = 8
_CHUNK_BYTES = 2**20
NOT_ANSWERED = (OSError, HTTPException, ValueError)  # of a place that is not there, breaks off or has no address


@dataclass(frozen=True, kw_only=True)
class IndexFile:
    """A file of an index, and where it lies."""

    name: str
    url: str
    sha256: str | None = None  # None: the index does not say
    bytes: int | None = None
    requires_python: str = ""


def list_files(package: str, indexes: Indexes, extra: str | None) -> tuple[IndexFile, ...]:
    """Return the files of a package in all places, without judging them.

    extra: a package index or page of links (`.html`) besides the user's own. A place that does not have the package has
    no files of it. Raises OSError, HTTPException or ValueError (NOT_ANSWERED) if one does not answer.
    """
    pages = [page for page in _pages(package, indexes, extra) if page]
    return tuple(file for page in pages for file in _read_page(page, indexes))


def look_around(package: str, indexes: Indexes, extra: str | None) -> tuple[tuple[IndexFile, ...], Mapping[str, str]]:
    """Return the files of a package in the places that answer, and why each of the others does not."""
    files: list[IndexFile] = []
    silent: dict[str, str] = {}
    for page in filter(None, _pages(package, indexes, extra)):
        try:
            files += _read_page(page, indexes)
        except NOT_ANSWERED as error:
            silent[_place(page, package)] = str(getattr(error, "reason", error))
    return tuple(files), silent


def _place(page: str, package: str) -> str:
    """Return the address of an index without its login and its page of one package."""
    parts = urllib.parse.urlsplit(page)
    return (
        parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl().removesuffix(f"{canonicalize_name(package)}/")
    )


def is_there(file: IndexFile, indexes: Indexes) -> bool:
    """Say whether a file still lies at its address, with its size. Downloads nothing. Raises NOT_ANSWERED."""
    try:
        with open_url(file.url, indexes, method="HEAD", timeout_s=_SIZE_TIMEOUT_S) as reply:
            length = getattr(reply, "headers", {}).get("Content-Length")
    except urllib.error.HTTPError as error:
        if error.code in {404, 403, 410}:
            return False
        raise
    return file.bytes is None or length is None or int(length) == file.bytes


def with_sizes(files: Sequence[IndexFile], indexes: Indexes) -> tuple[IndexFile, ...]:
    """Ask for the sizes the index did not give; None where nobody answers."""
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        sizes = pool.map(lambda file: _size(file, indexes) if file.bytes is None else file.bytes, files)
        return tuple(replace(file, bytes=size) for file, size in zip(files, sizes, strict=True))


def with_hash(file: IndexFile, indexes: Indexes) -> IndexFile:
    """Read a whole file to hash it, where its index does not say. Raises NOT_ANSWERED."""
    if file.sha256:
        return file
    total = hashlib.sha256()
    with open_url(file.url, indexes) as content:
        while chunk := content.read(_CHUNK_BYTES):
            total.update(chunk)
    return replace(file, sha256=total.hexdigest())


def download(file: IndexFile, path: Path, indexes: Indexes) -> None:
    """Write the content of a file to disk. Raises NOT_ANSWERED."""
    with open_url(file.url, indexes) as content, path.open("wb") as target:
        while chunk := content.read(_CHUNK_BYTES):
            target.write(chunk)


def open_url(url: str, indexes: Indexes, *, method: str = "GET", timeout_s: float = _TIMEOUT_S) -> BinaryIO:
    """Open an address with the certificates, the proxy and the passwords of the user's pip configuration."""
    parts = urllib.parse.urlsplit(url)
    host = parts.netloc.rpartition("@")[2]
    request = urllib.request.Request(parts._replace(netloc=host).geturl(), method=method, headers={"Accept": "*/*"})
    login = _logins(indexes).get(host)
    if login:
        request.add_unredirected_header("Authorization", f"Basic {base64.b64encode(login.encode()).decode()}")
    context = ssl.create_default_context(cafile=indexes.certificates)
    if {host, host.partition(":")[0]} & set(indexes.trusted_hosts):
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    handlers: list[urllib.request.BaseHandler] = [urllib.request.HTTPSHandler(context=context)]
    if indexes.proxy:
        handlers.append(urllib.request.ProxyHandler({"http": indexes.proxy, "https": indexes.proxy}))
    opened: BinaryIO = urllib.request.build_opener(*handlers).open(request, timeout=timeout_s)
    return opened


def _logins(indexes: Indexes) -> dict[str, str]:
    """Return host -> user:password, of all addresses that carry them: links on a page do not repeat them."""
    places = [urllib.parse.urlsplit(place) for place in (indexes.index or "", *indexes.more, *indexes.find_links)]
    pairs = [place.netloc.rpartition("@") for place in places]
    return {host: urllib.parse.unquote(login) for login, _, host in pairs if login}


def _pages(package: str, indexes: Indexes, extra: str | None) -> Iterator[str]:
    """Yield the address of each page that may list a package."""
    is_links = extra is not None and extra.endswith(".html")
    yield from (*indexes.find_links, *([extra] if extra and is_links else []))
    if indexes.no_index:
        return
    for index in (indexes.index or _default_index(), *indexes.more, *([extra] if extra and not is_links else [])):
        yield f"{index.rstrip('/')}/{canonicalize_name(package)}/"


@cache
def _default_index() -> str:
    """Return the index that is used where no configuration names one; uv says it of an empty list of requirements."""
    argv = (find_uv_bin(), "pip", "compile", "--quiet", "--no-config", "--no-header", "--emit-index-url")
    kept = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    done = process.run((*argv, "--python", sys.executable, os.devnull), timeout_s=_TIMEOUT_S, env=kept)
    return done.stdout.split()[1]


def _read_page(page: str, indexes: Indexes) -> tuple[IndexFile, ...]:
    """Read a page of links, or a folder of this machine: a path, or an address of a file."""
    path = Path(urllib.request.url2pathname(urllib.parse.urlsplit(page).path)) if page.startswith("file:") else None
    path = Path(page).expanduser() if "://" not in page and path is None else path
    if path is None:
        return _read_links(page, indexes)
    if (path / "index.html").is_file():
        path = path / "index.html"
    if path.is_file():
        return _read_links(path.absolute().as_uri(), indexes)
    found = sorted(path.iterdir()) if path.is_dir() else []
    return tuple(
        IndexFile(name=one.name, url=one.absolute().as_uri(), bytes=one.stat().st_size)
        for one in found
        if one.is_file()
    )


def _read_links(page: str, indexes: Indexes) -> tuple[IndexFile, ...]:
    try:
        with open_url(page, indexes) as content:
            text = content.read().decode("utf-8", errors="replace")
    except urllib.error.HTTPError as error:
        if error.code in {404, 403, 410}:  # some indexes say "forbidden" of what they do not have
            return ()
        raise
    parser = _Links(page)
    parser.feed(text)
    return tuple(parser.files)


class _Links(HTMLParser):
    """The links of a page, as PEP 503 writes them."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self._page = page
        self.files: list[IndexFile] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        href = given.get("href")
        if tag != "a" or not href:
            return
        url, _, fragment = urllib.parse.urljoin(self._page, href).partition("#")
        algorithm, _, digest = fragment.partition("=")
        self.files.append(
            IndexFile(
                name=urllib.parse.unquote(urllib.parse.urlsplit(url).path.rsplit("/", 1)[-1]),
                url=url,
                sha256=digest if algorithm == "sha256" else None,
                requires_python=given.get("data-requires-python") or "",
            )
        )


def _size(file: IndexFile, indexes: Indexes) -> int | None:
    try:
        with open_url(file.url, indexes, method="HEAD", timeout_s=_SIZE_TIMEOUT_S) as reply:
            length = getattr(reply, "headers", {}).get("Content-Length")
    except NOT_ANSWERED:
        return None
    return int(length) if length and length.isdigit() else None
