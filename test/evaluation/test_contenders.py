# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from diffposetalk_ros.errors import ConfigError, ModelError
from diffposetalk_ros.evaluation.comparison import diversity_of, perform
from diffposetalk_ros.evaluation.contenders import contenders, main_sampler, parse_sampler
from diffposetalk_ros.evaluation.speech_sets import SpeechClip
from diffposetalk_ros.evaluation.style_scores import style_scores
from diffposetalk_ros.model.backend import SamplingConfig
from diffposetalk_ros.model.config import ModelConfig
from diffposetalk_ros.motion.rig import load_rig
from diffposetalk_ros.offline.generator import Generator

MakeClip = Callable[..., SpeechClip]


def test_sampler_names() -> None:
    base = SamplingConfig(scale_audio=2.0)
    assert parse_sampler('dpmpp_2m:4', base) == SamplingConfig('dpmpp_2m', 4, scale_audio=2.0)
    wanted = SamplingConfig('ddim', 2, scale_audio=2.0, spacing='quadratic')
    assert parse_sampler('ddim:2:quadratic', base) == wanted
    for wrong in ('ddim', 'ddim:0', 'ddim:x', 'euler:4', ''):
        with pytest.raises(ConfigError, match='sampler'):
            parse_sampler(wrong, base)


@pytest.fixture()
def regressor(model_folder: Path, tmp_path: Path) -> Generator:
    folder = tmp_path / 'regressor'
    shutil.copytree(model_folder, folder)
    config = ModelConfig.load(folder / 'config.json')
    (folder / 'config.json').write_text(replace(config, deterministic=True).to_json())
    return Generator(folder)


def test_every_contender_answers_repeatably(
    model_folder: Path, make_clip: MakeClip, regressor: Generator
) -> None:
    generators = [Generator(model_folder)]
    clip = make_clip('a', 0, 15)
    listed = contenders(generators, ('ddpm:3', 'ddim:2'), style='neutral', regressor=regressor)
    assert [c.name for c in listed] == [
        'ddpm:3',
        'ddim:2',
        'ddpm:3, as shown',
        'ddpm:3, shuffled style',
        'regressor',
        'mean motion',
        'animator, other draw',
    ]
    for contender in listed:
        motion = contender.motion(clip, 1)
        assert motion.shape == (int(clip.duration * 25), 55)
        assert np.array_equal(motion, contender.motion(clip, 1))
    own, shuffled = (c.motion(clip, 1) for c in (listed[0], listed[3]))
    assert not np.allclose(own, shuffled)
    rig = load_rig()
    assert diversity_of(listed[1], [clip], rig) > 0.0
    assert diversity_of(listed[5], [clip], rig) == 0.0


def test_the_first_fast_sampler_stands_for_the_model() -> None:
    assert main_sampler(('ddpm:500', 'ddim:8', 'ddim:4')) == 'ddim:8'
    assert main_sampler(('ddpm:500',)) == 'ddpm:500'


def test_unknown_style_is_refused(model_folder: Path) -> None:
    with pytest.raises(ModelError, match='lively, neutral, smiling'):
        contenders([Generator(model_folder)], style='angry')


def test_a_model_that_samples_is_no_regressor(model_folder: Path) -> None:
    generator = Generator(model_folder)
    with pytest.raises(ModelError, match='--regressor'):
        contenders([generator], regressor=generator)


def test_slow_samplers_give_the_same_motion_however_many_clips_at_once(
    model_folder: Path, make_clip: MakeClip
) -> None:
    clips = [make_clip(f'c{i}', i, 8) for i in range(5)]
    references = [np.zeros((int(clip.duration * 25), 55), np.float32) for clip in clips]
    made = []
    for jobs in (1, 3):
        slow = contenders([Generator(model_folder) for _ in range(jobs)], ('ddpm:51', 'ddim:1'))[0]
        assert slow.slow
        takes = perform(slow, clips, references, 0, jobs=jobs)
        assert [take.clip.id for take in takes] == [clip.id for clip in clips]
        made.append([take.motion for take in takes])
    for one, other in zip(*made, strict=True):
        np.testing.assert_array_equal(one, other)


def test_style_scores_of_random_weights_lie_between_0_and_1(model_folder: Path, make_clip: MakeClip) -> None:
    clips = [make_clip('a', 0), make_clip('b', 1)]
    calls: list[int] = []
    scores = style_scores(
        Generator(model_folder), clips, SamplingConfig('ddim', 1), 12, 3, progress=lambda: calls.append(1)
    )
    assert 0.0 <= scores.generated <= 1.0
    # Even an untrained encoder sees poses, smiles and brows: far above the chance of 1 / 12.
    assert scores.encoder > 3 / 12
    assert (scores.styles, scores.generated_styles, len(calls)) == (12, 3, 3)
