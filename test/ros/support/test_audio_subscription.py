# SPDX-License-Identifier: Apache-2.0
"""Over real DDS: what reliable and best-effort publishers send is heard, once, in order, and losses are counted."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

rclpy = pytest.importorskip('rclpy', reason='rclpy is not importable')

from rclpy.executors import SingleThreadedExecutor  # noqa: E402
from rclpy.qos import QoSProfile, qos_profile_sensor_data  # noqa: E402
from std_msgs.msg import UInt32  # noqa: E402

from diffposetalk_ros.ros.support.audio_subscription import AudioSubscription  # noqa: E402
from diffposetalk_ros.util.clock_steps import ClockSteps  # noqa: E402


class Scene:
    def __init__(self) -> None:
        self.context = rclpy.Context()
        rclpy.init(context=self.context)
        self.node = rclpy.create_node('ear', context=self.context)
        self.sender = rclpy.create_node('mouth', context=self.context)
        self.executor = SingleThreadedExecutor(context=self.context)
        self.executor.add_node(self.node)
        self.heard: list[tuple[int, int, int | None]] = []
        self.ear = AudioSubscription(
            self.node,
            UInt32,
            'audio',
            lambda message, now, sent: self.heard.append((message.data, now, sent)),
        )

    def publisher(self, profile: QoSProfile) -> Any:
        publisher = self.sender.create_publisher(UInt32, 'audio', profile)
        self.until(lambda: publisher.get_subscription_count() >= 1)
        return publisher

    def until(self, condition: Callable[[], object], timeout: float = 60.0) -> None:
        end = time.monotonic() + timeout
        while not condition():
            assert time.monotonic() < end, 'condition not reached'
            self.executor.spin_once(timeout_sec=0.05)

    def close(self) -> None:
        self.executor.shutdown()
        self.ear.destroy()
        self.node.destroy_node()
        self.sender.destroy_node()
        rclpy.try_shutdown(context=self.context)


@pytest.fixture
def scene() -> Iterator[Scene]:
    made = Scene()
    yield made
    made.close()


def test_a_burst_is_heard_though_the_executor_stands(scene: Scene) -> None:
    """Three thousand messages, a minute of speech, while nobody takes them for half a second."""
    publisher = scene.publisher(QoSProfile(depth=3000))
    for i in range(3000):
        publisher.publish(UInt32(data=i))
    time.sleep(0.5)
    scene.until(lambda: len(scene.heard) >= 3000)
    assert [number for number, _, _ in scene.heard] == list(range(3000))
    assert scene.ear.lost == 0


def test_a_microphone_that_publishes_best_effort_is_heard(scene: Scene) -> None:
    publisher = scene.publisher(qos_profile_sensor_data)
    for i in range(50):
        publisher.publish(UInt32(data=i))
        scene.executor.spin_once(timeout_sec=0.01)
    scene.until(lambda: len(scene.heard) >= 45)
    numbers = [number for number, _, _ in scene.heard]
    assert numbers == sorted(set(numbers))


def test_with_both_on_the_topic_nothing_is_heard_twice_or_out_of_order(scene: Scene) -> None:
    microphone, synthesis = scene.publisher(qos_profile_sensor_data), scene.publisher(QoSProfile(depth=1000))
    microphone.publish(UInt32(data=10_000))
    for _ in range(20):
        scene.executor.spin_once(timeout_sec=0.01)
    for i in range(800):
        synthesis.publish(UInt32(data=i))
    scene.until(lambda: any(number == 799 for number, _, _ in scene.heard))
    for _ in range(20):
        scene.executor.spin_once(timeout_sec=0.01)
    # Before Kilted rclpy does not tell senders apart; the reliable one is then heard alone.
    first = [10_000] if scene.ear.knows_publishers else []
    assert [number for number, _, _ in scene.heard] == [*first, *range(800)]


def test_what_a_best_effort_publisher_loses_is_counted(scene: Scene) -> None:
    publisher = scene.publisher(qos_profile_sensor_data)
    publisher.publish(UInt32(data=0))
    scene.until(lambda: scene.heard)
    for i in range(1, 1000):  # more than the queue holds, and nobody takes them
        publisher.publish(UInt32(data=i))
    time.sleep(0.5)
    publisher.publish(UInt32(data=1000))
    scene.until(lambda: scene.heard[-1][0] == 1000)
    assert 0 < len(scene.heard) < 1001
    assert scene.ear.lost == 1001 - len(scene.heard)


@pytest.mark.parametrize('profile', [QoSProfile(depth=100), qos_profile_sensor_data])
def test_publishers_that_take_turns_lose_nothing(scene: Scene, profile: QoSProfile) -> None:
    one, other = scene.publisher(profile), scene.publisher(profile)
    one.publish(UInt32(data=0))
    scene.until(lambda: scene.heard)
    for count, publisher in enumerate([one, one, other, one, other, other, one], 2):
        publisher.publish(UInt32(data=count))
        scene.until(lambda count=count: len(scene.heard) == count)
    assert scene.ear.lost == 0


def test_when_a_message_was_sent_is_known_though_it_is_read_late(scene: Scene) -> None:
    publisher = scene.publisher(QoSProfile(depth=100))
    publisher.publish(UInt32(data=0))
    scene.until(lambda: scene.heard)
    begin = scene.node.get_clock().now().nanoseconds
    publisher.publish(UInt32(data=1))
    time.sleep(0.4)
    scene.until(lambda: len(scene.heard) == 2)
    _, now, sent = scene.heard[1]
    assert sent is not None and now - begin >= 390_000_000
    assert sent - begin < now - begin - 200_000_000
    assert scene.ear.ahead < 1_000_000, 'both have the same clock'


def test_a_reliable_publisher_is_read_by_one_subscription_alone(scene: Scene) -> None:
    """A second one would take every message once more, which costs a live node a tenth of a core."""
    synthesis = scene.publisher(QoSProfile(depth=10))
    synthesis.publish(UInt32(data=0))
    scene.until(lambda: scene.heard)
    assert synthesis.get_subscription_count() == 1
    scene.publisher(qos_profile_sensor_data)
    scene.until(lambda: synthesis.get_subscription_count() == 2)


def test_a_message_was_sent_just_now_also_after_the_clock_of_this_machine_was_set(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    begin = time.time_ns()
    set_by = 0
    monkeypatch.setattr(scene.ear, '_clock_steps', ClockSteps(wall=lambda: time.monotonic_ns() + set_by))
    for step in (0, 0, 2, 3600):
        set_by = step * 10**9
        now = begin + set_by
        monkeypatch.setattr(time, 'time_ns', lambda now=now: now)
        sent = scene.ear._sent(b'', now, {'source_timestamp': begin})
        assert sent == pytest.approx(now, abs=10**8)
