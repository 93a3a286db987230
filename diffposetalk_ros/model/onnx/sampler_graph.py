# SPDX-License-Identifier: Apache-2.0
"""The denoising loop (guidance, thresholding, solver, inpainting) as one ONNX graph.

The steps of a solver are rows of coefficients (`diffusion.sampler`) and an input of the graph, so one
graph serves every solver and number of steps. Compared with `sample_window` it leaves out what cannot
change the result:

* keys and values of the audio are projected once per window, for all branches with the same audio;
* what does not depend on x_t (previous frames, person token, step embedding, shapes) is computed once per
  window;
* the frame tokens of the first layer, which are equal in all branches, are computed once;
* the last layer computes only the tokens that are read.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from diffposetalk_ros.model.networks.attention import Attention
from diffposetalk_ros.model.networks.denoiser import Denoiser
from diffposetalk_ros.model.networks.diffposetalk import DiffPoseTalkModel
from diffposetalk_ros.model.onnx.operators import reshape, reshape_to, tile
from diffposetalk_ros.model.onnx.trace import IR_VERSION, OPSET, trace

__all__ = ['sampler_graph']


class _Window(nn.Module):
    """The part that is computed once per window. B branches, N streams, R = B N rows in branch-major order."""

    null_audio_feat: Tensor

    def __init__(self, model: DiffPoseTalkModel) -> None:
        super().__init__()
        self.denoising_net = model.denoising_net
        if hasattr(model, 'null_audio_feat'):
            self.null_audio_feat = model.null_audio_feat
        else:  # never chosen: `use_audio` is True in every branch
            width = model.config.feature_dim
            self.register_buffer('null_audio_feat', torch.zeros(1, 1, width), persistent=False)

    def forward(
        self,
        previous_motion: Tensor,
        previous_audio: Tensor,
        audio: Tensor,
        person: Tensor,
        timesteps: Tensor,
        use_audio: Tensor,
        indicator: Tensor,
    ) -> tuple[Tensor, ...]:
        """Make the values of `_fixed_names`.

        Takes (N, P, D), (N, P, C), (N, L, C), person (B, N, S), timesteps (K), use_audio (B), indicator (N, L).
        """
        net, layers = self.denoising_net, self.denoising_net.layers()
        past_count, dim, width = net.config.n_prev_motions, net.config.motion_dim, net.config.feature_dim
        tokens = 1 + past_count + audio.shape[1]
        assert net.person_proj is not None
        token = net.person_proj(person.flatten(0, 1))[:, None] + _position(net, tokens, 0, 1)
        token = token + net.diff_step_map(net.step_table[timesteps])[:, None, None]
        weight, bias = net.feature_proj.weight, net.feature_proj.bias
        past = F.linear(previous_motion, weight[:, :dim], bias) + _position(net, tokens, 1, 1 + past_count)
        offset = bias + _position(net, tokens, 1 + past_count, tokens)
        if net.config.use_indicator:
            offset = offset + indicator[..., None] * weight[:, dim]
        one = torch.ones(1, dtype=torch.long)
        branches = torch._shape_as_tensor(use_audio)
        repeats = torch.cat([branches, one, one])
        by_branch = torch.cat([branches, -one, torch._shape_as_tensor(audio)[1:2], dim * one])
        first = layers[0].self_attn
        past_qkv = tile(_project(first, past), repeats)
        fixed = [token, _project(first, token), tile(past, repeats), past_qkv, offset, repeats, by_branch]
        memory = torch.cat([previous_audio, audio], dim=1)
        real = torch.cat([_of_memory(layer, memory, layer is layers[-1]) for layer in layers], dim=-1)
        null = torch.cat(
            [_of_memory(layer, self.null_audio_feat, layer is layers[-1]) for layer in layers], dim=-1
        )
        # Null audio replaces the current frames only.
        now = torch.where(use_audio[:, None, None, None], real[None, :, past_count:], null[None])
        rows = torch.cat([tile(real[:, :past_count], repeats), now.flatten(0, 1)], dim=1)
        *parts, last = rows.split_with_sizes([width] * (3 * len(layers) - 2), dim=-1)
        for number, layer in enumerate(layers[:-1]):
            key, value, aligned = parts[3 * number : 3 * number + 3]
            attention = layer.multihead_attn
            fixed += [_heads(attention, key).transpose(3, 4), _heads(attention, value), aligned]
        return (*fixed, last[:, past_count:])


class _Step(nn.Module):
    """One step of the solver: x_t, x0 of the step before -> x of the next step, x0."""

    def __init__(self, net: Denoiser) -> None:
        super().__init__()
        self.denoising_net = net
        with warnings.catch_warnings():
            # Deprecated, but it keeps the condition in the graph, so that thresholding costs nothing if it is off.
            warnings.simplefilter('ignore', DeprecationWarning)
            self._thresholded = torch.jit.script(_thresholded)

    def forward(
        self,
        x: Tensor,
        before: Tensor,
        index: Tensor,
        coefficients: Tensor,
        step_noise: Tensor,
        weights: Tensor,
        target: Tensor,
        mask: Tensor,
        threshold: Tensor,
        *fixed: Tensor,
    ) -> tuple[Tensor, Tensor]:
        by_branch, cache = fixed[6], fixed[7:]
        out = self._thresholded(self._network(x, index, *fixed[:6], *cache), threshold)
        out = (reshape_to(out, by_branch) * weights[:, None, None, None]).sum(0)
        row = coefficients[index].split_with_sizes([1] * 6)
        clean = row[0] * x + row[1] * out
        clean = clean + mask * (target - clean)
        following = row[2] * x + row[3] * clean + row[4] * before + row[5] * step_noise[index]
        return following, clean

    def _network(
        self,
        x: Tensor,
        index: Tensor,
        token: Tensor,
        token_qkv: Tensor,
        past: Tensor,
        past_qkv: Tensor,
        offset: Tensor,
        repeats: Tensor,
        *cache: Tensor,
    ) -> Tensor:
        """Network output of the current frames, (R, L, D)."""
        net, layers = self.denoising_net, self.denoising_net.layers()
        before_window = 1 + net.config.n_prev_motions
        now = F.linear(x, net.feature_proj.weight[:, : net.config.motion_dim]) + offset
        now_qkv = tile(_project(layers[0].self_attn, now), repeats)
        qkv = torch.cat([token_qkv[index], past_qkv, now_qkv], dim=1)
        h = torch.cat([token[index], past, tile(now, repeats)], dim=1)
        for number, layer in enumerate(layers):
            attention, last = layer.self_attn, layer is layers[-1]
            if number:
                qkv = _project(attention, h, of_query=not last)
            if last:
                h = h[:, before_window:]
            if last and number:
                query = _heads(attention, _project(attention, h, of_key_value=False))
                key, value = _heads(attention, qkv, 2)
            else:
                query, key, value = _heads(attention, qkv, 3)
                if last:
                    query = query[:, :, :, before_window:]
            h = layer.norm1(h + _attend(attention, query, key.transpose(3, 4), value))
            mine = cache[3 * number :]
            attended = mine[0]
            if not last:
                attended = torch.cat([_cross_attend(layer.multihead_attn, h, *mine[:2]), mine[2]], dim=1)
            h = layer.norm2(h + attended)
            h = layer.norm3(h + layer.linear2(F.gelu(layer.linear1(h))))
        out: Tensor = net.motion_dec(h)
        return out


def _thresholded(out: Tensor, threshold: Tensor) -> Tensor:
    """`diffusion.guidance.dynamic_threshold` of (R, L, D) for (quantile, min, max)."""
    if bool(threshold[0] > 0):
        magnitude = torch.sort(out.abs().reshape(out.shape[0], -1), dim=1)[0]
        last = magnitude.shape[1] - 1
        position = threshold[0] * last
        low = torch.floor(position).long()
        high = torch.clamp(low + 1, max=last)
        first, second = magnitude.index_select(1, low[None]), magnitude.index_select(1, high[None])
        bound = first + (position - low) * (second - first)
        bound = torch.minimum(torch.maximum(bound, threshold[1]), threshold[2])[:, :, None]
        out = torch.maximum(torch.minimum(out, bound), -bound)
    return out


def _position(net: Denoiser, tokens: int, start: int, stop: int) -> Tensor:
    if net.config.learnable_pe:
        return net.PE[:, start:stop]
    row = net.legacy_position[tokens][None, None]
    return row.expand(1, stop - start, -1)


def _project(attention: Attention, rows: Tensor, of_query: bool = True, of_key_value: bool = True) -> Tensor:
    """Queries, keys and values, or a part of them, side by side."""
    width = attention.width
    part = slice(0 if of_query else width, 3 * width if of_key_value else width)
    return F.linear(rows, attention.in_proj_weight[part], attention.in_proj_bias[part])


def _heads(attention: Attention, stacked: Tensor, count: int = 1) -> Any:
    """(R, T, count C) -> that many (R, 1, heads, T, C / heads); for one, the tensor itself."""
    split = reshape(stacked, (0, -1, count, attention.heads, attention.width // attention.heads))
    parts = split.permute(0, 2, 3, 1, 4)
    return parts if count == 1 else parts.split_with_sizes([1] * count, dim=1)


def _attend(attention: Attention, query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    """Query and value (R, 1, heads, T, C / heads), key (R, 1, heads, C / heads, T) -> (R, T, C)."""
    scores = torch.matmul(query, key) * (attention.width // attention.heads) ** -0.5
    mixed = torch.matmul(torch.softmax(scores, dim=-1), value).permute(0, 3, 1, 2, 4)
    out: Tensor = attention.out_proj(reshape(mixed, (0, -1, attention.width)))
    return out


def _cross_attend(attention: Attention, h: Tensor, key: Tensor, value: Tensor) -> Tensor:
    """Cross-attention of the person token, the only token that attends to more than its own frame."""
    query = _project(attention, h[:, :1], of_key_value=False)
    split = reshape(query, (0, 1, attention.heads, 1, -1))
    return _attend(attention, split, key, value)


def _of_memory(layer: Any, memory: Tensor, last: bool) -> Tensor:
    """Keys, values and the finished output of the frames' own tokens, side by side; for the last layer the output."""
    attention = layer.multihead_attn
    key_value = _project(attention, memory, of_query=False)
    finished = attention.out_proj(key_value[..., attention.width :])
    return finished if last else torch.cat([key_value, finished], dim=-1)


