# SPDX-License-Identifier: Apache-2.0
"""Windows of several streams as one batch for the backend."""

from __future__ import annotations

from collections.abc import Hashable, Sequence

import numpy as np

from diffposetalk_ros.diffusion.sampler import Inpainting
from diffposetalk_ros.model.backend import FloatArray, SamplingConfig, WindowRequest

__all__ = ['join_requests', 'request_kind']


def request_kind(sampling: SamplingConfig, request: WindowRequest) -> Hashable:
    """Requests with equal kinds can share a batch."""
    return (
        sampling,
        request.noise.shape[1:],
        request.previous_motion is None,
        request.style is None,
        request.shape is None,
    )


def join_requests(requests: Sequence[WindowRequest]) -> WindowRequest:
    """Concatenate requests of one `request_kind` along the batch axis.

    A request without inpainting gets a mask of zeros if others in the batch have one.
    """
    step_noises = [request.step_noise for request in requests]

    def step_noise(t: int) -> FloatArray:
        return np.concatenate([noise(t) for noise in step_noises if noise is not None])

    return WindowRequest(
        audio=np.concatenate([request.audio for request in requests]),
        noise=np.concatenate([request.noise for request in requests]),
        previous_motion=_join([request.previous_motion for request in requests]),
        previous_audio=_join([request.previous_audio for request in requests]),
        style=_join([request.style for request in requests]),
        shape=_join([request.shape for request in requests]),
        indicator=_join([request.indicator for request in requests]),
        step_noise=step_noise if all(noise is not None for noise in step_noises) else None,
        inpainting=_join_inpainting(requests),
    )


def _join(arrays: Sequence[FloatArray | None]) -> FloatArray | None:
    present = [array for array in arrays if array is not None]
    return np.concatenate(present) if present else None


def _join_inpainting(requests: Sequence[WindowRequest]) -> Inpainting | None:
    if all(request.inpainting is None for request in requests):
        return None
    parts = [request.inpainting or _nothing_known(request) for request in requests]
    return Inpainting(
        np.concatenate([part.target for part in parts]), np.concatenate([part.mask for part in parts])
    )


def _nothing_known(request: WindowRequest) -> Inpainting:
    return Inpainting(np.zeros_like(request.noise), np.zeros((*request.noise.shape[:2], 1), np.float32))
