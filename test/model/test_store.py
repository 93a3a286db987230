# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip('torch')

from diffposetalk_ros.errors import ConfigError, ModelError  # noqa: E402
from diffposetalk_ros.model.config import LogMelConfig, ModelConfig  # noqa: E402
from diffposetalk_ros.model.networks.diffposetalk import DiffPoseTalkModel  # noqa: E402
from diffposetalk_ros.model.store import load_model, load_weights, save_model  # noqa: E402

TINY = ModelConfig(
    space='arkit', n_motions=12, n_prev_motions=3, feature_dim=16, n_heads=2, n_layers=1, shape_dim=0,
    style_dim=0, guiding_conditions=(), audio_encoder='logmel', logmel=LogMelConfig(16, 8, 12),
)  # fmt: skip
STATS = (np.zeros(55), np.ones(55))


def test_round_trip_without_style(tmp_path: Path) -> None:
    model = DiffPoseTalkModel(TINY)
    save_model(tmp_path / 'new' / 'folder', model, STATS, flame_stats={'exp_mean': np.zeros(50)})
    stored = load_model(tmp_path / 'new' / 'folder')
    assert stored.style_encoder is None
    assert stored.model.config == TINY
    for name, value in model.state_dict().items():
        assert torch.equal(stored.model.state_dict()[name], value)
    assert np.load(tmp_path / 'new' / 'folder' / 'stats.npz')['exp_mean'].shape == (50,)


def test_statistics_must_fit(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r'needs \(55,\)'):
        save_model(tmp_path, DiffPoseTalkModel(TINY), (np.zeros(54), np.ones(54)))
    assert not list(tmp_path.iterdir())


def test_places_that_cannot_be_used_are_named(tmp_path: Path) -> None:
    (tmp_path / 'file').write_text('')
    with pytest.raises(ModelError, match='cannot be written .*; check the folder and its permissions'):
        save_model(tmp_path / 'file' / 'model', DiffPoseTalkModel(TINY), STATS)
    with pytest.raises(ConfigError, match='config.json'):
        load_model(tmp_path)
    (tmp_path / 'config.json').write_text(TINY.to_json())
    with pytest.raises(ModelError, match=r'no model\.safetensors'):
        load_model(tmp_path)


def test_files_can_be_read_by_all_and_nothing_half_written_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / 'model'
    save_model(folder, DiffPoseTalkModel(TINY), STATS, flame_stats={'exp_mean': np.zeros(50)})
    for path in folder.iterdir():
        assert path.stat().st_mode & 0o444 == 0o444, path
    before = {path.name: path.read_bytes() for path in folder.iterdir()}

    def full(*_: object) -> None:
        raise OSError(28, 'No space left on device')

    monkeypatch.setattr(Path, 'replace', full)
    with pytest.raises(ModelError, match='No space left'):
        save_model(folder, DiffPoseTalkModel(TINY), STATS)
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before


def test_weights_that_are_not_finite_are_named() -> None:
    model = DiffPoseTalkModel(TINY)
    tensors = {
        **model.state_dict(),
        'start_motion_feat': torch.full_like(model.start_motion_feat, float('nan')),
    }
    with pytest.raises(ModelError, match='here does not fit.*not finite: start_motion_feat$'):
        load_weights(model, tensors, 'here')
