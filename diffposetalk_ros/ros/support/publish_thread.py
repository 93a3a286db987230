# SPDX-License-Identifier: Apache-2.0
"""The thread that publishes frames on time.

A timer of the executor waits for other callbacks and for the wait set to be built, which gives milliseconds of
jitter. This thread only sleeps until the next frame is due. It follows the node's clock, including simulated
time: each step of ``/clock`` wakes it.
"""

from __future__ import annotations

import threading
import traceback
from collections.abc import Callable
from typing import Any

from rclpy.clock import JumpThreshold
from rclpy.duration import Duration

__all__ = ['PublishThread']

_LONGEST = 0.05
"""Seconds between two looks at the clock, at most: it may be set, stand still or jump."""
_AFTER_ERROR = 0.05


class PublishThread:
    """Calls ``release(now)``, which publishes what is due at ``now`` (ns) and returns when something is
    due next (ns). ``on_error`` takes the traceback of an exception; the thread continues."""

    def __init__(self, clock: Any, release: Callable[[int], int], on_error: Callable[[str], None]) -> None:
        self._clock = clock
        self._release = release
        self._on_error = on_error
        self._wake = threading.Event()
        self._stopping = False
        any_step = JumpThreshold(
            min_forward=Duration(nanoseconds=1), min_backward=Duration(nanoseconds=-1), on_clock_change=True
        )
        self._jumps = clock.create_jump_callback(any_step, post_callback=lambda jump: self._wake.set())
        self._thread = threading.Thread(target=self._run, name='release', daemon=True)
        self._thread.start()

    def wake(self) -> None:
        """Call ``release`` now: there is something to publish besides what is due."""
        self._wake.set()

    def stop(self) -> None:
        """End the thread and wait for it; nothing is published after this."""
        self._stopping = True
        self._wake.set()
        self._thread.join()
        self._jumps.unregister()

    def _run(self) -> None:
        while not self._stopping:
            self._wake.clear()
            try:
                due = self._release(self._clock.now().nanoseconds)
                wait = (due - self._clock.now().nanoseconds) * 1e-9
            except Exception:
                self._on_error(traceback.format_exc())
                wait = _AFTER_ERROR
            if wait > 0:
                self._wake.wait(min(wait, _LONGEST))
