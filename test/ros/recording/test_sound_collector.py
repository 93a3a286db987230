# SPDX-License-Identifier: Apache-2.0
"""Sound is laid where its stamps say."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip('rclpy', reason='rclpy is not importable')

from diffposetalk_ros.audio.chunk import AudioChunk  # noqa: E402
from diffposetalk_ros.audio.formats.pcm import to_mono_float32  # noqa: E402
from diffposetalk_ros.ros.recording.sound_collector import sound_track  # noqa: E402

MS = 1_000_000


def chunk(value: float, stamp: int | None, length: int = 160, rate: int = 16000) -> AudioChunk:
    return AudioChunk(to_mono_float32(np.full(length, value, np.float32), 1), rate, stamp)


def test_stamped_sound_begins_at_its_stamp() -> None:
    chunks = [(chunk(0.5, 1240 * MS), 0), (chunk(0.25, 1250 * MS), 0), (chunk(0.1, 1900 * MS), 0)]
    track, rate = sound_track(chunks, begin=1200 * MS, seconds=0.5)
    assert rate == 16000 and len(track) == 8000
    assert np.flatnonzero(track)[0] == 640  # 40 ms
    assert track[640] == 0.5 and track[800] == 0.25 and not track[960:].any()


def test_sound_before_the_motion_is_cut_and_silence_without_sound() -> None:
    track, _ = sound_track([(chunk(0.5, 995 * MS), 0)], begin=1000 * MS, seconds=0.1)
    assert np.flatnonzero(track).tolist() == list(range(80))
    track, rate = sound_track([], begin=0, seconds=0.1)
    assert rate == 16000 and len(track) == 1600 and not track.any()


def test_sound_without_stamps_begins_when_it_arrives_and_is_joined() -> None:
    chunks = [(chunk(0.5, None), 1010 * MS), (chunk(0.5, None), 1023 * MS), (chunk(0.5, None), 1085 * MS)]
    track, _ = sound_track(chunks, begin=1000 * MS, seconds=0.1)
    assert np.flatnonzero(track).tolist() == [*range(160, 480), *range(1360, 1520)]
