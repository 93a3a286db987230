# SPDX-License-Identifier: Apache-2.0
"""Generated frames by absolute frame number, between the worker that writes and the playout that reads."""

from __future__ import annotations

import threading
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from diffposetalk_ros.errors import MotionError

__all__ = ['KnownFrames', 'MotionTimeline', 'TimelineFrames']

FloatArray = NDArray[np.float32]


@dataclass(frozen=True)
class TimelineFrames:
    """Two neighbouring frames for a reader, in model space, of one ``epoch``.

    ``first`` (D,) is frame n, ``second`` frame n + 1; None where not there. ``begin`` and ``end``:
    final frames held. ``closed``: the utterance has no frame at or after ``end``. ``last``: frames at
    or after this one are not there, provisional ones counted. ``waiting``: until more audio comes there
    will be none at or after ``last``. ``provisional``: ``first`` or ``second`` may still change.
    """

    epoch: int
    first: FloatArray | None
    second: FloatArray | None
    begin: int
    end: int
    closed: bool
    last: int
    waiting: bool
    provisional: bool


@dataclass(frozen=True)
class KnownFrames:
    """Frames [start, start + n) in model space (n, D), the first ``committed`` of them final.

    ``end``: where the final frames of ``epoch`` end. ``revision`` changes with every change of frames.
    """

    epoch: int
    start: int
    motion: FloatArray
    committed: int
    end: int
    revision: int


class MotionTimeline:
    """Frames of the current epoch (utterance) in model space. Thread-safe.

    A frame is final once committed; look-ahead frames may be replaced and are shown only where
    ``provisional`` is asked for. Frames of an older epoch are refused, so that a window that was
    being generated while the stream was reset does no harm.
    """

    def __init__(self, width: int, keep: int = 250) -> None:
        self._width = width
        self._keep = keep
        self._lock = threading.Lock()
        self._epoch = 0
        self._revision = 0
        self._clear()

    def _clear(self) -> None:
        self._revision += 1
        self._frames: dict[int, FloatArray] = {}
        self._begin = 0
        self._end = 0
        self._ahead: list[FloatArray] = []
        self._closed = False
        self._waiting = False

    @property
    def epoch(self) -> int:
        """Epoch whose frames are accepted."""
        with self._lock:
            return self._epoch

    @property
    def end(self) -> int:
        """Frames [.., end) are final."""
        with self._lock:
            return self._end

    @property
    def closed(self) -> bool:
        """True when the utterance has no more frames."""
        with self._lock:
            return self._closed

    def reset(self, epoch: int | None = None) -> int:
        """Drop all frames and start ``epoch`` (default: the next number); returns it."""
        with self._lock:
            self._epoch = self._epoch + 1 if epoch is None else epoch
            self._clear()
            return self._epoch

    def merge(self, epoch: int, start: int, motion: FloatArray, committed: int) -> bool:
        """Add frames [start, start + n), of which the first ``committed`` are final.

        Returns:
            False, with nothing changed, for frames of another epoch.

        Raises:
            MotionError: a wrong width, or frames that do not begin where the final ones end.
        """
        if motion.ndim != 2 or motion.shape[1] != self._width or not 0 <= committed <= len(motion):
            raise MotionError(
                f'frames of shape {motion.shape}, {committed} final; the timeline takes (n, {self._width})'
            )
        with self._lock:
            if epoch != self._epoch:
                return False
            if start != self._end:
                raise MotionError(
                    f'frames from {start} do not follow the final frames, which end at {self._end}'
                )
            for i in range(committed):
                self._frames[start + i] = motion[i]
            # After a pause what was previewed stays until it has been generated: the worker catches up.
            kept = self._ahead[len(motion) :] if self._waiting else []
            self._end = start + committed
            self._ahead = [*motion[committed:], *kept]
            self._waiting = bool(kept)
            self._revision += 1
            return True

    def preview(self, epoch: int, motion: FloatArray, whole: bool = True) -> None:
        """Frames (n, D) there would be after the final ones if the audio ended here; ``whole``: all."""
        with self._lock:
            if epoch == self._epoch and not self._closed:
                self._ahead = list(motion)
                self._waiting = whole
                self._revision += 1

    def close(self, epoch: int) -> None:
        """The utterance of ``epoch`` has no more frames."""
        with self._lock:
            if epoch == self._epoch:
                self._closed = True

    def at(self, frame: int, provisional: bool = False) -> TimelineFrames:
        """Frame ``frame`` and the next one; forgets frames more than ``keep`` before it."""
        with self._lock:
            self._forget(frame - self._keep)
            second = self._get(frame + 1, provisional)
            return TimelineFrames(
                self._epoch,
                self._get(frame, provisional),
                second,
                self._begin,
                self._end,
                self._closed,
                self._end + len(self._ahead),
                self._waiting,
                frame >= self._end or (second is not None and frame + 1 >= self._end),
            )

    def read(self, start: int, stop: int) -> FloatArray:
        """Final frames [start, stop): (stop - start, D). Raises MotionError where one is missing."""
        with self._lock:
            if not self._begin <= start <= stop <= self._end:
                raise MotionError(
                    f'frames {start}..{stop} are not held; there are {self._begin}..{self._end}'
                )
            frames = [self._frames[i] for i in range(start, stop)]
        return np.stack(frames) if frames else np.zeros((0, self._width), np.float32)

    def known(self, start: int, most: int) -> KnownFrames:
        """Up to ``most`` frames from ``start`` on, or from the first still held; look-ahead included."""
        with self._lock:
            start = max(start, self._begin)
            final = [self._frames[i] for i in range(start, min(self._end, start + most))]
            skipped = max(0, start - self._end)
            frames = (final + self._ahead[skipped:] if start + most > self._end else final)[:most]
            motion = np.stack(frames) if frames else np.zeros((0, self._width), np.float32)
            return KnownFrames(self._epoch, start, motion, len(final), self._end, self._revision)

    def _get(self, frame: int, provisional: bool) -> FloatArray | None:
        if provisional and 0 <= frame - self._end < len(self._ahead):
            return self._ahead[frame - self._end]
        return self._frames.get(frame)

    def _forget(self, before: int) -> None:
        while self._begin < min(before, self._end):
            del self._frames[self._begin]
            self._begin += 1
