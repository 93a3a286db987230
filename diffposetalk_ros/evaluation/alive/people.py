# SPDX-License-Identifier: Apache-2.0
"""Tracks of filmed people from a face tracker, for comparison with generated faces."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from diffposetalk_ros.errors import MotionError
from diffposetalk_ros.evaluation.retrieval import top1_retrieval
from diffposetalk_ros.model.loader import LoadedModel
from diffposetalk_ros.motion.layout import arkit_layout

__all__ = ['people_found', 'read_tracks']

Floats = NDArray[np.float32]

_SHORTEST = 60
_LONG = 200
"""Frames of a track whose halves are as long as a video must be for a style."""


def read_tracks(folder: Path) -> dict[str, Floats]:
    """Motion (F, 55) at 25 frames/s of every track .npz of a folder with 2.4 s or more, by file name.

    Files named PERSON_1.npz and PERSON_2.npz are clips of one person. A track holds ``weights`` (F, 52) with their
    ``names``, ``head_rotation`` (F, 3) in rad (face axes), and ``fps`` 25. Raises MotionError for a folder without
    tracks or a file that is not a track.
    """
    layout = arkit_layout()
    found: dict[str, Floats] = {}
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
            found[path.stem] = motion
    if not found:
        raise MotionError(f'{folder} contains no tracks (.npz)')
    return found


def people_found(model: LoadedModel, tracks: Mapping[str, Floats]) -> dict[str, float]:
    """How often the style of a person finds that person among the clips of all others: measure -> share, 0..1.

    Tracks are named as `read_tracks` names them. The first measures compare the halves of each track: of all, and of
    those of 8 s or more, if there are any. If some people have several tracks, the last looks for each of these with
    the others. Columns of the styles count alike: they are centred and divided by their deviation over the styles
    compared. Clips of the same person are not rivals.
    """
    person = np.array([name.rpartition('_')[0] or name for name in tracks])
    others = person[:, None] != person[None]
    first = np.stack([model.style_of(track[: len(track) // 2]) for track in tracks.values()])
    second = np.stack([model.style_of(track[len(track) // 2 :]) for track in tracks.values()])
    first, second = np.split(_standardised(np.concatenate([first, second])), 2)
    found = {
        'second half finds the first': top1_retrieval(second, first, rivals=others),
        'first half finds the second': top1_retrieval(first, second, rivals=others),
    }
    long = np.flatnonzero([len(track) >= _LONG for track in tracks.values()])
    if len(long):
        ways = ((second, first), (first, second))
        share = float(
            np.mean([top1_retrieval(half[long], other, long, others[long]) for half, other in ways])
        )
        found[f'halves of 4 s or more find each other ({2 * len(long)} cases)'] = share
    same = ~others
    np.fill_diagonal(same, False)
    query, target = np.nonzero(same)
    if len(query):
        whole = _standardised(np.stack([model.style_of(track) for track in tracks.values()]))
        share = top1_retrieval(whole[query], whole, target, others[query])
        found[f'another clip of the person is found ({len(query)} cases)'] = share
    return found


def _standardised(styles: Floats) -> Floats:
    return np.asarray((styles - styles.mean(0)) / (styles.std(0) + 1e-6), np.float32)
