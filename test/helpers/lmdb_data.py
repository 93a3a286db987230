# SPDX-License-Identifier: Apache-2.0
"""A data set of the official layout, small and made of noise."""

from __future__ import annotations

import io
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import soundfile

WIDTHS = {'shape': 100, 'exp': 50, 'pose': 6}


def clip_data(person: int, video: int, frames: int) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """Samples and coefficients of a clip."""
    rng = np.random.default_rng((person, video))
    samples = np.round(0.1 * rng.normal(size=frames * 640) * 32767).clip(-32768, 32767) / 32768
    level = rng.normal(size=50)
    coefficients = {
        'shape': np.tile(rng.normal(size=100), (frames, 1)).astype(np.float32),
        'exp': (level + 0.3 * rng.normal(size=(frames, 50))).astype(np.float32),
        'pose': (0.1 * rng.normal(size=(frames, 6))).astype(np.float32),
    }
    coefficients['pose'][:, 4:] = 0.0
    return samples.astype(np.float32), coefficients


def write_lmdb(folder: Path, persons: int = 4, videos: int = 1, frames: int = 230) -> list[str]:
    """Write the data set with splits and statistics -> names of its clips."""
    import lmdb

    folder.mkdir(parents=True)
    names = []
    with lmdb.open(str(folder), map_size=1 << 28) as env, env.begin(write=True) as transaction:

        def put(key: str, value: Any) -> None:
            transaction.put(key.encode(), pickle.dumps(value))

        put('metadata', {'seg_len': 100})
        for person in range(persons):
            for video in range(videos):
                name = f'person{person}/{video:03d}'
                names.append(name)
                samples, coefficients = clip_data(person, video, frames)
                put(f'{name}/metadata', {'n_frames': frames})
                for number, first in enumerate(range(0, frames, 100)):
                    span = slice(first, min(first + 100, frames))
                    stream = io.BytesIO()
                    soundfile.write(
                        stream, samples[span.start * 640 : span.stop * 640], 16000, 'PCM_16', format='FLAC'
                    )
                    part = {key: value[span] for key, value in coefficients.items()}
                    put(f'{name}/{number:03d}', {'audio': stream.getvalue(), 'coef': part})
    (folder / 'train.txt').write_text('\n'.join(names) + '\n')
    (folder / 'val.txt').write_text('\n'.join(names[:2]) + '\n')
    rng = np.random.default_rng(9)
    stats = {}
    for key, width in WIDTHS.items():
        stats[f'{key}_mean'] = rng.normal(size=width).astype(np.float32) * 0.1
        stats[f'{key}_std'] = (0.5 + rng.random(width)).astype(np.float32)
    stats['pose_std'][4:] = 0.0
    np.savez(folder / 'stats_train.npz', **stats)
    return names
