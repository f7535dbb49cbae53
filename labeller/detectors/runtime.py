"""ONNX Runtime as every model here is run: on the CPU, one thread a call."""

from __future__ import annotations

from typing import TYPE_CHECKING

from labeller.detectors.base import DetectorUnusable

if TYPE_CHECKING:
    from pathlib import Path

    from onnxruntime import InferenceSession


class ModelUnusable(DetectorUnusable):
    """A model's file is missing, or is not a model that can be run."""


def open_session(model: Path, remedy: str) -> InferenceSession:
    """Load a model. Raises ModelUnusable, which ends with the remedy."""
    # Its import takes a fifth of a second, which commands that label nothing needn't wait for.
    import onnxruntime  # noqa: PLC0415

    onnxruntime.disable_telemetry_events()
    options = onnxruntime.SessionOptions()
    # A picture is the unit of parallel work: threads within one would get in each other's way.
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.enable_cpu_mem_arena = False
    options.execution_mode = onnxruntime.ExecutionMode.ORT_SEQUENTIAL
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL
    options.log_severity_level = 3  # errors
    try:
        return onnxruntime.InferenceSession(str(model), options, providers=["CPUExecutionProvider"])
    except Exception as exc:  # the runtime's errors have no other class in common
        raise ModelUnusable(f"The model at {model} can't be loaded: {exc}. {remedy}") from exc
