"""The command line: options and output, no logic."""

import dataclasses
import json
import logging
import os
import sys
from io import TextIOWrapper
from pathlib import Path
from typing import Annotated, Any

import typer

from orchestrator import __version__, console
from orchestrator.errors import Exit, OrchError

app = typer.Typer(
    name="orch",
    help="Run the same deep-learning workload in many framework versions and say which is faster.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,  # with rich markup `--help` takes twice as long
    pretty_exceptions_enable=False,
)

Suite = Annotated[str | None, typer.Argument(help="suite file or name; default: `suite` of orch.toml")]
Json = Annotated[bool, typer.Option("--json", help="write the result as JSON")]
Device = Annotated[str, typer.Option(help="auto, cpu or cuda")]
Gpus = Annotated[
    str | None,
    typer.Option(
        help="index, uuid or MIG instance: 0,GPU-8f2c,1:0 or all; default: the first on which nobody computes"
    ),
]
Engine = Annotated[str, typer.Option(help="auto, docker or venv")]
Profile = Annotated[str | None, typer.Option(help="named protocol of the suite; without a GPU: quick")]
Yes = Annotated[bool, typer.Option("--yes", help="allow large downloads")]
Locked = Annotated[bool, typer.Option("--locked", help="use committed locks only; resolve nothing")]
UsePython = Annotated[
    list[str] | None,
    typer.Option(help="IMAGE=PATH: measure in an interpreter that has the framework, build nothing; repeatable"),
]
Host = Annotated[
    str | None,
    typer.Option(metavar="SSH", help="ssh://[user@]host[:port]: build and measure there, keep the records here"),
]
common: dict[str, Any] = {}  # --project, set by the callback before any verb


