# SPDX-License-Identifier: Apache-2.0
"""Checkpoints as the official trainer writes them, made here from modules of our own."""

from __future__ import annotations

import argparse
import dataclasses
import io
import os
import pathlib
import pickle
from collections import OrderedDict
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip('torch')
pytest.importorskip('transformers')

from diffposetalk_ros.cli.models import import_checkpoint  # noqa: E402
from diffposetalk_ros.errors import CheckpointError  # noqa: E402
from diffposetalk_ros.model.backend import SamplingConfig, WindowRequest  # noqa: E402
from diffposetalk_ros.model.config import ModelConfig, StyleEncoderConfig  # noqa: E402
from diffposetalk_ros.model.networks.diffposetalk import DiffPoseTalkModel  # noqa: E402
from diffposetalk_ros.model.networks.style_encoder import StyleEncoder  # noqa: E402
from diffposetalk_ros.model.official import denoiser_config, flame_stats, motion_stats, read_denoiser  # noqa: E402
from diffposetalk_ros.model.torch.backend import TorchBackend  # noqa: E402
from diffposetalk_ros.model.torch_file import read_torch_file  # noqa: E402

SPEECH = {
    'hidden_size': 64, 'num_hidden_layers': 2, 'num_attention_heads': 1, 'intermediate_size': 32,
    'conv_dim': [16] * 7, 'num_conv_pos_embeddings': 16, 'num_conv_pos_embedding_groups': 4,
}  # fmt: skip
CONFIG = ModelConfig(
    feature_dim=32, n_heads=4, n_layers=2, style_dim=16, n_diff_steps=20, audio_encoder_config=SPEECH
)
ARGS: dict[str, Any] = {
    'rot_repr': 'aa', 'feature_dim': 32, 'n_heads': 4, 'n_layers': 2, 'd_style': 16, 'n_diff_steps': 20,
    'style_enc_ckpt': pathlib.PosixPath('experiments/SE/x/checkpoints/iter_0026000.pt'),
    'guiding_conditions': 'audio,style', 'use_indicator': True, 'no_head_pose': False,
    'align_mask_width': 1, 'no_use_learnable_pe': False, 'architecture': 'decoder',
}  # fmt: skip


def write(
    path: Path, old: bool = False, args: dict[str, Any] | None = None, **changes: Any
) -> DiffPoseTalkModel:
    torch.manual_seed(0)
    model = DiffPoseTalkModel(CONFIG).eval()
    state = dict(model.state_dict())
    state['denoising_net.TE.pe'] = torch.zeros(1, 501, 32)
    state['denoising_net.alignment_mask'] = ~model.denoising_net.attention_mask
    if old:
        conv = 'audio_encoder.encoder.pos_conv_embed.conv.'
        state[conv + 'weight_g'] = state.pop(conv + 'parametrizations.weight.original0')
        state[conv + 'weight_v'] = state.pop(conv + 'parametrizations.weight.original1')
    for name, value in changes.items():
        state[name] = value
    content = {'args': argparse.Namespace(**(ARGS | (args or {}))), 'model': state, 'iter': 7}
    torch.save(content, path, _use_new_zipfile_serialization=not old)
    return model


@pytest.mark.parametrize('old', [False, True])
def test_both_formats_and_weight_norm_names(tmp_path: Path, old: bool) -> None:
    model = write(tmp_path / 'a.pt', old)
    read, iteration = read_denoiser(tmp_path / 'a.pt')
    assert iteration == 7
    assert read.config == CONFIG
    for name, value in model.state_dict().items():
        torch.testing.assert_close(read.state_dict()[name], value, rtol=0, atol=0)


