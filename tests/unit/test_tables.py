import json
import math
import statistics
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
import scipy.stats

from orchestrator.analysis.comparison import Comparison, Entry, PublishedEntry, Row, Table
from orchestrator.analysis.lines import lines_of
from orchestrator.analysis.published import read_published
from orchestrator.analysis.tables import build_comparison
from orchestrator.errors import NothingSelectedError, UsageError
from orchestrator.hardware import Gpu, Machine
from orchestrator.records import (
    CellKeys,
    ContainerUsed,
    Environment,
    Failure,
    GpuUsed,
    ImageUsed,
    Launch,
    ProtocolUsed,
    Provenance,
    Record,
    Status,
    SuiteKeys,
    Workload,
)
from orchestrator.specs import Compare
from orchestrator.store import RunFolder
from orchestrator.summaries import Telemetry, TelemetrySummary, Trace

BRAUN = Path(__file__).parents[2] / "suites" / "published" / "braun2018.csv"
RECORDS = Path(__file__).parents[1] / "data" / "records"
LABELS = {"cudnn_lstm": "cuDNNLSTM", "lstmcell_fused": "LSTMCell-fused", "lstmcell_basic": "LSTMCell-basic"}
MACHINE = Machine(id="sha256:a", cpu="Xeon A", cores=2, cpus=(0, 1), memory_bytes=2**34, kernel="6.1")
OLD, NEW = "pytorch-1.4.0", "pytorch-2.13.0"


def measured(
    image: str, block: int, median_s: float, *, implementation: str = "cudnn_lstm", machine: Machine = MACHINE
) -> Record:
    """Make the record of a good launch."""
    return Record(
        status="ok",
        cell=CellKeys(id=image, key="k", comparable=f"sha256:{machine.id}"),
        suite=SuiteKeys(name="study", profile="quick", sha256="s"),
        launch=Launch(
            run="r1",
            row="",
            block=block,
            position=1,
            order_seed=1,
            attempt=1,
            load=0.2,
            started=f"2026-11-20T10:{block:02d}:00.000Z",
            ended=f"2026-11-20T10:{block:02d}:30.000Z",
        ),
        workload=Workload(
            benchmark="lstm_asr",
            implementation=implementation,
            configuration="1x320/CE-short",
            parameters={},
            code_sha256="c",
        ),
        protocol=ProtocolUsed(
            phases=("train_step",),
            warmup=2,
            samples=3,
            at_most_s=60,
            precision="ieee",
            caches="warm",
            threads=1,
            cpuset="1",
        ),
        environment=Environment(framework="pytorch", version=image.partition("-")[2], python="3.9.18"),
        image=ImageUsed(name=image, variant="cpu"),
        container=ContainerUsed(engine="docker 28.5.2"),
        machine=machine,
        provenance=Provenance(orch="0.1.0", command=("orch", "run")),
        samples={"train_step": (median_s * 0.9, median_s, median_s * 3)},
    )


def cell(image: str, medians_s: Sequence[float], *, implementation: str = "cudnn_lstm") -> list[Record]:
    return [measured(image, block, value, implementation=implementation) for block, value in enumerate(medians_s, 1)]


def observed(record: Record, **seen: object) -> Record:
    """Add what telemetry saw during the launch."""
    summary = replace(TelemetrySummary(), **seen)  # type: ignore[arg-type]
    return replace(record, telemetry=Telemetry(period_s=0.1, n=9, rate_hz=10, gaps=0, longest_gap_s=0, summary=summary))


def lost(record: Record, status: Status = "failed", message: str = "no module named torch") -> Record:
    failure = Failure(phase="import", kind="ImportError", message=message)
    return replace(record, status=status, failure=failure, samples={}, environment=None)


def never(record: Record, status: Status, message: str) -> Record:
    """Turn a launch into one that was not made."""
    made = replace(lost(record, status, message), launch=replace(record.launch, block=None, position=None))
    return replace(made, image=ImageUsed(name=record.image.name, variant=None), container=None)


def only_row(comparison: Comparison) -> Row:
    ((row,),) = [table.rows for table in comparison.tables]
    return row


def verdicts(entries: Sequence[Entry]) -> list[str | None]:
    return [entry.verdict.name if entry.verdict else None for entry in entries]


@pytest.mark.parametrize(
    ("device", "label", "gpu"), [("cuda", "1.4.0 cu101", "V100"), ("cpu", "1.4.0 cu101 on cpu", "none")]
)
def test_where_a_launch_computed_is_what_its_protocol_says(device: str, label: str, gpu: str) -> None:
    machine = replace(MACHINE, gpus=(Gpu(name="V100", compute="7.0"),))
    record = measured(OLD, 1, 0.1, machine=machine)
    told = replace(record.environment or Environment(framework="", version="", python=""), flags={"device": "TPU v4"})
    launched = replace(
        record,
        environment=told,
        image=ImageUsed(name=OLD, variant="cu101"),
        protocol=replace(record.protocol, device=device),
    )

    comparison = build_comparison([launched])

    assert (comparison.tables[0].labels, comparison.setups[0].gpu) == ((label,), gpu)


def test_a_cell_is_the_geometric_mean_of_its_launch_medians() -> None:
    (entry,) = only_row(build_comparison(cell(OLD, [0.1, 0.2, 0.4]))).entries

    assert entry.value_s == pytest.approx(0.2)
    assert entry.launches == 3
    assert verdicts([entry]) == ["baseline"]


