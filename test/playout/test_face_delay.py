# SPDX-License-Identifier: Apache-2.0
"""The face waits for the loudspeaker by whole frames, also while the delay changes."""

from __future__ import annotations

import numpy as np

from diffposetalk_ros.playout.face_delay import FaceDelay
from diffposetalk_ros.playout.playout import PlayoutFrame, PlayoutState


def shown(delay: FaceDelay, numbers: range) -> list[int]:
    return [
        delay.show(PlayoutFrame(np.zeros(1, np.float32), PlayoutState.IDLE, number)).frame
        for number in numbers
    ]


def test_without_delay_every_frame_passes_at_once() -> None:
    delay = FaceDelay(50.0)
    assert delay.time == 0 and shown(delay, range(5)) == [0, 1, 2, 3, 4]


def test_a_delay_is_whole_frames_and_the_first_frame_fills_it() -> None:
    delay = FaceDelay(25.0, 0.1)
    assert delay.time == 80_000_000
    assert shown(delay, range(5)) == [0, 0, 0, 1, 2]


def test_a_change_holds_the_face_or_hurries_it_and_loses_no_time() -> None:
    delay = FaceDelay(50.0, 0.04)
    shown(delay, range(10))
    delay.set(0.08)
    assert shown(delay, range(10, 15)) == [8, 8, 8, 9, 10]
    delay.set(0.0)
    assert shown(delay, range(15, 21)) == [12, 14, 16, 18, 19, 20]
    assert shown(delay, range(21, 24)) == [21, 22, 23]