@app.callback()
def main(
    project: Annotated[Path | None, typer.Option(help="folder with images/ and suites/")] = None,
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="show every command that is started")] = False,
    version: Annotated[bool, typer.Option("--version", help="print the version and exit")] = False,
) -> None:
    """Run the same deep-learning workload in many framework versions and say which is faster."""
    if version:
        console.result(f"orch {__version__}")
        raise typer.Exit
    logging.basicConfig(level=logging.DEBUG if verbose else logging.WARNING, format="%(message)s")
    for noisy in ("urllib3", "docker"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
    common["project"] = project


@app.command()
def doctor(
    device: Device = "auto",
    online: Annotated[bool, typer.Option("--online", help="ask package indexes and registries too")] = False,
    host: Host = None,
    as_json: Json = False,
) -> None:
    """Say what can run here, what is missing and how to get it. Pulls nothing; tries a GPU that is there."""
    from orchestrator.doctor.examining import examine
    from orchestrator.doctor.rendering import as_json as to_json
    from orchestrator.doctor.rendering import render

    diagnosis = examine(_workbench(device=device, host=host), is_online=online)
    shown = json.dumps(to_json(diagnosis), indent=1) if as_json else render(diagnosis, console.terminal_width())
    console.result(shown)
    raise typer.Exit(diagnosis.exit_code)


@app.command("list")
def list_(as_json: Json = False) -> None:
    """List suites, benchmarks, images and runs, and where they come from."""
    from orchestrator.listing import list_project, render_project

    bench = _workbench()
    console.result(json.dumps(list_project(bench), indent=1) if as_json else render_project(bench))


@app.command()
def plan(
    suite: Suite = None,
    gpu: Annotated[str | None, typer.Option(help="plan for this GPU, such as H100; none is needed")] = None,
    driver: Annotated[str | None, typer.Option(help="its driver version, such as 535.104")] = None,
    device: Device = "auto",
    gpus: Gpus = None,
    engine: Engine = "auto",
    profile: Profile = None,
    host: Host = None,
    as_json: Json = False,
) -> None:
    """Say what would run, in which variant, what cannot and why, and what it costs. Fetches nothing."""
    from orchestrator.listing import plan_as_json, render_plan

    bench = _workbench(
        suite=suite, gpu=gpu, driver=driver, device=device, gpus=gpus, engine=engine, profile=profile, host=host
    )
    planned = bench.plan_suite(with_engine=gpu is None)
    cost = bench.estimate(planned)
    console.result(json.dumps(plan_as_json(planned, cost), indent=1) if as_json else render_plan(planned, cost))
    if not planned.plan.cells:
        raise typer.Exit(Exit.NOTHING)


@app.command()
def build(
    names: Annotated[list[str] | None, typer.Argument(help="suites or images; default: `suite` of orch.toml")] = None,
    device: Device = "auto",
    gpus: Gpus = None,
    engine: Engine = "auto",
    profile: Profile = None,
    yes: Yes = False,
    locked: Locked = False,
    host: Host = None,
    as_json: Json = False,
) -> None:
    """Build what a suite needs and this machine can run."""
    from orchestrator.providing import build_named

    bench = _workbench(device=device, gpus=gpus, engine=engine, profile=profile, yes=yes, locked=locked, host=host)
    done = build_named(bench, tuple(names or ()))
    if as_json:
        console.result(json.dumps([dataclasses.asdict(one) for one in done], indent=1))
    else:
        rows = [(one.image, one.state, one.text) for one in done]
        console.result(console.table(("image", "state", "tag or reason"), rows))
    raise typer.Exit(max((one.exit_code for one in done), default=Exit.OK))


@app.command()
def lock(
    names: Annotated[list[str], typer.Argument(help="images, such as pytorch-1.0.1 or pytorch-2.13.0+cpu")],
    fetch: Annotated[bool, typer.Option("--fetch", help="download the wheels too")] = False,
    as_json: Json = False,
) -> None:
    """Resolve base images to digests and requirements to hashes, into files that are committed."""
    from orchestrator.providing import lock_named

    lines, exit_code = lock_named(_workbench(), tuple(names), fetch=fetch)
    console.result(json.dumps(lines, indent=1) if as_json else "\n".join(lines))
    raise typer.Exit(exit_code)


@app.command()
def run(
    suite: Suite = None,
    device: Device = "auto",
    gpus: Gpus = None,
    engine: Engine = "auto",
    profile: Profile = None,
    yes: Yes = False,
    locked: Locked = False,
    fresh: Annotated[bool, typer.Option("--fresh", help="measure all anew instead of continuing")] = False,
    use_python: UsePython = None,
    host: Host = None,
    as_json: Json = False,
) -> None:
    """Run a suite: build what is missing, measure in random blocks, print the comparison."""
    from orchestrator.studies import run_suite

    bench = _workbench(
        suite=suite,
        device=device,
        gpus=gpus,
        engine=engine,
        profile=profile,
        yes=yes,
        locked=locked,
        fresh=fresh,
        use_python=tuple(use_python or ()),
        host=host,
    )
    done = run_suite(bench, command=("orch", *sys.argv[1:]))
    console.result(done.render("json" if as_json else "terminal"))
    if not as_json:
        console.result(str(done.folder.path))
    raise typer.Exit(done.exit_code)


@app.command()
def report(
    name: Annotated[str | None, typer.Argument(metavar="[RUN]", help="run folder or id; default: the newest")] = None,
    form: Annotated[str, typer.Option("--format", help="terminal, markdown, csv or json")] = "terminal",
    as_json: Json = False,
) -> None:
    """Compare the records of a run."""
    from orchestrator.reporting import compare_run, find_run, render_comparison

    bench = _workbench()
    folder = find_run(bench.settings.runs, name)
    comparison = compare_run(folder, bench.project.suites)
    console.result(render_comparison(comparison, "json" if as_json else form))


@app.command()
def reap(host: Host = None, as_json: Json = False) -> None:
    """Remove containers, volumes and folders that dead runs left past their deadline."""
    from orchestrator.studies import reap_all

    removed = reap_all(_workbench(host=host))
    console.result(json.dumps(removed) if as_json else "\n".join(removed) or "nothing was left")


def _workbench(**given: Any) -> Any:
    """Make the workbench of a verb; imported late, so that `--help` is quick."""
    from orchestrator.options import Options
    from orchestrator.workbench import Workbench

    options = Options(project=common.get("project"), **given)
    return Workbench(options, cwd=Path.cwd(), env=dict(os.environ))


def execute() -> int:
    """Run the command line; an expected error becomes its message and exit code."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="replace")  # a locale without × and µ loses these, not the table
    try:
        app(prog_name="orch", standalone_mode=True)
    except OrchError as error:
        console.note(f"orch: {error}")
        return error.exit_code
    return Exit.OK
