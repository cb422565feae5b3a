"""Plans as text for people and as JSON for programs."""

from collections.abc import Mapping
from dataclasses import asdict

from orchestrator import console
from orchestrator.images import ImageVariant
from orchestrator.locking import is_locked, why_unlocked
from orchestrator.planning import Estimate
from orchestrator.workbench import PlannedStudy

Json = Mapping[str, object]


def render_plan(planned: PlannedStudy, cost: Estimate) -> str:
    """Write what runs in which variant, what does not and why, and what it costs."""
    plan, suite = planned.plan, planned.plan.suite
    gpu = planned.target.gpu
    where = (
        f"{_count(planned)}{gpu.name}, compute {gpu.compute}, driver {gpu.driver or 'not checked'}" if gpu else "CPU"
    )
    profile = f", profile {suite.profile}" if suite.profile else ""
    rows = len({cell.row for cell in plan.cells})
    blocks = suite.protocol.blocks
    launches = len(plan.cells) * blocks
    lines = [
        f"{suite.name}{profile}: {suite.title}. On {where}.",
        console.table(("image", "variant", "CUDA", "remark"), _image_rows(planned)),
        f"{len(plan.cells)} cells in {rows} row{'s' * (rows != 1)}, {blocks} block{'s' * (blocks != 1)}: "
        f"{launches} launches and {len(plan.cells)} gate launches.",
        *_left_out(planned),
        *_unlocked(planned),
        _cost_line(cost),
    ]
    return "\n".join(lines)


def plan_as_json(planned: PlannedStudy, cost: Estimate) -> Json:
    """Return the same for programs; bytes and seconds."""
    plan = planned.plan
    return {
        "schema": "orch.plan/1",
        "suite": plan.suite.name,
        "profile": plan.suite.profile,
        "device": planned.target.device,
        "gpu": asdict(planned.target.gpu) if planned.target.gpu else None,
        "gpus": [gpu.address for gpu in planned.target.gpus],
        "images": _images_json(planned),
        "cells": [{"id": cell.id, "row": cell.row, "device": cell.device, "jit": cell.jit} for cell in plan.cells],
        "unsupported": [asdict(cell) for cell in plan.unsupported],
        "blocks": plan.suite.protocol.blocks,
        "estimate": asdict(cost),
    }


def _count(planned: PlannedStudy) -> str:
    """Say how many GPUs are used where they are several."""
    several = len(planned.target.gpus) > 1
    return f"{len(planned.target.gpus)} × " if several else ""


def _left_out(planned: PlannedStudy) -> list[str]:
    """Name the work that some of the images cannot make though they run here, with the reason."""
    chosen = _chosen(planned)
    images: dict[tuple[str, str], list[str]] = {}
    for cell in planned.plan.unsupported:
        if cell.image in chosen:
            images.setdefault((cell.work, cell.reason), []).append(cell.image)
    where = {key: "" if len(names) == len(chosen) else f" on {', '.join(names)}" for key, names in images.items()}
    return [f"Not {work}{where[work, reason]}: {reason}." for work, reason in images]


def _unlocked(planned: PlannedStudy) -> list[str]:
    """Say how much of a plan for any machine a run leaves out as long as it has no lock; one for here has left it."""
    names = {target.name for target in planned.plan.targets if not is_locked(target)}
    count = sum(cell.image.name in names for cell in planned.plan.cells)
    if planned.with_engine or not count:
        return []
    which = "all" if count == len(planned.plan.cells) else f"{count}"
    return [f"Not locked: the images of {which} of these cells; a run leaves those out, or locks them with --resolve."]


def _cost_line(cost: Estimate) -> str:
    build = cost.build
    unknown = f", and {len(build.unknown_downloads)} of unknown size (not locked)" if build.unknown_downloads else ""
    return (
        f"Download {console.size(build.download_bytes)}{unknown}; disk {console.size(build.disk_bytes)}; "
        f"about {console.duration(cost.seconds)} without the download."
    )


def _image_names(planned: PlannedStudy) -> tuple[str, ...]:
    return tuple(image.name for image in planned.study.images)


def _chosen(planned: PlannedStudy) -> Mapping[str, ImageVariant]:
    return {target.image.name: target for target in planned.plan.targets}


def _reasons(planned: PlannedStudy) -> Mapping[str, str]:
    return {cell.image: cell.reason for cell in planned.plan.unsupported}


def _image_rows(planned: PlannedStudy) -> list[tuple[str, str, str, str]]:
    chosen, reasons = _chosen(planned), _reasons(planned)
    jit = {cell.image.name for cell in planned.plan.cells if cell.jit}
    rows = []
    for name in _image_names(planned):
        target = chosen.get(name)
        if target is None:
            rows.append((name, "–", "", reasons.get(name, "no implementation of the suite is written for it")))
            continue
        remarks = (
            planned.plan.notes.get(target.name),
            "compiled from PTX at the first start (jit)" if target.name in jit else None,
            _origin(target),
        )
        rows.append((name, target.variant.name, target.variant.cuda or "", "; ".join(one for one in remarks if one)))
    return rows


def _origin(target: ImageVariant) -> str | None:
    if target.image.own_python is not None:
        return f"your own interpreter, {target.image.own_python}"
    return why_unlocked(target)


def _images_json(planned: PlannedStudy) -> list[Json]:
    chosen, reasons = _chosen(planned), _reasons(planned)
    jit = {cell.image.name for cell in planned.plan.cells if cell.jit}
    return [
        _image_json(chosen[name], planned.plan.notes, is_jit=chosen[name].name in jit)
        if name in chosen
        else {"image": name, "variant": None, "reason": reasons.get(name)}
        for name in _image_names(planned)
    ]


def _image_json(target: ImageVariant, notes: Mapping[str, str], *, is_jit: bool) -> Json:
    return {
        "image": target.image.name,
        "variant": target.variant.name,
        "cuda": target.variant.cuda,
        "compute": list(target.variant.compute),
        "min_driver": target.variant.min_driver,
        "jit": is_jit,
        "locked": is_locked(target),
        "note": notes.get(target.name),
    }
