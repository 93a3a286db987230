# SPDX-License-Identifier: Apache-2.0
"""Ring buffer of samples addressed by absolute index. It is the only object shared with the audio callback."""

from __future__ import annotations

import threading
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from diffposetalk_ros.audio.sample_rate import AUDIO_SAMPLE_RATE
from diffposetalk_ros.errors import AudioError

__all__ = ['AudioRingBuffer', 'RingChunk']


@dataclass(frozen=True)
class RingChunk:
    """Samples that a reader has not seen yet: samples [start, start + n) of one epoch.

    ``lost`` samples before ``start`` were overwritten before they were read; ``closed`` says that
    no sample follows in this epoch.
    """

    epoch: int
    start: int
    samples: NDArray[np.float32]
    lost: int
    closed: bool


class AudioRingBuffer:
    """Samples of the current epoch (utterance), newest ``seconds`` of them. Thread-safe.

    Sample 0 is the first after `reset`. A writer never waits: when the buffer is full, the oldest samples are
    overwritten. For unread samples the buffer grows up to ``most`` seconds, because speech synthesis may send
    minutes at once.
    """

    def __init__(self, seconds: float = 120.0, rate: int = AUDIO_SAMPLE_RATE, most: float = 0.0) -> None:
        if not 0.1 <= seconds <= 3600 or most > 3600:
            raise AudioError(f'ring buffer of {seconds} s, at most {most} s; use 0.1 to 3600 s')
        self._most = int(max(seconds, most) * rate)
        self._read = 0
        # Write to the memory now. Otherwise it would be allocated page by page during speech.
        self._data = np.full(int(seconds * rate), 0, np.float32)
        self._lock = threading.Lock()
        self._end = 0
        self._epoch = 0
        self._closed = False

    @property
    def capacity(self) -> int:
        """Samples that fit."""
        return len(self._data)

    @property
    def epoch(self) -> int:
        """Number of resets so far."""
        with self._lock:
            return self._epoch

    @property
    def end(self) -> int:
        """Index after the newest sample."""
        with self._lock:
            return self._end

    @property
    def begin(self) -> int:
        """Index of the oldest sample still there."""
        with self._lock:
            return max(0, self._end - len(self._data))

    def append(self, samples: NDArray[np.float32]) -> int:
        """Add (n,) samples; returns the index of the first. Raises AudioError after `close`."""
        with self._lock:
            if self._closed:
                raise AudioError('the utterance is closed; reset the buffer before adding audio')
            self._grow(self._end + len(samples) - self._read)
            start, size = self._end, len(self._data)
            tail = samples[-size:]
            at = (start + len(samples) - len(tail)) % size
            head = min(len(tail), size - at)
            self._data[at : at + head] = tail[:head]
            self._data[: len(tail) - head] = tail[head:]
            self._end += len(samples)
            return start

    def close(self) -> None:
        """No more samples in this epoch: the reader may generate the last frames."""
        with self._lock:
            self._closed = True

    def reset(self) -> int:
        """Forget everything and start the next epoch; returns its number."""
        with self._lock:
            self._end = self._read = 0
            self._closed = False
            self._epoch += 1
            return self._epoch

    def read(self, start: int, stop: int) -> NDArray[np.float32]:
        """Copy of samples [start, stop). Raises AudioError for samples not there (any more)."""
        with self._lock:
            begin = max(0, self._end - len(self._data))
            if not begin <= start <= stop <= self._end:
                raise AudioError(f'samples {start}..{stop} are not held; the buffer has {begin}..{self._end}')
            return self._copy(start, stop)

    def read_new(self, epoch: int, start: int, limit: int | None = None) -> RingChunk:
        """Samples from ``start`` of ``epoch`` on, at most ``limit``.

        After a reset the reader gets the new epoch from its beginning.
        """
        with self._lock:
            if epoch != self._epoch:
                start = 0
            begin = max(start, self._end - len(self._data))
            stop = self._end if limit is None else min(self._end, begin + limit)
            closed = self._closed and stop == self._end
            self._read = max(self._read, stop)
            return RingChunk(self._epoch, begin, self._copy(begin, stop), begin - start, closed)

    def _grow(self, unread: int) -> None:
        if unread <= len(self._data) or len(self._data) == self._most:
            return
        begin = max(0, self._end - len(self._data))
        kept = self._copy(begin, self._end)
        self._data = np.full(min(self._most, max(unread, 2 * len(self._data))), 0, np.float32)
        places = np.arange(begin, self._end) % len(self._data)
        self._data[places] = kept

    def _copy(self, start: int, stop: int) -> NDArray[np.float32]:
        size = len(self._data)
        at, count = start % size, stop - start
        head = min(count, size - at)
        return np.concatenate([self._data[at : at + head], self._data[: count - head]])
