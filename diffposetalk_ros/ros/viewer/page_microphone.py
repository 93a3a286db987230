# SPDX-License-Identifier: Apache-2.0
"""Publishes the sound of a page's microphone as it arrives."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from rclpy.node import Node

from diffposetalk_ros.errors import AudioError
from diffposetalk_ros.ros.viewer.on_demand_publisher import OnDemandPublisher
from diffposetalk_ros.util.nanoseconds import NS_PER_SECOND

__all__ = ['PageMicrophone']

_SILENT = NS_PER_SECOND
"""ns without a block after which a microphone counts as switched off."""
_CREDIBLE = NS_PER_SECOND
"""ns that a block's time may be away from now; a page that knows less of the clock is not believed."""


class PageMicrophone:
    """Accepts one page at a time; ``audio`` has a publisher only while blocks arrive."""

    def __init__(self, node: Node, publisher: OnDemandPublisher) -> None:
        self._node, self._publisher = node, publisher
        self._page = ''
        self._heard: int | None = None
        self._timer: Any = None

    @property
    def on(self) -> bool:
        """Whether a page's microphone is in use."""
        return self._timer is not None

    def hear(self, page: str, samples: NDArray[np.float32], rate: int, stamp: int) -> None:
        """Publish mono sound (n,) at ``rate`` Hz whose first sample has the time ``stamp`` (ns).

        ``page`` identifies the page. Raises AudioError while another page's microphone is in use.
        """
        now = int(self._node.get_clock().now().nanoseconds)
        if self.on and page != self._page:
            raise AudioError('another page has its microphone on; stop it there first')
        self._page, self._heard = page, now
        if not self.on:
            self._timer = self._node.create_timer(_SILENT / NS_PER_SECOND / 4, self._look)
        if abs(stamp - now) > _CREDIBLE:
            stamp = now - len(samples) * NS_PER_SECOND // rate
        output, _ = self._publisher.acquire(rate)
        output.announce(now)
        output.publish(samples, stamp)

    def stop(self) -> None:
        """Stop listening until a page begins again."""
        if self._timer is not None:
            self._node.destroy_timer(self._timer)
            self._timer = None
            self._publisher.release()

    def _look(self) -> None:
        now = int(self._node.get_clock().now().nanoseconds)
        if self._heard is None or not 0 <= now - self._heard < _SILENT:
            self.stop()
