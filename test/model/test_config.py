# SPDX-License-Identifier: Apache-2.0
"""A damaged config.json ends in one line that names the key."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from diffposetalk_ros.errors import ConfigError
from diffposetalk_ros.model.config import ModelConfig
from diffposetalk_ros.util.resources import find_model

WRONG: list[tuple[str, Any]] = [
    ('n_heads', 0), ('n_heads', -1), ('n_heads', 5), ('fps', 0), ('fps', 'x'), ('fps', 7), ('feature_dim', 'a'),
    ('n_layers', 10**9), ('n_layers', 1.5), ('n_motions', 0), ('n_diff_steps', -1), ('style_dim', -1),
    ('mlp_ratio', 0.5), ('space', 'mars'), ('space', None), ('target', 5), ('audio_encoder', [1]),
    ('learnable_pe', 'no'), ('guiding_conditions', 5), ('guiding_conditions', ['x']), ('logmel', 5),
    ('logmel', {'n_mels': 0}), ('logmel', {'sides': 1}), ('style_encoder', {'n_heads': 0}),
    ('audio_encoder_config', [1]), ('extra', 1), ('mouth_noise', 'x'), ('mouth_noise', None),
    ('guiding_conditions', {}),
]  # fmt: skip


@pytest.mark.parametrize(('key', 'value'), WRONG)
def test_wrong_values_are_named(key: str, value: Any) -> None:
    content = json.loads((find_model() / 'config.json').read_text())
    with pytest.raises(ConfigError, match='here.json') as caught:
        ModelConfig.from_json(json.dumps({**content, key: value}), 'here.json')
    assert '\n' not in str(caught.value)


@pytest.mark.parametrize('text', ['', '{', '[]', '5', 'null', '[' * 100_000])
def test_other_files_are_named(text: str) -> None:
    with pytest.raises(ConfigError, match='here.json'):
        ModelConfig.from_json(text, 'here.json')


def test_bytes_of_something_else_are_named(tmp_path: Path) -> None:
    (tmp_path / 'config.json').write_bytes(b'{"space": \xff}')
    with pytest.raises(ConfigError, match='config.json is not JSON .* at byte 10'):
        ModelConfig.load(tmp_path / 'config.json')


def test_what_is_written_is_read_back() -> None:
    config = ModelConfig.load(find_model() / 'config.json')
    assert ModelConfig.from_json(config.to_json()) == config
