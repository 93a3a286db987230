# SPDX-License-Identifier: Apache-2.0
"""Videos made on the spot: our own head, or coloured pictures."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from fractions import Fraction
from pathlib import Path

import numpy as np
from scipy.ndimage import gaussian_filter1d

from diffposetalk_ros.motion.layout import ARKIT_BLENDSHAPES


def write_video(
    path: Path,
    images: Iterable[np.ndarray],
    times: Sequence[float],
    pix_fmt: str = 'yuv420p',
    pixel: tuple[int, int] = (1, 1),
) -> None:
    """Encode pictures (height, width, 3) shown at ``times`` s. ``pixel``: its width and height as shown."""
    import av

    with av.open(str(path), 'w') as file:
        stream = file.add_stream('libx264', rate=90000)
        stream.time_base = stream.codec_context.time_base = Fraction(1, 90000)
        stream.pix_fmt, stream.options = pix_fmt, {'preset': 'ultrafast', 'crf': '18'}
        for image, time in zip(images, times, strict=True):
            if not stream.codec_context.is_open:
                stream.height, stream.width = image.shape[:2]
                stream.codec_context.sample_aspect_ratio = Fraction(*pixel)
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(image), format='rgb24')
            frame.pts, frame.time_base = round(time * 90000), Fraction(1, 90000)
            file.mux(stream.encode(frame))
        file.mux(stream.encode(None))


def write_y4m(path: Path, images: Iterable[np.ndarray], fps: int = 25) -> None:
    """Pictures (height, width, 3), both even, as a browser takes them for those of a camera."""
    import av

    with path.open('wb') as file:
        for image in images:
            if not file.tell():
                height, width = image.shape[:2]
                file.write(f'YUV4MPEG2 W{width} H{height} F{fps}:1 Ip A1:1 C420jpeg\n'.encode())
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(image), format='rgb24')
            file.write(b'FRAME\n' + frame.reformat(format='yuv420p').to_ndarray().tobytes())


def speaking_motion(count: int, seed: int = 3) -> np.ndarray:
    """ARKit motion (count, 55) at 25 fps that moves jaw, lips, smile, brows, lids, gaze and head by themselves."""
    rng = np.random.default_rng(seed)
    values = np.zeros((count, 55))

    def wave(low: float, high: float, sigma: float) -> np.ndarray:
        x = gaussian_filter1d(rng.normal(size=count), sigma)
        return low + (high - low) * (x - x.min()) / np.ptp(x)

    def put(name: str, value: np.ndarray) -> None:
        for i, channel in enumerate(ARKIT_BLENDSHAPES):
            if channel in (name, f'{name}Left', f'{name}Right'):
                values[:, i] = value

    put('jawOpen', wave(0, 0.6, 2.5) * (wave(0, 1, 10) > 0.3))
    put('mouthSmile', wave(0, 0.6, 20))
    put('mouthPucker', np.maximum(wave(-0.5, 0.7, 3), 0))
    half = (np.arange(count) * 4 // count) % 2
    put('browInnerUp', np.maximum(wave(-0.5, 0.7, 10), 0) * (1 - half))
    put('browDown', np.maximum(wave(-0.5, 0.8, 10), 0) * half)
    blinks = np.zeros(count)
    for start in range(18, count - 6, 55):
        blinks[start : start + 6] = (0.4, 0.9, 1, 0.8, 0.5, 0.2)
    put('eyeBlink', blinks)
    gaze = np.repeat(rng.uniform(-0.5, 0.5, count // 20 + 1), 20)[:count]
    for names, side in (
        (('eyeLookOutLeft', 'eyeLookInRight'), gaze),
        (('eyeLookInLeft', 'eyeLookOutRight'), -gaze),
    ):
        for name in names:
            put(name, np.maximum(side, 0))
    for axis, degrees in enumerate((8, 12, 6)):
        turn = np.radians(wave(-degrees, degrees, 15))
        values[:, 52 + axis] = turn - np.median(turn)
    return values.astype(np.float32)
