# SPDX-License-Identifier: Apache-2.0
"""sensor_msgs/Image and CompressedImage as RGB pictures."""

from __future__ import annotations

import io

import numpy as np
from numpy.typing import NDArray
from sensor_msgs.msg import CompressedImage, Image

from diffposetalk_ros.errors import VideoError, reason_of

__all__ = ['compressed_picture', 'picture']

_CHANNELS = {
    'rgb8': (3, (0, 1, 2)),
    'bgr8': (3, (2, 1, 0)),
    '8UC3': (3, (2, 1, 0)),
    'rgba8': (4, (0, 1, 2)),
    'bgra8': (4, (2, 1, 0)),
    'mono8': (1, (0, 0, 0)),
    '8UC1': (1, (0, 0, 0)),
}


def picture(message: Image) -> NDArray[np.uint8]:
    """sensor_msgs/Image -> (height, width, 3) RGB. Raises VideoError for other encodings or a wrong size."""
    if message.encoding not in _CHANNELS:
        raise VideoError(
            f'image encoding {message.encoding!r} is not known; use {", ".join(_CHANNELS)}, or republish it'
        )
    channels, order = _CHANNELS[message.encoding]
    height, width, step = int(message.height), int(message.width), int(message.step)
    data = np.frombuffer(message.data, np.uint8)
    if height < 1 or width < 1 or step < width * channels or len(data) < height * step:
        raise VideoError(f'image of {width}x{height}, step {step}, holds {len(data)} bytes; they do not fit')
    rows = data[: height * step].reshape(height, step)[:, : width * channels]
    return np.ascontiguousarray(rows.reshape(height, width, channels)[..., list(order)])


def compressed_picture(message: CompressedImage) -> NDArray[np.uint8]:
    """sensor_msgs/CompressedImage (JPEG, PNG) -> (height, width, 3) RGB. Raises VideoError if it is neither."""
    from PIL import Image as Pillow
    from PIL import UnidentifiedImageError

    try:
        with Pillow.open(io.BytesIO(bytes(message.data))) as image:
            return np.array(image.convert('RGB'), np.uint8)
    except (UnidentifiedImageError, OSError, ValueError, Pillow.DecompressionBombError) as error:
        raise VideoError(
            f'compressed image cannot be decoded ({reason_of(error)}); send JPEG or PNG'
        ) from None
