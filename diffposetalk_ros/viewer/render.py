# SPDX-License-Identifier: Apache-2.0
"""Pictures of motion: a stream of frames, contact sheets, the sheet of all 52 channels."""

from __future__ import annotations

import signal
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from contextlib import contextmanager
from functools import lru_cache
from multiprocessing import get_context
from multiprocessing.shared_memory import SharedMemory
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from diffposetalk_ros.errors import ConfigError, MotionError
from diffposetalk_ros.motion.layout import ARKIT_BLENDSHAPES
from diffposetalk_ros.motion.motion_clip import MotionClip
from diffposetalk_ros.motion.rig import DEFAULT_FACE, load_rig
from diffposetalk_ros.util.end_with_parent import end_with_parent
from diffposetalk_ros.viewer.light import Theme
from diffposetalk_ros.viewer.render_scene import Image, Scene

__all__ = ['channel_sheet', 'clip_sheet', 'contact_sheet', 'render_frames']

Floats = NDArray[np.float32]
Size = tuple[int, int]


class _Look(NamedTuple):
    face: str
    size: Size
    theme: Theme | None


_CHUNK = 4


def render_frames(
    motion: ArrayLike,
    size: Size = (1280, 720),
    theme: Theme | None = None,
    workers: int = 1,
    face: str = DEFAULT_FACE,
) -> Iterator[Image]:
    """Frames (height, width, 3) uint8 of ARKit motion (T, 55), or (T, 52) without head.

    ``theme`` None: the face's own colours; ``workers`` processes draw in parallel; ``face``: a name of `FACES`.
    Raises MotionError for another width or no frames, ConfigError for a size out of range or an unknown face.
    """
    values = _checked(motion)
    look = _Look(face, size, theme)
    Scene(load_rig(face), size, theme)  # a bad size is refused here, not in a worker
    return _in_order(values, look, workers)


