# SPDX-License-Identifier: Apache-2.0
"""Agreement with the official implementation (test/fixtures/parity); `-s` prints the differences."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip('torch')
pytest.importorskip('transformers')

FIXTURES = Path(__file__).parents[1] / 'fixtures' / 'parity'

import parity_formula as formula  # noqa: E402

from diffposetalk_ros.diffusion.schedule import make_schedule  # noqa: E402
from diffposetalk_ros.model.backend import SamplingConfig, WindowRequest  # noqa: E402
from diffposetalk_ros.model.config import ModelConfig, StyleEncoderConfig  # noqa: E402
from diffposetalk_ros.model.loader import LoadedModel  # noqa: E402
from diffposetalk_ros.model.networks.diffposetalk import DiffPoseTalkModel  # noqa: E402
from diffposetalk_ros.model.networks.style_encoder import StyleEncoder  # noqa: E402
from diffposetalk_ros.model.official import motion_stats  # noqa: E402
from diffposetalk_ros.model.torch.backend import TorchBackend  # noqa: E402
from diffposetalk_ros.offline.generator import Generator  # noqa: E402
from diffposetalk_ros.training.loss.losses import (  # noqa: E402
    LossWeights,
    condition_dropout,
    denoiser_terms,
    nt_xent,
    truncate,
)

ONCE, ITERATED = 1e-5, 1e-4
CONFIG = ModelConfig(
    feature_dim=64, n_heads=4, n_layers=2, mlp_ratio=2, style_dim=32, n_diff_steps=20,
    audio_encoder_config=dict(formula.SPEECH),
)  # fmt: skip
DEAF = replace(
    CONFIG,
    audio_encoder_config={
        'hidden_size': 16, 'num_hidden_layers': 1, 'num_attention_heads': 1, 'intermediate_size': 8,
        'conv_dim': [8] * 7, 'num_conv_pos_embeddings': 16, 'num_conv_pos_embedding_groups': 4,
    },
)  # fmt: skip
"""Where features are given, the speech encoder plays no part."""


def tensor(name: str, *shape: int) -> Any:
    return torch.from_numpy(formula.array(name, *shape))


_MODELS: dict[str, Any] = {}


def filled(config: ModelConfig) -> Any:
    """The model of a configuration with the formula's weights, made once."""
    key = config.to_json()
    if key not in _MODELS:
        _MODELS[key] = formula.fill(DiffPoseTalkModel(config))
    return _MODELS[key]


def official(name: str) -> dict[str, np.ndarray]:
    with np.load(FIXTURES / f'{name}.npz') as file:
        return dict(file)


def check(label: str, ours: Any, theirs: np.ndarray, bar: float) -> None:
    ours = np.asarray(ours)
    assert ours.shape == theirs.shape
    difference = float(np.abs(ours - theirs).max())
    print(f'{label}: max |difference| {difference:.1e}, max |value| {np.abs(theirs).max():.3g}')
    assert difference <= bar


@pytest.mark.parametrize('name', ['linear', 'quadratic', 'sigmoid', 'cosine'])
def test_schedules(name: str) -> None:
    schedule = make_schedule(name, 500)
    for key, value in official('schedules').items():
        if key.startswith(name):
            check(key, getattr(schedule, key.split('/')[1]), value, ONCE)


@pytest.mark.parametrize(('name', 'changes'), [
    ('head', {}), ('no_head', {'head_pose': False}), ('wide', {'align_mask_width': 3}),
    ('unmasked', {'align_mask_width': 0}), ('legacy_pe', {'learnable_pe': False}),
    ('plain', {'style_dim': 0, 'use_indicator': False, 'guiding_conditions': ()}),
])  # fmt: skip
@torch.no_grad()
def test_denoiser(name: str, changes: dict[str, Any]) -> None:
    config = replace(DEAF, **changes)
    net, width = filled(config).denoising_net, config.motion_dim
    person = tensor('in/shape', 2, 100)
    indicator = None
    if name != 'plain':
        person = torch.cat([person, tensor('in/style', 2, 32)], -1)
        indicator = (torch.arange(100)[None] < torch.tensor([[100], [60]])).float()

    out = net(
        tensor('in/motion', 2, 100, width), tensor('in/audio', 2, 100, 64), person[:, None],
        tensor('in/prev_motion', 2, 10, width), tensor('in/prev_audio', 2, 10, 64),
        torch.tensor([1, 20]), indicator,
    )  # fmt: skip
    check(f'denoiser {name}', out[:, ::5], official('denoiser')[name], ONCE)


