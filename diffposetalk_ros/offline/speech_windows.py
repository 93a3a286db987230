# SPDX-License-Identifier: Apache-2.0
"""Features of whole clips for HuBERT and wav2vec2 models (SPEC 2.1, 6), and of clips of any length.

Up to five minutes the encoder sees the whole clip, exactly as the reference does. Its attention costs
time with the square of the length and its layers memory in proportion, so longer audio waits in a
temporary file and is encoded in pieces of two minutes, each with ten seconds of its surroundings on
both sides. Mean and deviation are those of the whole clip in either case.
"""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Iterable, Iterator
from typing import IO

import numpy as np

from diffposetalk_ros.audio.sample_rate import AUDIO_SAMPLE_RATE
from diffposetalk_ros.errors import AudioError
from diffposetalk_ros.model.backend import Backend, FloatArray
from diffposetalk_ros.model.config import ModelConfig

__all__ = ['EXACT_SECONDS', 'context_features', 'speech_windows']

EXACT_SECONDS = 300.0
"""Longest clip that is encoded as a whole."""
_PIECE_SECONDS = 120.0
_CONTEXT_SECONDS = 10.0

_log = logging.getLogger(__name__)


def context_features(backend: Backend, samples: FloatArray) -> FloatArray:
    """Features (100 W, C) of a whole clip (n,) at 16 kHz, padded to W windows (SPEC 6 steps 1-3)."""
    config = backend.config
    spread = samples.std(ddof=1) if len(samples) > 1 else 0.0
    normalised = (samples - samples.mean()) / (spread + 1e-5)
    window = config.n_motions * config.samples_per_frame
    windows = max(1, -(-int(len(samples) / AUDIO_SAMPLE_RATE * config.fps) // config.n_motions))
    missing = window * windows - len(samples)
    if missing > 0:
        last = normalised[-1] if config.pad_mode == 'replicate' else 0.0
        normalised = np.concatenate([normalised, np.full(missing, last, np.float32)])
    frames = config.n_motions * windows
    features: FloatArray = backend.encode_audio(normalised[None].astype(np.float32), frames)[0]
    return features


class _Spool:
    """Samples on disk with their running mean and deviation; memory holds one block at a time."""

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
        """Samples [start, stop) normalised by the whole clip's numbers (SPEC 2.1), padded beyond its end."""
        mean = self._sum / self.count
        variance = max(self._squares / self.count - mean**2, 0.0) * self.count / (self.count - 1)
        self._file.seek(4 * start)
        held = np.frombuffer(self._file.read(4 * (min(stop, self.count) - start)), np.float32)
        out = np.zeros(stop - start, np.float32)
        out[: len(held)] = (held - mean) / (variance**0.5 + 1e-5)
        if self._replicate and len(held) < len(out):
            out[len(held) :] = out[len(held) - 1]
        return out


def _pieces(backend: Backend, spool: _Spool, config: ModelConfig) -> Iterator[FloatArray]:
    """Features of consecutive pieces, together all frames of the clip padded to whole windows."""
    unit, length = config.samples_per_frame, config.n_motions
    total = -(-(spool.count // unit) // length) * length
    context = int(_CONTEXT_SECONDS * config.fps)
    piece = max(1, int(_PIECE_SECONDS * config.fps) // length) * length
    for first in range(0, total, piece):
        last = min(first + piece, total)
        begin, end = max(0, first - context), min(total, last + context)
        samples = spool.normalised(begin * unit, end * unit)
        features = backend.encode_audio(samples[None], end - begin)[0]
        yield features[first - begin : last - begin]


def speech_windows(
    backend: Backend, blocks: Iterable[FloatArray], exact_seconds: float = EXACT_SECONDS
) -> Iterator[tuple[FloatArray, int]]:
    """Features (100, C) of each window of a clip and how many of its frames are real.

    ``blocks`` are consecutive samples at 16 kHz; nothing comes out for less than one frame. Memory
    is bounded. Raises AudioError where no temporary file can be written.
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
            features = context_features(backend, np.concatenate(held))
            # 8.04 s is 200.99... frames to the reference: it makes two windows and no 201st frame.
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
            _log.warning(
                '%.0f s of audio: beyond %.0f s the speech encoder works in pieces of %.0f s with '
                '%.0f s of context, not on the whole clip',
                spool.count / AUDIO_SAMPLE_RATE, exact_seconds, _PIECE_SECONDS, _CONTEXT_SECONDS,
            )  # fmt: skip
            remaining = spool.count // config.samples_per_frame
            for features in _pieces(backend, spool, config):
                yield from _cut(features, min(remaining, len(features)), config.n_motions)
                remaining -= len(features)
    except OSError as error:
        raise AudioError(
            f'long audio waits in a temporary file, which cannot be written ({error.strerror}); '
            'set TMPDIR to a folder with room'
        ) from error


def _cut(features: FloatArray, real: int, length: int) -> Iterator[tuple[FloatArray, int]]:
    for first in range(0, real, length):
        yield features[first : first + length], min(length, real - first)
