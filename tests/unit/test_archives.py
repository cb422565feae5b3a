"""Tar streams: what goes in belongs to root, what comes out is not trusted."""

import io
import tarfile

import pytest

from orchestrator.engines.archives import pack_inputs, unpack_outputs

MIB = 2**20


def _archive(*entries: tuple[tarfile.TarInfo, bytes]) -> list[bytes]:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as archive:
        for entry, content in entries:
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
    raw = stream.getvalue()
    return [raw[start : start + 700] for start in range(0, len(raw), 700)]


def _entry(name: str, kind: bytes = tarfile.REGTYPE, link: str = "") -> tarfile.TarInfo:
    entry = tarfile.TarInfo(name)
    entry.type, entry.linkname = kind, link
    return entry


def test_inputs_belong_to_root_and_the_writable_folders_to_the_user() -> None:
    packed = pack_inputs({"harness.py": b"pass"}, ("out", "tmp"), owner=1000)

    with tarfile.open(fileobj=io.BytesIO(packed)) as archive:
        owners = {entry.name: (entry.uid, entry.isdir()) for entry in archive}
    assert owners == {"out": (1000, True), "tmp": (1000, True), "in/harness.py": (0, False)}


def test_files_come_out_by_their_path_below_out() -> None:
    chunks = _archive(
        (_entry("out/", tarfile.DIRTYPE), b""),
        (_entry("out/report.json"), b"{}"),
        (_entry("out/a/b.bin"), b"\0" * 2000),
    )

    assert unpack_outputs(chunks, MIB) == {"report.json": b"{}", "a/b.bin": b"\0" * 2000}


@pytest.mark.parametrize("name", ["/etc/passwd", "out/../../etc/passwd", "../report.json", "other/report.json"])
def test_a_path_that_leads_out_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="leads out of it"):
        unpack_outputs(_archive((_entry(name), b"x")), MIB)


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE, tarfile.CHRTYPE])
def test_links_and_special_files_are_refused(kind: bytes) -> None:
    with pytest.raises(ValueError, match=r"a link or a special file: 'out/report\.json'"):
        unpack_outputs(_archive((_entry("out/report.json", kind, "/etc/passwd"), b"")), MIB)


def test_reading_stops_where_the_output_is_too_large() -> None:
    chunks = iter(_archive((_entry("out/large"), b"\0" * 3 * MIB)))

    with pytest.raises(ValueError, match="larger than 1 MiB"):
        unpack_outputs(chunks, MIB)

    assert sum(1 for _ in chunks) > 2000


def test_what_is_no_tar_is_refused() -> None:
    with pytest.raises(ValueError, match="cannot be read"):
        unpack_outputs([b"no tar at all" * 100], MIB)
