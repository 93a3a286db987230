# SPDX-License-Identifier: Apache-2.0
"""The adapter over plain objects with the fields of both packages; test_node.py sends real messages."""

from __future__ import annotations

import array
from types import SimpleNamespace

import numpy as np
import pytest
from audio_forms import PORTAUDIO, header, portaudio_message  # noqa: E402
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from diffposetalk_ros.audio.chunk import AudioFormat
from diffposetalk_ros.errors import AudioError
from diffposetalk_ros.ros.messages.audio import chunk_from_message, format_from_info

SIGNAL = np.array([0.0, 0.5, -0.5, 0.25, -1.0, 0.75], np.float64)
GSTREAMER = {'S8': 'i1', 'U8': 'u1', 'S16LE': '<i2', 'S16BE': '>i2', 'S32LE': '<i4', 'S32BE': '>i4'}
GSTREAMER |= {'F32LE': '<f4', 'F32BE': '>f4', 'F64LE': '<f8'}


def quantised(dtype: np.dtype, channels: int) -> NDArray[np.generic]:
    values = np.repeat(SIGNAL, channels)
    if dtype.kind == 'f':
        return values.astype(dtype)
    if dtype.kind == 'u':
        return (values * 128 + 128).astype(dtype)
    return np.clip(values * 2.0 ** (8 * dtype.itemsize - 1), np.iinfo(dtype).min, np.iinfo(dtype).max).astype(
        dtype
    )


@pytest.mark.parametrize('channels', [1, 2, 6])
@pytest.mark.parametrize('name', GSTREAMER)
def test_ros_drivers_formats_agree(name: str, channels: int) -> None:
    data = array.array('B', quantised(np.dtype(GSTREAMER[name]), channels).tobytes())
    message = SimpleNamespace(header=header(1, 5), audio=SimpleNamespace(data=data))
    chunk = chunk_from_message(message, AudioFormat(44100, channels, name))
    assert (chunk.rate, chunk.stamp) == (44100, 1_000_000_005)
    np.testing.assert_allclose(chunk.sound.samples, SIGNAL, atol=1e-6)


@pytest.mark.parametrize('channels', [1, 2])
@pytest.mark.parametrize('code', PORTAUDIO)
def test_portaudio_formats_agree(code: int, channels: int) -> None:
    kind = PORTAUDIO[code][1]
    values = array.array(kind, quantised(np.dtype(kind), channels).tobytes())
    chunk = chunk_from_message(portaudio_message(code, values, channels), AudioFormat())
    assert (chunk.rate, chunk.stamp) == (8000, 3_000_000_007)
    np.testing.assert_allclose(chunk.sound.samples, SIGNAL, atol=1e-6)


def test_zero_stamp_is_no_stamp() -> None:
    message = SimpleNamespace(header=header(0, 0), audio=SimpleNamespace(data=array.array('B', b'\0\0')))
    assert chunk_from_message(message, AudioFormat()).stamp is None
    assert chunk_from_message(message.audio, AudioFormat()).stamp is None


@settings(max_examples=60, deadline=None)
@given(
    code=st.integers(-5, 40),
    channels=st.integers(-2, 70),
    rate=st.integers(-10, 2**31 - 1),
    values=st.lists(st.floats(width=32), max_size=12),
)
def test_any_message_gives_sound_or_one_line(
    code: int, channels: int, rate: int, values: list[float]
) -> None:
    kind = PORTAUDIO.get(code, ('', 'f'))[1]
    usable = [v for v in values if kind == 'f'] or [0] * len(values)
    message = portaudio_message(code, array.array(kind, usable), channels, rate)
    try:
        chunk = chunk_from_message(message, AudioFormat())
    except AudioError as error:
        assert '\n' not in str(error)
    else:
        samples = chunk.sound.samples
        assert len(samples) and np.isfinite(samples).all() and abs(samples).max() <= 1.0


def test_mp3_names_the_way_out() -> None:
    info = SimpleNamespace(channels=1, sample_rate=16000, sample_format='S16LE', coding_format='mp3')
    with pytest.raises(AudioError, match='format:=wave'):
        format_from_info(info)
