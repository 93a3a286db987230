# SPDX-License-Identifier: Apache-2.0
"""Nonverbal signals: the ten slow movements of a face that do not follow single sounds.

They are what the nonverbal network generates, and what a style's traits describe. `signals_of` reads them
from motion, `apply_signals` writes them into motion. Both work on ARKit motion in the units of its layout.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from diffposetalk_ros.motion.layout import arkit_layout

__all__ = ['PAIRED', 'SIGNALS', 'apply_signals', 'signals_of', 'spread_sides']

Floats = NDArray[np.float32]

SIGNALS: Final = (
    'head_pitch', 'head_yaw', 'head_roll', 'brow_inner', 'brow_outer', 'brow_down', 'squint', 'smile',
    'sideways', 'lopsided',
)  # fmt: skip
"""Columns of a signal array. Head in rad (face axes); brows, squint and smile are ARKit weights, the mean of
both sides; sideways: mouthLeft minus mouthRight; lopsided: (left - right) / (left + right) of paired channels."""

_SMILE_SIGNAL, _LOPSIDED_SIGNAL = SIGNALS.index('smile'), SIGNALS.index('lopsided')
_COLUMN = {name: index for index, name in enumerate(arkit_layout().names)}
_HEAD = slice(52, 55)


def _pair(name: str) -> list[int]:
    return [_COLUMN[f'{name}Left'], _COLUMN[f'{name}Right']]


_OUTER, _DOWN, _SQUINT, _SMILE = (_pair(n) for n in ('browOuterUp', 'browDown', 'eyeSquint', 'mouthSmile'))
_INNER = _COLUMN['browInnerUp']
_CHEEK, _DIMPLE = _pair('cheekSquint'), _pair('mouthDimple')
_MOUTH_SIDE = [_COLUMN['mouthLeft'], _COLUMN['mouthRight']]
_JAW_SIDE = [_COLUMN['jawLeft'], _COLUMN['jawRight']]

PAIRED: Final = tuple(
    tuple(_pair(name))
    for name in (
        'mouthSmile', 'mouthFrown', 'mouthDimple', 'mouthStretch', 'mouthUpperUp', 'mouthLowerDown',
        'cheekSquint', 'noseSneer',
    )
)  # fmt: skip
"""Left and right column of the mouth's channels that a lopsided face moves unequally. Not mouthPress: pressed lips
must meet on both sides."""
_PAIRED = np.array(PAIRED).T
_MEASURED = np.array([_OUTER, _DOWN, _SQUINT, _SMILE])
_TOUCHED = sorted(
    {
        _INNER,
        *_OUTER,
        *_DOWN,
        *_SQUINT,
        *_MOUTH_SIDE,
        *_JAW_SIDE,
        *(column for pair in PAIRED for column in pair),
    }
)
_PUCKER, _FUNNEL = _COLUMN['mouthPucker'], _COLUMN['mouthFunnel']
_FREE = 0.88
"""Share of a smile that rounded lips leave on average in speech."""
_LEAST = 0.08
"""Channel sum below which left and right say nothing about the face's symmetry."""


def signals_of(motion: Floats) -> Floats:
    """Signals (F, 10) of ARKit motion (F, 55)."""
    motion = np.asarray(motion, np.float32)
    left, right = motion[:, _MEASURED[:, 0]], motion[:, _MEASURED[:, 1]]
    total = (left + right).sum(1)
    lopsided = np.where(total > _LEAST, (left - right).sum(1) / np.maximum(total, _LEAST), 0.0)
    columns = [
        *motion[:, _HEAD].T,
        motion[:, _INNER],
        *(motion[:, pair].mean(1) for pair in (_OUTER, _DOWN, _SQUINT, _SMILE)),
        motion[:, _MOUTH_SIDE[0]] - motion[:, _MOUTH_SIDE[1]],
        lopsided,
    ]
    return np.stack(columns, 1).astype(np.float32)


def spread_sides(values: Floats, lopsided: Floats) -> tuple[Floats, Floats]:
    """Left and right weight of a channel (F,) whose mean is ``values``, for a face lopsided by (F,)."""
    return values * (1 + lopsided), values * (1 - lopsided)


def apply_signals(motion: Floats, signals: Floats, level: Floats) -> Floats:
    """Motion (F, 55) with its head, brows, squint, sides and asymmetry from ``signals`` (F, 10).

    The mouth keeps what it articulates. Rounded lips take most of a smile back, whatever the articulating network
    makes of it. That network already is lopsided and has the cheeks and dimples of the ``level`` (10,) or
    (F, 10) of the style, so of these only what differs from it is added.
    """
    out = np.array(motion, np.float32)
    value = dict(zip(SIGNALS, np.asarray(signals, np.float32).T, strict=True))
    lopsided = np.clip(value['lopsided'], -0.9, 0.9)
    out[:, _HEAD] = np.asarray(signals, np.float32)[:, :3]
    out[:, _INNER] = value['brow_inner']
    for pair, name in ((_OUTER, 'brow_outer'), (_DOWN, 'brow_down'), (_SQUINT, 'squint')):
        out[:, pair[0]], out[:, pair[1]] = spread_sides(value[name], lopsided)
    free = (1 - 0.6 * out[:, _PUCKER]) * (1 - 0.25 * out[:, _FUNNEL]) / _FREE
    out[:, _SMILE[0]], out[:, _SMILE[1]] = spread_sides(value['smile'] * free, level[..., _LOPSIDED_SIGNAL])
    more = value['smile'] - level[..., _SMILE_SIGNAL]
    for pair, share in ((_CHEEK, 0.45), (_DIMPLE, 0.2)):
        out[:, pair] += share * more[:, None]
    side = value['sideways'] - (out[:, _MOUTH_SIDE[0]] - out[:, _MOUTH_SIDE[1]])
    for pair, share in ((_MOUTH_SIDE, 1.0), (_JAW_SIDE, 0.6)):
        out[:, pair[0]] += share * np.maximum(side, 0)
        out[:, pair[1]] += share * np.maximum(-side, 0)
    mean = (out[:, _PAIRED[0]] + out[:, _PAIRED[1]]) / 2
    extra = mean * (np.float32(0.8) * (lopsided - level[..., _LOPSIDED_SIGNAL]))[:, None]
    out[:, _PAIRED[0]] += extra
    out[:, _PAIRED[1]] -= extra
    out[:, _TOUCHED] = np.clip(out[:, _TOUCHED], 0, 1)
    return out
