# SPDX-License-Identifier: Apache-2.0
"""Reads the telephone prompts of Asterisk, which Debian packages with their texts."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import numpy.typing as npt

__all__ = ['read_g722', 'read_texts']


def read_texts(path: Path) -> dict[str, str]:
    """The words of each prompt, from a package's `core-sounds-XX.txt.gz`: lines of the form `name: words`."""
    with gzip.open(path, 'rt', encoding='utf-8') as lines:
        pairs = (line.split(':', 1) for line in lines if ':' in line and not line.startswith(';'))
        return {name.strip(): ' '.join(words.split()) for name, words in pairs}


def read_g722(path: Path) -> npt.NDArray[np.float32]:
    """Samples [n] at 16 kHz in [-1, 1] of a raw G.722 file."""
    import av

    with av.open(str(path), format='g722') as container:
        pieces = [frame.to_ndarray().reshape(-1) for frame in container.decode(audio=0)]
    samples: npt.NDArray[np.float32] = np.concatenate(pieces).astype(np.float32) / np.float32(32768)
    return samples
