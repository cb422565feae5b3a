"""Verbs for studies: run, report, import."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from orchestrator import console
from orchestrator.errors import UsageError
from orchestrator.verbs.shared import (
    Device,
    Engine,
    Gpus,
    Host,
    Json,
    Profile,
    Resolve,
    Suite,
    UsePython,
    Yes,
    workbench,
)


def run(
    suite: Suite = None,
    device: Device = "auto",
    gpus: Gpus = None,
    engine: Engine = "auto",
    profile: Profile = None,
    yes: Yes = False,
    resolve: Resolve = False,
    fresh: Annotated[bool, typer.Option("--fresh", help="measure all anew instead of continuing")] = False,
    use_python: UsePython = None,
    host: Host = None,
    as_json: Json = False,
) -> None:
    """Run a suite: build what is missing, measure in random blocks, print the comparison."""
    from orchestrator.studies import run_suite

    bench = workbench(
        suite=suite,
        device=device,
        gpus=gpus,
        engine=engine,
        profile=profile,
        yes=yes,
        resolve=resolve,
        fresh=fresh,
        use_python=tuple(use_python or ()),
        host=host,
    )
    done = run_suite(bench, command=("orch", *sys.argv[1:]))
    console.result(done.render("json" if as_json else "terminal"))
    if not as_json:
        console.result(str(done.folder.path))
    raise typer.Exit(done.exit_code)


def report(
    name: Annotated[
        str | None,
        typer.Argument(metavar="[RUN|STUDY]", help="run folder or id; default: the newest; of --published a study"),
    ] = None,
    published: Annotated[
        bool, typer.Option("--published", help="what studies printed, with its known defects; needs no run")
    ] = False,
    everything: Annotated[
        bool, typer.Option("--all", help="of --published: also what stands elsewhere in their repositories")
    ] = False,
    form: Annotated[str, typer.Option("--format", help="terminal, markdown, csv or json")] = "terminal",
    as_json: Json = False,
) -> None:
    """Compare the records of a run, or print what studies published."""
    bench = workbench()
    form = "json" if as_json else form
    if published:
        from orchestrator.publications import render_published

        console.result(render_published(bench.project.suites, name, form, everything=everything))
        return
    if everything:
        raise UsageError("--all: goes with --published only. Drop it.")
    from orchestrator.reporting import compare_run, find_run, render_comparison

    folder = find_run(bench.settings.runs, name)
    comparison = compare_run(folder, bench.project.suites)
    console.result(render_comparison(comparison, form))


def import_(
    files: Annotated[
        list[Path], typer.Argument(metavar="FILE...", help="CSV of raw iterations, or a file of suites/published/")
    ],
    suite: Annotated[str | None, typer.Option(help="name of the new run's suite; default: that of the file")] = None,
    study: Annotated[
        str | None, typer.Option(help="whose published numbers stand beside them, such as braun2018")
    ] = None,
    warmup: Annotated[int, typer.Option(min=0, help="first iterations of each launch that do not count")] = 0,
    as_json: Json = False,
) -> None:
    """Make records of times that others measured, in a new run folder, and compare them."""
    from orchestrator.importing import import_files
    from orchestrator.reporting import compare_run, find_published, render_comparison, save_comparison

    bench = workbench()
    suites = bench.project.suites
    find_published(suites, study)  # a wrong name is known before anything is written
    command = ("orch", *sys.argv[1:])
    folder = import_files(files, bench.settings.runs, suite=suite, study=study, warmup=warmup, command=command)
    comparison = compare_run(folder, suites)
    save_comparison(folder, comparison)
    console.result(render_comparison(comparison, "json" if as_json else "terminal"))
    if not as_json:
        console.result(str(folder.path))
