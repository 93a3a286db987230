# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip('diffposetalk_ros.msg', reason='ROS 2 with the built messages is not importable')

from builtin_interfaces.msg import Time  # noqa: E402
from diffposetalk_ros.msg import StyleReference  # noqa: E402

from diffposetalk_ros.errors import MotionError, StyleError  # noqa: E402
from diffposetalk_ros.motion.layout import MotionLayout, arkit_layout, flame_layout  # noqa: E402
from diffposetalk_ros.playout.lookahead import FramesAhead  # noqa: E402
from diffposetalk_ros.ros.messages.motion import (  # noqa: E402
    chunk_message,
    frame_message,
    info_message,
    layout_from_info,
    pose_message,
    row_from_message,
    rows_from_chunk,
)
from diffposetalk_ros.ros.messages.style import style_reference  # noqa: E402

LAYOUTS = [arkit_layout(), arkit_layout(False), flame_layout(), flame_layout(False)]


@pytest.mark.parametrize('layout', LAYOUTS, ids=lambda x: f'{x.space}{x.width}')
def test_rows_survive_the_message(layout: MotionLayout) -> None:
    row = np.random.default_rng(1).uniform(0, 1, layout.width).astype(np.float32)
    message = frame_message(row, layout, stamp=Time(sec=3), frame_id='neck', index=7, state=2)
    assert (message.frame_index, message.state, message.header.frame_id) == (7, 2, 'neck')
    np.testing.assert_allclose(row_from_message(message, layout), row, atol=1e-6)


def test_nod_tips_the_nose_down_in_ros_axes() -> None:
    layout = arkit_layout()
    row = np.zeros(layout.width, np.float32)
    row[layout.index('headRotationX')] = 0.2
    message = frame_message(row, layout, stamp=Time(), frame_id='neck', index=0, state=2)
    q = pose_message(message).pose.orientation
    # The nose points along +x; rotated about +y (left) by a positive angle it goes to -z, down.
    nose_z = 2 * (q.x * q.z - q.w * q.y)
    assert (q.x, q.z) == (0.0, 0.0)
    assert nose_z == pytest.approx(-np.sin(0.2), abs=1e-6)


@pytest.mark.parametrize('layout', LAYOUTS, ids=lambda x: f'{x.space}{x.width}')
def test_info_describes_the_layout(layout: MotionLayout) -> None:
    info = info_message(
        layout, np.zeros(layout.width, np.float32), stamp=Time(), frame_id='neck', model='m',
        checksum='0', model_rate=25, output_rate=50, playout_delay=0.24, style='neutral', style_dim=128,
    )  # fmt: skip
    assert layout_from_info(info) == layout
    assert (info.playout_delay.sec, info.playout_delay.nanosec) == (0, 240_000_000)
    assert len(info.channel_min) == len(info.channel_names) == len(info.channel_rest)


@pytest.mark.parametrize('layout', LAYOUTS, ids=lambda x: f'{x.space}{x.width}')
@pytest.mark.parametrize('frames', [0, 3])
def test_chunks_survive_the_message(layout: MotionLayout, frames: int) -> None:
    rows = np.random.default_rng(1).uniform(0, 1, (frames, layout.width)).astype(np.float32)
    ahead = FramesAhead(7, 40, 0, rows, frames)
    message = chunk_message(ahead, layout, stamp=Time(sec=3), frame_id='neck', rate=25.0)
    assert (message.epoch, message.first_frame, message.frame_count, message.rate) == (7, 40, frames, 25.0)
    np.testing.assert_allclose(rows_from_chunk(message, layout), rows, atol=1e-6)


def test_a_chunk_whose_sizes_do_not_fit_is_refused() -> None:
    layout = arkit_layout()
    ahead = FramesAhead(7, 40, 0, np.zeros((3, layout.width), np.float32), 3)
    message = chunk_message(ahead, layout, stamp=Time(), frame_id='neck', rate=25.0)
    message.frame_count = 2
    with pytest.raises(MotionError, match='156 values and 3 orientations for 2 frames of 52 channels'):
        rows_from_chunk(message, layout)


def test_style_motion_is_checked() -> None:
    layout = arkit_layout()
    good = StyleReference(space='arkit', rate=25.0, motion=[0.0] * 55 * 50)
    assert style_reference(good).clip(layout).values.shape == (50, 55)
    for change, words in [
        ({'space': 'flame'}, 'space'),
        ({'motion': [0.0] * 56}, 'divide'),
        ({'motion': []}, '0 frames'),
        ({'motion': [0.0] * 55}, '1 to 30 s'),
        ({'motion': [float('nan')] * 55 * 50}, 'finite'),
        ({'motion': [1e30] * 55 * 50}, 'eyeBlinkLeft is 1e'),
        ({'rate': float('nan')}, 'frame rate'),
        ({'channel_names': ['jawOpen']}, 'lacks'),
    ]:
        bad = StyleReference(**({'space': 'arkit', 'rate': 25.0, 'motion': [0.0] * 55 * 50} | change))
        with pytest.raises(StyleError, match=words):
            style_reference(bad).clip(layout)
