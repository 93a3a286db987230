# SPDX-License-Identifier: Apache-2.0
"""StyleReference messages as plain values."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

from diffposetalk_ros.avatar.style_reference import StyleReference

__all__ = ['style_reference']


def style_reference(message: Any) -> StyleReference:
    """diffposetalk_ros/msg/StyleReference -> the value the avatar takes."""
    return StyleReference(**{field.name: getattr(message, field.name) for field in fields(StyleReference)})