def _fixed_names(layers: int) -> list[str]:
    """Values that a window makes and every step reads; the first two have a row for each step."""
    names = ['token', 'token_qkv', 'past', 'past_qkv', 'offset', 'repeats', 'by_branch']
    for number in range(layers - 1):
        names += [f'key_{number}', f'value_{number}', f'aligned_{number}']
    return [*names, f'aligned_{layers - 1}']


def sampler_graph(model: DiffPoseTalkModel) -> Any:
    """ONNX model with a Loop over the steps, for a model with an attention mask of width 1.

    Inputs: noise (N, L, D), previous_motion (N, P, D), previous_audio (N, P, C), audio (N, L, C),
    indicator (N, L) if used, person (B, N, person_dim), use_audio (B) bool, weights (B), timesteps (K)
    int64, coefficients (K, 6), step_noise (K, N, L, D), target (N, L, D) and mask (N, L, 1) of
    inpainting, threshold (3): quantile, min and max of dynamic thresholding, with quantile 0 for none.
    step_noise (except for K), target and mask may have axes of length 1. Output: motion (N, L, D).
    """
    config = model.config
    count, branches, frames, past = 2, 3, config.n_motions, config.n_prev_motions
    if config.variable_window:
        frames = 4
    dim, width = config.motion_dim, config.feature_dim
    names = _fixed_names(config.n_layers)
    window_names = [
        'previous_motion', 'previous_audio', 'audio', 'person', 'timesteps', 'use_audio', 'indicator',
    ]  # fmt: skip
    step_names = [
        'x', 'before', 'index', 'coefficients', 'step_noise', 'weights', 'target', 'mask', 'threshold',
    ]  # fmt: skip
    example = (
        torch.randn(count, past, dim),
        torch.randn(count, past, width),
        torch.randn(count, frames, width),
        torch.randn(branches, count, config.person_dim),
        torch.ones(4, dtype=torch.long),
        torch.tensor([False, True, True]),
        torch.ones(count, frames),
    )
    window = _Window(model).eval()
    with torch.no_grad():
        fixed = window(*example)
    motion = torch.randn(count, frames, dim)
    step_example = (
        motion, motion, torch.tensor(1), torch.zeros(4, 6), torch.randn(4, count, frames, dim),
        torch.zeros(branches), motion, motion[..., :1], torch.tensor([0.9, 1.0, 4.0]), *fixed,
    )  # fmt: skip
    once = _trace(window, example, window_names, names, {})
    step_inputs = [*step_names, *names]
    rows = {name: {0: 'rows', 1: 'frames'} for name in names if name.startswith('aligned')}
    rows.update({name: {0: 'rows', 4: 'tokens'} for name in names if name.startswith('key')})
    rows.update({name: {0: 'rows', 3: 'tokens'} for name in names if name.startswith('value')})
    each = _trace(_Step(model.denoising_net), step_example, step_inputs, ['following', 'clean'], rows)
    return _assemble(once, each, window_names, names, config.use_indicator, (past, dim, width))


