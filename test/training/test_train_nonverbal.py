# SPDX-License-Identifier: Apache-2.0
"""The nonverbal network in torch is the one in NumPy, learns, and is calibrated to leave with spread 1."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip('torch')
pytest.importorskip('accelerate')

from diffposetalk_ros.errors import ModelError  # noqa: E402
from diffposetalk_ros.nonverbal.network import (  # noqa: E402
    BLOCK,
    CONTEXT,
    HIDDEN,
    TARGET,
    NonverbalNetwork,
    step_features,
)
from diffposetalk_ros.nonverbal.spline import frames_of_knot, knots_of  # noqa: E402
from diffposetalk_ros.training.run import RunConfig  # noqa: E402
from diffposetalk_ros.training.train_nonverbal import (  # noqa: E402
    NonverbalClips,
    NonverbalModule,
    calibrated_weights,
    free_run,
    train_nonverbal,
)

NEUTRAL = {
    'gain': np.ones(10, np.float32),
    'gain_slope': np.zeros(10, np.float32),
    'offset': np.zeros(10, np.float32),
    'pace_range': np.tile(np.array([[1.0], [9.0]], np.float32), (1, 10)),
}


def clips(count: int = 4) -> NonverbalClips:
    """Sines of another pace in each clip and signal."""
    rng = np.random.default_rng(0)
    pace = rng.uniform(2, 5, (count, 10)).astype(np.float32)
    time = np.arange(400)[None, :, None] * 0.08
    position = 2**0.5 * np.sin(pace[:, None] * time + rng.uniform(0, 6, (count, 1, 10)))
    audio = rng.normal(size=(count, 400, 64)).astype(np.float32)
    return NonverbalClips(position.astype(np.float32), pace, audio)


def network(module: NonverbalModule) -> NonverbalNetwork:
    return NonverbalNetwork({name: value.numpy() for name, value in module.state_dict().items()} | NEUTRAL)


def test_both_forms_agree() -> None:
    torch.manual_seed(0)
    module = NonverbalModule()
    plain = network(module)
    inputs = torch.randn(1, 5, CONTEXT)
    with torch.no_grad():
        states, _ = module.context(inputs)
        noisy = torch.randn(1, 5, TARGET)
        steps = torch.from_numpy(np.tile(step_features(123), (1, 5, 1)))
        clean = module.head(torch.cat([noisy, states, steps], -1))
    state = np.zeros(HIDDEN, np.float32)
    for k in range(5):
        state = plain.context(state, inputs[0, k].numpy())
        np.testing.assert_allclose(state, states[0, k].numpy(), atol=1e-5)
        np.testing.assert_allclose(
            plain.denoise(noisy[0, k].numpy(), state, 123), clean[0, k].numpy(), atol=1e-5
        )


def test_it_learns_and_leaves_with_spread_one(tmp_path: Path) -> None:
    examples = clips()
    module = train_nonverbal(examples, tmp_path, RunConfig(steps=30, batch=4, learning_rate=3e-3, ema=0.0))
    weights = calibrated_weights(module, examples, count=4)
    trained = NonverbalNetwork(weights)
    runs = np.stack(
        [
            trained.calibrated(
                free_run(trained, examples, index), trained.gain(trained.learned_pace(examples.pace[index]))
            )
            for index in range(4)
        ]
    )
    assert runs.shape == (4, BLOCK * (400 // BLOCK + 1), 10)
    # The factor is a power of the pace, fitted to the logarithms of the spreads.
    np.testing.assert_allclose(np.exp(np.log(runs.std(1)).mean(0)), 1, rtol=0.02)
    np.testing.assert_allclose(runs.mean((0, 1)), 0, atol=0.1)
    low, high = trained.weights['pace_range']
    assert (low >= examples.pace.min(0)).all() and (high <= examples.pace.max(0)).all() and (low < high).all()
    assert all(value.dtype == np.float16 for name, value in weights.items() if name.startswith('head'))


def test_missing_weights_are_named() -> None:
    weights = {name: value.numpy() for name, value in NonverbalModule().state_dict().items()} | NEUTRAL
    del weights['gain']
    with pytest.raises(ModelError, match='lacks gain'):
        NonverbalNetwork(weights)


def test_knots_stand_for_the_frames_they_were_made_of() -> None:
    time = np.arange(400) / 25
    frames = np.stack([np.sin(2 * np.pi * 0.7 * time), np.cos(2 * np.pi * 1.3 * time)], 1).astype(np.float32)
    knots = knots_of(frames)
    back = np.concatenate([frames_of_knot(knots[k - 2 : k + 3]) for k in range(10, 188)])
    np.testing.assert_allclose(back, frames[20:376], atol=2e-3)
