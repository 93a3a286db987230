# SPDX-License-Identifier: Apache-2.0
"""What a model folder weighs, and that its graphs carry nothing that stands elsewhere."""

from __future__ import annotations

import numpy as np
import pytest

from diffposetalk_ros.util.resources import find_model


def test_the_embedded_model_stays_small() -> None:
    sizes = {path: path.stat().st_size for path in find_model().iterdir()}
    assert sum(size for path, size in sizes.items() if path.suffix == '.safetensors') <= 12_000_000
    assert sum(sizes.values()) <= 12_400_000


def test_graphs_hold_neither_weights_nor_tables() -> None:
    onnx = pytest.importorskip('onnx')
    for path in find_model().glob('*.onnx'):
        graph = onnx.load(str(path), load_external_data=False).graph
        inside = [t.raw_data for t in graph.initializer if not t.external_data]
        inside += [a.t.raw_data for node in graph.node for a in node.attribute if node.op_type == 'Constant']
        assert max(map(len, inside)) < 1024, path.name


def test_tables_become_the_formula() -> None:
    onnx = pytest.importorskip('onnx')
    pytest.importorskip('torch')
    import onnxruntime
    from onnx import TensorProto, helper, numpy_helper

    from diffposetalk_ros.model.networks.positions import sinusoidal_table
    from diffposetalk_ros.model.onnx.tables import compute_tables

    table = sinusoidal_table(501, 192).numpy()
    other = np.ones((3, 4), np.float32)
    nodes = [
        helper.make_node('Constant', [], [name], value=numpy_helper.from_array(value))
        for name, value in (('table', table), ('other', other))
    ]
    outputs = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, [None, None]) for name in ('table', 'other')
    ]
    graph = helper.make_graph(nodes, 'g', [], outputs)
    compute_tables(graph)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid('', 18)], ir_version=8)
    onnx.checker.check_model(model)
    data = model.SerializeToString()
    assert len(data) < 4096
    session = onnxruntime.InferenceSession(data, providers=['CPUExecutionProvider'])
    made = session.run(None, {})
    np.testing.assert_allclose(made[0], table, atol=1e-6)
    np.testing.assert_array_equal(made[1], other)
