# SPDX-License-Identifier: Apache-2.0
"""The node over DDS with the bytes of a speech service: a WAV header and stereo frames cut anywhere."""

from __future__ import annotations

import array
import struct
import time
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip('rclpy', reason='rclpy is not importable')
pytest.importorskip('audio_common_msgs', reason='audio_common_msgs is not built')
from diffposetalk_ros.ros.messages.audio import has_portaudio_form, message_class  # noqa: E402

if not has_portaudio_form():
    pytest.skip('the other form of audio_common_msgs is installed', allow_module_level=True)
from node_stage import Stage  # noqa: E402

from diffposetalk_ros.ros.messages import qos  # noqa: E402

RATE = 24000
SOUND = np.random.default_rng(5).integers(-9000, 9000, RATE).astype('<i2')


def header(channels: int) -> np.ndarray:
    fmt = struct.pack('<HHIIHH', 1, channels, RATE, 2 * channels * RATE, 2 * channels, 16)
    data = b'RIFF\xff\xff\xff\xffWAVEfmt ' + struct.pack('<I', 16) + fmt + b'data\xff\xff\xff\xff'
    return np.frombuffer(data, '<i2')


def motion(
    model_folder: Path, values: np.ndarray, size: int, rate: int, channels: int, channel: int = 0
) -> np.ndarray:
    """Frames generated from a second of sound that is told to have ``rate`` and ``channels``."""
    # Simulated time that stands still: what has no stamp has arrived at once, on a busy machine too.
    stage = Stage(model_folder, **{'use_sim_time': True, 'audio.channel': channel})
    try:
        stage.start()
        for begin in range(0, len(values), size):
            message = message_class('AudioStamped')()
            info = message.audio.info
            info.format, info.channels, info.rate = 8, channels, rate
            message.audio.audio_data.int16_data = array.array('h', values[begin : begin + size].tobytes())
            stage.audio.publish(message)
        avatar = stage.node.avatar
        assert avatar is not None
        stage.until(lambda: avatar.timeline.end >= 20)
        assert avatar.bad_messages == 0
        return avatar.timeline.read(0, 20)
    finally:
        stage.close()


def test_headers_and_cuts_change_nothing(model_folder: Path) -> None:
    reference = motion(model_folder, SOUND, 480, RATE, 1)
    # Told as 16 kHz mono, the header says 24 kHz stereo; messages end in the middle of frames and of the header.
    stereo = np.stack([SOUND, np.zeros_like(SOUND)], axis=1).reshape(-1)
    streamed = np.concatenate([header(2), stereo])
    np.testing.assert_array_equal(motion(model_folder, streamed, 1021, 16000, 1, channel=1), reference)


def test_audio_out_carries_whole_frames_and_no_header(model_folder: Path) -> None:
    stage = Stage(model_folder, **{'playout.delay': 0.4, 'playout.min_delay': 0.05})
    heard: list[object] = []
    try:
        stage.client.create_subscription(
            message_class('AudioStamped'), 'audio_out', heard.append, qos.AUDIO_OUT
        )
        stage.start()
        values = np.concatenate([header(1), SOUND])
        for begin in range(0, len(values), 997):
            message = message_class('AudioStamped')()
            info = message.audio.info
            info.format, info.channels, info.rate = 8, 1, 16000
            message.audio.audio_data.int16_data = array.array('h', values[begin : begin + 997].tobytes())
            stage.audio.publish(message)
        stage.until(lambda: sum(len(m.audio.audio_data.int16_data) for m in heard) >= RATE, 40.0)
    finally:
        stage.close()
    assert {m.audio.info.rate for m in heard} == {RATE}
    out = np.concatenate([np.frombuffer(m.audio.audio_data.int16_data, '<i2') for m in heard])
    np.testing.assert_array_equal(out, SOUND)


def test_half_a_frame_waits_as_long_as_the_utterance_when_the_time_out_changes(model_folder: Path) -> None:
    stage = Stage(model_folder, **{'audio.channel': 1})
    try:
        stage.start()
        assert stage.set('audio.end_timeout', 10.0).successful
        stereo = np.tile(np.array([8192, -8192], '<i2'), 3200)
        for part in (stereo[:3201], stereo[3201:]):
            message = message_class('AudioStamped')()
            info = message.audio.info
            info.format, info.channels, info.rate = 8, 2, 16000
            message.audio.audio_data.int16_data = array.array('h', part.tobytes())
            stage.audio.publish(message)
            time.sleep(1.3)  # longer than the time-out of the node as it was activated
        avatar = stage.node.avatar
        stage.until(lambda: avatar.intake.counters.messages == 2)
        ring = avatar.intake.ring
        np.testing.assert_array_equal(ring.read(0, 1000), np.full(1000, 0.25, np.float32))
    finally:
        stage.close()
