"""What a page of links says of a package's files, read from folders of this machine as from an index."""

from pathlib import Path

from orchestrator.index_files import IndexFile, download, list_files, with_hash, with_sizes
from orchestrator.indexes import Indexes

PAGE = """<!DOCTYPE html><html><body>
<a href="../../files/toy%2Bframework-1.0.tar.gz#sha256=abc" data-requires-python="&gt;=2.7, &lt;3">toy</a>
<a href="https://files.example/toy_framework-1.0-py3-none-any.whl">toy</a>
<a name="no address">toy</a>
</body></html>
"""
HELLO = "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824"


def make_index(folder: Path) -> str:
    page = folder / "simple" / "toy-framework" / "index.html"
    page.parent.mkdir(parents=True)
    page.write_text(PAGE, encoding="utf-8")
    return (folder / "simple").as_uri()


def test_the_links_of_an_index_are_read_with_hash_and_python(tmp_path: Path) -> None:
    indexes = Indexes(index=make_index(tmp_path))

    files = list_files("Toy_Framework", indexes, None)

    assert files == (
        IndexFile(
            name="toy+framework-1.0.tar.gz",
            url=(tmp_path / "files").as_uri() + "/toy%2Bframework-1.0.tar.gz",
            sha256="abc",
            requires_python=">=2.7, <3",
        ),
        IndexFile(
            name="toy_framework-1.0-py3-none-any.whl", url="https://files.example/toy_framework-1.0-py3-none-any.whl"
        ),
    )


def test_a_folder_of_files_is_a_place_too_and_one_that_has_nothing_is_none(tmp_path: Path) -> None:
    folder = tmp_path / "wheels"
    folder.mkdir()
    (folder / "toy-1.0.zip").write_bytes(b"hello")
    (folder / "deeper").mkdir()
    indexes = Indexes(no_index=True, find_links=(str(folder), folder.as_uri(), str(tmp_path / "none")))

    files = list_files("toy", indexes, None)

    assert [(file.name, file.bytes) for file in files] == [("toy-1.0.zip", 5)] * 2


def test_a_page_of_links_beside_the_users_own_is_read_and_an_index_beside_them_asked(tmp_path: Path) -> None:
    own, other = make_index(tmp_path / "own"), make_index(tmp_path / "other")
    page = f"{other}/toy-framework/index.html"

    assert len(list_files("toy-framework", Indexes(index=own), other)) == 4
    assert len(list_files("toy-framework", Indexes(index=own), page)) == 4
    assert len(list_files("toy-framework", Indexes(no_index=True), page)) == 2
    assert list_files("toy-framework", Indexes(no_index=True), other) == ()


def test_what_an_index_does_not_say_is_found_out(tmp_path: Path) -> None:
    path = tmp_path / "toy-1.0.zip"
    path.write_bytes(b"hello")
    file = IndexFile(name=path.name, url=path.as_uri())

    sized = with_sizes([with_hash(file, Indexes()), IndexFile(name="x", url=f"{path.as_uri()}.gone")], Indexes())
    download(file, tmp_path / "copy", Indexes())

    assert [(one.sha256, one.bytes) for one in sized] == [(HELLO, 5), (None, None)]
    assert (tmp_path / "copy").read_bytes() == b"hello"
