# SPDX-License-Identifier: Apache-2.0
"""Plan of a window: the frames it denoises, those before it, and those that become final.

    frames     ... 90 ....... 99 | 100 101 | 102 |
                   prefix (P)    | hop k   | L   | padding up to n_motions
                   committed     | commit  | look-ahead: generated again at the next hop
    sound      ..................................... 103 |
                                             R frames the audio encoder sees beyond the hop

A look-ahead of up to R frames adds no delay, because these frames use only sound that the hop needs anyway.

Until P frames are committed, there is no prefix of real frames. The window then begins at frame 0 with the
learned start features, and the frames committed so far are inpainted in it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from diffposetalk_ros.errors import ConfigError
from diffposetalk_ros.model.config import ModelConfig

__all__ = ['Window', 'blend_weights', 'check_window', 'plan_window']


@dataclass(frozen=True)
class Window:
    """One window of the stream, in absolute frame numbers.

    Frames [start, stop) are denoised. Of these, [start, commit_start) are final already and inpainted,
    [commit_start, commit_stop) become final, and [commit_stop, stop) are look-ahead. ``prefix`` frames
    before ``start`` condition the window; 0 means the learned start features. ``length`` >= stop - start is
    the number of frames that the network gets, padding included. It uses only the sound of frames [.., heard),
    even if more has arrived. ``ends``: no sound follows after that.
    """

    start: int
    stop: int
    commit_start: int
    commit_stop: int
    prefix: int
    length: int
    heard: int
    ends: bool = False

    @property
    def frames(self) -> int:
        """Real frames in the window."""
        return self.stop - self.start


def check_window(model: ModelConfig, hop: int, look_ahead: int) -> None:
    """Raise ConfigError if the model's window cannot hold hop and look-ahead."""
    if hop < 1 or look_ahead < 0:
        raise ConfigError(
            f'hop {hop}, look-ahead {look_ahead}; use a hop of 1 or more, a look-ahead of 0 or more'
        )
    # The longest window comes just before the prefix is complete.
    pinned = (model.n_prev_motions - 1) // hop * hop
    longest = pinned + hop + look_ahead
    if longest > model.n_motions:
        raise ConfigError(
            f'hop {hop} + look-ahead {look_ahead} need a window of {longest} frames; '
            f'the model has {model.n_motions}'
        )


def plan_window(
    model: ModelConfig, hop: int, look_ahead: int, right: int, committed: int, heard: int, ended: bool
) -> Window | None:
    """Next window of a stream.

    Args:
        model: gives n_motions, n_prev_motions and variable_window.
        hop: frames k that become final per window.
        look_ahead: frames L generated beyond them.
        right: frames R of later sound that the features of a final frame need.
        committed: frames that are final, a multiple of ``hop`` while the stream runs.
        heard: number of frames whose sound has arrived.
        ended: no more audio will come; the last windows are shorter.

    Returns:
        The window, or None when more audio is needed (or all is done).
    """
    commit_stop = committed + hop
    stop, needed = commit_stop + look_ahead, commit_stop + max(look_ahead, right)
    ends = ended and heard < needed
    if ended:
        commit_stop, stop, needed = (min(each, heard) for each in (commit_stop, stop, needed))
        if committed >= heard:
            return None
    elif heard < needed:
        return None
    prefix = model.n_prev_motions if committed >= model.n_prev_motions else 0
    start = committed if prefix else 0
    length = stop - start if model.variable_window else model.n_motions
    return Window(start, stop, committed, commit_stop, prefix, length, needed, ends)


def blend_weights(overlap: int, strength: float) -> NDArray[np.float32]:
    """Falling weights (overlap,) with which earlier frames that are not final guide the new ones.

    The first frame follows the earlier prediction most; the frame after the overlap is free.
    """
    steps = np.arange(1, overlap + 1, dtype=np.float32)
    return (strength * (1 - steps / (overlap + 1))).astype(np.float32)
