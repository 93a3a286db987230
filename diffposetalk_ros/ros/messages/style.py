# SPDX-License-Identifier: Apache-2.0
"""StyleReference messages as plain values."""

from __future__ import annotations

from dataclasses import fields

from diffposetalk_ros.avatar.style_reference import StyleReference
from diffposetalk_ros.msg import StyleReference as StyleReferenceMessage

__all__ = ['style_reference']


def style_reference(message: StyleReferenceMessage) -> StyleReference:
    """diffposetalk_ros/msg/StyleReference -> the value the avatar takes."""
    return StyleReference(**{field.name: getattr(message, field.name) for field in fields(StyleReference)})