def _trace(
    module: nn.Module, example: tuple[Tensor, ...], inputs: list[str], outputs: list[str], axes: Any
) -> Any:
    dynamic = {
        'previous_motion': {0: 'N'}, 'previous_audio': {0: 'N'}, 'audio': {0: 'N', 1: 'L'},
        'person': {0: 'B', 1: 'N'}, 'timesteps': {0: 'K'}, 'use_audio': {0: 'B'},
        'x': {0: 'N', 1: 'L'}, 'before': {0: 'N', 1: 'L'}, 'coefficients': {0: 'K'}, 'weights': {0: 'B'},
        'step_noise': {0: 'K', 1: 'n0', 2: 'n1', 3: 'n2'}, 'target': {0: 'k0', 1: 'k1', 2: 'k2'},
        'mask': {0: 'w0', 1: 'w1'}, 'indicator': {0: 'N', 1: 'L'}, 'token': {0: 'K', 1: 'rows'},
        'token_qkv': {0: 'K', 1: 'rows'}, 'past': {0: 'rows'}, 'past_qkv': {0: 'rows'}, 'offset': {0: 'N', 1: 'L'},
        **axes,
    }  # fmt: skip
    return trace(
        module, example, inputs, outputs, {name: dynamic[name] for name in inputs if name in dynamic}
    )


