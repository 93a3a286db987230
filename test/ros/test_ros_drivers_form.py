# SPDX-License-Identifier: Apache-2.0
"""The node over DDS with ros-drivers' messages, whose format is told on a topic of its own.

Skipped where the other form of audio_common_msgs is installed; `AUDIO_MSGS=ros_drivers ./check` runs it.
"""

from __future__ import annotations

import array
import io
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip('rclpy', reason='rclpy is not importable')
pytest.importorskip('audio_common_msgs', reason='audio_common_msgs is not built')
from diffposetalk_ros.ros.messages.audio import has_portaudio_form, message_class  # noqa: E402

if has_portaudio_form():
    pytest.skip('the other form of audio_common_msgs is installed', allow_module_level=True)
from diagnostic_msgs.msg import DiagnosticArray  # noqa: E402
from diffposetalk_ros.msg import FaceMotion  # noqa: E402
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


class Scene:
    """The node, a publisher of audio_info that has not told anything yet, and what /diagnostics says."""

    def __init__(self, stage: Stage) -> None:
        self.stage = stage
        self.info = stage.client.create_publisher(message_class('AudioInfo'), 'audio_info', qos.AUDIO_INFO)
        self.heard: list[Any] = []
        self._audio_in: list[Any] = []
        stage.client.create_subscription(DiagnosticArray, '/diagnostics', self._on_diagnostics, 10)
        stage.client.create_subscription(stage.audio.msg_type, 'audio_out', self.heard.append, qos.AUDIO_OUT)
        assert stage.lifecycle.configure() and stage.lifecycle.activate()
        stage.until(lambda: stage.audio.get_subscription_count() and self.info.get_subscription_count())
        stage.until(lambda: stage.node.count_publishers('audio_info'))

    def _on_diagnostics(self, message: Any) -> None:
        self._audio_in += [status for status in message.status if status.name.endswith('audio in')]

    def tell(self, coding: str, sample_format: str, rate: int, channels: int = 1) -> None:
        self.info.publish(
            message_class('AudioInfo')(
                channels=channels, sample_rate=rate, sample_format=sample_format, coding_format=coding
            )
        )

    def send(self, data: array.array, size: int) -> int:
        """Send bytes in messages of ``size`` without stamps; returns how many."""
        parts = [data[begin : begin + size] for begin in range(0, len(data), size)]
        for part in parts:
            self.stage.audio.publish(message_class('AudioData')(data=part))
        return len(parts)

    def refused(self, count: int) -> bool:
        """Whether exactly ``count`` messages could not be used so far, and that is said."""
        if not self._audio_in:
            return False
        status = self._audio_in[-1]
        values = {pair.key: pair.value for pair in status.values}
        words = f'{count} messages could not be used'
        return values['unusable messages'] == str(count) and words in status.message


@contextmanager
def scene(model_folder: Path, **values: Any) -> Iterator[Scene]:
    stage = Stage(model_folder, **{'audio.message': 'AudioData', 'diagnostics.period': 0.1} | values)
    try:
        yield Scene(stage)
    finally:
        stage.close()


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


def test_sound_whose_format_is_told_late_is_used_from_then_on(
    model_folder: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    reference = motion(model_folder, 'S16LE', True, 441)
    with scene(model_folder, use_sim_time=True) as made:
        stage, data = made.stage, encoded(SOUND, 'S16LE')
        count = made.send(data, 8820)
        stage.until(lambda: made.refused(count))
        assert 'format is not known until a message arrives on audio_info' in capfd.readouterr().err
        made.tell('wave', 'S16LE', RATE)
        stage.until(lambda: stage.node._reader.told)
        made.send(data, 8820)
        avatar = stage.node.avatar
        stage.until(lambda: avatar.timeline.end >= 20)
        np.testing.assert_array_equal(avatar.timeline.read(0, 20), reference)
        stage.until(lambda: made.refused(count))


def test_mp3_that_is_told_is_decoded_and_heard_as_it_came(model_folder: Path) -> None:
    pytest.importorskip('av', reason='PyAV is not installed')
    soundfile = pytest.importorskip('soundfile')
    made_of = io.BytesIO()
    soundfile.write(made_of, np.random.default_rng(0).uniform(-0.5, 0.5, 3 * 16000), 16000, format='MP3')
    data = array.array('B', made_of.getvalue())
    with scene(model_folder) as made:
        count = made.send(data, 417)
        made.stage.until(lambda: made.refused(count))
        made.tell('mp3', 'S16LE', 16000)
        made.stage.until(lambda: made.stage.node._reader.told)
        made.send(data, 417)
        made.stage.until(lambda: made.stage.state() == FaceMotion.SPEAKING)
        made.stage.until(lambda: len(made.heard) >= 10)
        passed = b''.join(bytes(message.data) for message in made.heard)
        assert data.tobytes().startswith(passed)
        made.stage.until(lambda: made.refused(count))


def test_a_coding_that_is_not_decoded_is_refused_by_name_until_another_is_told(
    model_folder: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    with scene(model_folder) as made:
        stage, data = made.stage, encoded(SOUND, 'S16LE')
        said: list[str] = []

        def refuses() -> bool:
            said.append(capfd.readouterr().err)
            return "audio refused: sound coded as 'speex'" in ''.join(said)

        made.tell('speex', 'S16LE', RATE)
        stage.until(refuses)
        count = made.send(data, 8820)
        stage.until(lambda: made.refused(count))
        text = ''.join([*said, capfd.readouterr().err])
        assert "audio ignored: sound coded as 'speex'" in text and 'is not known' not in text
        made.tell('wave', 'S16LE', RATE)
        stage.until(lambda: stage.node._reader.told)
        made.send(data, 8820)
        stage.until(lambda: stage.state() == FaceMotion.SPEAKING)
        stage.until(lambda: made.refused(count))
