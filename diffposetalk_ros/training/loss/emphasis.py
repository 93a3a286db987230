# SPDX-License-Identifier: Apache-2.0
"""Weight of each frame's lip error: highest where lips have to close, however short the closure is."""

from __future__ import annotations

from torch import Tensor
from torch.nn.functional import avg_pool1d

from diffposetalk_ros.training.animator.sounds import BILABIALS
from diffposetalk_ros.training.data.takes import PHONES

__all__ = ['gesture_share', 'lip_emphasis']

_BILABIALS = [PHONES.index(name) for name in sorted(BILABIALS)]
# Sounds that are mistaken for them on real voices.
_RIVALS = [PHONES.index(name) for name in ('ð', 'n', 'ŋ', 'ɲ', 'v', 'f', 'ʋ', 'β', 'ɸ', 'd', 't', 'l', 'w')]

_TYPICAL = 2.5
"""Frames a closure of 100 ms fills at 25 fps."""
_NEARBY = 5
"""Frames within which a gesture is taken for one."""


def gesture_share(share: Tensor) -> Tensor:
    """Share (N, F) 0..1 of each frame that phones of a kind fill -> the same, weighted by its gesture.

    A p of 40 ms, as after s, fills one frame or two halves; a held m fills six. Summed over frames, the m
    would count six times as much, and the lips would stay open for the p. The factor moves the sum of each gesture
    towards that of a typical one. It is limited to the range of a half to three.
    """
    nearby = _NEARBY * avg_pool1d(share[:, None], _NEARBY, 1, _NEARBY // 2)[:, 0]
    return share * (_TYPICAL / nearby.clamp(min=_TYPICAL / 3)).clamp(min=0.5)


def lip_emphasis(phones: Tensor, closure: float, rivals: float) -> Tensor:
    """Phone shares (N, F, len(PHONES)) -> weight (N, F) of the lip error of each frame.

    ``closure`` is added in proportion to the share of p, b and m, and ``rivals`` to that of phones mistaken for
    them. ``closure`` alone would make the lips close in doubtful cases.
    """
    closing = gesture_share(phones[..., _BILABIALS].sum(-1))
    rival = gesture_share(phones[..., _RIVALS].sum(-1))
    return 1.0 + closure * closing + rivals * rival
