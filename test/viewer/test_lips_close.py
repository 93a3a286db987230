# SPDX-License-Identifier: Apache-2.0
"""The shipped model on the bundled speech, as it is shown: lips closed at all P, B and M but one, of 23."""

from __future__ import annotations

import numpy as np
import pytest

from diffposetalk_ros.audio.formats.file import read_audio
from diffposetalk_ros.model.backend import LIVE_SAMPLING, FloatArray
from diffposetalk_ros.model.loader import open_model
from diffposetalk_ros.motion.closure_snap import snap_closures
from diffposetalk_ros.motion.rig import load_rig
from diffposetalk_ros.offline.generator import Generator
from diffposetalk_ros.streaming.generator import StreamConfig, model_stream
from diffposetalk_ros.util.resources import demo_clip

_NEAR = 0.06
"""Seconds around the middle of a P, B or M within which its closure has to be."""


def _as_file(sound: FloatArray, style: str) -> FloatArray:
    return Generator('embedded').generate(sound, style).values


def _as_stream(sound: FloatArray, style: str) -> FloatArray:
    model = open_model('embedded', 'onnx', 'cpu')
    stream = model_stream(model, StreamConfig(sampling=LIVE_SAMPLING), model.style(style))
    made = stream.push(sound) + stream.finish()
    return model.denormalise(np.concatenate([frames.motion[: frames.committed] for frames in made]))


@pytest.mark.parametrize(
    ('way', 'style', 'closed'),
    [
        (_as_file, 'neutral', 22),
        (_as_stream, 'neutral', 22),
        (_as_stream, 'smiling', 22),
        (_as_stream, 'lively', 22),
        (_as_stream, 'small_articulation', 22),
        (_as_stream, 'big_articulation', 22),
    ],
)
def test_the_demo_clip_is_shown_closed_at_p_b_m(way, style: str, closed: int) -> None:
    sound = read_audio(demo_clip())
    middles = np.loadtxt(demo_clip().with_name('hello_bilabials.txt'))
    rig = load_rig()
    opening = rig.lip_opening(snap_closures(rig, way(sound, style))[:, :52])
    times = (np.arange(len(opening)) + 0.5) / 25
    least = np.array([opening[abs(times - middle) <= _NEAR].min() for middle in middles])
    print(f'{way.__name__}, {style}: {(least <= 1).sum()} of {len(least)}, widest {least.max():.2f} mm')
    assert len(least) == 23 and (least <= 1.0).sum() >= closed
    # They are closures, not a mouth that stays shut.
    assert np.median(opening[(times > 1) & (times < 14)]) > 1.0
