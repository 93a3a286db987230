# SPDX-License-Identifier: Apache-2.0
"""Each operation is one node and does what the operation of torch does, for lengths that the trace did not see."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

pytest.importorskip('onnxruntime')
torch = pytest.importorskip('torch')

from diffposetalk_ros.model.onnx.operators import reshape, reshape_to, tile  # noqa: E402
from diffposetalk_ros.model.onnx.trace import trace  # noqa: E402

CASES: dict[str, tuple[Callable[..., Any], list[int] | None, tuple[int, ...]]] = {
    'reshape': (lambda x: reshape(x, (0, -1, 3, 2)), None, (4, 5, 3, 2)),
    'reshape_to': (reshape_to, [2, -1, 5], (2, 12, 5)),
    'tile': (tile, [3, 1, 2], (12, 5, 12)),
}


@pytest.mark.parametrize('name', CASES)
def test_one_node_with_open_lengths(name: str) -> None:
    onnxruntime = pytest.importorskip('onnxruntime')
    operation, counts, shape = CASES[name]

    class Module(torch.nn.Module):
        def forward(self, *arguments: Any) -> Any:
            return operation(*arguments)

    given = [] if counts is None else [np.array(counts)]
    names = ['x', *(['counts'] if given else [])]
    example = (torch.zeros(2, 10 if counts == [2, -1, 5] else 7, 6), *map(torch.tensor, given))
    graph = trace(Module(), example, names, ['y'], {'x': {0: 'rows', 1: 'length'}})
    assert [node.op_type for node in graph.graph.node if node.op_type != 'Constant'] == [
        'Tile' if name == 'tile' else 'Reshape'
    ]
    x = np.random.default_rng(0).standard_normal((4, 5, 6)).astype(np.float32)
    session = onnxruntime.InferenceSession(graph.SerializeToString(), providers=['CPUExecutionProvider'])
    made = session.run(None, dict(zip(names, [x, *given], strict=True)))[0]
    assert made.shape == shape
    np.testing.assert_array_equal(made, operation(torch.tensor(x), *map(torch.tensor, given)).numpy())
    if name == 'tile':
        np.testing.assert_array_equal(made, np.tile(x, counts))
    else:
        np.testing.assert_array_equal(made, x.reshape(shape))
