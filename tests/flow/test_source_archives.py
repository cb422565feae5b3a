"""Source archives from an index to an installed package: looked up, fetched and built with real uv, never run here."""

import base64
import hashlib
import os
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from orchestrator.building import NotBuilt, Workshop, build_images
from orchestrator.engines import BuiltImage, Job
from orchestrator.engines.venv import VenvEngine
from orchestrator.errors import LockError, WheelError
from orchestrator.fetching import fetch_files, is_reachable
from orchestrator.images import Image, ImageVariant, Variant
from orchestrator.locking import Lock, read_lock
from orchestrator.resolving import lock_image
from orchestrator.wheelhouse import Wheelhouse
from tests.source_archives import TOOL, write_source, write_tool
from tests.toy_project import bundled_pip, write_installers

PYTHON = ".".join(str(part) for part in sys.version_info[:3])
CHECK = 'import json, toy\njson.dump({"version": toy.__version__, "works": True}, open("out/check.json", "w"))\n'
LOGIN = "user:pass word"


class Place:
    """A family whose framework is a source archive, a folder in place of an index, and an empty cache."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.ran = root / "setup-was-run"
        self.wheels = root / "wheels"
        poison = f"open({str(self.ran)!r}, 'w').close()\n"
        self.source = write_source(self.wheels, "toy", "1.0", "__version__ = '1.0'\n", setup=poison)
        write_tool(self.wheels)
        pip = self.wheels / bundled_pip().name
        pip.write_bytes(bundled_pip().read_bytes())
        family = root / "images" / "toy"
        family.mkdir(parents=True)
        (family / "Dockerfile").write_text("# has a stage for build-requirements.txt\n", encoding="utf-8")
        (family / "check.py").write_text(CHECK, encoding="utf-8")
        write_installers(family.parent / "installers.txt", self.wheels)
        image = Image(
            family="toy",
            framework="toy",
            version="1.0",
            released="2018",
            python=PYTHON,
            base=f"python:{PYTHON}",
            requirements=("toy==1.0",),
            build_requirements=(f"{TOOL}==1.0",),
            folder=family,
        )
        self.target = ImageVariant(image=image, variant=Variant(name="cpu"))

    @property
    def env(self) -> dict[str, str]:
        mine = {"PIP_CONFIG_FILE": os.devnull, "PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(self.wheels)}
        return {"PATH": os.environ["PATH"], "HOME": os.environ.get("HOME", ""), **mine}

    def lock(self) -> Lock:
        return lock_image(self.target, self.env)

    def wheelhouse(self, cache: str = "cache") -> Wheelhouse:
        return Wheelhouse(folder=self.root / cache / "wheelhouse", env=self.env)

    def engine(self, cache: str = "cache") -> VenvEngine:
        return VenvEngine(self.root / cache, {"PATH": os.environ["PATH"], "HOME": os.environ.get("HOME", "")})

    def build(self, cache: str = "cache") -> BuiltImage | NotBuilt:
        said: list[str] = []
        workshop = Workshop(wheelhouse=self.wheelhouse(cache), folder=self.root / cache / "build", say=said.append)
        (built,) = build_images(self.engine(cache), [self.target], workshop)
        return built


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


@contextmanager
def serving(folder: Path) -> Iterator[str]:
    """Serve a folder to who knows the login; yields host and port."""

    class Handler(SimpleHTTPRequestHandler):
        def do_GET(self) -> None:
            wanted = f"Basic {base64.b64encode(LOGIN.encode()).decode()}"
            if self.headers["Authorization"] == wanted:
                super().do_GET()
            else:
                self.send_error(401)

        def log_message(self, *_: object) -> None:
            """Keep the test's output clean."""

    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, directory=str(folder))) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"127.0.0.1:{server.server_port}"
        server.shutdown()


def test_a_source_archive_is_locked_and_fetched_and_its_setup_is_never_run(place: Place) -> None:
    lock = place.lock()
    was_reachable = is_reachable(place.wheelhouse(), place.target)
    fetched = fetch_files(place.wheelhouse(), lock)

    assert read_lock(place.target.lock_path) == lock
    assert [pin.file for pin in lock.pins] == ["toy-1.0.tar.gz"]
    assert [pin.file for pin in lock.build_pins] == ["toy_tool-1.0-py3-none-any.whl"]
    assert was_reachable
    assert fetched == lock.bytes
    assert place.wheelhouse().path(lock.pins[0]).read_bytes() == place.source.read_bytes()
    assert not place.ran.exists()