def test_columns_divide_to_the_printed_ratio_and_its_interval_holds_it() -> None:
    comparison = build_comparison(cell(NEW, [0.05, 0.055, 0.052]) + cell(OLD, [0.1, 0.11, 0.101]))

    old, new = only_row(comparison).entries
    assert old.value_s is not None
    assert new.value_s is not None
    assert new.ratio is not None
    assert new.ratio_interval is not None
    assert new.ratio == pytest.approx(new.value_s / old.value_s)
    assert new.ratio_interval.low < new.ratio < new.ratio_interval.high
    assert verdicts([old, new]) == ["baseline", "faster"]


def test_versions_are_columns_from_oldest_to_newest_as_numbers_and_not_as_text() -> None:
    images = ["pytorch-1.12.1", "pytorch-0.1.12_2", "pytorch-1.4.0", "pytorch-0.3.1post2", "pytorch-2.13.0"]

    (table,) = build_comparison([measured(image, 1, 0.1) for image in images]).tables

    assert table.labels == ("0.1.12_2 cpu", "0.3.1post2 cpu", "1.4.0 cpu", "1.12.1 cpu", "2.13.0 cpu")


def test_a_cuda_build_that_ran_on_the_processor_says_so() -> None:
    record = replace(measured("pytorch-1.0.1", 1, 0.1), image=ImageUsed(name="pytorch-1.0.1", variant="cu90"))

    (table,) = build_comparison([record]).tables

    assert table.labels == ("1.0.1 cu90 on cpu",)


def test_a_pair_is_a_block_so_noise_that_both_share_does_not_widen_the_ratio() -> None:
    comparison = build_comparison(cell(OLD, [0.1, 0.2, 0.4]) + cell(NEW, [0.11, 0.2201, 0.4399]))

    _, new = only_row(comparison).entries

    assert new.is_paired
    assert verdicts([new]) == ["slower"]


@pytest.mark.parametrize("blocks", [1, 2])
def test_below_three_blocks_there_is_a_ratio_but_no_verdict(blocks: int) -> None:
    comparison = build_comparison(cell(OLD, [0.1] * blocks) + cell(NEW, [0.2] * blocks))

    old, new = only_row(comparison).entries

    assert new.ratio == pytest.approx(2.0)
    assert new.ratio_interval is None
    assert new.verdict is None
    assert (old.interval is None) == (blocks == 1)
    assert "fewer than 3 blocks: no interval, no verdict" in new.notes


def test_one_failing_launch_leaves_a_value_with_a_footnote_and_a_ratio_of_the_other_blocks() -> None:
    new = cell(NEW, [0.05, 0.051, 0.052, 0.053])
    comparison = build_comparison([*cell(OLD, [0.1, 0.1, 0.1, 0.9]), *new[:3], lost(new[3])])

    entry = only_row(comparison).entries[1]

    assert entry.launches == 3
    assert entry.launched == 4
    assert "1 of 4 launches: failed (import): no module named torch" in entry.notes
    assert "ratio from 3 of 4 blocks: those in which both ran back to back" in entry.notes
    assert entry.ratio == pytest.approx((0.05 * 0.051 * 0.052) ** (1 / 3) / 0.1)
    assert comparison.failed == 1


def test_a_cell_whose_launches_all_fail_is_a_dash_with_its_reason() -> None:
    comparison = build_comparison(cell(OLD, [0.1] * 3) + [lost(one, "oom", "killed") for one in cell(NEW, [1.0] * 3)])

    entry = only_row(comparison).entries[1]

    assert entry.value_s is None
    assert verdicts([entry]) == ["n/a"]
    assert entry.notes == ("oom: killed",)
    assert comparison.tables[0].footnotes == ("oom: killed",)


def test_an_unsupported_image_keeps_its_column_and_says_why() -> None:
    unsupported = never(measured("pytorch-0.4.0", 1, 1.0), "unsupported", "no cpu wheel")

    comparison = build_comparison([*cell(OLD, [0.1] * 3), unsupported])

    (table,) = comparison.tables
    assert table.labels == ("0.4.0", "1.4.0 cpu")
    assert table.rows[0].entries[0].notes == ("unsupported: no cpu wheel",)
    assert verdicts(table.rows[0].entries) == ["n/a", "baseline"]
    assert comparison.failed == 0


def test_a_gate_that_failed_in_one_row_is_a_dash_in_the_column_of_its_image() -> None:
    gate = never(measured(NEW, 1, 1.0, implementation="lstmcell_basic"), "invalid", "gradients differ")
    basic = cell(OLD, [0.3] * 3, implementation="lstmcell_basic")

    (table,) = build_comparison([*cell(OLD, [0.1] * 3), *cell(NEW, [0.1] * 3), *basic, gate]).tables

    assert table.labels == ("1.4.0 cpu", "2.13.0 cpu")
    assert [row.entries[1].value_s is None for row in table.rows] == [False, True]


def test_a_gate_that_passed_later_leaves_no_trace_of_its_failure() -> None:
    records = cell(OLD, [0.1] * 3)
    gate = never(records[0], "invalid", "gradients differ")
    early = replace(gate, launch=replace(gate.launch, started="2026-11-20T09:00:00.000Z"))

    (entry,) = only_row(build_comparison([*records, early])).entries

    assert entry.launches == 3
    assert entry.notes == ()


