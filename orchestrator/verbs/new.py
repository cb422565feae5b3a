"""The sub-commands of `orch new`: small working examples, written into the project."""

import json
from collections.abc import Sequence
from typing import Annotated, Any

import typer

from orchestrator import console
from orchestrator.verbs.shared import Json, workbench

app = typer.Typer(
    help="Write a small working example into the project; nothing that is there is changed.",
    no_args_is_help=True,
    rich_markup_mode=None,
)


@app.command()
def suite(
    name: Annotated[str, typer.Argument(help="of the suite and its file")],
    benchmark: Annotated[str | None, typer.Option(help="what is measured; default: the LSTM of the first look")] = None,
    images: Annotated[
        list[str] | None, typer.Option(help="such as pytorch-{1.0.1,2.8.0}; repeatable; default: two that fit here")
    ] = None,
    as_json: Json = False,
) -> None:
    """Write suites/NAME.yaml, which runs as it is."""
    from orchestrator.examples import new_suite

    bench = workbench()
    files = new_suite(bench.project, name, benchmark, tuple(images or ()))
    _write(bench, files, "orch run {last}", as_json)


@app.command()
def benchmark(
    name: Annotated[str, typer.Argument(help="of the benchmark and its folder")],
    framework: Annotated[str, typer.Option(help="whose script is written")] = "pytorch",
    as_json: Json = False,
) -> None:
    """Write suites/benchmarks/NAME/ with its reference and script, and a suite that runs it."""
    from orchestrator.examples import new_benchmark

    bench = workbench()
    files = new_benchmark(bench.project, name, framework)
    _write(bench, files, "orch run {last}", as_json)


@app.command()
def image(
    name: Annotated[str, typer.Argument(metavar="FAMILY", help="of the family and its folder")],
    package: Annotated[str, typer.Option(help="what its images are of, with the exact version")] = "numpy==2.4.6",
    python: Annotated[str, typer.Option(help="full patch version")] = "3.13.0",
    as_json: Json = False,
) -> None:
    """Write images/FAMILY/ with one version, which locks and builds as it is."""
    from orchestrator.families import image_of, new_family

    bench = workbench()
    files = new_family(bench.project, name, package, python)
    made = image_of(name, package)
    _write(bench, files, f"orch lock {made} && orch build {made}", as_json)


def _write(bench: Any, files: Any, following: str, as_json: bool) -> None:
    """Write new files and say which, and what to do next; {last} is the last of them."""
    from orchestrator.scaffolding import write_new

    written: Sequence[str] = write_new(files, bench.cwd)
    console.result(json.dumps(written, indent=1) if as_json else "\n".join(written))
    console.note(f"Next: {following.format(last=written[-1])}")
