# SPDX-License-Identifier: Apache-2.0
"""Labels of rows become the seconds they were made from."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from diffposetalk_ros.errors import MotionError
from diffposetalk_ros.motion.files.timecode import STANDARD_RATES, frame_rate, seconds_of, timecode_of


def timecode(frame: float, base: int, separator: str = ':') -> str:
    """Frame number on a base -> hh:mm:ss:ff.fff."""
    second, rest = divmod(frame, base)
    clock = int(second) % 86400
    return f'{clock // 3600:02d}:{clock // 60 % 60:02d}:{clock % 60:02d}{separator}{rest:06.3f}'


def drop_frame(number: int, base: int, separator: str = ';') -> str:
    """Frame number -> label that leaves out the first 2 (30) or 4 (60) frames of most minutes (SMPTE ST 12)."""
    dropped = base // 15
    tens, rest = divmod(number, 600 * base - 9 * dropped)
    if rest >= dropped:
        rest += dropped * ((rest - dropped) // (60 * base - dropped))
    return timecode(tens * 600 * base + rest, base, separator)


def test_frames_are_written_as_the_app_writes_them():
    assert timecode_of(0, 60) == '00:00:00:00.000'
    assert timecode_of(60 * 3723 + 7, 60) == '01:02:03:07.000'
    times = seconds_of([timecode_of(frame, 25) for frame in range(100)])
    np.testing.assert_allclose(times, np.arange(100) / 25, atol=1e-9)


@settings(max_examples=150, deadline=None)
@given(
    base=st.sampled_from([24, 25, 30, 48, 50, 60, 120]),
    divider=st.sampled_from([1, 2, 2.5, 4]),
    start=st.integers(0, 86_399),
    part=st.floats(0, 0.9),
    lost=st.sets(st.integers(1, 298), max_size=25),
)
def test_timecodes_are_the_time_they_were_made_of(base, divider, start, part, lost) -> None:
    frames = start * base + part + np.arange(300) * divider
    frames = np.floor(frames * 1000) / 1000
    keep = [i for i in range(300) if i not in lost]
    # Without the highest number of every second, the labels count a lower rate.
    assume((frames[keep] % base).max() == (frames % base).max())
    labels = [timecode(frames[i], base) for i in keep]
    found = seconds_of(labels)
    if found is None:
        assert len({label[:8] for label in labels}) < 3
        return
    expected = (frames[keep] - frames[0]) / base
    np.testing.assert_allclose(found - found[0], expected, atol=2e-3)


@pytest.mark.parametrize('base', [30, 60])
@pytest.mark.parametrize('separator', [';', ':'])
def test_drop_frame_is_the_real_time(base: int, separator: str) -> None:
    numbers = np.arange(100 * base, 100 * base + 200 * base)
    found = seconds_of([drop_frame(int(n), base, separator) for n in numbers])
    assert found is not None
    np.testing.assert_allclose(np.diff(found), 1.001 / base, atol=1e-9)
    assert frame_rate(found) == pytest.approx(base / 1.001, rel=1e-12)


def test_timecodes_that_pass_a_minute_without_dropping_are_not_drop_frame() -> None:
    found = seconds_of([timecode(50 * 30 + i, 30) for i in range(900)])
    assert found is not None
    np.testing.assert_allclose(np.diff(found), 1 / 30, atol=1e-9)


@pytest.mark.parametrize(
    ('labels', 'unit', 'step'),
    [
        (['0', '0.04', '0.08', '0.12'], '', 0.04),
        (['1000', '1033', '1067', '1100'], '', 0.0333),
        (['0', '33333', '66667', '100000'], '', 0.0333),
        (['1700000000000000000', '1700000000033333333', '1700000000066666666'], '', 0.0333),
        (['00:00:01.000', '00:00:01.040', '00:00:01.080'], '', 0.04),
        (['59:59.96', '1:00:00.00', '1:00:00.04'], '', 0.04),
        (['23:59:59.98', '00:00:00.02', '00:00:00.06'], '', 0.04),
        (['0', '40', '80'], 'ms', 0.04),
    ],
)
def test_numbers_and_clock_times(labels: list[str], unit: str, step: float) -> None:
    found = seconds_of(labels, unit)
    assert found is not None
    np.testing.assert_allclose(np.diff(found), step, atol=1e-3)


@pytest.mark.parametrize(
    ('base', 'rate', 'form'), [(30, 30, '.{:02d}'), (60, 30, '.{:02d}'), (1000, 60, ':{:03d}')]
)
def test_frames_after_a_point_and_milliseconds_after_a_colon(base: int, rate: int, form: str) -> None:
    labels = []
    for i in range(5 * rate):
        second, rest = divmod(i, rate)
        labels.append(f'00:00:{second:02d}' + form.format(rest * base // rate))
    found = seconds_of(labels)
    assert found is not None
    np.testing.assert_allclose(found - found[0], np.arange(5 * rate) / rate, atol=1.1e-3)


def test_hundredths_of_a_second_are_no_frames() -> None:
    found = seconds_of([f'00:00:{i // 25:02d}.{i % 25 * 4:02d}' for i in range(100)])
    assert found is not None
    np.testing.assert_allclose(np.diff(found), 0.04, atol=1e-9)


def test_what_is_no_time_is_named_with_its_line() -> None:
    with pytest.raises(MotionError, match="line 3: 'later' is not a time"):
        seconds_of(['0.0', 'later'])
    with pytest.raises(MotionError, match='line 3.*before that of the line above'):
        seconds_of(['1.0', '0.5', '2.0'])
    codes = [timecode(i, 30) for i in range(180)]
    codes[40] = '00:00:01:41.000'
    with pytest.raises(MotionError, match='line 42: Timecode 00:00:01:41.000 does not fit'):
        seconds_of(codes[:41] + codes[60:])


@settings(max_examples=80, deadline=None)
@given(
    rate=st.sampled_from([r for r in STANDARD_RATES if r <= 120]),
    lost=st.sets(st.integers(1, 198), max_size=60),
    digits=st.sampled_from([3, 4, 6]),
)
def test_the_rate_is_found_through_holes_and_rounding(rate: float, lost: set[int], digits: int) -> None:
    times = np.round([i / rate for i in range(200) if i not in lost], digits)
    assert frame_rate(times) == pytest.approx(rate, rel=1e-3)
