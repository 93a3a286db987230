# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import numpy as np
import pytest

from diffposetalk_ros.diffusion.guidance import dynamic_threshold, guidance_branches, mix
from diffposetalk_ros.errors import ConfigError

BOTH = ('audio', 'style')
VALUES = {(False, False): 1.0, (True, False): 10.0, (True, True): 100.0, (False, True): 1000.0}


def guided(conditions: tuple[str, ...], mode: str, audio: float, style: float) -> float:
    branches = guidance_branches(conditions, mode, audio, style)
    stacked = np.array([[VALUES[b.audio, b.style]] for b in branches])
    return mix(stacked, [b.weight for b in branches]).item()


def test_formulas() -> None:
    r0, ra, rs, ras = 1.0, 10.0, 1000.0, 100.0
    assert guided(BOTH, 'incremental', 2, 3) == pytest.approx(r0 + 2 * (ra - r0) + 3 * (ras - ra))
    assert guided(BOTH, 'independent_textbook', 2, 3) == pytest.approx(r0 + 2 * (ra - r0) + 3 * (rs - r0))
    first = r0 + 2 * (ra - r0)
    assert guided(BOTH, 'independent', 2, 3) == pytest.approx(first + 3 * (rs - first))
    assert guided(('audio',), 'incremental', 2, 9) == pytest.approx(rs + 2 * (ras - rs))
    assert guided(('style',), 'incremental', 9, 3) == pytest.approx(ra + 3 * (ras - ra))
    assert guided((), 'incremental', 9, 9) == ras


def test_branches_without_weight_are_not_evaluated() -> None:
    assert len(guidance_branches(BOTH, 'incremental', 1.15, 3)) == 3
    assert len(guidance_branches(BOTH, 'incremental', 1.0, 3)) == 2
    assert len(guidance_branches(BOTH, 'incremental', 2.0, 2.0)) == 2
    assert len(guidance_branches(BOTH, 'incremental', 1.0, 1.0)) == 1
    assert len(guidance_branches(BOTH, 'independent', 1.15, 1.0)) == 1
    with pytest.raises(ConfigError, match='guidance mode'):
        guidance_branches(BOTH, 'textbook', 1, 1)


def test_dynamic_threshold_is_per_row_and_not_rescaled() -> None:
    rows = np.stack([np.linspace(-10, 10, 100), np.linspace(-0.5, 0.5, 100)]).reshape(2, 20, 5)
    out = dynamic_threshold(rows.astype(np.float32), 0.5, 1.0, 4.0)
    assert out.shape == (2, 20, 5)
    assert np.abs(out[0]).max() == 4.0
    np.testing.assert_array_equal(out[1], rows[1].astype(np.float32))


def test_torch_and_numpy_agree() -> None:
    torch = pytest.importorskip('torch')
    values = np.random.default_rng(0).normal(size=(4, 6, 5)).astype(np.float32) * 3
    a = dynamic_threshold(values, 0.9, 1.0, 4.0)
    b = dynamic_threshold(torch.from_numpy(values), 0.9, 1.0, 4.0)
    np.testing.assert_allclose(a, b.numpy(), atol=1e-6)
    np.testing.assert_allclose(mix(a, [0.3, 0.7]), mix(b, [0.3, 0.7]).numpy(), atol=1e-6)
