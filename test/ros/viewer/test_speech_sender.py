# SPDX-License-Identifier: Apache-2.0
"""The page's voice over DDS: all of it arrives, in time, from a publisher that is there only meanwhile."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

rclpy = pytest.importorskip('rclpy', reason='rclpy is not importable')
pytest.importorskip('audio_common_msgs', reason='audio_common_msgs is not built')

from audio_forms import chunk_of  # noqa: E402
from rclpy.executors import SingleThreadedExecutor  # noqa: E402

from diffposetalk_ros.audio.chunk import AudioFormat  # noqa: E402
from diffposetalk_ros.ros.messages import qos  # noqa: E402
from diffposetalk_ros.ros.messages.audio import default_kind, message_class  # noqa: E402
from diffposetalk_ros.ros.viewer import on_demand_publisher, speech_sender  # noqa: E402

RATE = 24000


class Stage:
    def __init__(self) -> None:
        rclpy.init()
        # A namespace of its own: publishers are counted, and those of an earlier test may be about to go.
        self.speaker, self.ear = (
            rclpy.create_node(name, namespace='speech_sender_test') for name in ('speaker', 'ear')
        )
        self.executor = SingleThreadedExecutor()
        self.executor.add_node(self.speaker)
        self.executor.add_node(self.ear)
        self.heard: list[Any] = []
        publisher = on_demand_publisher.OnDemandPublisher(self.speaker, 'auto', 'page')
        self.sender = speech_sender.SpeechSender(self.speaker, publisher)

    def listen(self) -> None:
        self.ear.create_subscription(message_class(default_kind()), 'audio', self.heard.append, qos.AUDIO)

    def wait(self, done: Callable[[], bool], seconds: float = 60.0) -> None:
        until = time.monotonic() + seconds
        while not done():
            assert time.monotonic() < until, 'it never came about'
            self.executor.spin_once(timeout_sec=0.05)

    def end(self) -> None:
        self.executor.shutdown()
        self.speaker.destroy_node()
        self.ear.destroy_node()
        rclpy.try_shutdown()


@pytest.fixture
def stage() -> Iterator[Stage]:
    made = Stage()
    yield made
    made.end()


def samples(messages: list[Any]) -> np.ndarray:
    stated = AudioFormat(RATE, 1)
    return np.concatenate([chunk_of(message, stated).sound.samples for message in messages])


def test_all_of_it_arrives_from_a_publisher_that_comes_and_goes(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(on_demand_publisher, '_LINGER', 0.2)
    stage.listen()
    assert not stage.speaker.count_publishers('audio')
    sound = np.sin(np.arange(RATE // 4) / 20).astype(np.float32)
    for _ in range(2):
        stage.heard.clear()
        stage.sender.say(sound, RATE)
        assert stage.sender.speaking
        stage.wait(lambda: stage.speaker.count_publishers('audio') == 1)
        stage.wait(lambda: not stage.sender.speaking)
        stage.wait(lambda: len(samples(stage.heard) if stage.heard else ()) >= len(sound))
        np.testing.assert_allclose(samples(stage.heard), sound, atol=1e-4)
        stage.wait(lambda: not stage.speaker.count_publishers('audio'))


def test_new_speech_replaces_what_is_being_said(stage: Stage) -> None:
    stage.listen()
    stage.sender.say(np.full(20 * RATE, 0.5, np.float32), RATE)
    stage.wait(lambda: len(stage.heard) > 3)
    stage.sender.say(np.full(RATE // 10, -0.25, np.float32), RATE)
    stage.wait(lambda: not stage.sender.speaking)
    stage.wait(lambda: np.count_nonzero(samples(stage.heard) < 0) == RATE // 10)
    assert samples(stage.heard)[-1] == pytest.approx(-0.25, abs=1e-4)


def test_it_does_not_wait_for_ever_for_somebody_to_listen(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(speech_sender, '_PATIENCE', 100_000_000)
    stage.sender.say(np.zeros(RATE // 10, np.float32), RATE)
    stage.wait(lambda: not stage.sender.speaking)
