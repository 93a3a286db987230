# SPDX-License-Identifier: Apache-2.0
"""Head, eyes and brows in a stream of the shipped model: the same bits however sound is cut."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from diffposetalk_ros.audio.formats.file import read_audio
from diffposetalk_ros.cli.main import main
from diffposetalk_ros.errors import StyleError
from diffposetalk_ros.model.backend import LIVE_SAMPLING
from diffposetalk_ros.model.loader import LoadedModel, open_model
from diffposetalk_ros.motion.files.motion_file import load_motion
from diffposetalk_ros.streaming.generator import StreamConfig, model_stream
from diffposetalk_ros.util.resources import demo_clip

LIVE = StreamConfig(sampling=LIVE_SAMPLING)


@pytest.fixture(scope='module')
def model() -> LoadedModel:
    return open_model('embedded')


@pytest.fixture(scope='module')
def speech() -> np.ndarray:
    return read_audio(demo_clip())[: 4 * 16000]


def run(
    model: LoadedModel, pieces: list[np.ndarray], style: str = 'lively', utterance: int = 0
) -> np.ndarray:
    stream = model_stream(model, LIVE, model.style(style))
    stream.reset(utterance=utterance)
    frames = [window for piece in pieces for window in stream.push(piece)] + stream.finish()
    return model.denormalise(np.concatenate([window.motion[: window.committed] for window in frames]))


def test_chunks_change_nothing(model: LoadedModel, speech: np.ndarray) -> None:
    whole = run(model, [speech])
    rng = np.random.default_rng(0)
    cuts = np.sort(rng.integers(0, len(speech), 40))
    np.testing.assert_array_equal(run(model, np.split(speech, cuts)), whole)


def test_previews_do_not_move_the_stream(model: LoadedModel, speech: np.ndarray) -> None:
    stream = model_stream(model, LIVE, model.style('lively'))
    frames = []
    for piece in np.array_split(speech, 13):
        frames += stream.push(piece)
        list(stream.preview())
    frames += stream.finish()
    motion = model.denormalise(np.concatenate([window.motion[: window.committed] for window in frames]))
    np.testing.assert_array_equal(motion, run(model, [speech]))


def test_utterances_move_the_head_each_in_its_own_way(model: LoadedModel, speech: np.ndarray) -> None:
    one, other = run(model, [speech]), run(model, [speech], utterance=1)
    np.testing.assert_array_equal(one[:, 17], other[:, 17])  # jawOpen
    assert np.degrees(np.abs(one[:, 52:] - other[:, 52:]).max()) > 2


@pytest.mark.parametrize(('gain', 'offset'), [(1.5, 0.0), (1.5, 0.2)])
def test_lips_that_close_stay_closed_when_a_style_opens_the_jaw_wider(
    model: LoadedModel, speech: np.ndarray, gain: float, offset: float
) -> None:
    style = model.style('neutral')
    assert style is not None
    wide = style.copy()
    wide[-2:] = gain, offset  # jaw_gain and jaw_offset, the last traits
    stream = model_stream(model, LIVE, wide)
    frames = stream.push(speech) + stream.finish()
    motion = model.denormalise(np.concatenate([window.motion[: window.committed] for window in frames]))
    plain = run(model, [speech], 'neutral')
    assert motion[:, 17].std() > 1.3 * plain[:, 17].std()
    assert motion[:, 17].mean() > plain[:, 17].mean() + offset
    shut = plain[:, 18] >= plain[:, 17] - 1e-3
    assert (motion[shut, 18] >= motion[shut, 17] - 2e-3).all()


def test_a_style_without_traits_is_of_an_older_version(model: LoadedModel) -> None:
    with pytest.raises(StyleError, match='fewer traits'):
        model.style(np.zeros(128, np.float32))


def test_generate_live_writes_the_frames_of_the_stream(model: LoadedModel, tmp_path: Path) -> None:
    out = tmp_path / 'live.npz'
    assert main(['generate', str(demo_clip()), '-o', str(out), '--live', '--style', 'lively']) == 0
    expected = run(model, [read_audio(demo_clip())])
    np.testing.assert_array_equal(load_motion(out).values, expected)
