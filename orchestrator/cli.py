"""The command line: its verbs, and what an error becomes."""

import logging
import sys
from io import TextIOWrapper
from pathlib import Path
from typing import Annotated

import typer

from orchestrator import __version__, console
from orchestrator.errors import Exit, OrchError
from orchestrator.verbs import images, keeping, looking, new, shared, studies

app = typer.Typer(
    name="orch",
    help="Run the same deep-learning workload in many framework versions and say which is faster.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,  # with rich markup `--help` takes twice as long
    pretty_exceptions_enable=False,
)


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
    shared.project["path"] = project


VERBS = (
    *(looking.doctor, looking.list_, looking.plan),
    *(images.build, images.lock),
    *(studies.run, studies.report, studies.import_),
    *(keeping.images, keeping.prune, keeping.save, keeping.load, keeping.push, keeping.shell),
    *(images.reap,),
)  # in the order in which `orch --help` tells them
for verb in VERBS:
    app.command(verb.__name__.rstrip("_"))(verb)
app.add_typer(new.app, name="new")


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
