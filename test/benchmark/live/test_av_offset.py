# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import numpy as np
import pytest

from diffposetalk_ros.benchmark.live.av_offset import face_behind_sound

FPS = 25.0


def jaw_at(moments: np.ndarray) -> np.ndarray:
    return 0.3 + 0.2 * np.sin(9 * moments) + 0.1 * np.sin(23 * moments + 1)


@pytest.mark.parametrize('behind', [-0.2, 0.0, 0.03, 0.4])
@pytest.mark.parametrize('stalled', [0.0, 0.3])
def test_the_offset_is_found_though_both_are_shifted_in_the_middle(behind: float, stalled: float) -> None:
    moments = np.arange(0, 3, 0.02)
    heard = np.stack([10 + moments + stalled * (moments >= 1.5), moments], axis=1)
    seen = np.stack([10 + behind + moments + stalled * (moments >= 1.5), jaw_at(moments)], axis=1)
    expected = jaw_at((np.arange(75) + 0.5) / FPS)
    assert face_behind_sound(seen, heard, expected, FPS) == pytest.approx(behind, abs=0.004)


def test_a_face_that_says_something_else_has_no_offset() -> None:
    moments = np.arange(0, 3, 0.02)
    heard = np.stack([moments, moments], axis=1)
    noise = np.random.default_rng(0).uniform(0, 1, len(moments))
    expected = jaw_at((np.arange(75) + 0.5) / FPS)
    assert np.isnan(face_behind_sound(np.stack([moments, noise], axis=1), heard, expected, FPS))
    assert np.isnan(face_behind_sound(np.zeros((0, 2)), heard, expected, FPS))
