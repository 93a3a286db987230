# SPDX-License-Identifier: Apache-2.0
"""Real speech through model, map, caps and simulated servos: the jaw closes when the sound does."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip('mujoco')
pytest.importorskip('ruckig')
pytest.importorskip('onnxruntime')

from diffposetalk_ros.audio.formats.file import read_audio  # noqa: E402
from diffposetalk_ros.motion.motion_clip import MotionClip  # noqa: E402
from diffposetalk_ros.offline.generator import Generator  # noqa: E402
from diffposetalk_ros.robot.closed_loop import (  # noqa: E402
    Recording,
    closure_offsets,
    follow_clip,
    lag_of,
    load_closures,
)
from diffposetalk_ros.robot.commander import CommanderConfig  # noqa: E402
from diffposetalk_ros.robot.joint_map_file import load_joint_map  # noqa: E402
from diffposetalk_ros.robot.simulated_head import SimulatedHead  # noqa: E402

ROOT = Path(__file__).parents[2]
SECONDS = 8.0
BILABIALS = load_closures()[load_closures() < SECONDS - 0.2]


@pytest.fixture(scope='module')
def speech() -> MotionClip:
    clip = Generator(ROOT / 'models' / 'embedded', backend='onnx').generate(
        read_audio(ROOT / 'models' / 'demo' / 'hello.flac'), style='neutral', seed=0
    )
    return replace(clip, values=clip.values[: round(SECONDS * clip.fps)])


def play(clip: MotionClip, compensate: bool) -> Recording:
    example = load_joint_map(ROOT / 'config' / 'joint_map.yaml')
    head = SimulatedHead(ROOT / 'urdf' / 'avatar_head.urdf', timestep=0.0025)
    return follow_clip(clip, example, head, CommanderConfig(compensate_delay=compensate))


def median_offset(recording: Recording) -> tuple[float, int]:
    offsets = closure_offsets(recording.time, recording.joint('jaw')[1], BILABIALS)
    return float(np.nanmedian(offsets)), int(np.isfinite(offsets).sum())


def test_jaw_closes_with_the_sound_when_delays_are_compensated(speech: MotionClip) -> None:
    with_it, without = play(speech, True), play(speech, False)
    offset, found = median_offset(with_it)
    late, _ = median_offset(without)
    print(
        f'jaw closure: {offset * 1e3:.0f} ms ({found} of {len(BILABIALS)}), not compensated {late * 1e3:.0f} ms'
    )
    assert abs(offset) <= 0.040 and found >= 8
    assert late > offset + 0.040
    for name in ('jaw', 'neck_pan', 'lid_upper_left', 'brow_left', 'lip_corner_right'):
        assert abs(lag_of(*with_it.joint(name), 0.005)) <= 0.015, name
        assert lag_of(*without.joint(name), 0.005) >= 0.020, name
    jaw, wanted = with_it.joint('jaw')[1], with_it.joint('jaw')[0]
    assert jaw.std() > 0.8 * wanted.std()


def test_offsets_and_lags_of_known_signals() -> None:
    time = np.arange(0, 4, 0.005)
    opening = 1 - np.cos(2 * np.pi * time)
    late = 1 - np.cos(2 * np.pi * (time - 0.05))
    np.testing.assert_allclose(closure_offsets(time, late, [1.0, 2.0]), [0.05, 0.05], atol=1e-9)
    assert np.isnan(closure_offsets(time, opening, [1.5])).all()
    assert lag_of(opening, late, 0.005) == pytest.approx(0.05)