PAPER = {'scale_audio': 1.15, 'scale_style': 3.0}
SAMPLES: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    'plain': ({}, {'scale_audio': 1.0, 'scale_style': 1.0}),
    'audio': ({'guiding_conditions': ('audio',)}, {'scale_audio': 1.15}),
    'style': ({'guiding_conditions': ('style',)}, {'scale_style': 1.15}),
    'incremental': ({}, {}),
    'independent_aliased': ({}, {'guidance': 'independent'}),
    'threshold': ({}, {'threshold': (0.9, 0.5, 1.5)}),
    'flexible': ({}, {'flexibility': 0.5}),
    'half_start': ({}, {'scale_style': 1.15}),
}


@pytest.mark.parametrize('target', ['sample', 'noise'])
@pytest.mark.parametrize('name', list(SAMPLES))
def test_sample(name: str, target: str) -> None:
    changes, sampling = SAMPLES[name]
    schedule = 'linear' if target == 'noise' else 'cosine'
    config = replace(DEAF, target=target, diff_schedule=schedule, **changes)
    backend = TorchBackend(filled(config))
    start = name == 'half_start'
    request = WindowRequest(
        audio=formula.array('in/audio', 2, 100, 64), noise=formula.array('in/motion', 2, 100, 54),
        previous_motion=None if start else formula.array('in/prev_motion', 2, 10, 54),
        previous_audio=None if start else formula.array('in/prev_audio', 2, 10, 64),
        style=formula.array('in/style', 2, 32), shape=formula.array('in/shape', 2, 100),
        indicator=(np.arange(100)[None] < np.array([[100], [60]])).astype(np.float32),
        step_noise=lambda t: formula.array(f'z/{21 - t}', 2, 100, 54),
    )  # fmt: skip
    out = backend.sample(request, SamplingConfig('ddpm', 20, **(PAPER | sampling)))
    check(f'sample {target} {name}', out[:, ::5], official('samples')[f'{target}/{name}'], ITERATED)


@pytest.mark.parametrize('width', [54, 51])
@torch.no_grad()
def test_style_features(width: int) -> None:
    config = StyleEncoderConfig(feature_dim=32, n_heads=4, n_layers=2)
    net = formula.fill(StyleEncoder(config, width))
    for frames in (100, 60):
        out = net(tensor('in/style_motion', 2, frames, width))
        check(f'style {width}/{frames}', out, official('styles')[f'{width}/{frames}'], ONCE)


@pytest.mark.parametrize('kind', ['hubert', 'wav2vec2'])
def test_audio_features(kind: str) -> None:
    backend = TorchBackend(filled(replace(CONFIG, audio_encoder=kind)))
    frames = {160000: 250, 128500: 200}
    for key, value in official('audio').items():
        if key.startswith(kind):
            length = int(key.split('/')[1])
            out = backend.encode_audio(formula.array('in/speech', 1, length), frames.get(length, 100))
            check(f'audio {kind} {length} samples', out[:, ::4], value, ONCE)


@pytest.mark.parametrize(('name', 'threshold'), [('context', None), ('threshold', (0.99, 1.0, 4.0))])
def test_long_clip(name: str, threshold: tuple[float, float, float] | None) -> None:
    stats = formula.stats()
    mean, std = (v.astype(np.float32) for v in motion_stats(stats, head_pose=True))
    backend = TorchBackend(filled(CONFIG))
    generator = Generator(LoadedModel(Path('parity'), backend, mean, std, {}))
    shape = (formula.array('in/code', 100) - stats['shape_mean']) / stats['shape_std']
    clip = generator.generate(
        formula.array('in/speech', 148800) * np.float32(0.1),
        formula.array('in/style', 32),
        seed=5,
        sampling=SamplingConfig('ddpm', 20, threshold=threshold, **PAPER),
        shape=shape,
    )
    theirs = official('clip')
    assert len(clip.values) == theirs[f'{name}/frames'] == 232
    check(f'clip {name} exp', clip.values[::3, :50], theirs[f'{name}/exp'], ITERATED)
    check(f'clip {name} pose', clip.values[::3, 50:], theirs[f'{name}/pose'][:, :4], ITERATED)


