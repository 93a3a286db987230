# SPDX-License-Identifier: Apache-2.0
"""Publish a plan of speech and pauses on ``audio``; each message goes out when its last sample has sounded."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from diffposetalk_ros.benchmark.live.speech_plan import Stretch
from diffposetalk_ros.ros.messages.audio import stamped_kind
from diffposetalk_ros.ros.support.audio_publisher import AudioPublisher
from diffposetalk_ros.util.nanoseconds import NS_PER_SECOND

__all__ = ['PacedSpeech', 'SentMessage']

_CHUNK = 20_000_000  # ns
_ROOM = 0.001
"""Deviation of the noise of a room in which nobody speaks."""


@dataclass(frozen=True)
class SentMessage:
    """Sound of the times [begin, end) that was handed to the middleware at ``sent``, all in ns."""

    begin: int
    end: int
    sent: int


class PacedSpeech:
    """Publishes in a separate thread, so that received messages do not disturb the pace.

    ``samples`` (n,) mono at ``rate`` Hz are repeated as often as the plan needs.
    """

    def __init__(self, node: Any, samples: NDArray[np.float32], rate: int, plan: Sequence[Stretch]) -> None:
        self._output = AudioPublisher(node, rate, stamped_kind(), 'microphone', 50)
        self._samples, self._rate, self._plan = samples, rate, plan
        self._noise = np.random.default_rng(0).normal(0, _ROOM, rate).astype(np.float32)
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None
        self.sent: list[SentMessage] = []
        self.begin = 0
        """Time of the start of the plan in ns."""

    @property
    def listeners(self) -> int:
        """Subscribers that have been found."""
        return self._output.listeners

    @property
    def done(self) -> bool:
        """Whether the plan is over."""
        return self._thread is not None and not self._thread.is_alive()

    def start(self) -> None:
        """Begin in a tenth of a second, because a format on a separate topic must arrive first."""
        self._output.announce(time.time_ns())
        self.begin = time.time_ns() + NS_PER_SECOND // 10
        self._thread = threading.Thread(target=self._run, name='speech', daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Stop, and wait for the thread."""
        self._stopping.set()
        if self._thread is not None:
            self._thread.join()

    def _run(self) -> None:
        for stretch in self._plan:
            begin = self.begin + round(stretch.begin * NS_PER_SECOND)
            if stretch.kind == 'nothing':
                if not self._wait_until(begin + round(stretch.duration * NS_PER_SECOND)):
                    return
                continue
            source = self._samples if stretch.kind == 'speech' else self._noise
            at = round(stretch.offset * self._rate)
            for i in range(round(stretch.duration * NS_PER_SECOND / _CHUNK)):
                first = begin + i * _CHUNK
                low, high = (((i + k) * _CHUNK * self._rate) // NS_PER_SECOND for k in (0, 1))
                sound = source.take(range(at + low, at + high), mode='wrap')
                if not self._wait_until(first + _CHUNK):
                    return
                self._output.announce(time.time_ns())
                sent = time.time_ns()
                self._output.publish(sound, first)
                self.sent.append(SentMessage(first, first + _CHUNK, sent))

    def _wait_until(self, moment: int) -> bool:
        """False when stopped."""
        return not self._stopping.wait(max(0.0, (moment - time.time_ns()) / NS_PER_SECOND))
