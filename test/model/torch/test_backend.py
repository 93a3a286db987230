# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip('torch')

from diffposetalk_ros.diffusion.sampler import Inpainting  # noqa: E402
from diffposetalk_ros.errors import ConfigError, ModelError, StyleError  # noqa: E402
from diffposetalk_ros.model.backend import Backend, SamplingConfig, WindowRequest  # noqa: E402
from diffposetalk_ros.model.config import LogMelConfig, ModelConfig, StyleEncoderConfig  # noqa: E402
from diffposetalk_ros.model.networks.diffposetalk import DiffPoseTalkModel  # noqa: E402
from diffposetalk_ros.model.networks.style_encoder import StyleEncoder  # noqa: E402
from diffposetalk_ros.model.store import load_model, save_model  # noqa: E402
from diffposetalk_ros.model.torch.backend import TorchBackend  # noqa: E402
from diffposetalk_ros.streaming.features import LogMelFeatures  # noqa: E402

TINY = ModelConfig(
    space='arkit', n_motions=12, n_prev_motions=3, feature_dim=32, n_heads=4, n_layers=2,
    shape_dim=0, style_dim=8, n_diff_steps=20, audio_encoder='logmel', variable_window=True,
    logmel=LogMelConfig(n_mels=16, channels=8, hidden=12),
    style_encoder=StyleEncoderConfig(feature_dim=8, n_heads=2, n_layers=1),
)  # fmt: skip


def backend(config: ModelConfig = TINY) -> Backend:
    torch.manual_seed(0)
    style = config.style_encoder and StyleEncoder(config.style_encoder, config.motion_dim)
    return TorchBackend(DiffPoseTalkModel(config), style)


def silence(n: int, frames: int) -> Callable[[int], np.ndarray]:
    return lambda t: np.zeros((n, frames, 55), np.float32)


def request(n: int = 2, frames: int = 12, **changes: object) -> WindowRequest:
    rng = np.random.default_rng(3)

    def normal(*shape: int) -> np.ndarray:
        return rng.normal(size=shape).astype(np.float32)

    values = WindowRequest(
        audio=normal(n, frames, 32), noise=normal(n, frames, 55), style=normal(n, 8),
        indicator=np.ones((n, frames), np.float32), step_noise=silence(n, frames),
    )  # fmt: skip
    return dataclasses.replace(values, **changes)


@pytest.mark.parametrize('solver', ['ddpm', 'ddim', 'dpmpp_2m'])
def test_rows_of_a_batch_do_not_mix(solver: str) -> None:
    engine, both = backend(), request()
    sampling = SamplingConfig(solver, 4, threshold=(0.99, 1.0, 4.0))
    whole = engine.sample(both, sampling)
    assert whole.shape == (2, 12, 55)
    assert whole.dtype == np.float32
    one = request(
        audio=both.audio[1:], noise=both.noise[1:], style=both.style[1:], indicator=both.indicator[1:],
        step_noise=silence(1, 12),
    )  # fmt: skip
    np.testing.assert_allclose(engine.sample(one, sampling)[0], whole[1], atol=1e-4)


def test_style_and_audio_matter_and_pruning_is_exact() -> None:
    engine = backend()
    out = engine.sample(request(), SamplingConfig(steps=4))
    assert np.abs(out - engine.sample(request(style=None), SamplingConfig(steps=4))).max() > 1e-3
    plain = SamplingConfig(steps=4, scale_audio=1.0, scale_style=1.0)
    near = SamplingConfig(steps=4, scale_audio=1.0 + 1e-7, scale_style=1.0 + 2e-7)
    np.testing.assert_allclose(engine.sample(request(), plain), engine.sample(request(), near), atol=1e-4)


def test_mel_of_a_clip_gives_the_frames_asked_for() -> None:
    engine = backend()
    samples = np.random.default_rng(0).normal(size=(2, 640 * 12)).astype(np.float32) * 0.1
    whole = engine.encode_audio(samples, 12)
    assert whole.shape == (2, 12, 32)
    for chunk in (1, 5, 250):
        stream = LogMelFeatures(engine, chunk)
        for block in (samples[1, :1000], samples[1, 1000:]):
            stream.push(block)
        stream.finish()
        assert stream.available == 12
        np.testing.assert_allclose(whole[1], stream.read(0, 12), atol=1e-5)


def test_inpainted_frames_are_kept() -> None:
    mask = np.zeros((2, 12, 1), np.float32)
    mask[:, :5] = 1
    target = np.full((2, 12, 55), 0.25, np.float32)
    out = backend().sample(request(inpainting=Inpainting(target, mask)), SamplingConfig(steps=4))
    np.testing.assert_allclose(out[:, :5], 0.25, atol=1e-6)


def test_wrong_input_is_named() -> None:
    engine = backend()
    with pytest.raises(ModelError, match='style code of 3 numbers'):
        engine.sample(request(style=np.zeros((2, 3), np.float32)), SamplingConfig(steps=2))
    with pytest.raises(ModelError, match='shape code of 100'):
        engine.sample(request(shape=np.zeros((2, 100), np.float32)), SamplingConfig(steps=2))
    with pytest.raises(ConfigError, match='99 sampling steps'):
        engine.sample(request(), SamplingConfig(steps=99))
    with pytest.raises(StyleError, match='need'):
        engine.encode_style(np.zeros((1, 10, 3), np.float32))
    with pytest.raises(ModelError, match='device'):
        TorchBackend(DiffPoseTalkModel(TINY), device='quantum')


def test_a_folder_gives_the_model_back(tmp_path: Path) -> None:
    torch.manual_seed(0)
    model = DiffPoseTalkModel(TINY)
    style = StyleEncoder(TINY.style_encoder, 55)
    save_model(tmp_path, model, (np.zeros(55), np.ones(55)), style)
    assert not list(tmp_path.glob('*.part'))
    again = TorchBackend.load(tmp_path)
    out = TorchBackend(model, style).sample(request(), SamplingConfig(steps=2))
    np.testing.assert_array_equal(out, again.sample(request(), SamplingConfig(steps=2)))


def test_missing_surplus_and_misshapen_tensors_are_listed(tmp_path: Path) -> None:
    from safetensors.torch import load_file, save_file

    save_model(tmp_path, DiffPoseTalkModel(TINY), (np.zeros(55), np.ones(55)))
    path = tmp_path / 'model.safetensors'
    tensors = load_file(path)
    del tensors['null_style_feat'], tensors['denoising_net.PE']
    tensors['extra'] = torch.zeros(1)
    tensors['audio_feature_map.bias'] = torch.zeros(1)
    save_file(tensors, path)
    with pytest.raises(ModelError) as caught:
        load_model(tmp_path)
    for name in ('null_style_feat', 'denoising_net.PE', 'extra', 'audio_feature_map.bias is (1,)'):
        assert name in str(caught.value)
    path.write_bytes(b'nonsense')
    with pytest.raises(ModelError, match='damaged'):
        load_model(tmp_path)


def test_a_device_that_cannot_be_used_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ModelError, match="'warp' cannot be used.*try 'cpu'"):
        TorchBackend(DiffPoseTalkModel(TINY), device='warp')

    def full(*_: object) -> None:
        raise RuntimeError('CUDA out of memory')

    monkeypatch.setattr(DiffPoseTalkModel, 'to', full)
    with pytest.raises(ModelError, match='CUDA out of memory'):
        TorchBackend(DiffPoseTalkModel(TINY))
