"""ONNX Runtime sessions: on the CPU, one thread per call."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from labeller.detectors.base import DetectorUnusable

if TYPE_CHECKING:
    from pathlib import Path

    from onnxruntime import InferenceSession


class ModelUnusable(DetectorUnusable):
    """A model's file is missing or invalid, or the model doesn't fit its description."""


def open_session(model: Path, remedy: str) -> InferenceSession:
    """Load a model. Raises ModelUnusable, whose message ends with `remedy`."""
    # Without this its import starts to report to Microsoft; its function for that comes too late.
    os.environ["ORT_DISABLE_TELEMETRY"] = "1"
    # The import takes 0.2 s, which commands that label nothing should not wait for.
    import onnxruntime  # noqa: PLC0415

    options = onnxruntime.SessionOptions()
    # Pictures are labelled in parallel, so threads within one would compete with each other.
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.enable_cpu_mem_arena = False
    options.execution_mode = onnxruntime.ExecutionMode.ORT_SEQUENTIAL
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL
    options.log_severity_level = 3  # errors
    try:
        return onnxruntime.InferenceSession(str(model), options, providers=["CPUExecutionProvider"])

    except Exception as exc:  # ONNX Runtime's errors have no other common base class
        raise ModelUnusable(f"The model at {model} can't be loaded: {exc}. {remedy}") from exc