def test_command_writes_a_folder_that_runs(tmp_path: Path) -> None:
    write(tmp_path / 'a.pt')
    style = StyleEncoder(StyleEncoderConfig(16, 4, 1), 54)
    style_args = argparse.Namespace(feature_dim=16, n_heads=4, n_layers=1, data_root=Path('gone'))
    torch.save({'args': style_args, 'encoder': style.state_dict(), 'iter': 1}, tmp_path / 'se.pt')
    widths = {'shape': 100, 'exp': 50, 'pose': 6}
    stats = {f'{k}_{p}': np.ones(w, np.float32) for k, w in widths.items() for p in ('mean', 'std')}
    np.savez(tmp_path / 'stats.npz', **stats)
    parser = argparse.ArgumentParser()
    import_checkpoint.add_arguments(parser)
    words = ['a.pt', '--stats', 'stats.npz', '--style-encoder', 'se.pt', '--out', 'model']
    paths = [word if word.startswith('--') else str(tmp_path / word) for word in words]
    assert import_checkpoint.run(parser.parse_args(paths)) == 0

    backend = TorchBackend.load(tmp_path / 'model')
    vector = backend.encode_style(np.zeros((1, 100, 54), np.float32))
    audio = backend.encode_audio(np.random.default_rng(0).normal(size=(1, 64000)).astype(np.float32), 100)
    request = WindowRequest(
        audio, np.zeros((1, 100, 54), np.float32), style=vector,
        shape=np.zeros((1, 100), np.float32), indicator=np.ones((1, 100), np.float32),
    )  # fmt: skip
    assert backend.sample(request, SamplingConfig(steps=2)).shape == (1, 100, 54)


def test_old_argument_fields() -> None:
    assert denoiser_config({}).align_mask_width == 0
    assert denoiser_config({'use_alignment_mask': True}).align_mask_width == 1
    assert denoiser_config({'use_alignment_mask': False}).align_mask_width == 0
    assert denoiser_config({'predict_head_pose': True}).head_pose
    assert not denoiser_config({}).head_pose
    assert denoiser_config({'use_learnable_pe': True}).learnable_pe
    assert not denoiser_config({}).learnable_pe
    assert denoiser_config({}).style_dim == 0
    full = denoiser_config(ARGS | {'feature_dim': 512, 'n_heads': 8, 'n_layers': 8, 'n_diff_steps': 500})
    assert dataclasses.replace(full, style_dim=128) == ModelConfig()
    with pytest.raises(CheckpointError, match='vq'):
        denoiser_config({'target': 'vq'})


def test_a_speech_encoder_whose_heads_cannot_be_known_is_refused(tmp_path: Path) -> None:
    norm = 'audio_encoder.encoder.layer_norm.weight'
    write(tmp_path / 'wide.pt', **{norm: torch.ones(100)})
    with pytest.raises(CheckpointError, match='100 wide.*does not divide'):
        read_denoiser(tmp_path / 'wide.pt')


def test_missing_and_surplus_tensors_are_listed(tmp_path: Path) -> None:
    write(tmp_path / 'a.pt', **{'lip_net.weight': torch.zeros(2)}, args={'n_layers': 3})
    with pytest.raises(CheckpointError) as caught:
        read_denoiser(tmp_path / 'a.pt')
    assert 'surplus: lip_net.weight' in str(caught.value)
    assert 'missing: denoising_net.transformer.layers.2.linear1.bias' in str(caught.value)
    assert 'and 14 more' in str(caught.value)
    write(tmp_path / 'a.pt', **{'denoising_net.alignment_mask': torch.ones(111, 110).bool()})
    with pytest.raises(CheckpointError, match='alignment mask'):
        read_denoiser(tmp_path / 'a.pt')


def _marker(*parts: str) -> None:
    raise AssertionError('only its name is used')


class Marker:
    """Saved as a call of `_marker`, whose name a test replaces by that of a path class."""

    def __reduce__(self) -> Any:
        return _marker, ('a', 'b')


class Oversized:
    """Saved as a tensor of 3e9 numbers over a storage of 4."""

    def __reduce__(self) -> Any:
        storage = torch.zeros(4).storage()
        return torch._utils._rebuild_tensor_v2, (storage, 0, (3_000_000_000,), (1,), False, OrderedDict())


