# SPDX-License-Identifier: Apache-2.0
"""Tracks of filmed people from a face tracker, for comparison with generated faces."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from diffposetalk_ros.errors import MotionError
from diffposetalk_ros.motion.layout import arkit_layout

__all__ = ['read_tracks']

_SHORTEST = 60


def read_tracks(folder: Path) -> list[NDArray[np.float32]]:
    """Motion (F, 55) at 25 frames/s of every track .npz of a folder with 2.4 s or more.

    A track holds ``weights`` (F, 52) with their ``names``, ``head_rotation`` (F, 3) in rad (face axes), and
    ``fps`` 25. Raises MotionError for a folder without tracks or a file that is not a track.
    """
    layout, found = arkit_layout(), []
    for path in sorted(folder.glob('*.npz')):
        try:
            with np.load(path, allow_pickle=False) as file:
                weights, names = file['weights'], [str(name) for name in file['names']]
                motion = np.zeros((len(weights), layout.width), np.float32)
                for column, name in enumerate(names):
                    if name in layout.names:
                        motion[:, layout.index(name)] = weights[:, column]
                motion[:, layout.head_rotation] = file['head_rotation']
                rate = float(file['fps'])
        except (KeyError, ValueError, OSError) as error:
            raise MotionError(f'{path} is not a track of a face ({error})') from error
        if rate != 25.0:
            raise MotionError(f'{path} has {rate:g} frames/s; tracks have 25')
        if len(motion) >= _SHORTEST:
            found.append(motion)
    if not found:
        raise MotionError(f'{folder} contains no tracks (.npz)')
    return found
