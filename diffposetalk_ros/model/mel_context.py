# SPDX-License-Identifier: Apache-2.0
"""Context of the log-mel encoder around a motion frame. This module needs no torch."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from diffposetalk_ros.audio.logmel import HOP, MEL_PER_FRAME, normalised_log_mel
from diffposetalk_ros.model.config import LogMelConfig

__all__ = ['block_lookaheads', 'clip_mel', 'logmel_context']


def block_lookaheads(config: LogMelConfig) -> list[int]:
    """Right context of each block in steps of 20 ms (two mel frames). Early blocks take it first."""
    left = config.lookahead // 2
    rights = []
    for dilation in config.dilations:
        rights.append(min(dilation, left))
        left -= rights[-1]
    return rights


def logmel_context(config: LogMelConfig) -> tuple[int, int]:
    """Number of mel frames needed left and right of the four of a motion frame.

    The stem (kernel 5, then kernel 4 with stride 2) has left context only.
    """
    rights = block_lookaheads(config)
    steps = sum(2 * dilation - right for dilation, right in zip(config.dilations, rights, strict=True))
    return 2 * steps + 2 + 4, config.lookahead


def clip_mel(samples: NDArray[np.float32], frames: int, config: LogMelConfig) -> NDArray[np.float32]:
    """Whole clips (N, n) at 16 kHz -> the encoder's input (N, left + 4 frames + right, n_mels).

    The clip is padded with zeros in normalised units, as a stream that begins and ends there. No training
    window ends that way, so the last two frames, which look 80 ms ahead, are less certain. If speech is
    cut off, their features differ by 0.26 and 0.63 deviations from those with the missing audio (0.21 and
    0.54 with silence instead of zeros).
    """
    left, right = logmel_context(config)
    wanted = MEL_PER_FRAME * frames + right
    rows = []
    for clip in samples:
        mel = normalised_log_mel(clip[: wanted * HOP], config.n_mels)
        rows.append(np.pad(mel, ((left, wanted - len(mel)), (0, 0))))
    return np.stack(rows).astype(np.float32)
