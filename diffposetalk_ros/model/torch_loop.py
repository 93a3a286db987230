# SPDX-License-Identifier: Apache-2.0
"""A function of tensors whose inputs and outputs stay in one place; on a GPU, one CUDA graph.

A denoising loop of a few steps is hundreds of small kernels: on a GPU, launching them one by one takes
longer than they run. Captured once, the loop is replayed with a single call; between the copy in and
the copy out nothing comes back to the host.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor

from diffposetalk_ros.model.backend import FloatArray

__all__ = ['StaticLoop']

_log = logging.getLogger(__name__)

_WARM_UP = 3


class StaticLoop:
    """``function`` for arrays of the names and shapes of ``example``.

    Inputs go through page-locked host memory where the device is a GPU. Where a graph cannot be captured,
    a warning says why and the function is called as it is. ``pool`` (`torch.cuda.graph_pool_handle`) is memory
    that graphs share which never run at once: what one computes on its way, the next may overwrite.
    """

    def __init__(
        self,
        function: Callable[[Mapping[str, Tensor]], Tensor],
        example: Mapping[str, FloatArray],
        device: torch.device,
        pool: Any = None,
    ) -> None:
        self._function, self._device, self._pool = function, device, pool
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
            self._capture()

    @property
    def captured(self) -> bool:
        """Whether calls replay a graph."""
        return self._graph is not None

    def __call__(self, arrays: Mapping[str, FloatArray]) -> FloatArray:
        """Result for arrays of the shapes the loop was made for, as an array of its own."""
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

    def _capture(self) -> None:
        try:
            side = torch.cuda.Stream(self._device)  # type: ignore[no-untyped-call]
            side.wait_stream(torch.cuda.current_stream(self._device))
            with torch.cuda.stream(side):
                for _ in range(_WARM_UP):
                    self._function(self._inputs)
            torch.cuda.current_stream(self._device).wait_stream(side)
            graph = torch.cuda.CUDAGraph()
            with torch.cuda.graph(graph, pool=self._pool):
                self._output = self._function(self._inputs).float()
        except RuntimeError as error:
            reason = str(error).splitlines()[0]
            _log.warning('the denoising loop runs step by step: no CUDA graph (%s)', reason)
            return
        self._landing = torch.empty(self._output.shape, dtype=torch.float32, pin_memory=True)
        self._graph = graph
