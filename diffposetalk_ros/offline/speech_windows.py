# SPDX-License-Identifier: Apache-2.0
"""Features of clips of any length for HuBERT and wav2vec2 (docs/method.md, 2 and 6).

Up to five minutes, the encoder sees the whole clip, as in the official code. The time of its attention
grows with the square of the length, its memory linearly. Longer audio is therefore stored in a
temporary file and encoded in pieces of two minutes, each with ten seconds of audio on both sides.
Mean and deviation are those of the whole clip in either case.
"""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Iterable, Iterator
from typing import IO

import numpy as np

from diffposetalk_ros.audio.normalisation import normalise_audio
from diffposetalk_ros.audio.sample_rate import AUDIO_SAMPLE_RATE
from diffposetalk_ros.errors import AudioError
from diffposetalk_ros.model.backend import Backend, FloatArray
from diffposetalk_ros.model.config import ModelConfig

__all__ = ['EXACT_SECONDS', 'context_features', 'speech_windows', 'window_features']

EXACT_SECONDS = 300.0
"""Length of the longest clip that is encoded as a whole."""
_PIECE_SECONDS = 120.0
_CONTEXT_SECONDS = 10.0

_log = logging.getLogger(__name__)


def context_features(backend: Backend, samples: FloatArray) -> FloatArray:
    """Features (100 W, C) of a clip (n,) at 16 kHz, padded to W windows (docs/method.md, 6 steps 1 to 3)."""
    config, normalised = backend.config, _padded(backend.config, samples)
    frames = len(normalised) // config.samples_per_frame // config.n_motions * config.n_motions
    features: FloatArray = backend.encode_audio(normalised[None], frames)[0]
    return features


def window_features(backend: Backend, samples: FloatArray) -> FloatArray:
    """Same as `context_features`, but each window is encoded by itself: the official no_context_audio_feat."""
    config, normalised = backend.config, _padded(backend.config, samples)
    length = config.n_motions * config.samples_per_frame
    windows = [normalised[i * length : (i + 1) * length] for i in range(len(normalised) // length)]
    return np.concatenate([backend.encode_audio(w[None], config.n_motions)[0] for w in windows])


def _padded(config: ModelConfig, samples: FloatArray) -> FloatArray:
    """Normalised clip, padded to whole windows."""
    normalised = normalise_audio(samples)
    window = config.n_motions * config.samples_per_frame
    windows = max(1, -(-int(len(samples) / AUDIO_SAMPLE_RATE * config.fps) // config.n_motions))
    missing = window * windows - len(samples)
    if missing > 0:
        last = normalised[-1] if config.pad_mode == 'replicate' else 0.0
        normalised = np.concatenate([normalised, np.full(missing, last, np.float32)])
    return normalised


class _Spool:
    """Samples on disk with their running mean and deviation. Memory holds one block at a time."""

    def __init__(self, file: IO[bytes], replicate: bool) -> None:
        self._file, self._replicate = file, replicate
        self.count, self._sum, self._squares = 0, 0.0, 0.0

    def add(self, block: FloatArray) -> None:
        exact = block.astype(np.float64)
        self.count += len(block)
        self._sum += float(exact.sum())
        self._squares += float((exact**2).sum())
        self._file.write(np.ascontiguousarray(block, np.float32).tobytes())

    def normalised(self, start: int, stop: int) -> FloatArray:
        """Samples [start, stop), normalised by the statistics of the whole clip and padded beyond its end."""
        mean = self._sum / self.count
        variance = max(self._squares / self.count - mean**2, 0.0) * self.count / (self.count - 1)
        self._file.seek(4 * start)
        held = np.frombuffer(self._file.read(4 * (min(stop, self.count) - start)), np.float32)
        out = np.zeros(stop - start, np.float32)
        out[: len(held)] = normalise_audio(held, mean, variance**0.5)
        if self._replicate and len(held) < len(out):
            out[len(held) :] = out[len(held) - 1]
        return out


def _pieces(backend: Backend, spool: _Spool, config: ModelConfig, with_context: bool) -> Iterator[FloatArray]:
    """Features of consecutive pieces, which together are the clip padded to whole windows.

    Without context, a piece is one window.
    """
    unit, length = config.samples_per_frame, config.n_motions
    total = -(-(spool.count // unit) // length) * length
    context = int(_CONTEXT_SECONDS * config.fps) if with_context else 0
    piece = max(1, int(_PIECE_SECONDS * config.fps) // length) * length if with_context else length
    for first in range(0, total, piece):
        last = min(first + piece, total)
        begin, end = max(0, first - context), min(total, last + context)
        samples = spool.normalised(begin * unit, end * unit)
        features = backend.encode_audio(samples[None], end - begin)[0]
        yield features[first - begin : last - begin]


def speech_windows(
    backend: Backend,
    blocks: Iterable[FloatArray],
    exact_seconds: float = EXACT_SECONDS,
    context: bool = True,
) -> Iterator[tuple[FloatArray, int]]:
    """Features (100, C) of each window of a clip, and the number of its real frames.

    ``blocks`` are consecutive samples at 16 kHz. Less than one frame gives nothing. With ``context`` the
    encoder sees the clip around a window, otherwise the window alone. Memory is bounded. Raises AudioError
    if no temporary file can be written.
    """
    config, limit = backend.config, int(exact_seconds * AUDIO_SAMPLE_RATE)
    held: list[FloatArray] = []
    count = 0
    stream = iter(blocks)
    for block in stream:
        held.append(block)
        count += len(block)
        if count > limit:
            break
    if count <= limit:
        total = count // config.samples_per_frame
        if total:
            encode = context_features if context else window_features
            features = encode(backend, np.concatenate(held))
            # 8.04 s are 200.99... frames in the official code, which gives two windows and no 201st frame.
            yield from _cut(features, min(total, len(features)), config.n_motions)
        return
    try:
        with tempfile.TemporaryFile() as file:
            spool = _Spool(file, config.pad_mode == 'replicate')
            for block in held:
                spool.add(block)
            held.clear()
            for block in stream:
                spool.add(block)
            if context:
                _log.warning(
                    '%.0f s of audio: beyond %.0f s the speech encoder works on pieces of %.0f s with '
                    '%.0f s of context, and not on the whole clip',
                    spool.count / AUDIO_SAMPLE_RATE, exact_seconds, _PIECE_SECONDS, _CONTEXT_SECONDS,
                )  # fmt: skip
            remaining = spool.count // config.samples_per_frame
            for features in _pieces(backend, spool, config, context):
                yield from _cut(features, min(remaining, len(features)), config.n_motions)
                remaining -= len(features)
    except OSError as error:
        raise AudioError(
            f'long audio needs a temporary file, which cannot be written ({error.strerror}); '
            'set TMPDIR to a folder with free space'
        ) from error


def _cut(features: FloatArray, real: int, length: int) -> Iterator[tuple[FloatArray, int]]:
    for first in range(0, real, length):
        yield features[first : first + length], min(length, real - first)
