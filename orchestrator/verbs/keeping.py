"""Verbs for what is built: images, prune, save, load, push, shell."""

import dataclasses
import json
import re
import sys
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from orchestrator import console
from orchestrator.errors import Exit, UsageError
from orchestrator.verbs.shared import Device, Engine, Gpus, Host, Json, workbench

Names = Annotated[list[str], typer.Argument(help="built images, such as pytorch-1.0.1 or pytorch-2.13.0+cpu")]
UNITS_S = {"h": 3600.0, "d": 86400.0, "w": 7 * 86400.0}


def images(engine: Engine = "auto", host: Host = None, as_json: Json = False) -> None:
    """List what is built: size, of it in layers that others share, last use, and whether it is still current."""
    from orchestrator.keeping import list_images

    found = list_images(workbench(engine=engine, host=host))
    if as_json:
        console.result(json.dumps([dataclasses.asdict(one) for one in found], indent=1))
        return
    rows = [
        (
            one.image,
            one.engine,
            one.state,
            console.size(one.bytes),
            console.size(one.shared_bytes),
            _day(one.used_s) if one.used_s else f"never, made {_day(one.made_s)}",
        )
        for one in found
    ]
    if not rows:
        console.result("Nothing is built. Build something: orch build")
        return
    own = console.size(sum(one.bytes - one.shared_bytes for one in found))
    headings = ("image", "engine", "state", ">size", ">of it shared", "last used")
    console.result(f"{console.table(headings, rows)}\n{len(found)} images; {own} without what they share.")


def prune(
    older_than: Annotated[
        str | None, typer.Option(metavar="AGE", help="only what was not used for so long: 12h, 30d, 8w")
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", help="remove it without asking")] = False,
    engine: Engine = "auto",
    host: Host = None,
    as_json: Json = False,
) -> None:
    """Remove stale images, wheels that no lock names, compile caches and contexts of dead builds; says first which."""
    from orchestrator.keeping import find_leftovers, remove_all

    bench = workbench(engine=engine, host=host)
    found = find_leftovers(bench, _seconds(older_than))
    if not as_json:
        console.result(_leftover_table(found))
    agreed = bool(found) and (yes or (not as_json and _asked(f"Remove these {len(found)}?")))
    gone = remove_all(bench, found) if agreed else ()
    if as_json:
        rows = [{"kind": one.kind, "name": one.name, "bytes": one.bytes, "removed": one in gone} for one in found]
        console.result(json.dumps(rows, indent=1))
    elif agreed:
        console.result(f"{len(gone)} removed, {console.size(sum(one.bytes for one in gone))} freed.")
    elif found:
        console.note("Nothing was removed. Remove it: orch prune --yes")
    raise typer.Exit(Exit.OK if len(gone) == len(found) or not agreed else Exit.ENGINE)


def save(
    names: Names,
    output: Annotated[Path, typer.Option("--output", metavar="FILE", help="a tar archive")],
    host: Host = None,
    as_json: Json = False,
) -> None:
    """Save built images to a file, for machines without a network; layers that they share lie in it once."""
    from orchestrator.carrying import save_named

    saved, size = save_named(workbench(engine="docker", host=host), tuple(names), output)
    _tell(saved, as_json, f"{output}: {len(saved)} images, {console.size(size)}")


def load(
    file: Annotated[Path, typer.Argument(help="what `orch save` wrote")], host: Host = None, as_json: Json = False
) -> None:
    """Load images from a file; `orch build` finds those whose Dockerfile and lock are those of this project."""
    from orchestrator.carrying import load_file

    _tell(load_file(workbench(engine="docker", host=host), file), as_json)


def push(
    names: Names,
    registry: Annotated[str, typer.Argument(help="where to, such as registry.example.com/team")],
    host: Host = None,
    as_json: Json = False,
) -> None:
    """Push built images to a registry of your own site."""
    from orchestrator.carrying import push_named

    _tell(push_named(workbench(engine="docker", host=host), tuple(names), registry), as_json)


def shell(
    name: Annotated[str, typer.Argument(metavar="IMAGE", help="a built image, such as pytorch-2.13.0+cpu")],
    command: Annotated[list[str] | None, typer.Argument(help="after --; default: bash")] = None,
    device: Device = "auto",
    gpus: Gpus = None,
    engine: Engine = "auto",
    host: Host = None,
) -> None:
    """Open a shell in a built image, as a launch sees it: no network, read-only, nothing stays. Or run a command."""
    from orchestrator.carrying import enter_named

    bench = workbench(device=device, gpus=gpus, engine=engine, host=host)
    raise typer.Exit(enter_named(bench, name, tuple(command or ("bash",))))


def _tell(carried: Sequence[Any], as_json: bool, summary: str = "") -> None:
    """Write what was saved, loaded or pushed."""
    if as_json:
        console.result(json.dumps([dataclasses.asdict(one) for one in carried], indent=1))
        return
    lines = [f"{one.image}: {one.reference}{f', {one.state}' if one.state else ''}" for one in carried]
    console.result("\n".join([*lines, *([summary] if summary else [])]))


def _leftover_table(found: Sequence[Any]) -> str:
    if not found:
        return "Nothing to remove."
    rows = [(one.kind, one.name, console.size(one.bytes), _day(one.used_s)) for one in found]
    table = console.table(("what", "name", ">size", "last used"), rows)
    return f"{table}\n{len(found)}, {console.size(sum(one.bytes for one in found))} in all."


def _asked(question: str) -> bool:
    """Ask on a terminal; where there is none, nobody has agreed."""
    return sys.stdin.isatty() and typer.confirm(question, err=True)


def _seconds(age: str | None) -> float:
    found = re.fullmatch(r"(\d+)([hdw])", age or "0h")
    if found is None:
        raise UsageError(f"--older-than {age}: not an age such as 12h, 30d or 8w.")
    return int(found[1]) * UNITS_S[found[2]]


def _day(moment_s: float) -> str:
    return datetime.fromtimestamp(moment_s).strftime("%Y-%m-%d")
