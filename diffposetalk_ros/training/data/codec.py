# SPDX-License-Identifier: Apache-2.0
"""Passes speech through a lossy codec, as nearly all recordings of people have been.

The codecs are libsndfile's. None of them shifts the sound in time (checked by cross-correlation at 16 kHz).
"""

from __future__ import annotations

import io

import numpy as np
import soundfile
from numpy.typing import NDArray

__all__ = ['CODECS', 'coded']

# Format, encoding, and range of the compression level, at 16 kHz from about 50 down to 10 kbit/s.
CODECS: tuple[tuple[str, str, tuple[float, float] | None], ...] = (
    ('MP3', 'MPEG_LAYER_III', (0.3, 0.95)),
    ('OGG', 'OPUS', (0.8, 0.98)),
    ('OGG', 'VORBIS', (0.5, 1.0)),
    ('WAV', 'GSM610', None),
    ('WAV', 'IMA_ADPCM', None),
)
_CEILING = 0.9


def coded(
    samples: NDArray[np.float32], rate: int, rng: np.random.Generator, codec: int | None = None
) -> NDArray[np.float32]:
    """Mono samples (n,) through a codec of `CODECS`, a random one if none is named: (n,), as loud as before."""
    kind, encoding, levels = CODECS[rng.integers(len(CODECS)) if codec is None else codec]
    peak = float(np.abs(samples).max(initial=1e-6))
    level = {} if levels is None else {'compression_level': float(rng.uniform(*levels))}
    file = io.BytesIO()
    soundfile.write(file, samples * (_CEILING / peak), rate, format=kind, subtype=encoding, **level)
    file.seek(0)
    values, _ = soundfile.read(file, dtype='float32')
    values = values[: len(samples)] * (peak / _CEILING)
    return np.pad(values, (0, len(samples) - len(values))).astype(np.float32)
