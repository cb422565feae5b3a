"""Options that several verbs have, and the workbench that they make."""

import os
from pathlib import Path
from typing import Annotated, Any

import typer

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
Resolve = Annotated[bool, typer.Option("--resolve", help="lock what has no committed lock, instead of leaving it out")]
UsePython = Annotated[
    list[str] | None,
    typer.Option(help="IMAGE=PATH: measure in an interpreter that has the framework, build nothing; repeatable"),
]
Host = Annotated[
    str | None,
    typer.Option(metavar="SSH", help="ssh://[user@]host[:port]: build and measure there, keep the records here"),
]

project: dict[str, Path | None] = {}  # --project, set before any verb


def workbench(**given: Any) -> Any:
    """Make the workbench of a verb; imported late, so that `--help` is quick."""
    from orchestrator.options import Options
    from orchestrator.workbench import Workbench

    options = Options(project=project.get("path"), **given)
    return Workbench(options, cwd=Path.cwd(), env=dict(os.environ))
