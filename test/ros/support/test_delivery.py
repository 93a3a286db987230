# SPDX-License-Identifier: Apache-2.0
"""Over real DDS: a program that published a burst waits until all has arrived, or says that it has not."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

rclpy = pytest.importorskip('rclpy', reason='rclpy is not importable')

from rclpy.node import Node  # noqa: E402
from rclpy.qos import HistoryPolicy, QoSProfile  # noqa: E402
from std_msgs.msg import UInt32  # noqa: E402

from diffposetalk_ros.ros.support.delivery import wait_until_received  # noqa: E402


class Pair:
    def __init__(self) -> None:
        self.context = rclpy.Context()
        rclpy.init(context=self.context)
        self.sender = rclpy.create_node('mouth', context=self.context)
        self.receiver = rclpy.create_node('ear', context=self.context)

    def close(self) -> None:
        self.sender.destroy_node()
        self.receiver.destroy_node()
        rclpy.try_shutdown(context=self.context)


@pytest.fixture
def pair() -> Iterator[Pair]:
    made = Pair()
    yield made
    made.close()


def _warnings(node: Node, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    said: list[str] = []
    monkeypatch.setattr(node.get_logger(), 'warning', said.append)
    return said


def test_the_sender_goes_after_the_last_message_has_arrived(
    pair: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    said = _warnings(pair.sender, monkeypatch)
    publisher = pair.sender.create_publisher(UInt32, 'audio', QoSProfile(depth=3000))
    ear = pair.receiver.create_subscription(UInt32, 'audio', lambda _: None, QoSProfile(depth=3000))
    while publisher.get_subscription_count() < 1:
        time.sleep(0.01)
    for i in range(2000):
        publisher.publish(UInt32(data=i))
    assert wait_until_received(pair.sender, publisher)
    pair.sender.destroy_publisher(publisher)
    taken = []
    while (message := ear.handle.take_message(ear.msg_type, False)) is not None:
        taken.append(message[0].data)
    assert taken == list(range(2000))
    assert not said


def test_what_nobody_takes_is_reported(pair: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    """A subscriber that keeps everything and takes nothing confirms no more than fits."""
    if rclpy.get_rmw_implementation_identifier() != 'rmw_fastrtps_cpp':
        pytest.skip('how much an idle subscriber confirms is known of Fast DDS only')
    said = _warnings(pair.sender, monkeypatch)
    everything = QoSProfile(depth=1, history=HistoryPolicy.KEEP_ALL)
    publisher = pair.sender.create_publisher(UInt32, 'audio', QoSProfile(depth=9000))
    pair.receiver.create_subscription(UInt32, 'audio', lambda _: None, everything)
    while publisher.get_subscription_count() < 1:
        time.sleep(0.01)
    for i in range(9000):
        publisher.publish(UInt32(data=i))
    assert not wait_until_received(pair.sender, publisher, patience=1.0)
    assert len(said) == 1 and 'audio' in said[0] and 'may be lost' in said[0]


def test_a_program_that_is_ended_does_not_wait(pair: Pair) -> None:
    publisher = pair.sender.create_publisher(UInt32, 'audio', 10)
    rclpy.try_shutdown(context=pair.context)
    assert not wait_until_received(pair.sender, publisher)
