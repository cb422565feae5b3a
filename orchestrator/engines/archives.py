"""The tar streams that carry inputs into a container and outputs out of it. What comes out is untrusted."""

import io
import tarfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import PurePosixPath


def pack_inputs(files: Mapping[str, bytes], folders: Sequence[str], owner: int) -> bytes:
    """Make a tar of `in/` with the files, read-only for the program, and of folders that belong to it.

    files: path below in/ -> content. folders: relative paths, parents first. owner: user and group id of the folders.
    """
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as archive:
        for folder in folders:
            entry = tarfile.TarInfo(folder)
            entry.type, entry.mode, entry.uid, entry.gid = tarfile.DIRTYPE, 0o755, owner, owner
            archive.addfile(entry)
        for path, content in files.items():
            entry = tarfile.TarInfo(f"in/{path}")
            entry.size, entry.mode = len(content), 0o644
            archive.addfile(entry, io.BytesIO(content))
    return stream.getvalue()


def unpack_outputs(chunks: Iterable[bytes], at_most_bytes: int) -> Mapping[str, bytes]:
    """Read a tar of `out/` without writing anything to disk: path below out/ -> content.

    at_most_bytes: of the whole stream; what lies beyond is not read.
    Raises ValueError if it is larger, no tar, or holds anything but regular files and folders below out/.
    """
    files: dict[str, bytes] = {}
    try:
        with tarfile.open(fileobj=_CappedStream(iter(chunks), at_most_bytes), mode="r|") as archive:
            for entry in archive:
                path = _path_below_out(entry)
                content = archive.extractfile(entry)
                if content is not None:
                    files[path] = content.read()
    except tarfile.TarError as error:
        raise ValueError(f"out/ cannot be read: {error}") from error
    return files


def _path_below_out(entry: tarfile.TarInfo) -> str:
    first, *rest = PurePosixPath(entry.name).parts or ("",)
    if first != "out" or ".." in rest:
        raise ValueError(f"out/ holds a path that leads out of it: {entry.name!r}")
    if not (entry.isfile() or entry.isdir()):
        raise ValueError(f"out/ holds a link or a special file: {entry.name!r}")
    return "/".join(rest)


class _CappedStream(io.RawIOBase):
    """The chunks as a file that refuses to give more than it may."""

    def __init__(self, chunks: Iterator[bytes], at_most_bytes: int) -> None:
        self._chunks = chunks
        self._left = self._at_most_bytes = at_most_bytes

    def read(self, _size: int = -1) -> bytes:
        """Return the next chunk, which may be longer than asked for: tarfile's streams take what they get."""
        chunk = next(self._chunks, b"")
        self._left -= len(chunk)
        if self._left < 0:
            raise ValueError(f"out/ is larger than {self._at_most_bytes >> 20} MiB")
        return chunk
