# SPDX-License-Identifier: Apache-2.0
"""Runs a function of tensors through buffers that stay in place, on a GPU as one CUDA graph.

A denoising loop of a few steps is hundreds of small kernels, and launching them one by one takes longer
than running them. A captured graph replays the loop with a single call. Between the copy in and the copy
out there is no host synchronisation.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from diffposetalk_ros.model.backend import FloatArray

__all__ = ['CudaGraphRunner', 'GraphMemory']

_log = logging.getLogger(__name__)

_WARM_UP = 3
_capturing = threading.Lock()
"""A process may capture only one graph at a time, even with several threads."""


@dataclass(frozen=True)
class GraphMemory:
    """Memory shared by graphs that never run at the same time, so each may overwrite the others' values.

    ``pool`` comes from `torch.cuda.graph_pool_handle`. Graphs that share a pool are captured on one
    ``stream``.
    """

    pool: Any
    stream: torch.cuda.Stream

    @classmethod
    def on(cls, device: torch.device) -> GraphMemory:
        """Create memory on this GPU."""
        return cls(torch.cuda.graph_pool_handle(), torch.cuda.Stream(device))  # type: ignore[no-untyped-call]


class CudaGraphRunner:
    """Calls ``function`` with arrays that have the names and shapes of ``example``.

    On a GPU, inputs go through page-locked host memory. If a graph cannot be captured, a warning gives the
    reason and the function runs eagerly. Runners on one GPU may share ``memory``.
    """

    def __init__(
        self,
        function: Callable[[Mapping[str, Tensor]], Tensor],
        example: Mapping[str, FloatArray],
        device: torch.device,
        memory: GraphMemory | None = None,
    ) -> None:
        self._function, self._device = function, device
        gpu = device.type == 'cuda'
        self._staged = {
            name: torch.empty(array.shape, dtype=torch.float32, pin_memory=gpu)
            for name, array in example.items()
        }
        self._inputs = (
            {name: tensor.to(device) for name, tensor in self._staged.items()} if gpu else self._staged
        )
        self._graph: torch.cuda.CUDAGraph | None = None
        if gpu:
            self._fill(example)
            # Streams and graphs belong to the current GPU, which need not be this one.
            with _capturing, torch.cuda.device(device):
                self._capture(memory or GraphMemory.on(device))

    @property
    def captured(self) -> bool:
        """Whether a call replays a graph."""
        return self._graph is not None

    def __call__(self, arrays: Mapping[str, FloatArray]) -> FloatArray:
        """Result for arrays of the example's shapes, as a new array."""
        self._fill(arrays)
        if self._graph is None:
            result = self._function(self._inputs).float().cpu()
        else:
            self._graph.replay()
            self._landing.copy_(self._output, non_blocking=True)
            torch.cuda.current_stream(self._device).synchronize()
            result = self._landing
        out: FloatArray = result.numpy().copy()
        return out

    def _fill(self, arrays: Mapping[str, FloatArray]) -> None:
        for name, staged in self._staged.items():
            np.copyto(staged.numpy(), arrays[name])
            if self._inputs is not self._staged:
                self._inputs[name].copy_(staged, non_blocking=True)

    def _capture(self, memory: GraphMemory) -> None:
        try:
            memory.stream.wait_stream(torch.cuda.current_stream())
            with torch.cuda.stream(memory.stream):
                for _ in range(_WARM_UP):
                    self._function(self._inputs)
            torch.cuda.current_stream().wait_stream(memory.stream)
            graph = torch.cuda.CUDAGraph()
            # Other threads may use the GPU meanwhile, for example to generate a file or to run another model.
            with torch.cuda.graph(graph, memory.pool, memory.stream, capture_error_mode='thread_local'):
                self._output = self._function(self._inputs).float()
        except RuntimeError as error:
            reason = str(error).splitlines()[0]
            _log.warning(
                'no CUDA graph could be captured (%s); the denoising loop runs eagerly, which is slower',
                reason,
            )
            return
        self._landing = torch.empty(self._output.shape, dtype=torch.float32, pin_memory=True)
        self._graph = graph