def _assemble(
    once: Any, each: Any, window_names: list[str], fixed: list[str], indicator: bool, sizes: tuple[int, ...]
) -> Any:
    """Nodes of the window, then a Loop with the step as its body. Both share initialisers by name."""
    from onnx import TensorProto, helper

    past, dim, width = sizes
    _rename(once.graph, 'window/', {*fixed})
    _rename(each.graph, 'step/', {'following', 'clean'})
    shapes: dict[str, list[Any]] = {
        'noise': ['N', 'L', dim], 'previous_motion': ['N', past, dim], 'previous_audio': ['N', past, width],
        'audio': ['N', 'L', width], 'person': ['B', 'N', None], 'timesteps': ['K'], 'use_audio': ['B'],
        'coefficients': ['K', 6], 'step_noise': ['K', 'n0', 'n1', 'n2'], 'weights': ['B'],
        'target': ['k0', 'k1', 'k2'], 'mask': ['w0', 'w1', 1], 'threshold': [3],
    }  # fmt: skip
    if indicator:
        shapes['indicator'] = ['N', 'L']
    kinds = {'timesteps': TensorProto.INT64, 'use_audio': TensorProto.BOOL}

    def info(name: str, kind: int, shape: list[Any]) -> Any:
        return helper.make_tensor_value_info(name, kind, shape)

    window = ['N', 'L', dim]
    body = helper.make_graph(
        [*each.graph.node, helper.make_node('Identity', ['condition'], ['condition_out'])],
        'step',
        [info('index', TensorProto.INT64, []), info('condition', TensorProto.BOOL, []),
         info('x', TensorProto.FLOAT, window), info('before', TensorProto.FLOAT, window)],
        [info('condition_out', TensorProto.BOOL, []), info('following', TensorProto.FLOAT, window),
         info('clean', TensorProto.FLOAT, window)],
    )  # fmt: skip
    loop = [
        helper.make_node('Size', ['timesteps'], ['step_count']),
        helper.make_node('Sub', ['noise', 'noise'], ['nothing']),
        helper.make_node('Loop', ['step_count', '', 'noise', 'nothing'], ['motion', 'last'], body=body),
    ]
    tensors = {tensor.name: tensor for graph in (once.graph, each.graph) for tensor in graph.initializer}
    main = helper.make_graph(
        [*once.graph.node, *loop],
        'sampler',
        [info(name, kinds.get(name, TensorProto.FLOAT), shape) for name, shape in shapes.items()],
        [info('motion', TensorProto.FLOAT, window)],
        initializer=list(tensors.values()),
    )
    return helper.make_model(main, opset_imports=[helper.make_opsetid('', OPSET)], ir_version=IR_VERSION)


def _rename(graph: Any, prefix: str, keep: set[str]) -> None:
    """Prefix every value that a node makes, so that two graphs fit into one."""
    nodes = list(_nodes(graph))
    made = {name: prefix + name for node in nodes for name in node.output if name and name not in keep}
    for node in nodes:
        node.name = prefix + node.name
        for field in (node.input, node.output):
            for index, name in enumerate(field):
                field[index] = made.get(name, name)
    for inner in _inner_graphs(graph):
        for value in inner.output:
            value.name = made.get(value.name, value.name)


def _nodes(graph: Any) -> Iterator[Any]:
    """Nodes of a graph and of the graphs inside its nodes."""
    yield from graph.node
    for inner in _inner_graphs(graph):
        yield from inner.node


def _inner_graphs(graph: Any) -> Iterator[Any]:
    for node in graph.node:
        for attribute in node.attribute:
            if attribute.HasField('g'):
                yield attribute.g
                yield from _inner_graphs(attribute.g)
