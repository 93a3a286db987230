# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import os
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip('torch')
lmdb = pytest.importorskip('lmdb')

from lmdb_data import clip_data, write_lmdb  # noqa: E402

from diffposetalk_ros.errors import ConfigError  # noqa: E402
from diffposetalk_ros.model.official import flame_stats  # noqa: E402
from diffposetalk_ros.training.data.lmdb_clips import LmdbClips, LmdbError, read_split  # noqa: E402
from diffposetalk_ros.training.data.lmdb_pairs import FlameStats, PairSource  # noqa: E402


@pytest.fixture(scope='module')
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp('data') / 'lmdb'
    write_lmdb(folder)
    return folder


def source(data: Path, head: bool = True, seed: int = 0) -> PairSource:
    stats = FlameStats(flame_stats(data / 'stats_train.npz'), head)
    return PairSource(LmdbClips(data), read_split(data / 'train.txt'), stats, seed)


@pytest.mark.parametrize(('start', 'count'), [(0, 100), (37, 150), (199, 31), (100, 100)])
def test_frames_and_samples_across_segments(data: Path, start: int, count: int) -> None:
    samples, coefficients = clip_data(2, 0, 230)
    clips = LmdbClips(data)
    assert clips.frames('person2/000') == 230
    audio, read = clips.read('person2/000', start, count)
    np.testing.assert_allclose(audio, samples[640 * start : 640 * (start + count)], atol=1e-4)
    for name, array in read.items():
        np.testing.assert_array_equal(array, coefficients[name][start : start + count])
    assert clips.read('person2/000', start, count, audio=False)[0].size == 0


@pytest.mark.parametrize('head', [True, False])
def test_pairs_are_normalised_neighbours(data: Path, head: bool) -> None:
    batch = source(data, head).pairs(0, 4)
    assert batch.audio.shape == (4, 128000)
    assert batch.motion.shape == (4, 200, 54 if head else 51)
    assert torch.isfinite(batch.motion).all() and torch.isfinite(batch.shape).all()
    stats = dict(np.load(data / 'stats_train.npz'))
    raw = batch.motion[..., :50].numpy() * stats['exp_std'] + stats['exp_mean']
    truths = [clip_data(p, 0, 230)[1]['exp'] for p in range(4)]
    for item in raw:
        matches = [
            (p, s)
            for p, t in enumerate(truths)
            for s in range(31)
            if np.allclose(t[s : s + 200], item, atol=1e-4)
        ]
        assert len(matches) == 1


def test_numbers_fix_batches_and_epochs_cover_everybody(data: Path) -> None:
    one, two = source(data), source(data)
    assert torch.equal(one.pairs(3, 2).motion, two.pairs(3, 2).motion)
    assert not torch.equal(one.pairs(3, 2).motion, source(data, seed=1).pairs(3, 2).motion)
    identities = torch.cat([one.pairs(number, 2).shape for number in (0, 1)])
    assert len({tuple(row.tolist()) for row in identities}) == 4
    first, second = one.style_pairs(0, 4)
    assert first.shape == second.shape == (4, 100, 54) and not torch.equal(first, second)


def test_bad_data_is_named(data: Path, tmp_path: Path) -> None:
    with pytest.raises(LmdbError, match=r'data\.mdb'):
        LmdbClips(tmp_path)
    (tmp_path / 'data.mdb').write_bytes(b'not a database' * 999)
    with pytest.raises(LmdbError, match='cannot be opened'):
        LmdbClips(tmp_path)
    with pytest.raises(ConfigError, match='cannot read the split'):
        read_split(tmp_path / 'train.txt')
    with pytest.raises(LmdbError, match='person9'):
        LmdbClips(data).read('person9/000', 0, 10)
    with pytest.raises(LmdbError, match='shorter'):
        LmdbClips(data).read('person0/000', 200, 50)
    with pytest.raises(ConfigError, match='lower --batch'):
        source(data).pairs(0, 5)


class Hostile:
    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> Any:
        return os.system, (f'touch {self.path}',)


def test_hostile_entries_are_refused(tmp_path: Path) -> None:
    trap = tmp_path / 'trap'
    with lmdb.open(str(tmp_path / 'bad'), map_size=1 << 20) as env, env.begin(write=True) as transaction:
        transaction.put(b'metadata', pickle.dumps({'seg_len': 100}))
        transaction.put(b'a/000/000', pickle.dumps({'audio': b'', 'coef': Hostile(trap)}))
    with pytest.raises(LmdbError, match='refused'):
        LmdbClips(tmp_path / 'bad').read('a/000', 0, 10)
    assert not trap.exists()
