# SPDX-License-Identifier: Apache-2.0
"""Parametric animator: phonemes, prosody and a style vector -> ARKit-52 motion with head rotation."""

from diffposetalk_ros.training.animator.animator import animate
from diffposetalk_ros.training.animator.coarticulation import lip_closure_spans, viseme_targets
from diffposetalk_ros.training.animator.sounds import ARPABET, BASES, sounds
from diffposetalk_ros.training.animator.style import (
    NAMED_STYLES,
    STYLE_RANGES,
    StyleParameters,
    named_style,
    sample_style,
)
from diffposetalk_ros.training.animator.visemes import VISEMES, Phone

__all__ = [
    'ARPABET', 'BASES', 'sounds',
    'NAMED_STYLES', 'STYLE_RANGES', 'VISEMES', 'Phone', 'StyleParameters', 'animate',
    'lip_closure_spans',
    'named_style', 'sample_style', 'viseme_targets',
]  # fmt: skip
