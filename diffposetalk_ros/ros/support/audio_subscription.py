# SPDX-License-Identifier: Apache-2.0
"""Audio input of a node: reliable publishers are received without loss, best-effort ones with possible loss."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from copy import copy
from typing import Any

from rclpy.event_handler import SubscriptionEventCallbacks
from rclpy.qos import QoSProfile, ReliabilityPolicy

from diffposetalk_ros.audio.sender_clock import PublisherClock
from diffposetalk_ros.ros.messages import qos
from diffposetalk_ros.util.clock_steps import ClockSteps

__all__ = ['AudioSubscription']

_AT_ONCE = 0.01
# s of reading after which other callbacks may run.


class AudioSubscription:
    """A reliable subscription with room for ten minutes, and a best-effort one as soon as a publisher needs it.

    A best-effort publisher does not match a reliable subscription, and a best-effort subscription loses bursts
    of a reliable publisher. The second subscription therefore ignores reliable publishers. It is only made when
    the middleware reports a best-effort publisher, because it would read each message of the others once more.

    Args:
        node: node that subscribes.
        kind: message class.
        topic: name of the topic, before remapping.
        callback: takes each message, when it arrived, and when it was sent (ns, on the node's clock; None under
            simulated time).

    ``lost`` counts messages that publishers sent and that never arrived, where the middleware numbers them. If rclpy
    does not say who sent a message, they are counted only while there is one publisher.
    ``ahead``: by how much (ns) the clock of the newest message's publisher is ahead, at least. ``step``: by how much
    it was set back before that message, as far as is known.
    ``knows_publishers``: whether rclpy says who sent a message, as it does from Kilted on.
    """

    def __init__(
        self, node: Any, kind: Any, topic: str, callback: Callable[[Any, int, int | None], None]
    ) -> None:
        self._node, self._callback = node, callback
        self.lost = self.ahead = self.step = 0
        self._sequence: dict[bytes, int] = {}
        self._reliable: dict[bytes, bool] = {}
        self.knows_publishers = True
        self._told_mixed = False
        self._clocks: dict[bytes, PublisherClock] = {}
        self._clock_steps = ClockSteps()
        self._kind, self._name = kind, topic
        self._best_effort: Any = None
        self._first = self._subscribe(
            self._on_message,
            qos.AUDIO,
            events=SubscriptionEventCallbacks(incompatible_qos=self._on_incompatible),
        )
        self.topic: str = self._first.topic_name

    def _subscribe(
        self,
        handle: Callable[[Any, Mapping[str, Any]], None],
        profile: QoSProfile,
        name: str = '',
        events: SubscriptionEventCallbacks | None = None,
    ) -> Any:
        """A subscription that reads all waiting messages at once.

        The executor of rclpy takes one message per turn, in a millisecond or two, and Fast DDS keeps no more than
        5000 unread ones. A burst would therefore be read too slowly.
        """

        def on_message(message: Any, info: Mapping[str, Any]) -> None:
            handle(message, info)
            end = time.monotonic() + _AT_ONCE
            while time.monotonic() < end:
                with made.handle:
                    taken = made.handle.take_message(made.msg_type, made.raw)
                if taken is None:
                    return
                handle(*taken)

        made = self._node.create_subscription(
            self._kind,
            self._name,
            on_message,
            copy(profile),
            event_callbacks=events,
            qos_overriding_options=qos.overridable(name),
        )
        return made

    def _on_incompatible(self, _: Any) -> None:
        """A best-effort publisher was found; in everything else the first subscription accepts any publisher."""
        if self._best_effort is None:
            self._best_effort = self._subscribe(self._on_best_effort, qos.AUDIO_BEST_EFFORT, 'best_effort')

    @property
    def events(self) -> list[Any]:
        """Events that tell of a best-effort publisher, whose messages are lost until they are handled."""
        return list(self._first.event_handlers)

    def destroy(self) -> None:
        """Destroy the subscriptions."""
        for subscription in (self._first, self._best_effort):
            if subscription is not None:
                self._node.destroy_subscription(subscription)

    def _on_message(self, message: Any, info: Mapping[str, Any]) -> None:
        publisher = _publisher(info)
        self._count(publisher, info.get('publication_sequence_number'))
        now = self._node.get_clock().now().nanoseconds
        self._callback(message, now, self._sent(publisher, now, info))

    def _on_best_effort(self, message: Any, info: Mapping[str, Any]) -> None:
        self.knows_publishers = 'publisher_gid' in info
        if not self._is_reliable(_publisher(info)):
            self._on_message(message, info)

    def _count(self, publisher: bytes, number: int | None) -> None:
        if number is None:
            return
        if not publisher and (self._best_effort or self._first).get_publisher_count() != 1:
            self._sequence.clear()  # before Kilted, rclpy does not tell whose number it is
            return
        last = self._sequence.get(publisher)
        if last is not None and number > last + 1:
            self.lost += number - last - 1
        self._sequence[publisher] = number

    def _sent(self, publisher: bytes, now: int, info: Mapping[str, Any]) -> int | None:
        """When the message was sent: the middleware's stamp minus the offset of the publisher's clock."""
        source = info.get('source_timestamp') or 0
        if source <= 0 or self._node.get_clock().ros_time_is_active:
            return None
        # Ages use the clock of this machine, which the middleware also uses for its stamps.
        ahead = now - time.time_ns()
        if self._clock_steps.next():
            self._clocks.clear()
        clock = self._clocks.setdefault(publisher, PublisherClock())
        sent = clock.sent(source + ahead, now)
        self.ahead, self.step = clock.ahead, clock.step
        return sent

    def _is_reliable(self, publisher: bytes) -> bool:
        if not self.knows_publishers:
            return self._reliable_ones_exist()
        if publisher not in self._reliable:
            infos = self._node.get_publishers_info_by_topic(self.topic)
            reliable = {
                bytes(info.endpoint_gid[:16]): info.qos_profile.reliability == ReliabilityPolicy.RELIABLE
                for info in infos
            }
            if publisher not in reliable:
                return bool(reliable) and all(reliable.values())
            self._reliable |= reliable
        return self._reliable[publisher]

    def _reliable_ones_exist(self) -> bool:
        """Before Kilted, rclpy does not tell the publisher of a message. If both kinds of publishers exist, only the
        reliable ones are used, because late duplicates would be worse."""
        reliable: int = self._first.get_publisher_count()
        if 0 < reliable < self._best_effort.get_publisher_count() and not self._told_mixed:
            self._told_mixed = True
            self._node.get_logger().warning(
                f'{self.topic} has reliable and best-effort publishers; on this release of ROS 2 the node '
                'then uses only the reliable ones: stop one kind'
            )
        return reliable > 0


def _publisher(info: Mapping[str, Any]) -> bytes:
    gid = info.get('publisher_gid')
    return bytes(gid['data'][:16]) if gid else b''
