# SPDX-License-Identifier: Apache-2.0
"""The node over DDS with ros-drivers' messages, whose format is told on a topic of its own.

Skipped where the other form of audio_common_msgs is installed; `AUDIO_MSGS=ros_drivers ./check` runs it.
"""

from __future__ import annotations

import array
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip('rclpy', reason='rclpy is not importable')
pytest.importorskip('audio_common_msgs', reason='audio_common_msgs is not built')
from diffposetalk_ros.ros.messages.audio import has_portaudio_form, message_class  # noqa: E402

if has_portaudio_form():
    pytest.skip('the other form of audio_common_msgs is installed', allow_module_level=True)
from node_stage import Stage  # noqa: E402
from rclpy.time import Time  # noqa: E402

from diffposetalk_ros.ros.messages import qos  # noqa: E402

RATE = 44100
SOUND = np.random.default_rng(5).integers(-60, 60, RATE).astype('i1')
"""One second in eight bits, which each of these formats holds exactly."""
FORMATS = {'S16LE': ('<i2', 1), 'S32BE': ('>i4', 2), 'U8': ('u1', 1), 'F32LE': ('<f4', 3)}


def encoded(values: np.ndarray, name: str) -> array.array:
    kind, channels = FORMATS[name]
    values = np.repeat(values, channels).astype('f8')
    dtype = np.dtype(kind)
    if dtype.kind == 'f':
        values /= 128
    else:
        values = values + 128 if dtype.kind == 'u' else values * 2.0 ** (8 * dtype.itemsize - 8)
    return array.array('B', values.astype(dtype).tobytes())


def motion(model_folder: Path, name: str, stamped: bool, size: int) -> np.ndarray:
    """Frames generated from SOUND sent in messages of ``size`` samples."""
    kind = 'AudioDataStamped' if stamped else 'AudioData'
    # Simulated time that stands still: what has no stamp has arrived at once, on a busy machine too.
    stage = Stage(model_folder, **{'audio.message': kind, 'use_sim_time': True})
    try:
        info = stage.client.create_publisher(message_class('AudioInfo'), 'audio_info', qos.AUDIO_INFO)
        assert stage.lifecycle.configure() and stage.lifecycle.activate()
        stage.until(lambda: stage.audio.get_subscription_count() and info.get_subscription_count())
        channels = FORMATS[name][1]
        told = message_class('AudioInfo')(
            channels=channels, sample_rate=RATE, sample_format=name, coding_format='wave'
        )
        info.publish(told)
        stage.until(lambda: stage.node._reader.audio_format.rate == RATE)
        for begin in range(0, RATE, size):
            message = message_class(kind)()
            data = encoded(SOUND[begin : begin + size], name)
            if stamped:
                message.audio.data = data
                message.header.stamp = Time(nanoseconds=10**9 + begin * 10**9 // RATE).to_msg()
            else:
                message.data = data
            stage.audio.publish(message)
        avatar = stage.node.avatar
        assert avatar is not None
        stage.until(lambda: avatar.timeline.end >= 20)
        return avatar.timeline.read(0, 20)
    finally:
        stage.close()


def test_every_way_to_say_it_gives_the_same_motion(model_folder: Path) -> None:
    reference = motion(model_folder, 'S16LE', True, 441)
    for name, stamped, size in [('S32BE', False, 882), ('U8', True, 4410), ('F32LE', False, 1000)]:
        np.testing.assert_array_equal(motion(model_folder, name, stamped, size), reference)