def test_an_image_that_could_not_be_built_again_keeps_the_times_it_has() -> None:
    records = cell(OLD, [0.1] * 3)
    unbuilt = never(records[0], "failed", "no space left")
    later = replace(
        unbuilt,
        cell=CellKeys(id=OLD, key="", comparable=""),
        launch=replace(unbuilt.launch, started="2026-11-20T12:00:00.000Z"),
    )

    (entry,) = only_row(build_comparison([*records, later])).entries

    assert entry.launches == entry.launched == 3
    assert entry.notes == ("not launched again: failed (import): no space left",)


def test_an_image_that_another_engine_could_not_run_is_no_failed_launch_of_this_one() -> None:
    records = cell(OLD, [0.1] * 3)
    elsewhere = never(records[0], "unsupported", "Python 2.7 needs docker")
    later = replace(elsewhere, launch=replace(elsewhere.launch, started="2026-11-20T12:00:00.000Z"))

    (entry,) = only_row(build_comparison([*records, later])).entries

    assert entry.notes == ()


def test_a_gate_that_failed_on_one_machine_does_not_touch_the_column_of_another() -> None:
    gate = never(measured(OLD, 1, 1.0, machine=replace(MACHINE, id="sha256:b")), "invalid", "gradients differ")
    later = replace(gate, launch=replace(gate.launch, started="2026-11-20T12:00:00.000Z"))

    (table,) = build_comparison([*cell(OLD, [0.1] * 3), later]).tables

    assert table.labels == ("1.4.0", "1.4.0 cpu")
    assert [entry.notes for entry in table.rows[0].entries] == [("invalid (import): gradients differ",), ()]


def test_the_last_attempt_of_a_block_counts() -> None:
    first, *others = cell(OLD, [0.1] * 3)
    again = replace(first, launch=replace(first.launch, attempt=2), samples={"train_step": (0.1,) * 3})

    (entry,) = only_row(build_comparison([again, *others, lost(first)])).entries

    assert entry.launches == entry.launched == 3


def test_cells_of_different_machines_are_shown_marked_and_never_divided() -> None:
    gpu = Gpu(name="NVIDIA H200", compute="9.0")
    other = replace(MACHINE, id="sha256:b", cpu="Xeon B", gpus=(gpu,))
    there = [measured(NEW, block, 0.05, machine=other) for block in (1, 2, 3)]

    comparison = build_comparison(cell(OLD, [0.1] * 3) + there)

    entry = only_row(comparison).entries[1]
    assert entry.value_s == pytest.approx(0.05)
    assert entry.ratio is None
    assert verdicts([entry]) == ["not comparable"]
    assert entry.notes == ("not comparable with the baseline: machine; cpu: Xeon B (2 cores), not Xeon A (2 cores)",)
    assert comparison.tables[0].labels == ("1.4.0 cpu, setup 1", "2.13.0 cpu, setup 2")


def test_each_machine_divides_by_its_own_baseline_where_it_has_one() -> None:
    other = replace(MACHINE, id="sha256:b", cpu="Xeon B")
    there = [measured(image, block, 0.3, machine=other) for image in (OLD, NEW) for block in (1, 2, 3)]

    (table,) = build_comparison([*cell(OLD, [0.1] * 3), *cell(NEW, [0.2] * 3), *there]).tables

    assert table.labels == (
        "1.4.0 cpu, setup 1",
        "1.4.0 cpu, setup 2",
        "2.13.0 cpu, setup 1",
        "2.13.0 cpu, setup 2",
    )
    assert [entry.ratio for entry in table.rows[0].entries] == [None, None, pytest.approx(2.0), pytest.approx(1.0)]


@pytest.mark.parametrize(
    ("change", "key"),
    [
        ("code", "code"),
        ("comparable", "comparable key"),
        ("threads", "threads: 2, not 1"),
        ("engine", "engine: venv, not docker"),
    ],
)
def test_the_key_that_differs_is_named(change: str, key: str) -> None:
    def altered(record: Record) -> Record:
        cell_keys = replace(record.cell, comparable="sha256:other")
        changes = {
            "code": replace(record, cell=cell_keys, workload=replace(record.workload, code_sha256="d")),
            "comparable": replace(record, cell=cell_keys),
            "threads": replace(record, protocol=replace(record.protocol, threads=2)),
            "engine": replace(record, container=ContainerUsed(engine="venv")),
        }
        return changes[change]

    entry = only_row(build_comparison(cell(OLD, [0.1] * 3) + [altered(one) for one in cell(NEW, [0.1] * 3)])).entries[1]

    assert entry.verdict is not None
    assert entry.verdict.name == "not comparable"
    assert entry.verdict.reason == key


def test_launches_whose_block_was_cut_are_compared_unpaired_and_marked() -> None:
    new = [replace(one, launch=replace(one.launch, paired=False)) for one in cell(NEW, [0.05, 0.051, 0.052])]

    entry = only_row(build_comparison(cell(OLD, [0.1, 0.101, 0.102]) + new)).entries[1]

    assert entry.is_paired is False
    assert verdicts([entry]) == ["faster"]
    assert "ratio of unpaired launches (Welch)" in entry.notes
    assert "not paired: a stop cut the block of every launch in two" in entry.notes


