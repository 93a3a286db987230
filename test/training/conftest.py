# SPDX-License-Identifier: Apache-2.0
"""A corpus of seconds: modulated noise with phones made up for it."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import soundfile


@pytest.fixture(scope='session')
def tiny_corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp('corpus')
    rng = np.random.default_rng(0)
    names = ['P', 'AA', 'M', 'IY', 'S', 'UW', 'B', 'AE', 'T', 'OW']
    lines = []
    for index in range(3):
        phones, samples, time = [], [], 0.0
        for _ in range(20):
            name, length = str(rng.choice(names)), float(rng.uniform(0.06, 0.2))
            phones.append([round(time, 4), round(time + length, 4), name])
            level = 0.0 if name in 'PBT' else 0.1
            samples.append(level * rng.normal(size=int(length * 16000)))
            time += length
        path = folder / f'{index}.flac'
        soundfile.write(path, np.concatenate(samples), 16000)
        split = 'dev' if index == 2 else 'train'
        lines.append(json.dumps({'audio': path.name, 'phones': phones, 'split': split}))
    (folder / 'clips.jsonl').write_text('\n'.join(lines) + '\n')
    return folder
