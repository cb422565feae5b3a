"""Verbs that look and change nothing: doctor, list, plan."""

import json
from typing import Annotated

import typer

from orchestrator import console
from orchestrator.errors import Exit
from orchestrator.verbs.shared import Device, Engine, Gpus, Host, Json, Profile, Resolve, Suite, workbench


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

    diagnosis = examine(workbench(device=device, host=host), is_online=online)
    shown = json.dumps(to_json(diagnosis), indent=1) if as_json else render(diagnosis, console.terminal_width())
    console.result(shown)
    raise typer.Exit(diagnosis.exit_code)


def list_(as_json: Json = False) -> None:
    """List suites, benchmarks, images and runs, and where they come from."""
    from orchestrator.listing import list_project, render_project

    bench = workbench()
    console.result(json.dumps(list_project(bench), indent=1) if as_json else render_project(bench))


def plan(
    suite: Suite = None,
    gpu: Annotated[str | None, typer.Option(help="plan for this GPU, such as H100; none is needed")] = None,
    driver: Annotated[str | None, typer.Option(help="its driver version, such as 535.104")] = None,
    device: Device = "auto",
    gpus: Gpus = None,
    engine: Engine = "auto",
    profile: Profile = None,
    resolve: Resolve = False,
    host: Host = None,
    as_json: Json = False,
) -> None:
    """Say what would run, in which variant, what cannot and why, and what it costs. Fetches nothing."""
    from orchestrator.plan_texts import plan_as_json, render_plan

    bench = workbench(
        suite=suite,
        gpu=gpu,
        driver=driver,
        device=device,
        gpus=gpus,
        engine=engine,
        profile=profile,
        resolve=resolve,
        host=host,
    )
    planned = bench.plan_suite(with_engine=gpu is None)
    cost = bench.estimate(planned)
    console.result(json.dumps(plan_as_json(planned, cost), indent=1) if as_json else render_plan(planned, cost))
    if not planned.plan.cells:
        raise typer.Exit(Exit.NOTHING)
