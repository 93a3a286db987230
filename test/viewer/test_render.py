# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import numpy as np
import pytest

from diffposetalk_ros.errors import ConfigError, MotionError
from diffposetalk_ros.motion.layout import ARKIT_BLENDSHAPES, arkit_layout
from diffposetalk_ros.motion.motion_clip import MotionClip
from diffposetalk_ros.viewer.light import Theme
from diffposetalk_ros.viewer.render import clip_sheet, contact_sheet, render_frames

SIZE = (160, 120)


def _frame(**channels: float) -> np.ndarray:
    motion = np.zeros((1, 55), np.float32)
    for name, value in channels.items():
        motion[0, arkit_layout().index(name)] = value
    return next(render_frames(motion, SIZE))


NEUTRAL = _frame().astype(int)


def test_a_face_is_drawn() -> None:
    image = _frame()
    assert image.shape == (120, 160, 3)
    assert image.dtype == np.uint8
    background = image[:, :3].mean(axis=1, keepdims=True)
    face = np.abs(image - background).max(axis=2) > 30
    assert 0.2 < face.mean() < 0.7
    red = image[..., 0].astype(int) - image[..., 2]
    assert np.median(red[face]) > 25


def _changed(image: np.ndarray) -> np.ndarray:
    return np.argwhere(np.abs(image - NEUTRAL).max(axis=2) > 25).mean(axis=0)


def test_the_subjects_left_is_on_the_right_of_the_picture() -> None:
    assert _changed(_frame(eyeBlinkLeft=1))[1] > 85
    assert _changed(_frame(eyeBlinkRight=1))[1] < 75
    assert _changed(_frame(browInnerUp=1))[0] < _changed(_frame(jawOpen=1))[0] - 10


def test_head_turns_towards_its_left() -> None:
    motion = np.zeros((1, 55), np.float32)
    motion[0, arkit_layout().index('headRotationY')] = 0.5
    bright = Theme(hair=(250, 250, 250), shirt=(250, 250, 250))
    dark = next(render_frames(motion, SIZE, theme=bright))[..., 2] < 60  # pupils, brows, lashes
    assert np.argwhere(dark)[:, 1].mean() > 88


@pytest.mark.parametrize('name', ARKIT_BLENDSHAPES)
def test_each_channel_is_visible(name: str) -> None:
    change = np.abs(_frame(**{name: 1.0}) - NEUTRAL).max(axis=2)
    assert (change > 12).sum() >= 12


@pytest.mark.parametrize('face', ['robin', 'maya'])
@pytest.mark.parametrize('head', [[0.0, 0.0, 0.0], [0.15, 0.3, 0.1], [-0.1, -0.25, -0.1]])
def test_the_collar_lies_around_the_neck(face: str, head: list[float]) -> None:
    """Its far side is behind the neck, whose edges are straight down to the near side."""
    motion = np.zeros((1, 55), np.float32)
    motion[0, 52:] = head
    theme = Theme(skin=(255, 0, 0), shirt=(0, 0, 255), top=(0, 0, 0), bottom=(0, 0, 0))
    image = next(iter(render_frames(motion, (800, 800), theme, face=face))).astype(int)
    neck = (image[..., 0] > image[..., 2] + 20)[705:730]
    left, right = neck.argmax(axis=1), 800 - neck[:, ::-1].argmax(axis=1)
    for edge in (left, right):
        line = np.polyval(np.polyfit(np.arange(len(edge)), edge, 1), np.arange(len(edge)))
        assert np.abs(edge - line).max() <= 1.5


def test_workers_draw_the_same_frames_in_order() -> None:
    motion = np.random.default_rng(0).uniform(0, 0.5, (18, 55)).astype(np.float32)
    alone = list(render_frames(motion, (64, 48)))
    together = list(render_frames(motion, (64, 48), workers=2))
    np.testing.assert_array_equal(np.array(alone), np.array(together))


def test_sheets_have_all_cells() -> None:
    tile = np.full((20, 30, 3), 7, np.uint8)
    sheet = contact_sheet([tile] * 5, list('abcde'), 3)
    assert sheet.shape[1] == 90
    assert (sheet == 7).all(axis=2).sum() == 5 * 600
    clip = MotionClip(np.zeros((3, 55), np.float32), 25, arkit_layout())
    assert clip_sheet(clip, (300, 200)).shape[1] == 300
    with pytest.raises(ConfigError, match='empty'):
        contact_sheet([], [], 3)


@pytest.mark.parametrize(
    ('motion', 'word'),
    [
        (np.zeros((3, 54)), '55'),
        (np.zeros((0, 55)), '0 frames'),
        (np.zeros(55), '55'),
        (np.full((2, 55), np.nan), 'NaN'),
    ],
)
def test_bad_motion_is_refused(motion: np.ndarray, word: str) -> None:
    with pytest.raises(MotionError, match=word):
        render_frames(motion, SIZE)


def test_bad_sizes_are_refused() -> None:
    for size in ((0, 100), (100, 5000)):
        with pytest.raises(ConfigError, match='size'):
            render_frames(np.zeros((2, 55), np.float32), size)
