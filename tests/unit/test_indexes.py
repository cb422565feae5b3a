"""What pip's configuration says reaches uv."""

from orchestrator.indexes import Indexes, parse_indexes


def test_all_that_pip_merges_is_read() -> None:
    listed = (
        "global.cert='/etc/ssl/own.pem'\n"
        "global.extra-index-url='\\nhttps://one.example/simple\\nfile:///srv/two'\n"
        "global.find-links='/srv/wheels /srv/more'\n"
        "global.index-url='https://index.example/simple'\n"
        "install.index-url='https://not-for-downloads.example/simple'\n"
        ":env:.trusted-host='index.example'\n"
    )

    assert parse_indexes(listed) == Indexes(
        index="https://index.example/simple",
        more=("https://one.example/simple", "file:///srv/two"),
        find_links=("/srv/wheels", "/srv/more"),
        trusted_hosts=("index.example",),
        certificates="/etc/ssl/own.pem",
    )


def test_a_variable_wins_over_a_file_and_a_download_section_over_the_global_one() -> None:
    listed = "global.find-links='/file'\n:env:.find-links='/variable'\ndownload.index-url='b'\nglobal.index-url='a'\n"

    indexes = parse_indexes(listed)

    assert (indexes.find_links, indexes.index) == (("/variable",), "b")


def test_no_index_is_a_switch() -> None:
    assert parse_indexes("global.no-index='true'\n").uv_arguments == ("--no-index",)
    assert parse_indexes("global.no-index='false'\n").uv_arguments == ()


def test_without_a_bundle_uv_trusts_what_the_system_trusts_as_pip_does() -> None:
    assert Indexes().uv_environment(None)["UV_SYSTEM_CERTS"] == "1"


def test_uv_is_told_by_its_environment_and_looks_at_every_index() -> None:
    indexes = Indexes(more=("file:///srv/two",), find_links=("/a", "/b"), certificates="/own.pem")

    said = indexes.uv_environment(None)

    assert said == {
        "UV_EXTRA_INDEX_URL": "file:///srv/two",
        "UV_FIND_LINKS": "/a,/b",
        "SSL_CERT_FILE": "/own.pem",
        "UV_INDEX_STRATEGY": "unsafe-best-match",
        "UV_PYTHON_DOWNLOADS": "never",
    }


def test_a_row_adds_an_index_or_a_page_of_links() -> None:
    index = Indexes().uv_environment("https://download.pytorch.org/whl/cu113")
    page = Indexes(find_links=("/a",)).uv_environment("https://download.pytorch.org/whl/torch_stable.html")

    assert index["UV_EXTRA_INDEX_URL"] == "https://download.pytorch.org/whl/cu113"
    assert page["UV_FIND_LINKS"] == "/a,https://download.pytorch.org/whl/torch_stable.html"
