# SPDX-License-Identifier: Apache-2.0
"""The sheet of the heads shows what it names."""

from __future__ import annotations

import numpy as np
import pytest

from diffposetalk_ros.motion.rig import FACES
from diffposetalk_ros.viewer.pose_sheet import POSES, VIEWS, pose_sheet, pose_weights

CELL, COLUMNS = 96, 7


def test_every_pose_changes_the_face_and_every_head_is_another() -> None:
    sheet = pose_sheet(CELL, COLUMNS).astype(float)
    strip = max(14, CELL // 9)
    count = len(FACES) * (len(VIEWS) + len(POSES))
    assert sheet.shape[:2] == (-(-count // COLUMNS) * (CELL + strip), COLUMNS * CELL)
    cells = [sheet[i // COLUMNS * (CELL + strip) :, i % COLUMNS * CELL :][:CELL, :CELL] for i in range(count)]
    heads = np.reshape(cells, (len(FACES), -1, CELL, CELL, 3))
    for head in heads:
        for name, picture in zip((*VIEWS, *POSES), head, strict=True):
            change = np.abs(picture - head[0]).max()
            assert (change > 25) == (name != 'front'), name
    assert np.abs(heads[0, 0] - heads[1, 0]).mean() > 5


def test_a_name_without_side_moves_both_and_a_wrong_one_is_told() -> None:
    assert np.count_nonzero(pose_weights({'eyeBlink': 1.0})) == 2
    assert np.count_nonzero(pose_weights({'jawOpen': 1.0})) == 1
    with pytest.raises(KeyError, match='eyeBlunk'):
        pose_weights({'eyeBlunk': 1.0})
