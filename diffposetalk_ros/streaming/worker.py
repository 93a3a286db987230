# SPDX-License-Identifier: Apache-2.0
"""Thread that runs the networks: it reads the ring buffer and writes the timeline."""

from __future__ import annotations

import logging
import threading
import time
import traceback
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from diffposetalk_ros.audio.ring_buffer import AudioRingBuffer
from diffposetalk_ros.errors import ConfigError
from diffposetalk_ros.playout.timeline import MotionTimeline
from diffposetalk_ros.streaming.generator import GeneratedFrames, StreamingGenerator
from diffposetalk_ros.streaming.latency import LatencyTracker

__all__ = ['InferenceWorker', 'WorkerConfig']

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class WorkerConfig:
    """Settings of the worker.

    Args:
        max_errors: consecutive failures after which the worker counts as failed.
        retry_delay: seconds between attempts until then.
        failed_delay: seconds between attempts from then on.
        poll: longest sleep in seconds without a `notify`.

    Raises ConfigError for ``max_errors`` below 1.
    """

    max_errors: int = 5
    retry_delay: float = 0.05
    failed_delay: float = 1.0
    poll: float = 0.5

    def __post_init__(self) -> None:
        if self.max_errors < 1:
            raise ConfigError(f'max_errors {self.max_errors}; use 1 or more')


