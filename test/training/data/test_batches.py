# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip('torch')

from diffposetalk_ros.training.data.augment import AugmentConfig, augment  # noqa: E402
from diffposetalk_ros.training.data.batches import BatchSource  # noqa: E402
from diffposetalk_ros.training.data.takes import FRAMES, MARGIN, PHONES, TakeSet  # noqa: E402


@pytest.fixture(scope='module')
def takes() -> TakeSet:
    rng = np.random.default_rng(0)
    length = 4 * (FRAMES + sum(MARGIN))
    return TakeSet(
        rng.normal(-8, 2, (6, length, 64)).astype(np.float16),
        rng.random((6, FRAMES, 55), np.float32),
        rng.random((6, FRAMES, 8), np.float32),
        rng.integers(0, len(PHONES), (6, 4 * FRAMES)).astype(np.uint8),
    )


def source(takes: TakeSet, **changes: object) -> BatchSource:
    options = {'seed': 0, 'augmentation': AugmentConfig()} | changes
    return BatchSource(takes, torch.full((55,), 0.5), torch.full((55,), 0.25), **options)


def test_a_step_fixes_its_batch(takes: TakeSet) -> None:
    first, again = source(takes).draw(7, 4), source(takes).draw(7, 4)
    assert torch.equal(first.mel, again.mel) and torch.equal(first.motion, again.motion)
    assert not torch.equal(first.motion, source(takes).draw(8, 4).motion)
    assert not torch.equal(first.motion, source(takes, seed=1).draw(7, 4).motion)
    assert torch.equal(first.motion, source(takes).draw_motion(7, 4))


def test_numbers_are_normalised_and_shares_sum_to_one(takes: TakeSet) -> None:
    batch = source(takes).draw(0, 6)
    torch.testing.assert_close(
        batch.motion.sort(0).values * 0.25 + 0.5, torch.from_numpy(np.sort(takes.motion, 0))
    )
    assert batch.phones.shape == (6, FRAMES, len(PHONES))
    torch.testing.assert_close(batch.phones.sum(-1), torch.ones(6, FRAMES))
    assert torch.isfinite(batch.mel).all()


def test_mel_of_frames_carries_the_context_asked_for(takes: TakeSet) -> None:
    batch = source(takes).draw(0, 2)
    part = batch.mel_for(5, 10, (20, 8))
    assert part.shape == (2, 20 + 40 + 8, 64)
    assert torch.equal(part[:, 20:60], batch.mel[:, 4 * (MARGIN[0] + 5) :][:, :40])


def test_augmentation_changes_sound_but_not_its_form() -> None:
    power = torch.rand(3, 50, 64) + 0.1
    rng = torch.Generator().manual_seed(0)
    out = augment(power, AugmentConfig(), rng)
    assert out.shape == power.shape and torch.isfinite(out).all() and (out >= 0).all()
    assert not torch.allclose(out, power)
    same = augment(power, AugmentConfig(), torch.Generator().manual_seed(0))
    assert torch.equal(out, same)
    still = AugmentConfig((1.0, 1.0), 0.0, (-55, -55), 0.0, 0.0, 0.0, 0.0)
    quiet = augment(power, still, torch.Generator().manual_seed(0))
    torch.testing.assert_close(quiet, power, rtol=1e-3, atol=1e-4)


def test_a_louder_recording_is_the_same_to_the_model(takes: TakeSet) -> None:
    """Level is what normalisation removes, so a gain alone changes little after the first second."""
    louder = TakeSet(takes.mel + np.float16(2.0), takes.motion, takes.visemes, takes.phones)
    one, two = (source(t, augmentation=None).draw(0, 4).mel[:, 200:] for t in (takes, louder))
    assert (one - two).abs().mean() < 0.25 * one.abs().mean()