LOSSES: dict[str, tuple[bool, dict[str, Any], list[int] | None]] = {
    'first': (True, {}, None), 'second': (False, {}, None), 'cut': (True, {}, [1, 30]),
    'cut_second': (False, {}, [1, 30]), 'l1': (False, {'criterion': 'l1'}, [50, 99]),
    'free': (False, {'constrain_previous': False}, None), 'noise': (False, {'target': 'noise'}, [20, 40]),
}  # fmt: skip
TERMS = ('noise', 'vert', 'vel', 'smooth', 'head_angle', 'head_vel', 'head_smooth', 'head_trans')


def vertices(motion: Any) -> Any:
    """The linear stand-in for FLAME, head rotation left out."""
    stats = {key: torch.from_numpy(value) for key, value in formula.stats().items()}
    zeros = torch.zeros_like(motion[..., :3])
    pose = torch.cat([zeros, motion[..., 53:], zeros[..., :2]], -1) * stats['pose_std'] + stats['pose_mean']
    pose = torch.cat([zeros, pose[..., 3:]], -1)
    shape = tensor('in/shape', 2, 100) * stats['shape_std'] + stats['shape_mean']
    exp = motion[..., :50] * stats['exp_std'] + stats['exp_mean']
    code = torch.cat([shape[:, None].expand(-1, motion.shape[1], -1), exp, pose], -1)
    return (code @ torch.from_numpy(formula.flame())).unflatten(-1, (-1, 3))


@pytest.mark.parametrize('name', list(LOSSES))
def test_loss_terms(name: str) -> None:
    first, options, end = LOSSES[name]
    options = dict(options)
    found = denoiser_terms(
        tensor('in/prediction', 2, 110, 54), tensor('in/motion', 2, 100, 54), tensor('in/eps', 2, 100, 54),
        LossWeights(criterion=options.pop('criterion', 'l2')), head=slice(50, 53), vertices=vertices,
        previous=None if first else tensor('in/prev_motion', 2, 10, 54),
        end=None if end is None else torch.tensor(end), **options,
    )  # fmt: skip
    theirs = official('losses')[f'terms/{name}']
    assert [term in found for term in TERMS] == [not np.isnan(value) for value in theirs]
    ours = np.array([found[term].item() for term in TERMS if term in found])
    check(f'loss terms {name}', ours, theirs[~np.isnan(theirs)], ONCE)


@pytest.mark.parametrize('mode', ['incremental', 'independent'])
@torch.no_grad()
def test_training_step(mode: str) -> None:
    model = filled(DEAF)
    uniform = torch.stack([tensor('u/0', 8).sigmoid(), tensor('u/1', 8).sigmoid()], 1)
    no_style, no_audio = condition_dropout(('audio', 'style'), mode, uniform)
    style = torch.where(no_style[:, None], model.null_style(8), tensor('in/style8', 8, 32))
    audio = tensor('in/audio8', 8, 100, 64)
    audio = torch.where(no_audio[:, None, None], model.null_audio(8, 100), audio)
    step = torch.arange(1, 17, 2)
    noisy = model.diffusion_sched.add_noise(
        tensor('in/motion8', 8, 100, 54), tensor('in/eps8', 8, 100, 54), step
    )
    out = model.denoising_net(
        noisy, audio, model.person_feature(tensor('in/shape8', 8, 100), style),
        model.start_motion_feat.expand(8, -1, -1), model.start_audio_feat.expand(8, -1, -1), step,
        torch.ones(8, 100),
    )  # fmt: skip
    check(f'training step {mode}', out[:, ::10], official('losses')[f'step/{mode}'], ONCE)


@pytest.mark.parametrize('mode', ['zero', 'replicate'])
def test_truncation(mode: str) -> None:
    end = torch.tensor([30, 99])
    speech = truncate(tensor('in/speech2', 2, 64000), end * 640, mode)[:, ::640]
    motion = truncate(tensor('in/motion', 2, 100, 54), end, mode)[..., 0]
    check(f'truncation {mode}', torch.cat([speech, motion], 1), official('losses')[f'truncate/{mode}'], 0.0)


def test_contrastive_loss() -> None:
    a, b = tensor('in/a', 8, 32), tensor('in/b', 8, 32)
    check('NT-Xent', nt_xent(a, a + 0.5 * b), official('losses')['nt_xent'], ONCE)