def compiled(records: Sequence[Record]) -> list[Record]:
    """Make of launches such whose GPU code was compiled from PTX."""
    return [
        replace(
            one,
            image=replace(one.image, variant="cu118", jit=True),
            protocol=replace(one.protocol, device="cuda"),
            cell=replace(one.cell, comparable="jit"),
        )
        for one in records
    ]


def test_code_compiled_from_ptx_is_marked_and_never_divided_by_native_code() -> None:
    native = cell(OLD, [0.1, 0.1, 0.1])

    comparison = build_comparison(native + compiled(cell(NEW, [0.05, 0.05, 0.05])))

    entry = only_row(comparison).entries[1]
    assert comparison.tables[0].labels == ("1.4.0 cpu", "2.13.0 cu118 jit")
    assert (entry.ratio, verdicts([entry])) == (None, ["not comparable"])
    assert "not comparable with the baseline: GPU code: compiled from PTX (jit), not native" in entry.notes


def test_the_baseline_is_the_oldest_with_native_code() -> None:
    between = cell("pytorch-1.13.1", [0.1, 0.1, 0.1])

    comparison = build_comparison(compiled(cell(OLD, [0.2, 0.2, 0.2])) + between + cell(NEW, [0.05, 0.05, 0.05]))

    assert verdicts(only_row(comparison).entries) == ["not comparable", "baseline", "faster"]


def test_columns_of_compiled_code_are_divided_by_each_other() -> None:
    comparison = build_comparison(compiled(cell(OLD, [0.2, 0.2, 0.2]) + cell(NEW, [0.1, 0.1, 0.1])))

    assert verdicts(only_row(comparison).entries) == ["baseline", "faster"]


def test_the_gpu_of_a_column_is_the_one_its_launches_computed_on() -> None:
    gpus = (Gpu(name="T4", compute="7.5", uuid="GPU-a"), Gpu(name="V100", compute="7.0", uuid="GPU-b", index=1))
    record = measured(OLD, 1, 0.1, machine=replace(MACHINE, gpus=gpus))
    launched = replace(
        record,
        protocol=replace(record.protocol, device="cuda"),
        launch=replace(record.launch, gpu=GpuUsed(uuid="GPU-b", address="1")),
    )

    (setup,) = build_comparison([launched]).setups

    assert setup.gpu == "V100"


def test_blocks_of_different_runs_are_not_paired() -> None:
    new = [replace(one, launch=replace(one.launch, run="r2")) for one in cell(NEW, [0.05, 0.051, 0.052])]

    entry = only_row(build_comparison(cell(OLD, [0.1, 0.101, 0.102]) + new)).entries[1]

    assert entry.is_paired is False


@pytest.mark.parametrize(
    ("change", "note"),
    [
        ("load", "busy machine: load above its CPUs before every launch"),
        ("samples", "1 samples in the time limit, fewer than asked for"),
        ("throttle", "hardware throttling in every launch"),
        ("cap", "the GPU ran into its power limit in every launch"),
        ("unobserved", "throttling was not observed in every launch: no telemetry of the GPU"),
        ("foreign", "others computed on the GPU around every launch"),
        ("steal", "the hypervisor took more than 1 % of the CPU time of every launch"),
        ("trace", "the trace of a launch is not the one that was written; its summary is used"),
        ("jit", "the GPU's code was compiled from PTX at the start"),
    ],
)
def test_what_weakens_a_time_is_its_footnote(change: str, note: str) -> None:
    def weakened(record: Record) -> Record:
        assert record.environment is not None
        changes = {
            "load": replace(record, launch=replace(record.launch, load=3.5)),
            "samples": replace(record, samples={"train_step": (0.1,)}),
            "throttle": observed(record, throttle=4, reasons={"sw_power_cap": 0.5}),
            "cap": observed(record, throttle=0, reasons={"sw_power_cap": 0.5}),
            "unobserved": replace(record, protocol=replace(record.protocol, device="cuda")),
            "foreign": observed(record, foreign_processes=1),
            "steal": observed(record, steal=0.02),
            "trace": replace(record, trace=Trace(name="t", sha256="s", problem="is not the one that was written")),
            "jit": replace(record, image=replace(record.image, jit=True)),
        }
        return changes[change]

    (entry,) = only_row(build_comparison([weakened(one) for one in cell(OLD, [0.1] * 3)])).entries

    assert entry.notes == (note,)


def test_launches_of_older_code_are_left_out_and_counted() -> None:
    old, *new = cell(OLD, [0.9, 0.1, 0.1, 0.1])
    older = replace(old, cell=replace(old.cell, comparable="sha256:x"), workload=replace(old.workload, code_sha256="x"))

    (entry,) = only_row(build_comparison([older, *new])).entries

    assert entry.value_s == pytest.approx(0.1)
    assert entry.notes == ("older launches of other code or protocol left out: 1",)


@pytest.mark.parametrize("samples", [(), (math.nan,), (math.inf,), (0.0,), (-1.0,)])
def test_samples_that_are_no_times_make_an_invalid_launch_and_never_a_nan(samples: tuple[float, ...]) -> None:
    records = [replace(one, samples={"train_step": samples}) for one in cell(NEW, [0.1] * 3)]

    entry = only_row(build_comparison(cell(OLD, [0.1] * 3) + records)).entries[1]

    assert entry.value_s is None
    assert entry.notes == ("invalid: no times of train_step",)


