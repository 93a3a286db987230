# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import numpy as np
import pytest

from diffposetalk_ros.nonverbal.jaw import jaw_as_asked, open_jaw

JAW = np.clip(0.17 + 0.12 * np.sin(np.arange(100) / 3) + 0.05 * np.sin(np.arange(100) * 1.7), 0, 1)


@pytest.mark.parametrize(('mean', 'deviation'), [(0.07, 0.06), (0.12, 0.1), (0.2, 0.08), (0.41, 0.08)])
def test_mean_and_deviation_of_a_person_s_jaw_arrive(mean: float, deviation: float) -> None:
    asked = mean + deviation * np.tile([-1.0, 1.0], 50)
    gain, offset = jaw_as_asked(JAW, asked)
    shown = np.array([open_jaw(jaw, 0.0, gain, offset)[0] for jaw in JAW])
    assert shown.mean() == pytest.approx(mean, abs=0.02)
    assert shown.std() == pytest.approx(deviation, rel=0.25)


@pytest.mark.parametrize(('gain', 'offset'), [(0.5, 0.3), (1.8, -0.1), (2.5, 0.5), (1.0, 0.1)])
def test_closed_lips_stay_closed(gain: float, offset: float) -> None:
    """At a closure and at rest; where lips were parted they stay parted."""
    for jaw in (0.0, 0.02, 0.1, 0.25):
        opened, close = open_jaw(jaw, jaw, gain, offset)
        assert close == pytest.approx(opened, abs=1e-6)
    opened, close = open_jaw(0.4, 0.0, gain, offset)
    assert opened - close > 0.09


def test_a_jaw_as_the_network_opens_it_is_left_alone() -> None:
    for jaw, close in ((0.0, 0.0), (0.3, 0.1), (0.25, 0.25)):
        assert open_jaw(jaw, close, 1.0, 0.0) == (jaw, close)
