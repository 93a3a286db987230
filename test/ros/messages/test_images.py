# SPDX-License-Identifier: Apache-2.0
"""Pictures of drivers come as RGB, whatever the order of their colours."""

from __future__ import annotations

import io

import numpy as np
import pytest

Image = pytest.importorskip('sensor_msgs.msg', reason='sensor_msgs is not importable').Image
from sensor_msgs.msg import CompressedImage  # noqa: E402

from diffposetalk_ros.errors import VideoError  # noqa: E402
from diffposetalk_ros.ros.messages.images import compressed_picture, picture  # noqa: E402

RGB = np.arange(2 * 3 * 3, dtype=np.uint8).reshape(2, 3, 3)


@pytest.mark.parametrize(
    ('encoding', 'pixels', 'expected'),
    [
        ('rgb8', RGB, RGB),
        ('bgr8', RGB[..., ::-1], RGB),
        ('rgba8', np.concatenate([RGB, RGB[..., :1]], axis=2), RGB),
        ('bgra8', np.concatenate([RGB[..., ::-1], RGB[..., :1]], axis=2), RGB),
        ('mono8', RGB[..., :1], np.repeat(RGB[..., :1], 3, axis=2)),
    ],
)
def test_encodings(encoding: str, pixels: np.ndarray, expected: np.ndarray) -> None:
    channels = pixels.shape[2]
    padded = np.zeros((2, 3 * channels + 5), np.uint8)  # drivers align rows
    padded[:, : 3 * channels] = pixels.reshape(2, -1)
    message = Image(height=2, width=3, step=padded.shape[1], encoding=encoding, data=padded.tobytes())
    assert np.array_equal(picture(message), expected)


def test_what_does_not_fit_is_told() -> None:
    with pytest.raises(VideoError, match='bayer_rggb8'):
        picture(Image(height=2, width=3, step=3, encoding='bayer_rggb8', data=bytes(6)))
    with pytest.raises(VideoError, match='3x2'):
        picture(Image(height=2, width=3, step=9, encoding='rgb8', data=bytes(10)))
    with pytest.raises(VideoError, match='cannot be decoded'):
        compressed_picture(CompressedImage(format='jpeg', data=b'no jpeg'))


def test_compressed_pictures() -> None:
    pillow = pytest.importorskip('PIL.Image', reason='Pillow is not installed')
    stream = io.BytesIO()
    pillow.fromarray(RGB).save(stream, 'PNG')
    assert np.array_equal(compressed_picture(CompressedImage(format='png', data=stream.getvalue())), RGB)