def test_a_row_without_a_time_of_the_baseline_has_values_and_no_ratio() -> None:
    basic = [lost(one) for one in cell(OLD, [1.0] * 3, implementation="basic")]

    (table,) = build_comparison([*cell(OLD, [0.1] * 3), *basic, *cell(NEW, [0.2] * 3, implementation="basic")]).tables

    entry = next(row for row in table.rows if row.implementation == "basic").entries[1]
    assert entry.value_s == pytest.approx(0.2)
    assert verdicts([entry]) == ["n/a"]
    assert "its baseline 1.4.0 cpu has no time in this row" in entry.notes


def test_the_baseline_may_be_named() -> None:
    comparison = build_comparison(cell(OLD, [0.1] * 3) + cell(NEW, [0.2] * 3), compare=Compare(baseline=NEW))

    assert [entry.ratio for entry in only_row(comparison).entries] == [pytest.approx(0.5), None]


def test_an_unknown_baseline_is_refused_with_a_suggestion() -> None:
    with pytest.raises(UsageError, match=r"no record is of this image. Did you mean 'pytorch-1.4.0'\?"):
        build_comparison(cell(OLD, [0.1] * 3), compare=Compare(baseline="pytorch-1.40"))


def test_no_records_are_nothing_selected() -> None:
    with pytest.raises(NothingSelectedError):
        build_comparison([])


def test_a_run_that_was_stopped_says_how_many_launches_are_missing() -> None:
    comparison = build_comparison(cell(OLD, [0.1] * 3) + cell(NEW, [0.2] * 2))

    entry = only_row(comparison).entries[1]

    assert "launches: 2, where other cells have 3" in entry.notes


def test_each_phase_has_its_own_table() -> None:
    records = [
        replace(
            one,
            protocol=replace(one.protocol, phases=("forward", "train_step")),
            samples={"forward": (0.01,) * 3, "train_step": (0.03,) * 3},
        )
        for one in cell(OLD, [0.1] * 3)
    ]

    forward, train = build_comparison(records).tables

    assert (forward.phase, train.phase) == ("forward", "train_step")
    assert forward.rows[0].entries[0].value_s == pytest.approx(0.01)
    assert train.rows[0].entries[0].value_s == pytest.approx(0.03)


def test_control_characters_of_a_program_do_not_reach_a_table() -> None:
    failing = [lost(one, message="\x1b[31mred\x07\nsecond\u202eline\tend") for one in cell(NEW, [1.0] * 3)]

    entry = only_row(build_comparison(cell(OLD, [0.1] * 3) + failing)).entries[1]

    assert entry.notes == ("failed (import): [31mred secondline end",)


def implementations(image: str, times_s: Sequence[float]) -> list[Record]:
    rows = zip(LABELS, times_s, strict=True)
    return [record for name, time_s in rows for record in cell(image, [time_s] * 3, implementation=name)]


def test_published_numbers_are_columns_of_their_own_from_oldest_to_newest() -> None:
    comparison = build_comparison(implementations(NEW, [1, 2, 3]), labels=LABELS, published=read_published(BRAUN))

    (table,) = comparison.tables
    assert [column.label for column in table.published] == [
        "0.1.12_2, GTX 1080, 2018",
        "0.2.0_4, GTX 1080, 2018",
        "0.3.1post2, GTX 1080, 2018",
        "0.4.0, GTX 1080, 2018",
    ]
    printed = {row.implementation: [entry.text for entry in row.published if entry] for row in table.rows}
    assert printed["cudnn_lstm"] == ["18 ms", "18 ms", "13 ms", "11 ms"]


def test_the_rank_agreement_is_kendalls_tau_over_the_implementations() -> None:
    published = read_published(BRAUN)  # 0.4.0: 11, 18, 31 ms
    records = implementations(OLD, [0.3, 0.2, 0.1]) + implementations(NEW, [0.1, 0.3, 0.2])

    (table,) = build_comparison(records, labels=LABELS, published=published).tables

    assert [(rank.column, rank.n) for rank in table.ranks] == [("1.4.0 cpu", 3), ("2.13.0 cpu", 3)]
    assert [rank.tau for rank in table.ranks] == pytest.approx([-1.0, 1 / 3])


def test_two_implementations_have_no_rank_agreement() -> None:
    records = implementations(NEW, [0.1, 0.2, 0.3])[:6]

    (table,) = build_comparison(records, labels=LABELS, published=read_published(BRAUN)).tables

    assert table.published
    assert table.ranks == ()


def test_the_ratios_of_a_real_run_are_those_that_scipy_computes_from_its_files() -> None:
    records, complaints = RunFolder(path=RECORDS.parent).read_records()
    launches = [json.loads(path.read_text(encoding="utf-8")) for path in sorted(RECORDS.glob("*.json"))]

    def logs(image: str, implementation: str | None) -> list[float]:
        chosen = [
            one
            for one in launches
            if (one["image"]["name"], one["workload"]["implementation"]) == (image, implementation)
        ]
        chosen.sort(key=lambda one: one["launch"]["block"])
        return [math.log(statistics.median(one["samples"]["train_step"])) for one in chosen]

    (table,) = build_comparison(records).tables

    assert complaints == ()
    assert table.labels == ("1.0.1 cu90 on cpu", "2.13.0 cpu")
    for row in table.rows:
        new, old = logs("pytorch-2.13.0", row.implementation), logs("pytorch-1.0.1", row.implementation)
        expected = scipy.stats.ttest_rel(new, old).confidence_interval(0.95)
        interval = row.entries[1].ratio_interval
        assert interval is not None
        assert math.log(interval.low) == pytest.approx(expected.low)
        assert math.log(interval.high) == pytest.approx(expected.high)


