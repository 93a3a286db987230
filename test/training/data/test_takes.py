# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from diffposetalk_ros.errors import ConfigError
from diffposetalk_ros.training.data.takes import FRAMES, MARGIN, PHONES, TakeSet, build_takes, make_takes


def test_a_take_holds_what_belongs_together(tiny_corpus: Path) -> None:
    take = next(make_takes(tiny_corpus, 'train', 1, seed=3))
    assert take.mel.shape == (4 * (FRAMES + sum(MARGIN)), 64)
    assert take.motion.shape == (FRAMES, 55) and np.isfinite(take.motion).all()
    assert take.visemes.shape == (FRAMES, 8)
    assert take.phones.shape == (4 * FRAMES,)
    assert take.motion[:, :52].min() >= 0 and take.motion[:, :52].max() <= 1
    # Where the track says vowel there is sound, where it says closure or pause there is less.
    power = take.mel[4 * MARGIN[0] :][: 4 * FRAMES].astype(np.float32).mean(1)
    vowels = np.isin(take.phones, [PHONES.index(name) for name in ('ɑ', 'i', 'æ', 'ɔ', 'u')])
    silent = take.phones == PHONES.index('SIL')
    assert power[vowels].mean() > power[silent].mean() + 1.0


def test_seeds_decide(tiny_corpus: Path) -> None:
    first, again = (next(make_takes(tiny_corpus, 'train', 1, seed=3)) for _ in range(2))
    other = next(make_takes(tiny_corpus, 'train', 1, seed=4))
    assert np.array_equal(first.motion, again.motion) and np.array_equal(first.mel, again.mel)
    assert not np.array_equal(first.motion, other.motion)


def test_built_takes_are_those_that_were_made(tiny_corpus: Path, tmp_path: Path) -> None:
    build_takes(tiny_corpus, tmp_path / 'takes', 2, seed=3)
    loaded = TakeSet.load(tmp_path / 'takes')
    assert len(loaded) == 2
    for index, take in enumerate(make_takes(tiny_corpus, 'train', 2, seed=3)):
        assert np.array_equal(loaded.motion[index], take.motion)
        assert np.array_equal(loaded.phones[index], take.phones)


def test_missing_corpora_are_named(tiny_corpus: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match='diffposetalk corpus'):
        next(make_takes(tmp_path, 'train', 1, seed=0))
    with pytest.raises(ConfigError, match="split 'test'"):
        next(make_takes(tiny_corpus, 'test', 1, seed=0))
    with pytest.raises(ConfigError, match='no takes'):
        TakeSet.load(tmp_path)
