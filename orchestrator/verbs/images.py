"""Verbs for images and what launches leave: build, lock, reap."""

import dataclasses
import json
from typing import Annotated, NoReturn

import typer

from orchestrator import console
from orchestrator.errors import Exit, UsageError
from orchestrator.verbs.shared import Device, Engine, Gpus, Host, Json, Profile, Resolve, Yes, workbench


def build(
    names: Annotated[list[str] | None, typer.Argument(help="suites or images; default: `suite` of orch.toml")] = None,
    device: Device = "auto",
    gpus: Gpus = None,
    engine: Engine = "auto",
    profile: Profile = None,
    yes: Yes = False,
    resolve: Resolve = False,
    host: Host = None,
    as_json: Json = False,
) -> None:
    """Build what a suite needs and this machine can run."""
    from orchestrator.providing import build_named

    bench = workbench(device=device, gpus=gpus, engine=engine, profile=profile, yes=yes, resolve=resolve, host=host)
    done = build_named(bench, tuple(names or ()))
    if as_json:
        console.result(json.dumps([dataclasses.asdict(one) for one in done], indent=1))
    else:
        rows = [(one.image, one.state, one.text) for one in done]
        console.result(console.table(("image", "state", "tag or reason"), rows))
    raise typer.Exit(max((one.exit_code for one in done), default=Exit.OK))


def lock(
    names: Annotated[
        list[str] | None, typer.Argument(help="images, such as pytorch-1.0.1 or pytorch-2.13.0+cpu")
    ] = None,
    fetch: Annotated[bool, typer.Option("--fetch", help="download the wheels too")] = False,
    check: Annotated[
        bool,
        typer.Option("--check", help="lock nothing: say what upstream has moved or deleted; default: of all locks"),
    ] = False,
    as_json: Json = False,
) -> None:
    """Resolve base images to digests and requirements to hashes, into files that are committed."""
    if check:
        _check_locks(tuple(names or ()), as_json)
    if not names:
        raise UsageError("orch lock: name images, such as pytorch-1.0.1; `orch list` shows them.")
    from orchestrator.pinning import lock_named

    lines, exit_code = lock_named(workbench(), tuple(names), fetch=fetch)
    console.result(json.dumps(lines, indent=1) if as_json else "\n".join(lines))
    raise typer.Exit(exit_code)


def _check_locks(names: tuple[str, ...], as_json: bool) -> NoReturn:
    """Compare locks with upstream, a line for each difference."""
    from orchestrator.pinning import check_named
    from orchestrator.upstream import exit_code

    findings, count = check_named(workbench(), names)
    if as_json:
        console.result(json.dumps([dataclasses.asdict(one) for one in findings], indent=1))
    else:
        console.result("\n".join(one.line for one in findings) or f"{count} of {count} locks: all is as it was locked")
    raise typer.Exit(exit_code(findings))


def reap(host: Host = None, as_json: Json = False) -> None:
    """Remove containers, volumes and folders that dead runs left past their deadline."""
    from orchestrator.studies import reap_all

    removed = reap_all(workbench(host=host))
    console.result(json.dumps(removed) if as_json else "\n".join(removed) or "nothing was left")