def test_rows_follow_the_order_asked_for() -> None:
    records = implementations(NEW, [0.1, 0.2, 0.3])
    wanted = [f"lstm_asr/{name}/1x320/CE-short" for name in ("lstmcell_fused", "cudnn_lstm")]

    (table,) = build_comparison(records, rows=wanted).tables

    assert [row.implementation for row in table.rows] == ["lstmcell_fused", "cudnn_lstm", "lstmcell_basic"]


SYSTEMS = Compare(across="system", baseline="fastest")
TENSORFLOW, THEANO, COMPAT = "tensorflow1-1.8.0", "theano-1.0.1", "theano-compat-1.0.1"


def system_row(comparison: Comparison) -> dict[str, Entry]:
    """Return the systems of the only row by their labels."""
    (table,) = comparison.tables
    (row,) = table.rows
    return dict(zip(table.labels, row.entries, strict=True))


def test_across_systems_a_row_is_a_configuration_and_a_column_an_implementation_in_an_image() -> None:
    records = [
        *cell(OLD, [0.1] * 3),
        *cell(OLD, [0.2] * 3, implementation="lstmcell_basic"),
        *cell(TENSORFLOW, [0.3] * 3, implementation="block_fused"),
    ]

    comparison = build_comparison(records, compare=SYSTEMS, labels={**LABELS, "block_fused": "LSTMBlockFusedCell"})

    assert comparison.tables[0].rows[0].label == "1x320/CE-short"
    assert list(system_row(comparison)) == [
        "PyTorch 1.4.0 cuDNNLSTM",
        "PyTorch 1.4.0 LSTMCell-basic",
        "TensorFlow 1.8.0 LSTMBlockFusedCell",
    ]


def test_systems_of_different_families_and_code_are_divided_by_the_fastest() -> None:
    slower = [
        replace(one, workload=replace(one.workload, code_sha256="other"), cell=replace(one.cell, comparable="other"))
        for one in cell(TENSORFLOW, [0.21, 0.22, 0.2], implementation="cell")
    ]

    entries = system_row(build_comparison([*slower, *cell(OLD, [0.1, 0.11, 0.1])], compare=SYSTEMS))

    assert verdicts(list(entries.values())) == ["baseline", "slower"]
    assert entries["TensorFlow 1.8.0 cell"].ratio == pytest.approx((0.21 * 0.22 * 0.2 / (0.1 * 0.11 * 0.1)) ** (1 / 3))


def test_systems_of_one_family_are_not_divided_where_their_code_differs() -> None:
    other = [
        replace(one, workload=replace(one.workload, code_sha256="other"))
        for one in cell(NEW, [0.2] * 3, implementation="lstmcell_basic")
    ]

    entries = system_row(build_comparison([*cell(OLD, [0.1] * 3), *other], compare=SYSTEMS))

    assert verdicts(list(entries.values())) == ["baseline", "not comparable"]


def test_each_configuration_has_its_own_fastest() -> None:
    def long(records: list[Record]) -> list[Record]:
        return [replace(one, workload=replace(one.workload, configuration="long")) for one in records]

    records = [
        *cell(OLD, [0.1] * 3),
        *cell(TENSORFLOW, [0.2] * 3),
        *long(cell(OLD, [0.9] * 3)),
        *long(cell(TENSORFLOW, [0.3] * 3)),
    ]

    (table,) = build_comparison(records, compare=SYSTEMS).tables

    assert [verdicts(row.entries) for row in table.rows] == [["baseline", "slower"], ["slower", "baseline"]]


def test_a_system_may_be_named_as_the_baseline() -> None:
    named = Compare(across="system", baseline=f"{TENSORFLOW}/cudnn_lstm")

    entries = system_row(build_comparison(cell(OLD, [0.1] * 3) + cell(TENSORFLOW, [0.2] * 3), compare=named))

    assert [entry.ratio for entry in entries.values()] == [pytest.approx(0.5), None]


def test_a_named_system_without_records_is_refused_with_a_suggestion() -> None:
    with pytest.raises(UsageError, match=r"no record is of this system. Did you mean 'pytorch-1.4.0/cudnn_lstm'\?"):
        build_comparison(cell(OLD, [0.1] * 3), compare=Compare(across="system", baseline="pytorch-1.4.0/cudnn_lstn"))


def test_a_release_and_its_rebuild_for_new_gpus_are_never_one_line() -> None:
    entries = system_row(build_comparison(cell(THEANO, [0.1] * 3) + cell(COMPAT, [0.2] * 3), compare=SYSTEMS))

    assert list(entries) == ["Theano 1.0.1 cudnn_lstm", "Theano 1.0.1 compat cudnn_lstm"]


