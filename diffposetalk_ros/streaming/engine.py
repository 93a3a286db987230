# SPDX-License-Identifier: Apache-2.0
"""Many avatars on one backend: windows that are ready at the same time are denoised in one batch."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable, Sequence

import numpy as np

from diffposetalk_ros.model.backend import Backend, FloatArray, SamplingConfig, WindowRequest
from diffposetalk_ros.streaming.features import encode_together
from diffposetalk_ros.streaming.generator import GeneratedFrames, StreamingGenerator
from diffposetalk_ros.streaming.window import Window

__all__ = ['BatchEngine', 'join_requests', 'request_kind']


class BatchEngine:
    """Steps several streams together; each keeps its own style, seed, hop and resets.

    Streams without a window ready take no part. Batched arithmetic may differ from a stream alone in
    the last bits of float32, depending on who else is in the batch; where bits must repeat, step the
    generators one by one.
    """

    def __init__(self, backend: Backend, streams: Sequence[StreamingGenerator]) -> None:
        self._backend = backend
        self.streams = list(streams)

    def step(self) -> dict[int, GeneratedFrames]:
        """At most one window of every stream: index of the stream -> its new frames."""
        planned = [(index, stream.plan()) for index, stream in enumerate(self.streams)]
        windows = {index: window for index, window in planned if window is not None}
        self._encode(windows)
        groups: dict[Hashable, list[tuple[int, Window, WindowRequest]]] = defaultdict(list)
        for index, window in windows.items():
            stream = self.streams[index]
            request = stream.request(window)
            groups[request_kind(stream.sampling, request)].append((index, window, request))
        out: dict[int, GeneratedFrames] = {}
        for members in groups.values():
            sampling = self.streams[members[0][0]].sampling
            motion = self._backend.sample(join_requests([request for _, _, request in members]), sampling)
            for (index, window, _), row in zip(members, motion, strict=True):
                out[index] = self.streams[index].accept(window, row)
        return out

    def _encode(self, windows: dict[int, Window]) -> None:
        """The audio of all windows, in as few calls as their shapes allow."""
        wanted = [
            (self.streams[index], self.streams[index].missing(window)) for index, window in windows.items()
        ]
        missing = [(stream, encoding) for stream, encoding in wanted if encoding is not None]
        features = encode_together(self._backend, [encoding for _, encoding in missing])
        for (stream, encoding), values in zip(missing, features, strict=True):
            stream.fill(encoding, values)


def join_requests(requests: Sequence[WindowRequest]) -> WindowRequest:
    """One batch out of requests of equal window length that have the same conditions.

    ``known`` may be missing in some: nothing then pulls their frames.
    """
    step_noises = [request.step_noise for request in requests]

    def step_noise(t: int) -> FloatArray:
        return np.concatenate([noise(t) for noise in step_noises if noise is not None])

    known, weight = _join_known(requests)
    return WindowRequest(
        audio=np.concatenate([request.audio for request in requests]),
        noise=np.concatenate([request.noise for request in requests]),
        previous_motion=_join([request.previous_motion for request in requests]),
        previous_audio=_join([request.previous_audio for request in requests]),
        style=_join([request.style for request in requests]),
        shape=_join([request.shape for request in requests]),
        indicator=_join([request.indicator for request in requests]),
        step_noise=step_noise if all(noise is not None for noise in step_noises) else None,
        known=known,
        known_weight=weight,
    )


def request_kind(sampling: SamplingConfig, request: WindowRequest) -> Hashable:
    """Requests of one kind can share a batch."""
    return (
        sampling,
        request.noise.shape[1:],
        request.previous_motion is None,
        request.style is None,
        request.shape is None,
    )


def _join(arrays: Sequence[FloatArray | None]) -> FloatArray | None:
    present = [array for array in arrays if array is not None]
    return np.concatenate(present) if present else None


def _join_known(requests: Sequence[WindowRequest]) -> tuple[FloatArray | None, FloatArray | None]:
    if all(request.known is None for request in requests):
        return None, None
    known, weight = [], []
    for request in requests:
        if request.known is None or request.known_weight is None:
            known.append(np.zeros_like(request.noise))
            weight.append(np.zeros((*request.noise.shape[:2], 1), np.float32))
        else:
            known.append(request.known)
            weight.append(request.known_weight)
    return np.concatenate(known), np.concatenate(weight)
