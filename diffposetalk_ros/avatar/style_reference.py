# SPDX-License-Identifier: Apache-2.0
"""A request for a speaking style: a name, a motion clip or a vector."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from diffposetalk_ros.errors import MotionError, StyleError
from diffposetalk_ros.motion.layout import MotionLayout
from diffposetalk_ros.motion.motion_clip import MotionClip, check_face

__all__ = ['StyleReference']


@dataclass(frozen=True)
class StyleReference:
    """A style request; the fields are those of StyleReference.msg, where units and ranges are documented.

    Only one of ``embedding`` (S,), ``motion`` (frames x channels, row by row) and ``name`` counts, in this order.
    """

    name: str = ''
    embedding: Sequence[float] = ()
    model_checksum: str = ''
    motion: Sequence[float] = ()
    channel_names: Sequence[str] = ()
    space: str = ''
    rate: float = 0.0

    def clip(self, layout: MotionLayout) -> MotionClip:
        """The motion as a clip in ``layout``. Raises StyleError naming what does not fit."""
        if self.space != layout.space:
            raise StyleError(f'style motion is in space {self.space!r}; the model uses {layout.space!r}')
        names = list(self.channel_names) or list(layout.names)
        values = np.asarray(self.motion, np.float32)
        if len(values) % len(names):
            raise StyleError(f'{len(values)} style values do not divide into {len(names)} columns')
        missing = [name for name in layout.names if name not in names]
        if missing:
            raise StyleError(f'style motion lacks {len(missing)} channels, first {missing[0]}')
        values = values.reshape(-1, len(names))[:, [names.index(name) for name in layout.names]]
        try:
            clip = MotionClip(values, self.rate, layout)
            check_face(clip)
        except MotionError as error:
            raise StyleError(f'style motion: {error}') from error
        if not 1.0 <= clip.duration <= 30.0:
            raise StyleError(f'style motion lasts {clip.duration:.2f} s; give 1 to 30 s')
        return clip