def test_an_unsupported_system_is_a_line_of_its_own_with_its_reason() -> None:
    unsupported = never(measured(TENSORFLOW, 1, 1.0, implementation="cudnn"), "unsupported", "needs a GPU")
    records = [*cell(TENSORFLOW, [0.1] * 3, implementation="block"), unsupported]

    comparison = build_comparison(records, compare=SYSTEMS)

    entries = system_row(comparison)
    assert verdicts(list(entries.values())) == ["baseline", "n/a"]
    assert entries["TensorFlow 1.8.0 cudnn"].notes == ("unsupported: needs a GPU",)
    assert [line.label for line in lines_of(comparison.tables[0], comparison.tables[0].rows[0])][-1].endswith("cudnn")


def test_launches_of_different_rows_are_not_paired_though_their_blocks_have_one_number() -> None:
    def apart(records: list[Record]) -> list[Record]:
        return [replace(one, launch=replace(one.launch, row=one.image.name)) for one in records]

    records = apart(cell(OLD, [0.1, 0.11, 0.1]) + cell(TENSORFLOW, [0.2, 0.21, 0.2]))

    entry = list(system_row(build_comparison(records, compare=SYSTEMS)).values())[1]

    assert entry.is_paired is False


def test_every_benchmark_has_a_table_of_systems_of_its_own() -> None:
    rnn = [replace(one, workload=replace(one.workload, benchmark="rnn")) for one in cell(THEANO, [0.1] * 3)]

    tables = build_comparison([*cell(OLD, [0.1] * 3), *rnn], compare=SYSTEMS).tables

    assert [table.labels for table in tables] == [("PyTorch 1.4.0 cudnn_lstm",), ("Theano 1.0.1 cudnn_lstm",)]


def test_systems_are_lines_from_fastest_to_slowest() -> None:
    records = cell(OLD, [0.3] * 3) + cell(NEW, [0.1] * 3) + cell(TENSORFLOW, [0.2] * 3)

    (table,) = build_comparison(records, compare=SYSTEMS).tables

    assert [line.entry.value_s for line in lines_of(table, table.rows[0]) if line.entry] == pytest.approx(
        [0.1, 0.2, 0.3]
    )


def test_what_happens_once_in_a_launch_is_a_geometric_mean_over_launches() -> None:
    setups_s = (1.0, 2.0, 4.0)
    records = [
        replace(one, measures={"setup_cold_s": 8.0, "setup_s": value, "first_step_s": None})
        for one, value in zip(cell(OLD, [0.1] * 3), setups_s, strict=True)
    ]

    (entry,) = only_row(build_comparison(records)).entries

    assert entry.once_s == pytest.approx({"setup_cold_s": 8.0, "setup_s": 2.0})


def test_a_row_knows_its_batch_from_the_parameters_of_its_records() -> None:
    records = [replace(one, workload=replace(one.workload, parameters={"batch": 64})) for one in cell(OLD, [0.1] * 3)]

    assert only_row(build_comparison(records)).batch == 64
    assert only_row(build_comparison(cell(OLD, [0.1] * 3))).batch is None


FRAMEWORKS = {"lasagne": "Lasagne LSTMLayer", "keras": "LSTM", "block": "LSTMBlockCell", "cell": "LSTMCell"}


def beside(table: Table) -> dict[str, str]:
    """Return the printed number of each line of the only row that has one, by the line's label."""
    (row,) = table.rows
    return {line.label: line.number.text for line in lines_of(table, row) if line.number}


def across_systems(records: Sequence[Record], study: str = "braun2018") -> Table:
    published = read_published(BRAUN.with_name(f"{study}.csv"))
    return build_comparison(records, compare=SYSTEMS, labels=LABELS | FRAMEWORKS, published=published).tables[0]


@pytest.mark.parametrize(
    ("image", "implementation", "label", "number"),
    [
        ("pytorch-0.4.0", "cudnn_lstm", "PyTorch 0.4.0 cuDNNLSTM", "11 ms"),
        ("pytorch-0.4.0-py27", "cudnn_lstm", "PyTorch 0.4.0-py27 cuDNNLSTM", "11 ms"),
        ("tensorflow1-1.8.0", "block", "TensorFlow 1.8.0 LSTMBlockCell", "44 ms"),
        ("keras-theano-2.1.6", "keras", "Keras 2.1.6 on Theano LSTM", "31 ms"),
        ("keras-tensorflow-2.1.6", "keras", "Keras 2.1.6 on TensorFlow LSTM", "54 ms"),
        ("theano-1.0.1", "lasagne", "Theano 1.0.1 Lasagne LSTMLayer", "36 ms"),
    ],
)
def test_a_published_system_shares_a_line_with_the_same_release_back_end_and_implementation(
    image: str, implementation: str, label: str, number: str
) -> None:
    table = across_systems(cell(image, [0.1] * 3, implementation=implementation))

    assert beside(table)[label] == number
    assert len(beside(table)) == 11  # of the study's eleven systems one is measured, and has no second line


@pytest.mark.parametrize(
    ("image", "implementation"),
    [
        ("pytorch-0.4.1", "cudnn_lstm"),
        ("tensorflow1-1.8.0", "keras"),
        ("keras-theano-2.1.6", "cell"),
        ("theano-1.0.5", "lasagne"),
        ("theano-compat-1.0.1", "lasagne"),
    ],
)
def test_another_release_back_end_or_implementation_has_no_published_number_on_its_line(
    image: str, implementation: str
) -> None:
    table = across_systems(cell(image, [0.1] * 3, implementation=implementation))

    assert len(beside(table)) == 11
    assert not set(beside(table)) & set(table.labels)


