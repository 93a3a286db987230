# SPDX-License-Identifier: Apache-2.0
"""A torch module as an ONNX graph in memory."""

from __future__ import annotations

import io
import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

__all__ = ['IR_VERSION', 'OPSET', 'trace']

OPSET, IR_VERSION = 18, 8


def trace(
    module: nn.Module,
    arguments: tuple[Tensor, ...],
    inputs: Sequence[str],
    outputs: Sequence[str],
    axes: Mapping[str, Mapping[int, str]],
) -> Any:
    """Graph of ``module`` called with ``arguments``; ``axes`` names those axes of inputs that stay open."""
    import onnx

    buffer = io.BytesIO()
    with warnings.catch_warnings():
        # Conditions on sizes are checks, here and in transformers, which the example passes as any input would.
        warnings.simplefilter('ignore', torch.jit.TracerWarning)  # type: ignore[attr-defined]
        # Deprecated it is, but the Loop is assembled from the flat graphs of this exporter.
        warnings.simplefilter('ignore', DeprecationWarning)
        torch.onnx.export(
            module.eval(),
            arguments,
            buffer,  # type: ignore[arg-type]  # the stub does not know file objects
            input_names=inputs,
            output_names=outputs,
            dynamic_axes=axes,
            opset_version=OPSET,
            do_constant_folding=False,
            dynamo=False,
        )
    return onnx.load_from_string(buffer.getvalue())
