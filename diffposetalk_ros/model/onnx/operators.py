# SPDX-License-Identifier: Apache-2.0
"""Operations that become one node of an ONNX graph each.

Traced by itself, a reshape or repeat of a tensor with an open axis brings up to six nodes that compute a shape. On
windows of a few frames, nodes cost as much as the multiplications.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

__all__ = ['reshape', 'reshape_to', 'tile']


def reshape(x: Tensor, shape: Sequence[int]) -> Tensor:
    """`Tensor.reshape` to a fixed shape. A 0 keeps the length of that axis; -1, needed once, is what remains."""
    out: Tensor = _Reshape.apply(x, *shape)  # type: ignore[no-untyped-call]
    return out


def reshape_to(x: Tensor, shape: Tensor) -> Tensor:
    """`Tensor.reshape` to a shape that is a value of the graph, (axes,) int64."""
    out: Tensor = _ReshapeTo.apply(x, shape)  # type: ignore[no-untyped-call]
    return out


def tile(x: Tensor, repeats: Tensor) -> Tensor:
    """`Tensor.repeat` by counts that are a value of the graph, (axes,) int64."""
    out: Tensor = _Tile.apply(x, repeats)  # type: ignore[no-untyped-call]
    return out


class _Reshape(torch.autograd.Function):
    @staticmethod
    def forward(_: Any, x: Tensor, *shape: int) -> Tensor:
        return x.reshape([length or x.shape[axis] for axis, length in enumerate(shape)])

    @staticmethod
    def symbolic(graph: Any, x: Any, *shape: int) -> Any:
        return graph.op('Reshape', x, graph.op('Constant', value_t=torch.tensor(shape)))


class _ReshapeTo(torch.autograd.Function):
    @staticmethod
    def forward(_: Any, x: Tensor, shape: Tensor) -> Tensor:
        return x.reshape(shape.tolist())

    @staticmethod
    def symbolic(graph: Any, x: Any, shape: Any) -> Any:
        return graph.op('Reshape', x, shape)


class _Tile(torch.autograd.Function):
    @staticmethod
    def forward(_: Any, x: Tensor, repeats: Tensor) -> Tensor:
        return x.repeat(repeats.tolist())

    @staticmethod
    def symbolic(graph: Any, x: Any, repeats: Any) -> Any:
        return graph.op('Tile', x, repeats)
