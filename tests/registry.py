"""A registry of images in memory, for tests of what an engine says of one: tags are pushed, moved, deleted."""

import base64
import hashlib
import json
import re
import threading
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

OCTETS = "application/octet-stream"
SCHEMA_1 = "application/vnd.docker.distribution.manifest.v1+prettyjws"
SCHEMA_2 = "application/vnd.docker.distribution.manifest.v2+json"


class Registry:
    """What it holds. `address` is a part of names: 127.0.0.1:5000/base:1."""

    def __init__(self) -> None:
        self.address = ""
        self.blobs: dict[str, bytes] = {}
        self.uploads: dict[str, bytes] = {}
        self.manifests: dict[tuple[str, str], tuple[str, bytes]] = {}  # repository, tag or digest -> type, content

    def put(self, repository: str, reference: str, kind: str, content: bytes) -> str:
        """Take a manifest under its tag and its digest; returns the digest."""
        digest = digest_of(content)
        for name in (reference, digest):
            self.manifests[repository, name] = (kind, content)
        return digest

    def put_image(self, repository: str, tag: str, text: str = "") -> str:
        """Make an image that holds nothing but a text in its configuration; returns its digest."""
        config = json.dumps({"architecture": "amd64", "os": "linux", "rootfs": {"type": "layers"}, "author": text})
        self.blobs[digest_of(config.encode())] = config.encode()
        described = {"digest": digest_of(config.encode()), "size": len(config), "mediaType": f"{SCHEMA_2[:-7]}config"}
        manifest = {"schemaVersion": 2, "mediaType": SCHEMA_2, "config": described, "layers": []}
        return self.put(repository, tag, SCHEMA_2, json.dumps(manifest).encode())

    def put_schema_1(self, repository: str, tag: str) -> None:
        """Put an image as engines before 1.10 pushed them: its signature says where the signed text ends, and how."""
        signed = json.dumps({"schemaVersion": 1, "name": repository, "tag": tag, "fsLayers": [], "history": []})[:-1]
        said = json.dumps({"formatLength": len(signed), "formatTail": _base64("}"), "time": "2015-01-01T00:00:00Z"})
        signature = {"header": {"alg": "ES256"}, "protected": _base64(said), "signature": ""}
        self.put(repository, tag, SCHEMA_1, f'{signed}, "signatures": {json.dumps([signature])}}}'.encode())


@contextmanager
def serving() -> Iterator[Registry]:
    """Serve a registry on this machine; an engine on it takes it without a certificate."""
    registry = Registry()

    class Handler(_Handler):
        held = registry

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        registry.address = f"127.0.0.1:{server.server_port}"
        yield registry
        server.shutdown()


def digest_of(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def _base64(text: str) -> str:
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


class _Handler(BaseHTTPRequestHandler):
    """As much of the registry's HTTP API (distribution-spec 1.1) as an engine asks for."""

    protocol_version = "HTTP/1.1"
    held: Registry

    def do_GET(self) -> None:
        found = re.fullmatch(r"/v2/(.+)/(manifests|blobs)/([^/]+)", self.path)
        if self.path == "/v2/":
            self._answer(200)
        elif found and found[2] == "manifests":
            kind, content = self.held.manifests.get((found[1], found[3]), ("", b""))
            code = "MANIFEST_UNKNOWN" if any(name == found[1] for name, _ in self.held.manifests) else "NAME_UNKNOWN"
            self._answer(200, content, kind) if content else self._refuse(404, code)
        elif found and found[3] in self.held.blobs:
            self._answer(200, self.held.blobs[found[3]])
        else:
            self._refuse(404, "BLOB_UNKNOWN")

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_POST(self) -> None:
        place = f"{self.path.partition('?')[0]}{uuid.uuid4().hex}"
        self.held.uploads[place] = b""
        self._answer(202, Location=place)

    def do_PATCH(self) -> None:
        self.held.uploads[self.path] += self._body()
        self._answer(202, Location=self.path, Range=f"0-{len(self.held.uploads[self.path]) - 1}")

    def do_PUT(self) -> None:
        manifest = re.fullmatch(r"/v2/(.+)/manifests/([^/]+)", self.path)
        if manifest:
            digest = self.held.put(manifest[1], manifest[2], self.headers["Content-Type"], self._body())
        else:
            digest = parse_qs(urlsplit(self.path).query)["digest"][0]
            self.held.blobs[digest] = self.held.uploads.pop(urlsplit(self.path).path) + self._body()
        self._answer(201, b"", OCTETS, **{"Docker-Content-Digest": digest})

    def log_message(self, *_: object) -> None:
        """Keep the test's output clean."""

    def _body(self) -> bytes:
        if self.headers["Transfer-Encoding"] != "chunked":
            return self.rfile.read(int(self.headers["Content-Length"] or 0))
        chunks = []
        while size := int(self.rfile.readline(), 16):
            chunks.append(self.rfile.read(size))
            self.rfile.readline()
        self.rfile.readline()
        return b"".join(chunks)

    def _refuse(self, status: int, code: str) -> None:
        what = code.replace("_", " ").lower()
        self._answer(status, json.dumps({"errors": [{"code": code, "message": what}]}).encode(), "application/json")

    def _answer(self, status: int, content: bytes = b"", kind: str = OCTETS, **more: str) -> None:
        self.send_response(status)
        described = {"Docker-Content-Digest": digest_of(content)} if content and status == 200 else {}
        for name, value in {"Content-Length": str(len(content)), "Content-Type": kind, **described, **more}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)
