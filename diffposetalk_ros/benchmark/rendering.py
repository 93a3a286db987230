# SPDX-License-Identifier: Apache-2.0
"""Time to render motion to MP4 on the CPU."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from diffposetalk_ros.benchmark.table import Table
from diffposetalk_ros.motion.motion_clip import MotionClip
from diffposetalk_ros.motion.rig import load_rig
from diffposetalk_ros.viewer.render_file import RenderOptions, render_to_file
from diffposetalk_ros.viewer.render_scene import Scene

__all__ = ['render_tables']

_SAMPLE = 40


def render_tables(
    clip: MotionClip, audio: Path, size: tuple[int, int], workers: tuple[int, ...]
) -> Iterator[Table]:
    """Steps of one picture, then the whole clip with its sound by each number of processes.

    Raises ConfigError where PyAV or Matplotlib are missing.
    """
    yield _steps(clip, size)
    rows = []
    with TemporaryDirectory() as folder:
        for count in workers:
            out = Path(folder) / f'{count}.mp4'
            start = time.perf_counter()
            frames = render_to_file([clip], out, audio, options=RenderOptions(size=size, workers=count))
            took = time.perf_counter() - start
            rows.append((count, frames, took, frames / took, out.stat().st_size / 1e6))
    note = 'Wall time from the call to the finished file, start of the processes and sound included.'
    columns = ('processes that draw', 'pictures', 'time [s]', 'pictures/s', 'file [MB]')
    yield Table(f'MP4 of {size[0]} x {size[1]}', note, columns, tuple(rows))


def _steps(clip: MotionClip, size: tuple[int, int]) -> Table:
    rig, scene = load_rig(), Scene(load_rig(), size)
    frames = clip.values[np.linspace(0, len(clip.values) - 1, _SAMPLE).astype(int)]
    taken: list[tuple[float, float]] = []
    images = []
    for row in frames:
        begin = time.process_time()
        points = rig.vertices(row[None, :52], row[None, 52:])[0]
        placed = time.process_time()
        images.append(scene.draw(points))
        taken.append((placed - begin, time.process_time() - placed))
    move, draw = 1e3 * np.array(taken).T
    encode = 1e3 * np.array([_encode(images, size) for _ in range(3)])
    note = f'Processor time of one picture, {len(rig.neutral)} vertices, {len(rig.faces)} triangles.'
    steps = {'vertices': move, 'light, sorting, filling': draw, 'YUV and H.264': encode}
    rows = tuple((name, float(np.median(ms)), float(ms.min())) for name, ms in steps.items())
    rows += (('together', sum(row[1] for row in rows), sum(row[2] for row in rows)),)
    columns = ('step', 'median [ms]', 'best [ms]')
    return Table(f'One picture of {size[0]} x {size[1]}', note, columns, rows)


def _encode(images: list[Any], size: tuple[int, int]) -> float:
    """Processor time of one picture in s."""
    from diffposetalk_ros.viewer.render_file import write_mp4

    with TemporaryDirectory() as folder:
        begin = time.process_time()
        write_mp4(Path(folder) / 'x.mp4', iter(images), 25.0, size, None, len(images) / 25.0)
        return (time.process_time() - begin) / len(images)