def test_a_closure_for_python_2_is_looked_up_without_it(place: Place) -> None:
    target = replace(place.target, image=replace(place.target.image, python="2.7.18"))
    (place.wheels / "six-1.0-cp27-cp27mu-manylinux1_x86_64.whl").write_bytes(b"")
    target = replace(target, image=replace(target.image, requirements=("toy==1.0", "six==1.0"), build_requirements=()))

    with pytest.raises(
        LockError, match=r"toy-1\.0\+cpu: of toy-1\.0\.tar\.gz there is no wheel\. .*build_requirements"
    ):
        lock_image(target, place.env)
    target = replace(target, image=replace(target.image, requirements=("six==1.0",)))

    assert [pin.file for pin in lock_image(target, place.env).pins] == ["six-1.0-cp27-cp27mu-manylinux1_x86_64.whl"]


def test_a_source_archive_with_a_flipped_bit_stops_the_build_with_its_name_and_both_hashes(place: Place) -> None:
    lock = place.lock()
    content = bytearray(place.source.read_bytes())
    content[-1] ^= 1
    place.source.write_bytes(content)

    built = place.build()

    assert isinstance(built, NotBuilt)
    assert built.phase == "fetch"
    got = hashlib.sha256(content).hexdigest()
    assert f"toy-1.0.tar.gz has sha256 {got}, the lock says {lock.pins[0].sha256}" in built.reason
    assert not place.ran.exists()


@pytest.mark.parametrize("name", ["toy-1.0.tar.gz", "toy_tool-1.0-py3-none-any.whl"])
def test_what_changed_in_the_wheelhouse_stops_the_build_with_its_name_and_comes_anew(place: Place, name: str) -> None:
    lock = place.lock()
    fetch_files(place.wheelhouse(), lock)
    (path,) = (place.wheelhouse().path(pin) for pin in lock.files if pin.file == name)
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)

    first, second = place.build(), place.build()

    assert isinstance(first, NotBuilt)
    assert first.phase == "build"
    assert f"Damaged on disk and removed: {name}." in first.reason
    assert isinstance(second, BuiltImage)


def test_two_builds_of_a_source_archive_install_the_same(place: Place) -> None:
    place.lock()

    one, two = place.build("one"), place.build("two")

    assert isinstance(one, BuiltImage), one.reason
    assert isinstance(two, BuiltImage), two.reason
    assert (one.digest, one.inputs_sha256) == (two.digest, two.inputs_sha256)
    program = Job(argv=("python", "-c", "import toy; print(toy.BUILT[:3])"), files={}, timeout_s=60.0)
    assert place.engine("one").launch(one, program).log == "(1980, 1, 1)\n"


def test_a_source_archive_at_an_address_is_built_under_the_version_that_the_row_says(place: Place) -> None:
    archive = place.source.rename(place.root / "0123abcd.tar.gz")
    requirement = f"toy @ {archive.as_uri()}#egg=toy-1.0"
    place.target = replace(place.target, image=replace(place.target.image, requirements=(requirement,)))

    (pin,) = place.lock().pins
    built = place.build()

    assert (pin.file, pin.what) == ("toy-1.0.tar.gz", requirement)
    assert read_lock(place.target.lock_path).pins == (pin,)
    assert isinstance(built, BuiltImage), built.reason


def test_a_source_archive_that_no_index_has_any_more_is_named(place: Place) -> None:
    lock = place.lock()
    place.source.unlink()

    with pytest.raises(WheelError, match=r"toy-1\.0\+cpu: toy-1\.0\.tar\.gz cannot be had: no index lists it\. Check"):
        fetch_files(place.wheelhouse(), lock)


def test_an_index_behind_a_login_is_asked_with_it_and_one_that_refuses_is_said(place: Place) -> None:
    page = place.wheels / "simple" / "toy" / "index.html"
    page.parent.mkdir(parents=True)
    page.write_text('<a href="../../toy-1.0.tar.gz">toy</a>', encoding="utf-8")
    target = replace(place.target, image=replace(place.target.image, build_requirements=(), python="2.7.18"))
    with serving(place.wheels) as host:
        env = {**place.env, "PIP_NO_INDEX": "0", "PIP_FIND_LINKS": "", "PIP_INDEX_URL": f"http://{host}/simple"}

        with pytest.raises(LockError, match=r"an index does not answer \(HTTP Error 401"):
            lock_image(target, env)
        with pytest.raises(LockError, match="there is no wheel"):
            lock_image(target, {**env, "PIP_INDEX_URL": f"http://user:pass%20word@{host}/simple"})
