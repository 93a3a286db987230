# SPDX-License-Identifier: Apache-2.0
"""The node over DDS: floods, two publishers, a publisher that dies, publishing that fails."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip('rclpy', reason='rclpy is not importable')
from diffposetalk_ros.msg import FaceMotion  # noqa: E402
from node_stage import KIND, RATE, Stage  # noqa: E402
from rclpy.time import Time  # noqa: E402

from diffposetalk_ros.ros.messages.audio import audio_to_message, message_class  # noqa: E402

QUIET = (FaceMotion.IDLE, FaceMotion.REST)


@pytest.fixture
def stage(model_folder: Path) -> Iterator[Stage]:
    made = Stage(model_folder)
    yield made
    made.close()


def test_a_flood_of_messages_is_survived(stage: Stage) -> None:
    stage.start()
    message = audio_to_message(np.full(16, 0.1, np.float32), RATE, Time().to_msg(), KIND)
    for _ in range(4_000):
        stage.audio.publish(message)

    def all_is_read() -> bool:
        last = stage.node.avatar.intake.last_arrival
        return last is not None and stage.node.get_clock().now().nanoseconds - last > 500_000_000

    # Live speech that waits behind the flood for longer than `playout.max_shift` is refused as too late.
    stage.until(lambda: stage.seen.frames and stage.state() in QUIET and all_is_read(), 60.0)
    assert stage.lifecycle.state() == 'active'
    # Another sender: inside one process Fast DDS delivers nothing more of a writer that overran its reader.
    stage.client.destroy_publisher(stage.audio)
    stage.audio = stage.client.create_publisher(message_class(KIND), 'audio', 1000)
    stage.until(stage.audio.get_subscription_count)
    stage.speak(3.0)
    stage.until(lambda: stage.state() == FaceMotion.SPEAKING)
    assert stage.seen.missing == 0


def test_a_publisher_that_dies_in_mid_word_leaves_the_face_at_rest(stage: Stage) -> None:
    stage.start()
    other = stage.client.create_publisher(message_class(KIND), 'audio', 1000)
    stage.until(lambda: other.get_subscription_count() > 0)
    now = stage.client.get_clock().now().nanoseconds
    for i in range(25):
        stamp = Time(nanoseconds=now + i * 20_000_000).to_msg()
        part = np.full(320, 0.2, np.float32)
        other.publish(audio_to_message(part, RATE, stamp, KIND))
        stage.audio.publish(audio_to_message(-part, RATE, stamp, KIND))
    stage.client.destroy_publisher(other)
    stage.until(lambda: stage.state() == FaceMotion.SPEAKING)
    stage.until(lambda: stage.state() in QUIET)
    stage.speak(3.0)
    stage.until(lambda: stage.state() == FaceMotion.SPEAKING)


def test_a_failure_to_publish_does_not_end_the_release(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    stage.start()
    stage.until(lambda: len(stage.seen.frames) > 5)

    failed: list[bool] = []

    def fail(*_: object) -> None:
        failed.append(True)
        raise RuntimeError('on purpose')

    with monkeypatch.context() as patch:
        patch.setattr(stage.node, '_publish_row', fail)
        stage.until(lambda: len(failed) > 4)
    count = len(stage.seen.frames)
    stage.until(lambda: len(stage.seen.frames) > count + 20)
    assert stage.lifecycle.state() == 'active'
