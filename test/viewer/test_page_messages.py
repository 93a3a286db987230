# SPDX-License-Identifier: Apache-2.0
"""Blocks between server and page."""

from __future__ import annotations

import struct

import numpy as np
import pytest

from diffposetalk_ros.errors import AudioError, StyleError, VideoError
from diffposetalk_ros.viewer.page_messages import (
    audio_block,
    frame_due,
    motion_block,
    read_face,
    read_live,
    read_speech,
    read_style,
)


def speech(samples: int, rate: int, kind: int = 3) -> bytes:
    return struct.pack('<BBHId', kind, 0, 0, rate, 0.0) + bytes(2 * samples)


def test_blocks_hold_what_was_put_in() -> None:
    stamp = 1_795_416_600_123_456_789
    block = motion_block(np.arange(55) / 100, 3, 2**32 + 5, stamp)
    kind, state, count, number, time = struct.unpack_from('<BBHId', block)
    assert (kind, state, count, number) == (1, 3, 55, 5)
    assert abs(time - stamp / 1e6) < 1e-3
    assert frame_due(block) == pytest.approx(stamp / 1e9, abs=1e-6)
    assert np.allclose(np.frombuffer(block, '<f4', offset=16), np.arange(55) / 100)

    block = audio_block(np.array([0.0, 1.5, -2.0], np.float32), 22050, stamp)
    assert struct.unpack_from('<BBHI', block) == (2, 0, 0, 22050)
    assert np.frombuffer(block, '<i2', offset=16).tolist() == [0, 32767, -32768]
    assert frame_due(block) is None


def test_speech_comes_back_as_sound() -> None:
    samples, rate = read_speech(speech(100, 16000))
    assert rate == 16000 and samples.shape == (100,) and samples.dtype == np.float32


@pytest.mark.parametrize(
    'data',
    [b'', b'abc', speech(0, 16000), speech(10, 16000, 2), speech(10, 4), speech(10, 16000) + b'x'],
)
def test_other_uploads_are_refused(data: bytes) -> None:
    with pytest.raises(AudioError):
        read_speech(data)


def test_endless_speech_is_refused() -> None:
    with pytest.raises(AudioError, match='301'):
        read_speech(speech(301 * 8000, 8000))


def test_live_sound_comes_with_its_time() -> None:
    data = struct.pack('<BBHId', 3, 0, 0, 48000, 1_795_416_600_123.25) + bytes(2 * 960)
    samples, rate, stamp = read_live(data)
    assert (len(samples), rate) == (960, 48000)
    assert abs(stamp - 1_795_416_600_123_250_000) < 1000


@pytest.mark.parametrize('time', [float('nan'), float('inf'), -1.0, 1e30])
def test_impossible_times_are_refused(time: float) -> None:
    with pytest.raises(AudioError, match='with the time'):
        read_live(struct.pack('<BBHId', 3, 0, 0, 48000, time) + bytes(2 * 960))


def test_live_pieces_are_short() -> None:
    with pytest.raises(AudioError, match='send 0 to 1 s'):
        read_live(speech(16001, 16000))


def test_a_face_and_a_style_come_as_numbers() -> None:
    block = struct.pack('<BBHId', 4, 0, 2, 0, 1500.0) + np.array([1, 2], '<f4').tobytes()
    numbers, time = read_face(block)
    assert numbers.tolist() == [1, 2] and time == 1.5
    block = struct.pack('<BBHId', 5, 0, 0, 0, 25.0) + np.array([1, 2], '<f4').tobytes()
    numbers, rate = read_style(block)
    assert numbers.tolist() == [1, 2] and rate == 25.0


@pytest.mark.parametrize('kind', [0, 3, 4, 5])
@pytest.mark.parametrize('content', [b'', b'abc', np.array([np.nan], '<f4').tobytes() * 2])
@pytest.mark.parametrize('number', [-1.0, float('nan'), 1e300])
def test_other_numbers_are_refused(kind: int, content: bytes, number: float) -> None:
    block = struct.pack('<BBHId', kind, 0, 0, 0, number) + content
    with pytest.raises(VideoError):
        read_face(block)
    with pytest.raises(StyleError):
        read_style(block)
    for short in (b'', block[:15]):
        with pytest.raises(VideoError):
            read_face(short)
        with pytest.raises(StyleError):
            read_style(short)
