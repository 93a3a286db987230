# SPDX-License-Identifier: Apache-2.0
"""Any content of an audio message either is refused with a word or becomes finite sound."""

from __future__ import annotations

import array

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

pytest.importorskip('audio_common_msgs', reason='audio_common_msgs is not built')

from diffposetalk_ros.audio.chunk import AudioFormat  # noqa: E402
from diffposetalk_ros.audio.ring_buffer import AudioRingBuffer  # noqa: E402
from diffposetalk_ros.avatar.audio_intake import AudioIntake  # noqa: E402
from diffposetalk_ros.errors import AudioError  # noqa: E402
from diffposetalk_ros.ros.messages.audio import AudioReader, has_portaudio_form, message_class  # noqa: E402

if not has_portaudio_form():
    pytest.skip('the installed form has no format in the message', allow_module_level=True)

INT = st.integers(-(2**31), 2**31 - 1)
FIELDS = {
    'float32_data': st.lists(st.floats(width=32), max_size=40).map(lambda v: array.array('f', v)),
    'int16_data': st.lists(st.integers(-32768, 32767), max_size=40).map(lambda v: array.array('h', v)),
    'uint8_data': st.lists(st.integers(0, 255), max_size=40).map(lambda v: array.array('B', v)),
}
MESSAGE = st.fixed_dictionaries(
    {
        'format': st.one_of(st.sampled_from([1, 2, 8, 16, 32]), INT),
        'channels': st.one_of(st.integers(-1, 4), INT),
        'rate': st.one_of(st.sampled_from([0, 4000, 16000, 44100, 48000, 384000]), INT),
        'chunk': INT,
        'sec': st.one_of(st.integers(99, 102), INT),
        'nanosec': st.integers(0, 2**32 - 1),
        'data': st.fixed_dictionaries({}, optional=FIELDS),
    }
)


@settings(max_examples=150, deadline=None)
@given(st.lists(st.tuples(MESSAGE, st.integers(-(10**9), 3 * 10**9)), max_size=12))
def test_no_message_can_stop_the_intake_or_leave_anything_but_finite_sound(messages) -> None:
    ring = AudioRingBuffer(2.0)
    intake, reader = AudioIntake(ring, ring.reset, 0.3), AudioReader(AudioFormat())
    now = 100 * 10**9
    for values, step in messages:
        now += step
        message = message_class('AudioStamped')()
        info = message.audio.info
        info.format, info.channels = values['format'], values['channels']
        info.rate, info.chunk = values['rate'], values['chunk']
        message.header.stamp.sec, message.header.stamp.nanosec = values['sec'], values['nanosec']
        for field, data in values['data'].items():
            setattr(message.audio.audio_data, field, data)
        try:
            heard = reader.read(message, now)
        except AudioError as error:
            assert '\n' not in str(error)
        else:
            for chunk, _ in heard:
                intake.push(chunk, now)
        intake.poll(now)
    held = ring.read(ring.begin, ring.end)
    assert np.isfinite(held).all() and np.abs(held).max(initial=0) < 2
    # And then sound of the usual kind is heard as usual.
    before = intake.counters.sound
    for i in range(10):
        message = message_class('AudioStamped')()
        message.audio.info.format, message.audio.info.channels, message.audio.info.rate = 8, 1, 16000
        message.audio.audio_data.int16_data = array.array('h', [i * 100 + j for j in range(320)])
        now += 20_000_000
        for chunk, _ in reader.read(message, now):
            intake.push(chunk, now)
    assert intake.counters.sound - before >= 0.1