def contact_sheet(images: Sequence[Image], labels: Sequence[str], columns: int) -> Image:
    """Pictures of one size (height, width, 3) in a grid, each with its label below."""
    from PIL import Image as Pillow
    from PIL import ImageDraw, ImageFont

    if not images or columns < 1:
        raise ConfigError(f'a sheet of {len(images)} pictures in {columns} columns is empty')
    height, width = images[0].shape[:2]
    strip = max(14, height // 9)
    rows = -(-len(images) // columns)
    sheet = Pillow.new('RGB', (columns * width, rows * (height + strip)), (250, 250, 250))
    draw = ImageDraw.Draw(sheet)
    font = ImageFont.load_default(max(9, strip * 0.62))
    for i, (image, label) in enumerate(zip(images, labels, strict=True)):
        x, y = i % columns * width, i // columns * (height + strip)
        sheet.paste(Pillow.fromarray(image), (x, y))
        draw.text((x + width / 2, y + height + strip / 2), label, (40, 44, 52), font, anchor='mm')
    return np.asarray(sheet)


def clip_sheet(
    clip: MotionClip, size: Size = (1280, 720), columns: int = 6, rows: int = 4, face: str = DEFAULT_FACE
) -> Image:
    """Sheet of frames evenly spread over a clip, labelled with their times; about ``size`` pixels."""
    cell = (max(16, size[0] // columns), max(16, int(size[1] / rows * 0.9)))
    count = min(columns * rows, len(clip.values))
    chosen = np.linspace(0, len(clip.values) - 1, count).round().astype(int)
    images = list(render_frames(clip.values[chosen], cell, face=face))
    return contact_sheet(images, [f'{i / clip.fps:.2f} s' for i in chosen], columns)


def channel_sheet(cell: int = 240, columns: int = 8, face: str = DEFAULT_FACE) -> Image:
    """Sheet of the neutral face and of each ARKit channel at 1, alone, in squares of ``cell`` pixels.

    mouthClose is shown together with jawOpen, because it cancels part of the jaw's opening.
    """
    weights = np.concatenate([np.zeros((1, 52)), np.eye(52)]).astype(np.float32)
    close, jaw = (ARKIT_BLENDSHAPES.index(name) for name in ('mouthClose', 'jawOpen'))
    weights[1 + close, jaw] = 1.0
    labels = ['neutral', *ARKIT_BLENDSHAPES]
    labels[1 + close] = 'mouthClose + jawOpen'
    # The face alone, without shoulders.
    size, left, top = round(1.45 * cell), round(0.225 * cell), round(0.2 * cell)
    faces = [
        image[top : top + cell, left : left + cell]
        for image in render_frames(weights, (size, size), face=face)
    ]
    return contact_sheet(faces, labels, columns)


def _checked(motion: ArrayLike) -> Floats:
    values = np.asarray(motion, np.float32)
    if values.ndim != 2 or values.shape[1] not in (52, 55):
        raise MotionError(
            f'motion of shape {values.shape} cannot be drawn; the head takes ARKit motion (frames, 55)'
        )
    if len(values) == 0:
        raise MotionError('motion has 0 frames; there is nothing to draw')
    if not np.isfinite(values).all():
        raise MotionError('motion holds NaN or infinite values; repair them before drawing')
    return values


@lru_cache(maxsize=4)
def _scene(look: _Look) -> Scene:
    return Scene(load_rig(look.face), look.size, look.theme)


def _draw(values: Floats, look: _Look) -> list[Image]:
    head = values[:, 52:55] if values.shape[1] == 55 else None
    scene = _scene(look)
    return [scene.draw(points) for points in load_rig(look.face).vertices(values[:, :52], head)]


def _in_order(values: Floats, look: _Look, workers: int) -> Iterator[Image]:
    chunks = [values[i : i + _CHUNK] for i in range(0, len(values), _CHUNK)]
    if workers <= 1 or len(chunks) < 2 * workers:
        for chunk in chunks:
            yield from _draw(chunk, look)
        return
    # Agg holds the interpreter lock, so threads would not help. Pictures are returned in shared memory, because
    # a pipe would take as long as drawing them. Only a few chunks wait, to bound memory.
    slots = 2 * workers + 1
    place = (slots, _CHUNK, look.size[1], look.size[0], 3)
    memory = SharedMemory(create=True, size=int(np.prod(place)))
    pictures: Image = np.ndarray(place, np.uint8, memory.buf)
    pending: deque[Future[int]] = deque()
    try:
        with ProcessPoolExecutor(workers, get_context('spawn'), _begin) as pool:
            for number, chunk in enumerate(chunks):
                if len(pending) == slots:
                    yield from _taken(pictures, number, pending.popleft().result())
                with _held_in_children():
                    pending.append(pool.submit(_draw_into, memory.name, place, number % slots, chunk, look))
            for number in range(len(chunks) - len(pending), len(chunks)):
                yield from _taken(pictures, number, pending.popleft().result())
    finally:
        del pictures
        memory.close()
        memory.unlink()


@contextmanager
def _held_in_children() -> Iterator[None]:
    """Processes started in the block hold back Ctrl-C until `_begin`: it would interrupt their imports."""
    former = signal.pthread_sigmask(signal.SIG_BLOCK, (signal.SIGINT,))
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, former)


def _begin() -> None:
    """In a worker: ignore Ctrl-C, which a terminal sends to all processes; the waiting process handles it."""
    end_with_parent()
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def _taken(pictures: Image, number: int, count: int) -> Iterator[Image]:
    """Copies of the pictures, so that the slot is free again."""
    return iter([picture.copy() for picture in pictures[number % len(pictures)][:count]])


def _draw_into(name: str, place: tuple[int, ...], slot: int, values: Floats, look: _Look) -> int:
    """In a worker: draw into a slot of the shared memory; returns the number of pictures."""
    memory = SharedMemory(name)
    try:
        images = _draw(values, look)
        for k, image in enumerate(images):
            np.ndarray(place, np.uint8, memory.buf)[slot, k] = image
        return len(images)
    finally:
        memory.close()
