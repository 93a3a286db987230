# SPDX-License-Identifier: Apache-2.0
"""Replaces sinusoidal tables in a graph, which take hundreds of kilobytes, by their formula.

ONNX Runtime computes constants once when it loads a graph, so this costs no speed.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from diffposetalk_ros.model.networks.positions import frequencies, sinusoidal_table

__all__ = ['compute_tables']


def compute_tables(graph: Any) -> None:
    """Replace the sinusoidal tables among the constants of an ONNX graph by nodes that compute them."""
    nodes = list(graph.node)
    del graph.node[:]
    for node in nodes:
        size = _table_size(node)
        if size is None:
            graph.node.append(node)
        else:
            constants, made = _formula(node.output[0], *size)
            graph.initializer.extend(constants)
            graph.node.extend(made)


def _table_size(node: Any) -> tuple[int, int] | None:
    """Rows and width of the table that a node holds; None for any other node."""
    from onnx import numpy_helper

    if node.op_type != 'Constant' or len(node.attribute[0].t.dims) != 2:
        return None
    value = numpy_helper.to_array(node.attribute[0].t)
    rows, width = value.shape
    if value.dtype != np.float32 or width % 2 or not np.array_equal(value, sinusoidal_table(rows, width)):
        return None
    return rows, width


def _formula(name: str, rows: int, width: int) -> tuple[list[Any], list[Any]]:
    """Constants and nodes that make the table (rows, width) under ``name`` (docs/method.md, 3 step 1)."""
    from onnx import helper, numpy_helper

    values: dict[str, Any] = {
        'first': np.float32(0), 'limit': np.float32(rows), 'one': np.float32(1),
        'frequency': frequencies(width).numpy(),
        'column': np.array([rows, 1]), 'pair': np.array([rows, width // 2, 1]), 'shape': np.array([rows, width]),
    }  # fmt: skip
    steps = (
        ('Range', ('first', 'limit', 'one'), 'row'),
        ('Reshape', ('row', 'column'), 'rows'),
        ('Mul', ('rows', 'frequency'), 'angle'),
        ('Sin', ('angle',), 'sine'),
        ('Cos', ('angle',), 'cosine'),
        ('Reshape', ('sine', 'pair'), 'even'),
        ('Reshape', ('cosine', 'pair'), 'odd'),
    )

    def full(names: tuple[str, ...]) -> list[str]:
        return [f'{name}/{part}' for part in names]

    nodes = [helper.make_node(kind, full(inputs), full((output,))) for kind, inputs, output in steps]
    nodes.append(helper.make_node('Concat', full(('even', 'odd')), full(('pairs',)), axis=2))
    nodes.append(helper.make_node('Reshape', full(('pairs', 'shape')), [name]))
    return [numpy_helper.from_array(np.asarray(v), f'{name}/{key}') for key, v in values.items()], nodes
