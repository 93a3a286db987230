# SPDX-License-Identifier: Apache-2.0
"""The streaming bars with the real networks, tiny and untrained."""

from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip('torch')

from tiny_model import tiny_config  # noqa: E402

from diffposetalk_ros.diffusion.noise import FrameNoise  # noqa: E402
from diffposetalk_ros.model.backend import SamplingConfig, WindowRequest  # noqa: E402
from diffposetalk_ros.model.config import LogMelConfig, ModelConfig  # noqa: E402
from diffposetalk_ros.model.networks.diffposetalk import DiffPoseTalkModel  # noqa: E402
from diffposetalk_ros.model.torch.backend import TorchBackend  # noqa: E402
from diffposetalk_ros.streaming.generator import StreamConfig, StreamingGenerator  # noqa: E402

SAMPLING = SamplingConfig(steps=2)
STYLE = np.ones(8, np.float32)


@pytest.fixture(scope='module')
def backend() -> TorchBackend:
    torch.manual_seed(0)
    config = tiny_config(
        style_dim=8, n_layers=2, n_motions=40, logmel=LogMelConfig(n_mels=16, channels=16, hidden=24)
    )
    return TorchBackend(DiffPoseTalkModel(config))


def speech(frames: int) -> np.ndarray:
    return np.random.default_rng(0).uniform(-0.3, 0.3, 640 * frames).astype('f4')


def run(backend: TorchBackend, config: StreamConfig, audio: np.ndarray, cuts: list[int]) -> np.ndarray:
    generator = StreamingGenerator(backend, config, STYLE)
    out = []
    for part in np.split(audio, cuts):
        out += generator.push(part)
    out += generator.finish()
    return np.concatenate([frames.motion[: frames.committed] for frames in out])


@pytest.mark.parametrize(('hop', 'ahead', 'solver'), [(2, 0, 'ddim'), (3, 2, 'dpmpp_2m'), (5, 1, 'ddpm')])
def test_any_cutting_of_the_audio_gives_the_same_bits(backend, hop, ahead, solver):
    audio = speech(45)
    config = StreamConfig(hop, ahead, sampling=SamplingConfig(solver=solver, steps=2))
    whole = run(backend, config, audio, [])
    assert whole.shape == (45, 55)
    np.testing.assert_array_equal(run(backend, config, audio, list(range(320, len(audio), 320))), whole)
    cuts = sorted(np.random.default_rng(1).integers(0, len(audio), 40))
    np.testing.assert_array_equal(run(backend, config, audio, cuts), whole)


def test_full_look_ahead_equals_offline_generation(backend):
    audio = speech(100)
    live = run(backend, StreamConfig(40, 0, sampling=SAMPLING), audio, [1000, 30000])
    features, noise = backend.encode_audio(audio[None], 100), FrameNoise(0, 0, 55)
    previous: tuple = (None, None)
    for first in (0, 40, 80):
        window = features[:, first : first + 40]
        count = window.shape[1]
        motion = backend.sample(
            WindowRequest(
                audio=window,
                noise=noise.initial(first, first + count)[None],
                previous_motion=previous[0],
                previous_audio=previous[1],
                style=STYLE[None],
                indicator=np.ones((1, count), np.float32),
            ),
            SAMPLING,
        )
        previous = motion[:, -10:], window[:, -10:]
        np.testing.assert_allclose(live[first : first + count], motion[0], atol=1e-4)


def tiny(**values) -> TorchBackend:
    config = {
        'space': 'arkit', 'shape_dim': 0, 'style_dim': 8, 'feature_dim': 16, 'n_heads': 2, 'n_layers': 1,
        'n_motions': 20, 'audio_encoder': 'logmel', 'logmel': LogMelConfig(n_mels=16, channels=8, hidden=8),
        'variable_window': True,
    }  # fmt: skip
    return TorchBackend(DiffPoseTalkModel(ModelConfig(**{**config, **values})))


def test_a_model_that_takes_an_identity_gets_the_mean_one_unless_told():
    backend, audio = tiny(space='flame', shape_dim=100, variable_window=False), speech(12)
    config = StreamConfig(3, 1, sampling=SAMPLING)

    def motion(shape):
        made = StreamingGenerator(backend, config, STYLE, shape)
        out = [*made.push(audio), *made.finish()]
        return np.concatenate([frames.motion[: frames.committed] for frames in out])

    np.testing.assert_array_equal(motion(None), motion(np.zeros(100, np.float32)))
    assert np.abs(motion(None) - motion(np.ones(100, np.float32))).max() > 1e-3


def test_a_regressor_answers_without_noise_in_one_step_whatever_is_asked():
    backend, audio = tiny(deterministic=True), speech(12)
    many = SamplingConfig('ddpm', 50, scale_audio=2.0)
    made = [
        run(backend, StreamConfig(3, 1, seed=seed, sampling=sampling), audio, [])
        for seed, sampling in ((0, SAMPLING), (1, many))
    ]
    np.testing.assert_array_equal(*made)