def test_systems_are_divided_by_the_studys_fastest_framework_and_not_by_its_fastest_version() -> None:
    table = across_systems(cell("pytorch-0.4.0", [0.1] * 3))

    (ratio,) = [entry.ratio_to_fastest for column, entry in printed(table) if column == "PyTorch 0.4.0 cuDNNLSTM"]

    assert ratio == 1.1  # 1.0 among the versions of PyTorch


def printed(table: Table) -> list[tuple[str, PublishedEntry]]:
    pairs = zip(table.published, table.rows[0].published, strict=True)
    return [(column.name, entry) for column, entry in pairs if entry]


@pytest.mark.parametrize("name", ["h100/b20", "lstm/h100/b20"])
def test_a_study_that_prints_no_ratios_is_divided_by_its_fastest_system_here(name: str) -> None:
    records = [
        replace(one, workload=replace(one.workload, configuration=name, parameters={"cell": "lstm", "batch": 20}))
        for one in cell(THEANO, [0.1] * 3)
    ]

    entries = dict(printed(across_systems(records, "glample2016")))

    assert entries["Theano FastLSTM"].ratio_to_fastest == pytest.approx(1.0)  # 713.1 us
    assert entries["Theano LSTM"].ratio_to_fastest == pytest.approx(795.4 / 713.1)
    assert not entries["Theano LSTM"].ratio_is_printed
    assert not any("RNN" in name for name in entries)


def test_the_rank_agreement_of_systems_is_over_those_that_stand_in_both() -> None:
    records = [  # printed: 11, 44, 36 ms
        *cell("pytorch-0.4.0", [0.2] * 3),
        *cell("tensorflow1-1.8.0", [0.3] * 3, implementation="block"),
        *cell("theano-1.0.1", [0.1] * 3, implementation="lasagne"),
        *cell("jax-0.4.30", [0.05] * 3),
    ]

    (rank,) = across_systems(records).ranks

    assert rank.n == 3
    assert rank.tau == pytest.approx(1 / 3)  # of three pairs one is turned round


def test_two_systems_that_stand_in_both_have_no_rank_agreement() -> None:
    records = cell("pytorch-0.4.0", [0.2] * 3) + cell("tensorflow1-1.8.0", [0.3] * 3, implementation="block")

    assert across_systems(records).ranks == ()


def test_numbers_of_another_phase_or_configuration_are_not_shown() -> None:
    other = [replace(one, workload=replace(one.workload, configuration="other")) for one in cell(OLD, [0.1] * 3)]
    forward = [
        replace(one, protocol=replace(one.protocol, phases=("forward",)), samples={"forward": (0.1,) * 3})
        for one in cell(OLD, [0.1] * 3)
    ]

    assert across_systems(other).published == ()
    assert across_systems(forward).published == ()


def test_a_system_that_no_record_tells_of_at_a_configuration_has_no_line_there() -> None:
    rnn = [
        replace(one, workload=replace(one.workload, configuration="rnn"))
        for one in cell(THEANO, [0.1] * 3, implementation="rnn")
    ]

    (table,) = build_comparison([*cell(OLD, [0.1] * 3), *rnn], compare=SYSTEMS).tables

    labels = {row.configuration: [line.label for line in lines_of(table, row)] for row in table.rows}
    assert labels == {"1x320/CE-short": ["PyTorch 1.4.0 cudnn_lstm"], "rnn": ["Theano 1.0.1 rnn"]}
    assert table.footnotes == ()


def test_footnotes_of_systems_are_numbered_in_the_order_of_their_lines() -> None:
    slow = [replace(one, launch=replace(one.launch, load=3.5)) for one in cell(OLD, [0.3] * 3)]
    fast = [replace(one, samples={"train_step": (0.1,)}) for one in cell(THEANO, [0.1] * 3)]
    unsupported = never(measured(COMPAT, 1, 1.0), "unsupported", "needs a GPU")

    (table,) = build_comparison([*slow, *fast, unsupported], compare=SYSTEMS).tables

    assert table.footnotes == (
        "1 samples in the time limit, fewer than asked for",
        "busy machine: load above its CPUs before every launch",
        "unsupported: needs a GPU",
    )


def test_systems_of_a_study_that_states_no_release_are_ranked_with_the_oldest_and_have_lines_of_their_own() -> None:
    labels = {"fast": "FastLSTM", "plain": "LSTM", "torch": "Element-Research nn.FastLSTM + nn.Sequencer"}
    systems = (
        (THEANO, "fast", 0.1),
        ("theano-1.0.5", "fast", 9.0),
        (THEANO, "plain", 0.3),
        ("torch7-7.0", "torch", 0.2),
    )
    records = [
        replace(one, workload=replace(one.workload, configuration="h100/b20", parameters={"cell": "LSTM"}))
        for image, name, time_s in systems
        for one in cell(image, [time_s] * 3, implementation=name)
    ]
    published = read_published(BRAUN.with_name("glample2016.csv"))  # 713.1, 795.4, 1991.5 us

    (table,) = build_comparison(records, compare=SYSTEMS, labels=labels, published=published).tables

    assert [rank.n for rank in table.ranks] == [3]
    assert table.ranks[0].tau == pytest.approx(1 / 3)  # plain and torch are turned round
    assert table.beside == (None,) * 4
