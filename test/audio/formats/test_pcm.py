# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from diffposetalk_ros.audio.formats.pcm import (
    pcm_from_bytes,
    pcm_to_bytes,
    pcm_to_float,
    to_int16,
    to_mono_float32,
)
from diffposetalk_ros.errors import AudioError


@pytest.mark.parametrize(
    ('values', 'kind', 'expected'),
    [
        ([-128, 0, 64], np.int8, [-1, 0, 0.5]),
        ([0, 128, 192], np.uint8, [-1, 0, 0.5]),
        ([-32768, 0, 16384], np.int16, [-1, 0, 0.5]),
        ([-(2**31), 0, 2**30], np.int32, [-1, 0, 0.5]),
        ([-1, 0, 0.5], np.float32, [-1, 0, 0.5]),
        ([-1, 0, 0.5], np.float64, [-1, 0, 0.5]),
    ],
)
def test_full_scale_is_one(values, kind, expected):
    audio = to_mono_float32(np.array(values, kind))
    assert audio.samples.dtype == np.float32
    np.testing.assert_array_equal(audio.samples, np.array(expected, np.float32))


def test_channels_are_averaged_from_interleaved_samples():
    audio = to_mono_float32(np.array([0.2, 0.4, -1.0, 1.0], np.float32), 2)
    np.testing.assert_allclose(audio.samples, [0.3, 0.0], atol=1e-7)


def test_nan_and_infinity_become_silence_and_are_counted():
    audio = to_mono_float32(np.array([np.nan, np.inf, -np.inf, 3.0], np.float32))
    np.testing.assert_array_equal(audio.samples, [0, 0, 0, 1])
    assert (audio.invalid, audio.clipped) == (3, 1)


@pytest.mark.parametrize('name', ['S8', 'S16LE', 'S16BE', 'S24LE', 'S32LE', 'F32LE', 'F64LE'])
def test_every_byte_format_carries_the_same_signal(name):
    signal = np.array([-64, 0, 32, 127]) / 128
    scaled = {'S8': '<i1', 'S16LE': '<i2', 'S16BE': '>i2', 'S32LE': '<i4'}
    if name in scaled:
        kind = np.dtype(scaled[name])
        data = (signal * 2.0 ** (8 * kind.itemsize - 1)).astype(kind).tobytes()
    elif name == 'S24LE':
        data = b''.join(int(v * 2**23).to_bytes(3, 'little', signed=True) for v in signal)
    else:
        data = signal.astype('<f4' if name == 'F32LE' else '<f8').tobytes()
    np.testing.assert_array_equal(to_mono_float32(pcm_from_bytes(data, name)).samples, signal.astype('f4'))


def test_every_16_bit_sample_survives_the_way_to_float_and_back() -> None:
    every = np.arange(-32768, 32768).astype('<i2')
    for kind in (np.float32, np.float64):
        np.testing.assert_array_equal(to_int16(pcm_to_float(every).astype(kind)), every)
    assert to_int16(every[:0].astype(np.float32)).dtype == np.dtype('<i2')


def test_samples_are_rounded_to_the_nearest_and_cut_off_at_full_scale() -> None:
    given = np.array([0.6, -0.6, 0.4, 32767.4, 40000, -40000], np.float32) / np.float32(32768)
    expected = [1, -1, 0, 32767, 32767, -32768]
    assert to_int16(given).tolist() == expected
    assert np.frombuffer(pcm_to_bytes(given, 'S16LE'), '<i2').tolist() == expected


@pytest.mark.parametrize('name', ['mp3', 'WAVE', 'S20', ''])
def test_compressed_or_unknown_formats_are_refused_with_the_way_out(name):
    with pytest.raises(AudioError, match='S16LE'):
        pcm_from_bytes(b'12', name)


def test_half_samples_odd_frames_and_strange_types_are_refused():
    with pytest.raises(AudioError, match='3 bytes'):
        pcm_from_bytes(b'123', 'S16LE')
    with pytest.raises(AudioError, match='5 values'):
        to_mono_float32(np.zeros(5, np.int16), 2)
    with pytest.raises(AudioError, match='0 channels'):
        to_mono_float32(np.zeros(5, np.int16), 0)
    with pytest.raises(AudioError, match='complex'):
        to_mono_float32(np.zeros(5, np.complex64))


@settings(max_examples=40, deadline=None)
@given(
    st.binary(max_size=64),
    st.sampled_from(['S8', 'U8', 'S16LE', 'F32LE', 'F64LE', 'S24LE']),
    st.integers(1, 4),
)
def test_any_bytes_give_finite_audio_in_range_or_an_audio_error(data, name, channels):
    try:
        audio = to_mono_float32(pcm_from_bytes(data, name), channels)
    except AudioError:
        return
    assert np.isfinite(audio.samples).all() and (np.abs(audio.samples) <= 1).all()
