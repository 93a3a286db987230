# SPDX-License-Identifier: Apache-2.0
import numpy as np
import pytest

from diffposetalk_ros.training.animator.blinks import blink_times, lid_closure
from diffposetalk_ros.training.animator.coarticulation import frame_times
from diffposetalk_ros.training.animator.prosody import prosody


@pytest.mark.parametrize('rate', [6.0, 16.0, 50.0])
def test_rate_is_kept_on_average(rate):
    voice = prosody(np.zeros(0, np.float32), [(0.0, 600.0, 'AA')], frame_times(15000))
    count = len(blink_times(voice, rate, np.random.default_rng(0)))
    assert count == pytest.approx(10 * rate, rel=0.2)


def test_blinks_gather_at_pauses(speech):
    phones = [(float(i), i + 0.7, 'AA') for i in range(300)]
    voice = prosody(np.zeros(0, np.float32), phones, frame_times(7500))
    phase = np.array(blink_times(voice, 16.0, np.random.default_rng(0))) % 1
    assert ((phase > 0.7) & (phase < 0.85)).mean() > 0.4


@pytest.mark.parametrize('moment', np.linspace(1.0, 1.04, 5))
def test_no_blink_falls_between_frames_and_lids_open_again(moment):
    lids = lid_closure(frame_times(50), [moment], 0.2)
    assert lids.max() == pytest.approx(1.0, abs=1e-5)
    assert lids[0] == lids[-1] == 0


def test_lids_fall_faster_than_they_rise():
    lids = lid_closure(frame_times(2000, 1000), [1.0], 0.24)
    assert 2 * (lids[:1000] > 0.01).sum() < 1.3 * (lids[1000:] > 0.01).sum()
