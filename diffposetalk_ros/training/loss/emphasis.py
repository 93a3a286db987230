# SPDX-License-Identifier: Apache-2.0
"""Weight of each frame's lip error: highest where lips have to close, however short the closure is."""

from __future__ import annotations

from torch import Tensor
from torch.nn.functional import avg_pool1d

from diffposetalk_ros.training.animator.sounds import BILABIALS
from diffposetalk_ros.training.data.takes import PHONES

__all__ = ['gesture_share', 'lip_emphasis']

_BILABIALS = [PHONES.index(name) for name in sorted(BILABIALS)]
# What is taken for them on real voices.
_RIVALS = [PHONES.index(name) for name in ('ð', 'n', 'ŋ', 'ɲ', 'v', 'f', 'ʋ', 'β', 'ɸ', 'd', 't', 'l', 'w')]

_TYPICAL = 2.5
"""Frames a closure of 100 ms fills at 25 fps."""
_NEARBY = 5
"""Frames within which a gesture is taken for one."""


def gesture_share(share: Tensor) -> Tensor:
    """Share (N, F) 0..1 of each frame that phones of a kind fill -> the same, weighted by its gesture.

    A p of 40 ms, as after s, fills one frame or two halves; a held m fills six. Summed over frames the second
    would count six times, and the first be left open. The factor brings a gesture towards the sum of a typical
    one; it is kept between a half and three.
    """
    nearby = _NEARBY * avg_pool1d(share[:, None], _NEARBY, 1, _NEARBY // 2)[:, 0]
    return share * (_TYPICAL / nearby.clamp(min=_TYPICAL / 3)).clamp(min=0.5)


def lip_emphasis(phones: Tensor, closure: float, rivals: float) -> Tensor:
    """Phone shares (N, F, len(PHONES)) -> factor (N, F) on the lip error of each frame.

    ``closure`` is added as far as p, b or m fill the frame, ``rivals`` as far as phones do that are taken
    for them: the first alone draws what is in doubt towards closing.
    """
    closing = gesture_share(phones[..., _BILABIALS].sum(-1))
    rival = gesture_share(phones[..., _RIVALS].sum(-1))
    return 1.0 + closure * closing + rivals * rival
