# SPDX-License-Identifier: Apache-2.0
"""The speaking style in use and transitions between styles. Imports no ROS."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from diffposetalk_ros.avatar.style_reference import StyleReference
from diffposetalk_ros.errors import StyleError
from diffposetalk_ros.model.backend import FloatArray
from diffposetalk_ros.model.loader import LoadedModel
from diffposetalk_ros.motion.resampling import at_rate
from diffposetalk_ros.util.base_folder import BaseFolder
from diffposetalk_ros.util.nanoseconds import NS_PER_SECOND

__all__ = ['StyleControl']


class StyleControl:
    """The style of one stream: by name, by vector, or taken from a motion clip.

    ``files``: folder in which style files must lie; without it, any folder is allowed.
    ``style_of`` runs `LoadedModel.style_of` on the thread that owns the backend. Raises StyleError for an
    unknown name.
    """

    def __init__(
        self,
        model: LoadedModel,
        checksum: str,
        style_of: Callable[[FloatArray], FloatArray],
        name: str,
        files: BaseFolder | None = None,
    ) -> None:
        self._model, self._files = model, files
        self._checksum = checksum
        self._style_of = style_of
        self._layout = model.backend.config.layout
        self.name = name
        self._goal = self._origin = self._now = self._vector(name)
        self._begin: int | None = None
        self._duration = 0

    def by_name(self, name: str, transition: float) -> None:
        """Change to a named style within ``transition`` s. If it raises StyleError, the old style stays."""
        self._go(name, self._vector(name), transition)

    def by_reference(self, reference: StyleReference, transition: float) -> None:
        """Follow a StyleReference: embedding, else motion clip, else name. Raises StyleError."""
        if len(reference.embedding):
            if reference.model_checksum not in ('', self._checksum):
                raise StyleError('the embedding was made with another model; extract the style again')
            vector = self._vector(np.asarray(reference.embedding, np.float32))
        elif len(reference.motion):
            clip = reference.clip(self._layout)
            motion = at_rate(clip, self._model.backend.config.fps).values
            vector = self._vector(self._style_of(motion))
        elif reference.name:
            vector = self._vector(reference.name)
        else:
            raise StyleError('the style reference is empty; give a name, a motion clip or an embedding')
        self._go(reference.name, vector, transition)

    def refusal(self, name: str) -> str | None:
        """Why a named style cannot be used; None if it can."""
        try:
            self._vector(name)
        except StyleError as error:
            return str(error)
        return None

    @property
    def goal(self) -> FloatArray | None:
        """The requested style, which is reached at the end of any transition."""
        return self._goal

    def settle(self) -> FloatArray | None:
        """End any transition and return the requested style."""
        self._origin = self._now = self._goal
        self._begin, self._duration = None, 0
        return self._goal

    def advance(self, now: int) -> tuple[bool, FloatArray | None]:
        """(whether the style has changed since the last call, style at ``now`` ns)."""
        if self._origin is self._goal:
            return False, self._goal
        if self._begin is not None and now < self._begin:
            self._origin = self._now  # the clock was set back, as when a simulation restarts
            self._begin = None
        if self._begin is None:
            self._begin = now
        share = (now - self._begin) / self._duration if self._duration > 0 else 1.0
        if share >= 1.0 or self._origin is None or self._goal is None:
            return True, self.settle()
        self._now = self._origin + np.float32(max(0.0, share)) * (self._goal - self._origin)
        return True, self._now

    def _go(self, name: str, vector: FloatArray | None, transition: float) -> None:
        # Start from the current style, even in the middle of an earlier transition.
        self._origin = self._now
        self.name, self._goal, self._begin = name, vector, None
        self._duration = round(transition * NS_PER_SECOND)

    def _vector(self, wanted: str | FloatArray) -> FloatArray | None:
        return self._model.style(wanted, self._files) if self._model.style_width else None