class Hostile:
    """Unpickled by an ordinary loader, it would create a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> Any:
        return os.system, (f'touch {self.path}',)


@pytest.mark.parametrize('zipped', [True, False])
def test_a_hostile_pickle_executes_nothing(tmp_path: Path, zipped: bool) -> None:
    trap = tmp_path / 'trap'
    content = {'args': argparse.Namespace(), 'model': {}, 'extra': Hostile(trap)}
    torch.save(content, tmp_path / 'a.pt', _use_new_zipfile_serialization=zipped)
    with pytest.raises(CheckpointError, match=r'refused: it refers to \w+\.system'):
        read_denoiser(tmp_path / 'a.pt')
    assert not trap.exists()


@pytest.mark.parametrize('name', ['eval', 'getattr', 'exec'])
def test_builtins_are_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / 'a.pt').write_bytes(b'c__builtin__\n' + name.encode() + b'\n.')
    with pytest.raises(CheckpointError, match='refused'):
        read_torch_file(tmp_path / 'a.pt')


def test_paths_of_every_system_are_read(tmp_path: Path) -> None:
    for name in ('pathlib\nPosixPath', 'pathlib\nWindowsPath', 'pathlib._local\nPosixPath'):
        saved = io.BytesIO()
        torch.save({'args': argparse.Namespace(path=Marker())}, saved, _use_new_zipfile_serialization=False)
        module, _, kind = name.partition('\n')
        marker = f'c{Marker.__module__}\n_marker\n'.encode()
        assert marker in saved.getvalue()
        path = tmp_path / 'a.pt'
        path.write_bytes(saved.getvalue().replace(marker, f'c{module}\n{kind}\n'.encode()))
        assert str(read_torch_file(path)['args'].path) in ('a/b', 'a\\b')


def test_a_tensor_larger_than_its_storage_is_refused(tmp_path: Path) -> None:
    torch.save({'w': Oversized()}, tmp_path / 'a.pt')
    with pytest.raises(CheckpointError, match='damaged'):
        read_torch_file(tmp_path / 'a.pt')


def test_damaged_and_foreign_files_are_named(tmp_path: Path) -> None:
    path = tmp_path / 'a.pt'
    write(path, old=True)
    whole = path.read_bytes()
    for cut in (0, 10, 1000, len(whole) // 2, len(whole) - 1):
        path.write_bytes(whole[:cut])
        with pytest.raises(CheckpointError, match=r'a\.pt'):
            read_denoiser(path)
    write(path)
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(CheckpointError, match='damaged'):
        read_denoiser(path)
    path.write_bytes(pickle.dumps({'a': 1}))
    with pytest.raises(CheckpointError, match='was not written by torch.save'):
        read_denoiser(path)
    torch.save({'weights': torch.zeros(2)}, path)
    with pytest.raises(CheckpointError, match='no training arguments'):
        read_denoiser(path)
    for other in (tmp_path / 'none.pt', tmp_path, Path('/dev/zero')):
        with pytest.raises(CheckpointError, match='cannot read'):
            read_denoiser(other)


def test_tensors_keep_views_and_types(tmp_path: Path) -> None:
    base = torch.arange(12.0).reshape(3, 4)
    saved = {
        't': base.T, 'part': base[1:, ::2], 'half': base.half(), 'bf': base.bfloat16(),
        'flag': base > 3, 'int': base.long(), 'scalar': torch.tensor(2.5), 'none': torch.zeros(0, 3),
        'parameter': torch.nn.Parameter(base.clone()),
    }  # fmt: skip
    for zipped in (True, False):
        torch.save(saved, tmp_path / 'a.pt', _use_new_zipfile_serialization=zipped)
        read = read_torch_file(tmp_path / 'a.pt')
        for name, value in saved.items():
            torch.testing.assert_close(read[name], value.detach(), rtol=0, atol=0)


def test_statistics_that_do_not_fit_are_named(tmp_path: Path) -> None:
    path = tmp_path / 'stats.npz'
    with pytest.raises(CheckpointError, match='cannot read'):
        flame_stats(path)
    for content in (b'', b'PK\x03\x04 damaged', b'text'):
        path.write_bytes(content)
        with pytest.raises(CheckpointError, match='cannot read'):
            flame_stats(path)
    np.save(tmp_path / 'a.npy', np.zeros(3))
    with pytest.raises(CheckpointError, match='cannot read'):
        flame_stats(tmp_path / 'a.npy')
    widths = {'shape': 100, 'exp': 50, 'pose': 6}
    stats = {f'{k}_{p}': np.ones(w, np.float32) for k, w in widths.items() for p in ('mean', 'std')}
    stats['pose_std'][4:] = 0
    for odd in (['a'] * 6, [1j] * 6):
        np.savez(path, **(stats | {'pose_mean': np.array(odd)}))
        with pytest.raises(CheckpointError, match='needs pose_mean: 6 finite numbers'):
            flame_stats(path)
    np.savez(path, **stats)
    assert motion_stats(flame_stats(path), head_pose=True)[1].shape == (54,)
    stats['exp_std'][7] = 0
    with pytest.raises(CheckpointError, match='motion column 7'):
        motion_stats(stats, head_pose=False)
    np.savez(path, **(stats | {'exp_mean': np.zeros(3)}))
    with pytest.raises(CheckpointError, match='exp_mean: 50'):
        flame_stats(path)
