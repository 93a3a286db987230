# SPDX-License-Identifier: Apache-2.0
"""ONNX Runtime session whose inputs and outputs stay in place (I/O binding)."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from diffposetalk_ros.model.backend import FloatArray

__all__ = ['BoundSession']

_MAX_SHAPES = 32


@dataclass
class _Bound:
    """Buffers for one set of input shapes. Output buffers are known after the first run."""

    binding: Any
    inputs: dict[str, Any]
    fixed: bool = False


class BoundSession:
    """Calls ``session`` through buffers it keeps for every set of input shapes seen, at most 32.

    ``device`` is where the inputs lie ('cpu', 'cuda'), ``index`` on which GPU; outputs lie in host memory.
    On a GPU this saves allocating and registering each input of each window; on a CPU it saves nothing
    (docs/benchmarks).
    """

    def __init__(self, session: Any, device: str, index: int = 0) -> None:
        self._session, self._device, self._index = session, device, index
        self._outputs = [output.name for output in session.get_outputs()]
        self._bound: OrderedDict[Hashable, _Bound] = OrderedDict()

    def __call__(self, arrays: Mapping[str, NDArray[Any]]) -> list[FloatArray]:
        """Outputs for contiguous inputs by name, copied to new arrays."""
        key = tuple((name, array.shape) for name, array in arrays.items())
        bound = self._bound.pop(key, None)
        if bound is None:
            bound = self._bind(arrays)
            if len(self._bound) >= _MAX_SHAPES:
                self._bound.popitem(last=False)
        self._bound[key] = bound
        for name, array in arrays.items():
            bound.inputs[name].update_inplace(array)
        self._session.run_with_iobinding(bound.binding)
        results = bound.binding.get_outputs()
        if not bound.fixed:
            # From now on, each run writes into the output buffers of this one.
            for name, value in zip(self._outputs, results, strict=True):
                bound.binding.bind_ortvalue_output(name, value)
            bound.fixed = True
        return [np.array(value.numpy()) for value in results]

    def _bind(self, arrays: Mapping[str, NDArray[Any]]) -> _Bound:
        import onnxruntime

        binding = self._session.io_binding()
        inputs = {}
        for name, array in arrays.items():
            value = onnxruntime.OrtValue.ortvalue_from_shape_and_type(
                list(array.shape), array.dtype.type, self._device, self._index
            )
            binding.bind_ortvalue_input(name, value)
            inputs[name] = value
        for name in self._outputs:
            binding.bind_output(name, 'cpu')
        return _Bound(binding, inputs)
