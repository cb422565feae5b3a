"""A record to be changed by tests."""

from orchestrator.hardware import Gpu, Machine
from orchestrator.records import (
    CellKeys,
    ImageUsed,
    Launch,
    ProtocolUsed,
    Provenance,
    Record,
    SuiteKeys,
    Workload,
)

GPU = Gpu(name="NVIDIA H200", compute="9.0", driver="580.65.06")
RECORD = Record(
    status="ok",
    cell=CellKeys(id="a-1.0+cpu/b/c/d", key="sha256:1", comparable="sha256:2"),
    suite=SuiteKeys(name="s", profile=None, sha256="0"),
    launch=Launch(run="r", row="b/c/d", block=1, position=1, order_seed=1, attempt=1, load=0.5, started="", ended=""),
    workload=Workload(benchmark="b", implementation="c", configuration="d", parameters={"n": 3}, code_sha256="0"),
    protocol=ProtocolUsed(
        phases=("step",), warmup=0, samples=5, at_most_s=1.5, precision="ieee", caches="warm", threads=1, cpuset="1"
    ),
    image=ImageUsed(name="a-1.0", variant="cpu"),
    machine=Machine(id="m", cpu="c", cores=2, cpus=(0, 1), memory_bytes=1, kernel="6", gpus=(GPU,)),
    provenance=Provenance(orch="0.1.0", command=("orch", "run")),
    samples={"step": (0.5, 0.25)},
    measures={"import_s": None},
    sanity=({"check": "loss_falls", "ok": True, "first": 2.5, "steps": 3, "last": None},),
)
