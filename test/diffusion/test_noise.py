# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from diffposetalk_ros.diffusion.noise import FrameNoise, frame_uniform, philox


@pytest.mark.parametrize(
    ('counter', 'key', 'expected'),
    [  # known answers published with Random123
        ((0, 0, 0, 0), (0, 0), (0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8)),
        ((0xFFFFFFFF,) * 4, (0xFFFFFFFF,) * 2, (0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD)),
        (
            (0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344),
            (0xA4093822, 0x299F31D0),
            (0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1),
        ),
    ],
)
def test_philox_known_answers(counter, key, expected):
    words = philox(tuple(np.array([c], np.uint64) for c in counter), key)
    assert tuple(int(w[0]) for w in words) == expected


def test_any_window_sees_the_same_noise_on_shared_frames():
    noise = FrameNoise(3, 1, 55)
    whole = noise.initial(0, 100)
    np.testing.assert_array_equal(noise.initial(40, 43), whole[40:43])
    np.testing.assert_array_equal(noise.step(7, 99, 100), noise.step(7, 0, 100)[99:])
    assert whole.shape == (100, 55) and whole.dtype == np.float32


@settings(max_examples=50, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 700), st.integers(1, 120)), max_size=20))
def test_what_is_kept_changes_nothing(windows):
    noise = FrameNoise(3, 1, 5)
    for start, length in windows:
        window = noise.initial(start, start + length)
        np.testing.assert_array_equal(window, noise.step(0, start, start + length))
        assert not window.flags.writeable
    assert len(noise._kept) <= 256 + 120 + 32


def test_it_is_standard_normal_and_uncorrelated():
    x = FrameNoise(0, 0, 55).initial(0, 4000).astype(float)
    assert abs(x.mean()) < 0.01 and abs(x.std() - 1) < 0.01
    assert abs((x**4).mean() - 3) < 0.1
    correlation = np.corrcoef(x.T) - np.eye(55)
    assert np.abs(correlation).max() < 0.09
    assert abs((x[1:] * x[:-1]).mean()) < 0.01


def test_seed_stream_and_step_all_matter():
    base = FrameNoise(0, 0, 8).initial(5, 6)
    for other in (
        FrameNoise(1, 0, 8).initial(5, 6),
        FrameNoise(0, 1, 8).initial(5, 6),
        FrameNoise(0, 0, 8).step(1, 5, 6),
    ):
        assert np.abs(other - base).max() > 0.1
    assert FrameNoise(0, 0, 8).initial(2**33, 2**33 + 1).shape == (1, 8)


def test_one_counter_in_integers_gives_the_words_of_arrays() -> None:
    for seed, stream, tag, frame in ((0, 0, 1, 0), (7, 2**32 - 1, 3, 12345), (2**31, 5, 17, 2**33 + 9)):
        words = [np.full(1, value, np.uint64) for value in (tag, 2**32 - 1, frame & 0xFFFFFFFF, frame >> 32)]
        expected = [(float(word[0]) + 0.5) / 2.0**32 for word in philox(tuple(words), (seed, stream))]
        np.testing.assert_array_equal(frame_uniform(seed, stream, tag, frame), expected)
