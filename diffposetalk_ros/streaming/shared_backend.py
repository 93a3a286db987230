# SPDX-License-Identifier: Apache-2.0
"""One backend for all streams of a process, with requests that wait at the same time in one batch.

Every stream has its own generator, worker, style, seed and clock, and uses an ordinary `Backend`. Behind it,
one thread owns the networks. Whenever it is free, it takes the request that has waited longest, and all
others that can share its batch. It never waits for a batch to fill, so a single stream is as fast as
without sharing.

At most ``limit`` streams are admitted. Each has one request in flight, so the queue is never longer than
the number of streams, and under overload all of them slow down alike.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Hashable
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from diffposetalk_ros.errors import ModelError
from diffposetalk_ros.model.backend import Backend, FloatArray, SamplingConfig, WindowRequest
from diffposetalk_ros.streaming.latency import LatencyTracker
from diffposetalk_ros.streaming.request_batch import join_requests, request_kind

__all__ = ['SharedBackend']

_MAX_BATCH = 32
"""Largest number of windows in a batch. A larger one gains nothing and makes its streams wait."""


@dataclass
class _Job:
    """A waiting call. Jobs of equal ``kind`` are given to ``run`` together."""

    kind: Hashable
    argument: Any
    run: Callable[[list[Any]], list[Any]]
    answer: Future[Any] = field(default_factory=Future)
    since: float = field(default_factory=time.perf_counter)


class SharedBackend:
    """Owns ``backend`` and gives each stream a `Backend` by `join`. Thread-safe.

    At most ``limit`` streams are admitted. ``waiting`` measures seconds from request to answer, ``sizes``
    counts batches by their number of windows, and ``longest_queue`` is the largest number of calls that
    ever waited at the same time. Raises ModelError for a limit below 1.
    """

    def __init__(self, backend: Backend, limit: int = 16) -> None:
        if limit < 1:
            raise ModelError(f'a limit of {limit} avatars; use 1 or more')
        self.config, self.runner = backend.config, backend.runner
        self.limit = limit
        self.waiting = LatencyTracker()
        self.sizes: dict[int, int] = {}
        self.longest_queue = 0
        self._backend = backend
        self._lock = threading.Condition()
        self._jobs: list[_Job] = []
        self._members: set[int] = set()
        self._closed = False
        self._thread = threading.Thread(target=self._serve, name='shared-inference', daemon=True)
        self._thread.start()

    @property
    def members(self) -> int:
        """Number of streams that have joined and not left."""
        with self._lock:
            return len(self._members)

    def join(self) -> _Member:
        """`Backend` for one stream. Raises ModelError if ``limit`` streams have joined already."""
        with self._lock:
            if len(self._members) >= self.limit:
                raise ModelError(
                    f'this process serves {self.limit} avatars already; raise its limit or start another'
                )
            member = _Member(self)
            self._members.add(id(member))
        return member

    def leave(self, member: _Member) -> None:
        """Make room for another stream. Further calls do nothing."""
        with self._lock:
            self._members.discard(id(member))

    def close(self) -> None:
        """End the thread after the current batch. Waiting calls fail with ModelError."""
        with self._lock:
            self._closed = True
            self._lock.notify_all()
        self._thread.join()

    def submit(self, kind: Hashable, argument: Any, run: Callable[[list[Any]], list[Any]]) -> Any:
        """Wait for the result of ``run`` for ``argument``. Raises what ``run`` raised."""
        job = _Job(kind, argument, run)
        with self._lock:
            if self._closed:
                raise ModelError('the shared model has been closed')
            self._jobs.append(job)
            self.longest_queue = max(self.longest_queue, len(self._jobs))
            self._lock.notify_all()
        try:
            return job.answer.result()
        finally:
            self.waiting.add(time.perf_counter() - job.since)

    def encode(self, mels: list[FloatArray]) -> list[FloatArray]:
        """Encode log mel of equal length in one batch."""
        return _rows(self._backend.encode_mel(np.concatenate(mels)), mels)

    def encode_speech(self, jobs: list[tuple[FloatArray, int]]) -> list[FloatArray]:
        """Encode samples of equal length and number of frames in one batch."""
        sounds = [samples for samples, _ in jobs]
        return _rows(self._backend.encode_audio(np.concatenate(sounds), jobs[0][1]), sounds)

    def denoise(self, jobs: list[tuple[WindowRequest, SamplingConfig]]) -> list[FloatArray]:
        """Denoise windows of one kind in one batch."""
        requests = [request for request, _ in jobs]
        with self._lock:
            self.sizes[len(jobs)] = self.sizes.get(len(jobs), 0) + 1
        joined = requests[0] if len(requests) == 1 else join_requests(requests)
        return _rows(self._backend.sample(joined, jobs[0][1]), [request.noise for request in requests])

    def call(self, name: str, *arguments: Any) -> Any:
        """Call any other method of the backend on its thread, by itself."""
        return self.submit(object(), arguments, lambda all_: [getattr(self._backend, name)(*all_[0])])

    def _serve(self) -> None:
        while True:
            with self._lock:
                self._lock.wait_for(lambda: bool(self._jobs) or self._closed)
                if self._closed:
                    for job in self._jobs:
                        job.answer.set_exception(ModelError('the shared model has been closed'))
                    return
                batch = [job for job in self._jobs if job.kind == self._jobs[0].kind][:_MAX_BATCH]
                taken = {id(job) for job in batch}
                self._jobs = [job for job in self._jobs if id(job) not in taken]
            try:
                results = batch[0].run([job.argument for job in batch])
            except Exception as error:  # it belongs to the callers
                for job in batch:
                    job.answer.set_exception(error)
            else:
                for job, result in zip(batch, results, strict=True):
                    job.answer.set_result(result)


class _Member:
    """Backend of one stream. Call `leave` when the stream ends; a member that is deleted leaves by itself."""

    def __init__(self, shared: SharedBackend) -> None:
        self.config, self.runner = shared.config, shared.runner
        self._shared = shared

    def leave(self) -> None:
        """Make room for another stream."""
        self._shared.leave(self)

    def __del__(self) -> None:
        self.leave()

    def encode_audio(self, samples: FloatArray, frames: int) -> FloatArray:
        """See `Backend`."""
        kind = ('speech', samples.shape[1:], frames)
        out: FloatArray = self._shared.submit(kind, (samples, frames), self._shared.encode_speech)
        return out

    def encode_mel(self, mel: FloatArray) -> FloatArray:
        """See `Backend`."""
        out: FloatArray = self._shared.submit(('mel', mel.shape[1:]), mel, self._shared.encode)
        return out

    def encode_style(self, motion: FloatArray) -> FloatArray:
        """See `Backend`."""
        out: FloatArray = self._shared.call('encode_style', motion)
        return out

    def sample(self, request: WindowRequest, sampling: SamplingConfig) -> FloatArray:
        """See `Backend`. In a batch, the last bits may differ from those of a stream alone."""
        kind = ('sample', request_kind(sampling, request))
        out: FloatArray = self._shared.submit(kind, (request, sampling), self._shared.denoise)
        return out


def _rows(values: FloatArray, parts: list[FloatArray]) -> list[FloatArray]:
    """Cut a batch into the parts it was joined from."""
    return np.split(values, np.cumsum([len(part) for part in parts])[:-1])
