# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from diffposetalk_ros.evaluation.comparison import Contender, Scores, compare
from diffposetalk_ros.evaluation.reference import clip_frames, joined_speech, reference_motion
from diffposetalk_ros.evaluation.speech_sets import SpeechClip
from diffposetalk_ros.motion.rig import load_rig
from diffposetalk_ros.training.animator import named_style

MakeClip = Callable[..., SpeechClip]


@pytest.fixture(scope='module')
def results(make_clip: MakeClip) -> dict[str, Scores]:
    clips = [make_clip(f'c{i}', i) for i in range(3)]
    style = named_style('neutral')
    mean = reference_motion(clips[0], style).mean(axis=0)

    def late(clip: SpeechClip, _: int) -> np.ndarray:
        return np.roll(reference_motion(clip, style), 7, axis=0)

    contenders = [
        Contender('teacher', lambda clip, _: reference_motion(clip, style)),
        Contender('other seed', lambda clip, _: reference_motion(clip, style, seed=5)),
        Contender('late', late),
        Contender('still', lambda clip, _: np.tile(mean, (clip_frames(clip), 1))),
        Contender('smile', lambda clip, _: reference_motion(clip, named_style('smiling'))),
    ]  # fmt: skip
    calls: list[int] = []
    out = compare(
        contenders,
        {'test': clips},
        lambda clip: reference_motion(clip, style),
        load_rig(),
        progress=lambda: calls.append(1),
    )
    assert len(calls) == 15
    return out['test']


def test_the_reference_itself_is_perfect(results: dict[str, Scores], make_clip: MakeClip) -> None:
    best = results['teacher']
    assert [best.lve, best.mod, best.fdd] == [0.0, 0.0, 0.0]
    assert best.beats == pytest.approx(1.0)
    assert best.closures.recall > 0.97
    assert best.closures.precision > 0.95
    assert best.closures.chance_recall < 0.5
    assert best.visemes.mean() > 0.95
    assert best.jaw == pytest.approx(1.0)
    assert best.audio_s == pytest.approx(sum(make_clip('', i).duration for i in range(3)))


def test_another_draw_of_head_and_blinks_leaves_the_mouth(results: dict[str, Scores]) -> None:
    other = results['other seed']
    assert other.lve < 0.1
    assert other.beats < 0.9
    assert other.closures == results['teacher'].closures


def test_late_motion_loses_closures_and_correlation(results: dict[str, Scores]) -> None:
    late = results['late']
    assert late.closures.recall < results['teacher'].closures.recall - 0.4
    assert late.visemes.mean() < 0.5
    assert late.lve > 3.0


def test_mean_motion_has_no_closures_and_no_dynamics(results: dict[str, Scores]) -> None:
    still = results['still']
    assert still.closures.recall == 0.0
    assert np.all(still.visemes == 0.0)
    assert still.fdd > 0.0
    assert still.jaw == pytest.approx(0.0, abs=1e-6)


def test_wrong_style_keeps_the_closures_and_misses_the_lips(results: dict[str, Scores]) -> None:
    smile = results['smile']
    assert smile.closures.recall > 0.95
    assert smile.lve > 1.0


def test_larger_thresholds_find_no_fewer_closures(results: dict[str, Scores]) -> None:
    counts = [score.recall for score in results['teacher'].sweep.values()]
    assert counts == sorted(counts)


def test_joined_speech_keeps_phones_on_the_sound(make_clip: MakeClip) -> None:
    clips = [make_clip('a', 1, 20), make_clip('b', 2, 20)]
    whole = joined_speech(clips, 8.4, np.random.default_rng(0))
    assert len(whole.samples) == 8.4 * 16000
    assert whole.phones[-1][1] <= 8.4
    assert all(b > a for a, b, _ in whole.phones)
    gaps = [q[0] - p[1] for p, q in zip(whole.phones, whole.phones[1:], strict=False)]
    assert max(map(abs, gaps)) < 0.01
    first_pause = whole.phones[0][1]
    assert not whole.samples[: int(first_pause * 16000) - 1].any()
    assert whole.samples[int(first_pause * 16000) + 1 :][:1600].any()
