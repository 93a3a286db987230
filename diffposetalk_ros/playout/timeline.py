# SPDX-License-Identifier: Apache-2.0
"""Generated frames by absolute frame number. The worker writes them and the playout reads them."""

from __future__ import annotations

import threading
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from diffposetalk_ros.errors import MotionError

__all__ = ['KnownFrames', 'MotionTimeline', 'TimelineFrames']

FloatArray = NDArray[np.float32]
_MAX_TRACKS = 4
"""Utterances held at once: one on the stage, those that wait, the one being generated."""


@dataclass(frozen=True)
class TimelineFrames:
    """Two neighbouring frames for a reader, in model space, of one ``epoch``.

    ``first`` (D,) is frame n, ``second`` frame n + 1; None if missing. ``begin`` and ``end``: range of the
    final frames held. ``closed``: the utterance has no frame at or after ``end``. ``last``: end of all frames
    held, including provisional ones. ``waiting``: no frame at or after ``last`` will exist until more audio
    arrives. ``provisional``: ``first`` or ``second`` may still change. ``before`` and ``after`` are frames n - 1
    and n + 2, which shape the interpolation.
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
    before: FloatArray | None = None
    after: FloatArray | None = None


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


class _Track:
    """Frames of one utterance."""

    def __init__(self) -> None:
        self.frames: dict[int, FloatArray] = {}
        self.begin = 0
        self.end = 0
        self.ahead: list[FloatArray] = []
        self.closed = False
        self.waiting = False

    def get(self, frame: int, provisional: bool) -> FloatArray | None:
        if provisional and 0 <= frame - self.end < len(self.ahead):
            return self.ahead[frame - self.end]
        return self.frames.get(frame)

    def forget(self, before: int) -> None:
        while self.begin < min(before, self.end):
            del self.frames[self.begin]
            self.begin += 1


class MotionTimeline:
    """Frames of the current epoch (utterance) in model space. Thread-safe.

    A frame is final once committed. Look-ahead frames may be replaced and are shown only if
    ``provisional`` is requested. Frames of an older epoch are refused, so that a window that was
    being generated while the stream was reset does no harm. Frames of an older epoch are kept until
    `forget_before`, because its last words may still be waiting when the next utterance begins.
    """

    def __init__(self, width: int, keep: int = 250) -> None:
        self._width = width
        self._keep = keep
        self._lock = threading.Lock()
        self._epoch = 0
        self._revision = 0
        self._tracks = {0: _Track()}

    @property
    def _track(self) -> _Track:
        return self._tracks[self._epoch]

    @property
    def epoch(self) -> int:
        """Epoch whose frames are accepted."""
        with self._lock:
            return self._epoch

    @property
    def end(self) -> int:
        """Frames [.., end) are final."""
        with self._lock:
            return self._track.end

    @property
    def closed(self) -> bool:
        """True when the utterance has no more frames."""
        with self._lock:
            return self._track.closed

    def reset(self, epoch: int | None = None) -> int:
        """Start ``epoch`` (default: the next number) without frames; returns it."""
        with self._lock:
            self._epoch = self._epoch + 1 if epoch is None else epoch
            # A track without frames has nothing to show.
            self._tracks = {old: track for old, track in self._tracks.items() if track.frames}
            for track in self._tracks.values():
                track.closed = True
            while len(self._tracks) >= _MAX_TRACKS:
                del self._tracks[min(self._tracks)]
            self._tracks[self._epoch] = _Track()
            self._revision += 1
            return self._epoch

    def forget_before(self, epoch: int) -> None:
        """Drop the frames of utterances before ``epoch``."""
        with self._lock:
            if len(self._tracks) > 1:
                self._tracks = {
                    old: track for old, track in self._tracks.items() if old >= epoch or old == self._epoch
                }

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
            track = self._track
            if start != track.end:
                raise MotionError(
                    f'frames from {start} do not follow the final frames, which end at {track.end}'
                )
            for i in range(committed):
                track.frames[start + i] = motion[i]
            # After a pause, previewed frames stay until the worker has generated them. Only a frame after these tells
            # that there is more sound.
            kept = track.ahead[len(motion) :] if track.waiting else []
            track.waiting = track.waiting and len(motion) <= len(track.ahead)
            track.end = start + committed
            track.ahead = [*motion[committed:], *kept]
            self._revision += 1
            return True

    def preview(self, epoch: int, motion: FloatArray, whole: bool = True) -> None:
        """Set the frames (n, D) that would follow the final ones if the audio ended here; ``whole``: all of them."""
        with self._lock:
            if epoch == self._epoch and not self._track.closed:
                self._track.ahead = list(motion)
                self._track.waiting = whole
                self._revision += 1

    def close(self, epoch: int) -> None:
        """The utterance of ``epoch`` has no more frames."""
        with self._lock:
            if epoch == self._epoch:
                self._track.closed = True

    def at(self, frame: int, provisional: bool = False, epoch: int | None = None) -> TimelineFrames:
        """Frame ``frame`` and the next one of ``epoch``; forgets frames more than ``keep`` before it.

        Without ``epoch``, or if that epoch is not held, the current one is used. In the latter case nothing is
        forgotten, because ``frame`` counts from another beginning.
        """
        with self._lock:
            wanted, epoch = epoch, epoch if epoch in self._tracks else self._epoch
            assert epoch is not None
            track = self._tracks[epoch]
            if wanted in (None, epoch):
                track.forget(frame - self._keep)
            second = track.get(frame + 1, provisional)
            return TimelineFrames(
                epoch,
                track.get(frame, provisional),
                second,
                track.begin,
                track.end,
                track.closed,
                track.end + len(track.ahead),
                track.waiting,
                frame >= track.end or (second is not None and frame + 1 >= track.end),
                track.get(frame - 1, provisional),
                track.get(frame + 2, provisional),
            )

    def read(self, start: int, stop: int) -> FloatArray:
        """Final frames [start, stop): (stop - start, D). Raises MotionError if one is missing."""
        with self._lock:
            track = self._track
            if not track.begin <= start <= stop <= track.end:
                raise MotionError(
                    f'frames {start}..{stop} are not held; there are {track.begin}..{track.end}'
                )
            frames = [track.frames[i] for i in range(start, stop)]
        return np.stack(frames) if frames else np.zeros((0, self._width), np.float32)

    def known(self, start: int, most: int) -> KnownFrames:
        """Up to ``most`` frames from ``start`` on, or from the first still held; look-ahead included."""
        with self._lock:
            track = self._track
            start = max(start, track.begin)
            final = [track.frames[i] for i in range(start, min(track.end, start + most))]
            skipped = max(0, start - track.end)
            frames = (final + track.ahead[skipped:] if start + most > track.end else final)[:most]
            motion = np.stack(frames) if frames else np.zeros((0, self._width), np.float32)
            return KnownFrames(self._epoch, start, motion, len(final), track.end, self._revision)
