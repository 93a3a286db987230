# SPDX-License-Identifier: Apache-2.0
"""Audio features of a stream, by absolute motion frame.

What is encoded together depends on frame numbers only, never on how the audio was cut into messages.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from diffposetalk_ros.audio.logmel import MEL_PER_FRAME, LogMelStream
from diffposetalk_ros.errors import ConfigError
from diffposetalk_ros.model.backend import Backend, FloatArray
from diffposetalk_ros.model.mel_context import logmel_context

__all__ = [
    'Encoding',
    'FeatureStream',
    'LogMelFeatures',
    'WindowedFeatures',
    'encode_together',
    'feature_stream',
]


@dataclass(frozen=True)
class Encoding:
    """What the audio encoder has to do: frames [start, start + frames) from ``sound``, which is log mel with
    its context (n, mels) or normalised samples (n,)."""

    sound: FloatArray
    start: int
    frames: int


def encode_together(backend: Backend, encodings: Sequence[Encoding]) -> list[FloatArray]:
    """Features (frames, C) of each; those of equal shape go through the encoder in one batch."""
    groups: dict[Hashable, list[int]] = defaultdict(list)
    for index, encoding in enumerate(encodings):
        groups[encoding.sound.shape, encoding.frames].append(index)
    out: dict[int, FloatArray] = {}
    for members in groups.values():
        first = encodings[members[0]]
        sounds = np.stack([encodings[index].sound for index in members])
        made = backend.encode_mel(sounds) if sounds.ndim == 3 else backend.encode_audio(sounds, first.frames)
        out.update(zip(members, made, strict=True))
    return [out[index] for index in range(len(encodings))]


class FeatureStream(Protocol):
    """Samples in, features of frames out.

    ``available`` counts the frames that can be read. ``read`` is called with ranges that move
    forward; `forget` names the first frame that will still be asked for. Who reads several streams asks
    each for what is ``missing`` and gives it to `fill` first: the encoder then serves all at once.
    """

    @property
    def available(self) -> int:
        """Frames [0, available) can be read, unless forgotten."""
        ...

    def push(self, samples: FloatArray) -> None:
        """Add (n,) samples at 16 kHz, any n."""
        ...

    def finish(self) -> None:
        """No more audio: the last frames go without what they would have seen of it."""
        ...

    def missing(self, start: int, stop: int) -> Encoding | None:
        """What `read` would have to encode."""
        ...

    def fill(self, encoding: Encoding, features: FloatArray) -> None:
        """Take the features (frames, C) of what was missing."""
        ...

    def read(self, start: int, stop: int) -> FloatArray:
        """Features of frames [start, stop): (stop - start, C)."""
        ...

    def padding(self) -> FloatArray:
        """Feature of silence (C,), for padded frames."""
        ...

    def forget(self, before: int) -> None:
        """Frames before this one will not be read again."""
        ...

    def reset(self) -> None:
        """Start a new stream."""
        ...


class LogMelFeatures:
    """Log-mel encoder: each frame is encoded once, with its context of mel frames."""

    def __init__(self, backend: Backend) -> None:
        config = backend.config
        if config.logmel is None:
            raise ConfigError(f'the model has audio encoder {config.audio_encoder!r} and no logmel settings')
        self._backend = backend
        self._n_mels = config.logmel.n_mels
        self._left, self._right = logmel_context(config.logmel)
        self._block = config.samples_per_frame
        self._stream = LogMelStream(self._n_mels)
        self._silence: FloatArray | None = None
        self.reset()

    def reset(self) -> None:
        """Start a new stream."""
        self._stream.reset()
        self._pending = np.zeros(0, np.float32)
        # Nothing was heard before the start: zeros, the mean of the normalised features.
        self._mel = np.zeros((self._left, self._n_mels), np.float32)
        self._mel_start = -self._left
        self._features: FloatArray | None = None
        self._start = 0
        self._total = 0
        self._ended = False

    @property
    def available(self) -> int:
        """Frames whose mel context is complete."""
        if self._ended:
            return self._total
        seen = self._mel_start + len(self._mel)
        return max(0, (seen - self._right) // MEL_PER_FRAME)

    @property
    def _encoded(self) -> int:
        return self._start + (0 if self._features is None else len(self._features))

    def push(self, samples: FloatArray) -> None:
        """Add (n,) samples; whole frames are turned into mel frames one frame at a time."""
        joined = np.concatenate([self._pending, samples])
        whole = len(joined) // self._block
        self._pending = joined[whole * self._block :]
        self._total += whole
        self._extend([joined[i * self._block : (i + 1) * self._block] for i in range(whole)])

    def finish(self) -> None:
        """Fill the right context of the last frames with zeros, as offline generation does."""
        self._mel = np.concatenate([self._mel, np.zeros((self._right, self._n_mels), np.float32)])
        self._ended = True

    def missing(self, start: int, stop: int) -> Encoding | None:
        """Frames up to ``stop`` that were not encoded yet, with their context."""
        first = self._encoded
        if stop <= first:
            return None
        begin = first * MEL_PER_FRAME - self._left - self._mel_start
        end = stop * MEL_PER_FRAME + self._right - self._mel_start
        return Encoding(self._mel[begin:end], first, stop - first)

    def fill(self, encoding: Encoding, features: FloatArray) -> None:
        """Keep features; the mel frames that only they needed are dropped."""
        self._features = features if self._features is None else np.concatenate([self._features, features])
        first = (encoding.start + encoding.frames) * MEL_PER_FRAME - self._left
        self._mel, self._mel_start = self._mel[first - self._mel_start :], first

    def read(self, start: int, stop: int) -> FloatArray:
        """Features (stop - start, C); frames not encoded yet are encoded in one call."""
        missing = self.missing(start, stop)
        if missing is not None:
            self.fill(missing, *encode_together(self._backend, [missing]))
        assert self._features is not None
        return self._features[start - self._start : stop - self._start]

    def padding(self) -> FloatArray:
        """Feature of silence (C,)."""
        if self._silence is None:
            samples = np.zeros(self._block * 20, np.float32)
            mel = LogMelStream(self._n_mels).push(samples)[-(self._left + MEL_PER_FRAME + self._right) :]
            self._silence = self._backend.encode_mel(mel[None])[0, 0]
        return self._silence

    def forget(self, before: int) -> None:
        """Drop features of frames before ``before``."""
        if self._features is not None and before > self._start:
            self._features = self._features[before - self._start :]
            self._start = before

    def _extend(self, blocks: list[FloatArray]) -> None:
        if blocks:
            self._mel = np.concatenate([self._mel, *(self._stream.push(block) for block in blocks)])


class WindowedFeatures:
    """HuBERT or wav2vec2 over a window of the newest audio: ``context`` frames that end with the last
    frame asked for, plus ``right`` frames of later audio. The window is normalised by its own mean
    and deviation (SPEC 2.1 does so with the whole clip, which live audio does not have)."""

    def __init__(self, backend: Backend, context: int = 100, right: int = 0) -> None:
        if context < backend.config.n_prev_motions + 1 or right < 0:
            raise ConfigError(
                f'context {context}, right {right} frames; use more than the prefix, and 0 or more'
            )
        self._backend = backend
        self._context, self._right = context, right
        self._block = backend.config.samples_per_frame
        self._silence: FloatArray | None = None
        self.reset()

    def reset(self) -> None:
        """Start a new stream."""
        self._samples = np.zeros(0, np.float32)
        self._origin = 0
        self._ended = False
        self._encoded: tuple[int, int, FloatArray] | None = None

    @property
    def available(self) -> int:
        """Frames whose audio, and that of ``right`` more, is there."""
        frames = (self._origin + len(self._samples)) // self._block
        return frames if self._ended else max(0, frames - self._right)

    def push(self, samples: FloatArray) -> None:
        """Add (n,) samples."""
        self._samples = np.concatenate([self._samples, samples])

    def finish(self) -> None:
        """The last frames go without their right context."""
        self._ended = True

    def missing(self, start: int, stop: int) -> Encoding | None:
        """The window that ends with ``stop``, unless it was the last one encoded: a window is read when it is
        denoised and again when its frames are committed."""
        total = (self._origin + len(self._samples)) // self._block
        end = min(stop + self._right, total)
        begin = max(0, min(start, stop - self._context))
        if self._encoded is not None and self._encoded[:2] == (begin, end):
            return None
        window = self._samples[begin * self._block - self._origin : end * self._block - self._origin]
        return Encoding(_normalise(window), begin, end - begin)

    def fill(self, encoding: Encoding, features: FloatArray) -> None:
        """Keep the window in place of the one before."""
        self._encoded = encoding.start, encoding.start + encoding.frames, features

    def read(self, start: int, stop: int) -> FloatArray:
        """Features (stop - start, C) of frames encoded together with their context."""
        missing = self.missing(start, stop)
        if missing is not None:
            self.fill(missing, *encode_together(self._backend, [missing]))
        assert self._encoded is not None
        begin, _, features = self._encoded
        return features[start - begin : stop - begin]

    def padding(self) -> FloatArray:
        """Feature of silence (C,)."""
        if self._silence is None:
            zeros = np.zeros((1, self._context * self._block), np.float32)
            features = self._backend.encode_audio(zeros, self._context)[0]
            self._silence = features.mean(axis=0, dtype=np.float32)
        return self._silence

    def forget(self, before: int) -> None:
        """Drop audio that no later window reaches."""
        drop = (before - self._context) * self._block - self._origin
        if drop > 0:
            self._samples = self._samples[drop:]
            self._origin += drop


def feature_stream(backend: Backend, context: int = 100, right: int = 0) -> FeatureStream:
    """The live feature stream that fits the model's audio encoder."""
    if backend.config.audio_encoder == 'logmel':
        return LogMelFeatures(backend)
    return WindowedFeatures(backend, context, right)


def _normalise(samples: FloatArray) -> FloatArray:
    """(a - mean) / (std + 1e-5) with the unbiased deviation (SPEC 2.1)."""
    exact = samples.astype(np.float64)
    exact -= exact.mean()
    deviation = np.sqrt(exact @ exact / max(1, len(exact) - 1))
    normalised: FloatArray = (exact * (1 / (deviation + 1e-5))).astype(np.float32)
    return normalised
