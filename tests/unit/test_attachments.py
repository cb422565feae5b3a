"""Which way a GPU is handed to a container."""

import pytest

from orchestrator.engines.attachments import gpu_attachments
from orchestrator.errors import EngineError
from orchestrator.hardware import Gpu

GPU = Gpu(name="NVIDIA H100", compute="9.0", uuid="GPU-1234", index=1)
INSTANCE = Gpu(name="NVIDIA H100 MIG 1g.10gb", compute="9.0", uuid="MIG-5678", index=1, instance=0)


def test_cdi_is_taken_where_the_engine_lists_the_gpu_by_index() -> None:
    (way,) = gpu_attachments(GPU, ["nvidia.com/gpu=0", "nvidia.com/gpu=1", "nvidia.com/gpu=all"], ["runc", "nvidia"])

    assert way.mode == "cdi"
    assert [(request["Driver"], request["DeviceIDs"]) for request in way.requests] == [("cdi", ["nvidia.com/gpu=1"])]


def test_cdi_names_the_gpu_by_uuid_where_the_engine_lists_both() -> None:
    (way,) = gpu_attachments(GPU, ["nvidia.com/gpu=1", "nvidia.com/gpu=GPU-1234"], [])

    assert way.requests[0]["DeviceIDs"] == ["nvidia.com/gpu=GPU-1234"]


def test_a_gpu_that_cdi_does_not_list_is_an_error_with_a_remedy() -> None:
    with pytest.raises(EngineError, match="nvidia-cdi-refresh"):
        gpu_attachments(GPU, ["nvidia.com/gpu=0"], [])


@pytest.mark.parametrize("name", ["1:0", "MIG-5678", "mig1:0"])
def test_a_mig_instance_goes_by_its_own_name_and_never_by_its_gpus(name: str) -> None:
    listed = ["nvidia.com/gpu=1", "nvidia.com/gpu=gpu1", f"nvidia.com/gpu={name}", "nvidia.com/gpu=all"]

    (way,) = gpu_attachments(INSTANCE, listed, [])

    assert way.requests[0]["DeviceIDs"] == [f"nvidia.com/gpu={name}"]


def test_a_mig_instance_that_cdi_does_not_list_is_not_replaced_by_its_gpu() -> None:
    with pytest.raises(EngineError, match="no CDI device for GPU 1:0"):
        gpu_attachments(INSTANCE, ["nvidia.com/gpu=1", "nvidia.com/gpu=all"], [])


def test_cdi_may_name_gpus_by_type_and_index() -> None:
    (way,) = gpu_attachments(GPU, ["nvidia.com/gpu=gpu0", "nvidia.com/gpu=gpu1"], [])

    assert way.requests[0]["DeviceIDs"] == ["nvidia.com/gpu=gpu1"]


def test_without_cdi_a_device_request_comes_before_the_runtime() -> None:
    ways = gpu_attachments(GPU, ["vendor.com/net=0"], ["runc", "nvidia"])

    assert [way.mode for way in ways] == ["device_request", "runtime"]
    assert ways[0].requests[0]["DeviceIDs"] == ["GPU-1234"]
    assert ways[1].env["NVIDIA_VISIBLE_DEVICES"] == "GPU-1234"


def test_the_runtime_is_not_tried_where_the_engine_has_none() -> None:
    assert [way.mode for way in gpu_attachments(GPU, [], ["runc"])] == ["device_request"]