class InferenceWorker:
    """Owns the generator while it runs.

    * `start` makes the thread, and `stop` ends and joins it. Both may be called again.
    * Call `notify_audio` when new audio is in the ring buffer, and `notify` when the buffer was closed.
    * `reset` begins a new epoch in ring buffer and timeline. A window in flight is discarded.
    * `preview` puts provisional frames up to the end of the audio on the timeline as soon as all complete
      windows were generated. The face then goes on moving while the audio pauses.
    * `call` runs a function on the thread between two windows, for example to set a style.
    * ``on_frames(epoch, frames)`` is called on the thread for every window that went on the timeline.
    * An exception does not change the generator, and the window is tried again. After ``max_errors``
      consecutive exceptions, `failed` is True, `last_error` holds the traceback, and attempts become rare.
      The first success makes `failed` False again. Frames that came too late are not shown.
    """

    def __init__(
        self,
        generator: StreamingGenerator,
        audio: AudioRingBuffer,
        timeline: MotionTimeline,
        config: WorkerConfig | None = None,
        on_error: Callable[[str], None] | None = None,
        on_frames: Callable[[int, GeneratedFrames], None] | None = None,
        name: str = 'inference',
    ) -> None:
        self._generator = generator
        self._audio = audio
        self._timeline = timeline
        self._config = config or WorkerConfig()
        self._on_error = on_error
        self._on_frames = on_frames
        self._name = name
        self._wake = threading.Event()
        self._stopping = False
        self._thread: threading.Thread | None = None
        self._calls: deque[Callable[[StreamingGenerator], None]] = deque()
        self._reset_lock = threading.Lock()
        self._preview_at = -1
        self._frames_heard = 0
        # Together with the epoch -1 this makes the first turn begin with a clean generator.
        self._epoch = -1
        self._cursor = 0
        self._errors_in_row = 0
        self._progress = threading.Condition()
        self._requested = 0
        self._handled = 0
        self.inference = LatencyTracker()
        """Seconds per window."""
        self.error_count = 0
        self.lost_samples = 0
        self.last_error = ''
        self.failed = False

    @property
    def running(self) -> bool:
        """True between `start` and `stop`."""
        return self._thread is not None and self._thread.is_alive()

    @property
    def real_time_factor(self) -> float:
        """Median seconds of computing per second of motion. Less than 1 is fast enough."""
        config = self._generator.config
        return self.inference.summary().p50 * self._generator.model.fps / config.hop

    def start(self) -> None:
        """Start with the current epoch of the ring buffer. Does nothing if the thread is running."""
        if self.running:
            return
        self._stopping = False
        self._epoch, self._cursor, self._utterance = -1, 0, 0
        self._errors_in_row, self.failed = 0, False
        self._timeline.reset(self._audio.epoch)
        self._thread = threading.Thread(target=self._run, name=self._name, daemon=True)
        self._thread.start()

    def stop(self, timeout: float = 5.0) -> bool:
        """End the thread after the current window. Returns False if it did not end within ``timeout`` seconds."""
        self._stopping = True
        self._wake.set()
        if self._thread is not None:
            self._thread.join(timeout)
            if self._thread.is_alive():
                return False
            self._thread = None
        return True

    def notify(self) -> None:
        """Wake the thread because there is something to do."""
        with self._progress:
            self._requested += 1
        self._wake.set()

    def notify_audio(self) -> None:
        """Wake the thread if the new audio completes the sound of a frame; less is of no use to it."""
        frames = self._audio.end // self._generator.model.samples_per_frame
        if frames != self._frames_heard:
            self._frames_heard = frames
            self.notify()

    def call(self, function: Callable[[StreamingGenerator], None]) -> None:
        """Run ``function(generator)`` on the worker before the next window."""
        self._calls.append(function)
        self.notify()

    def preview(self) -> None:
        """Show provisional frames, because the audio pauses."""
        self._preview_at = self._audio.end
        self.notify()

    def reset(self) -> int:
        """Start a new utterance with an empty ring buffer and timeline; returns the new epoch."""
        with self._reset_lock:
            # Reset the timeline first, so that frames that the worker still delivers belong to an older epoch.
            self._timeline.reset(self._audio.epoch + 1)
            epoch = self._audio.reset()
            self._frames_heard = 0
        self.notify()
        return epoch

    def wait_idle(self, timeout: float) -> bool:
        """Wait until all audio so far was processed; for tools and tests."""
        with self._progress:
            return self._progress.wait_for(lambda: self._handled == self._requested, timeout)

    def _run(self) -> None:
        while not self._stopping:
            self._wake.clear()
            requested = self._requested
            try:
                busy = self._turn()
                if busy:
                    self._errors_in_row, self.failed = 0, False
            except Exception:
                self._note_error(traceback.format_exc())
                busy = True
                self._pause(self._config.failed_delay if self.failed else self._config.retry_delay)
            if not busy:
                with self._progress:
                    self._handled = requested
                    self._progress.notify_all()
                self._wake.wait(self._config.poll)

    def _pause(self, seconds: float) -> None:
        """Wait before the next attempt, but not longer than until a reset or a stop."""
        until = time.monotonic() + seconds
        while not self._stopping and self._audio.epoch == self._epoch and time.monotonic() < until:
            time.sleep(0.005)

    def _turn(self) -> bool:
        """Do the work of one window; returns False if there was nothing to do."""
        while self._calls:
            self._calls.popleft()(self._generator)
        # One hop at a time, so that a reset is noticed between windows even after a long burst.
        limit = self._generator.config.hop * self._generator.model.samples_per_frame
        chunk = self._audio.read_new(self._epoch, self._cursor, limit)
        if chunk.epoch != self._epoch:
            # Head and eyes do not repeat the movements of the previous utterance.
            self._utterance += self._cursor > 0
            self._generator.reset(utterance=self._utterance)
            self._epoch, self._cursor = chunk.epoch, 0
            self._errors_in_row = 0
        if chunk.lost:
            self.lost_samples += chunk.lost
            self._generator.push(np.zeros(chunk.lost, np.float32), limit=0)
        self._cursor = chunk.start + len(chunk.samples)
        begin = time.perf_counter()
        if not chunk.closed:
            made = self._generator.push(chunk.samples, limit=1)
        else:
            if len(chunk.samples):
                self._generator.push(chunk.samples, limit=0)
            made = self._generator.finish(limit=1)
        for frames in made:
            self.inference.add(time.perf_counter() - begin)
            merged = self._timeline.merge(self._epoch, frames.start, frames.motion, frames.committed)
            if merged and self._on_frames is not None:
                self._on_frames(self._epoch, frames)
        if self._generator.done:
            self._timeline.close(self._epoch)
        elif not made and not len(chunk.samples) and self._cursor == self._preview_at:
            self._preview_at = -1
            self._show_preview()
        return bool(made) or len(chunk.samples) > 0

    def _show_preview(self) -> None:
        """Show each provisional window as soon as it is generated, until more audio arrives."""
        motion = np.zeros((0, self._generator.model.motion_dim), np.float32)
        for motion in self._generator.preview():
            if self._stopping or self._audio.epoch != self._epoch or self._audio.end != self._cursor:
                return
            self._timeline.preview(self._epoch, motion, whole=False)
        self._timeline.preview(self._epoch, motion)

    def _note_error(self, text: str) -> None:
        self.error_count += 1
        self._errors_in_row += 1
        self.last_error = text
        if self._errors_in_row >= self._config.max_errors and not self.failed:
            self.failed = True
            _log.error('inference failed %d times in a row:\n%s', self._errors_in_row, text)
        if self._on_error is not None:
            self._on_error(text)
