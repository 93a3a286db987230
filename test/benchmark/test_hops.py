# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from diffposetalk_ros.benchmark.hops import hop_table, stream_clips
from diffposetalk_ros.evaluation.speech_sets import SpeechClip
from diffposetalk_ros.model.backend import SamplingConfig
from diffposetalk_ros.model.loader import open_model
from diffposetalk_ros.motion.rig import load_rig
from diffposetalk_ros.streaming.generator import StreamConfig, model_stream

EMBEDDED = Path(__file__).parents[2] / 'models' / 'embedded'


def clip(name: str, seconds: float) -> SpeechClip:
    samples = np.random.default_rng(len(name)).uniform(-0.3, 0.3, round(16000 * seconds)).astype(np.float32)
    return SpeechClip(name, 'v', 's', samples, 'a map', ((0.1, 0.3, 'AH'), (0.3, 0.4, 'M'), (0.4, 0.8, 'AE')))


def test_table_of_every_pair_and_the_stream_it_measures() -> None:
    pytest.importorskip('onnxruntime')
    model = open_model(EMBEDDED, 'onnx', 'cpu')
    clips = [clip('a', 1.2), clip('bb', 2.0)]
    sampling = SamplingConfig(steps=1, scale_audio=1.0, scale_style=1.0)
    table = hop_table(model, clips, load_rig(), sampling, (1, 3), (0, 3))
    assert [row[:3] for row in table.rows] == [(1, 0, 80), (1, 3, 120), (3, 0, 160), (3, 3, 200)]
    assert [row[-2] is None for row in table.rows] == [True, True, False, False]
    assert all(row[-1] > 0 for row in table.rows)
    config = StreamConfig(3, 1, sampling=sampling)
    alone = model_stream(model, config, model.style('neutral'))
    frames = alone.push(clips[0].samples) + alone.finish()
    motion = model.denormalise(np.concatenate([f.motion[: f.committed] for f in frames]))
    np.testing.assert_allclose(stream_clips(model, clips, config, 'neutral')[0], motion, atol=1e-4)
