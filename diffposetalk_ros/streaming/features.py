# SPDX-License-Identifier: Apache-2.0
"""Audio features of a stream, addressed by the number of the motion frame.

Which frames are encoded together depends only on frame numbers, not on how the audio was cut into chunks.
"""

from __future__ import annotations

from copy import copy
from typing import Protocol

import numpy as np

from diffposetalk_ros.audio.logmel import MEL_PER_FRAME, LogMelStream
from diffposetalk_ros.audio.normalisation import normalise_audio
from diffposetalk_ros.errors import ConfigError
from diffposetalk_ros.model.backend import Backend, FloatArray
from diffposetalk_ros.model.mel_context import logmel_context

__all__ = ['FeatureStream', 'LogMelFeatures', 'WindowedFeatures', 'feature_stream']


class FeatureStream(Protocol):
    """Takes samples and returns the features of motion frames.

    `read` is called with ranges that move forward, and `forget` names the first frame that will still be
    read. `copy.copy` gives an independent stream in the same state.
    """

    @property
    def right(self) -> int:
        """Frames of later sound that shape a feature."""
        ...

    @property
    def heard(self) -> int:
        """Frames whose own sound has come, whole."""
        ...

    def push(self, samples: FloatArray) -> None:
        """Add (n,) samples at 16 kHz, for any n."""
        ...

    def finish(self) -> None:
        """End the audio. The last frames lack their right context."""
        ...

    def read(self, start: int, stop: int, heard: int | None = None, ends: bool = False) -> FloatArray:
        """Features (stop - start, C) of frames [start, stop), using only the sound of frames [.., heard).

        ``ends``: the utterance ends there. By default, all sound received so far is used.
        """
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
    """Features of a log-mel model. Each frame is encoded with its context of mel frames, and stored.

    ``right``: motion frames of later sound in that context.
    ``chunk`` is the number of motion frames that become log mel at a time: 1 for a live stream, more for a
    file, where it saves time. Raises ConfigError for a model with another audio encoder.
    """

    def __init__(self, backend: Backend, chunk: int = 1) -> None:
        config = backend.config
        if config.logmel is None:
            raise ConfigError(f'the model has audio encoder {config.audio_encoder!r} and no logmel settings')
        self._backend = backend
        self._n_mels = config.logmel.n_mels
        self._left, self._right = logmel_context(config.logmel)
        self.right = -(-self._right // MEL_PER_FRAME)
        self._frame = config.samples_per_frame
        self._chunk = chunk * self._frame
        self._stream = LogMelStream(self._n_mels)
        self._silence: FloatArray | None = None
        self.reset()

    def reset(self) -> None:
        """Start a new stream."""
        self._stream.reset()
        self._pending = np.zeros(0, np.float32)
        # Before the start lie zeros, the mean of normalised log mel.
        self._mel = np.zeros((self._left, self._n_mels), np.float32)
        self._mel_start = -self._left
        self._features: FloatArray | None = None
        self._start = 0
        self._total = 0
        self._ended = False

    def __copy__(self) -> LogMelFeatures:
        """A stream in the same state that goes on by itself."""
        other = object.__new__(LogMelFeatures)
        other.__dict__.update(self.__dict__)
        other._stream = copy(self._stream)
        return other

    @property
    def heard(self) -> int:
        """Frames whose own sound has come, whole."""
        return self._total

    @property
    def available(self) -> int:
        """Frames whose features will not change any more."""
        return self._complete(self._total, self._ended)

    def push(self, samples: FloatArray) -> None:
        """Add (n,) samples. Whole chunks become mel frames, one chunk at a time."""
        joined = np.concatenate([self._pending, samples])
        whole = len(joined) // self._chunk
        self._pending = joined[whole * self._chunk :]
        self._extend([joined[i * self._chunk : (i + 1) * self._chunk] for i in range(whole)])

    def finish(self) -> None:
        """End the audio, which is padded with zeros as before the start. An incomplete last frame is dropped."""
        rest = len(self._pending) // self._frame * self._frame
        self._extend([self._pending[:rest]] if rest else [])
        self._pending = self._pending[rest:]
        self._ended = True

    def read(self, start: int, stop: int, heard: int | None = None, ends: bool = False) -> FloatArray:
        """Features (stop - start, C). Frames that were not encoded yet are encoded in one call.

        For the last frames before ``heard``, the last 10 ms are repeated in place of the missing sound. They are
        encoded again when that sound has arrived. At the end of the utterance, zeros are used, as in training.
        """
        if heard is None:
            heard, ends = self._total, self._ended
        known = self._start + (0 if self._features is None else len(self._features))
        features = self._features
        if stop > known:
            new = self._encode(known, stop, heard, ends)
            features = new if features is None else np.concatenate([features, new])
            keep = min(stop, self._complete(heard, ends))
            if keep > known:
                self._features = features[: keep - self._start]
                first = keep * MEL_PER_FRAME - self._left
                self._mel, self._mel_start = self._mel[first - self._mel_start :], first
        assert features is not None, 'something was read'
        return np.asarray(features[start - self._start : stop - self._start], np.float32)

    def padding(self) -> FloatArray:
        """Feature of silence (C,)."""
        if self._silence is None:
            samples = np.zeros(self._frame * 20, np.float32)
            mel = LogMelStream(self._n_mels).push(samples)[-(self._left + MEL_PER_FRAME + self._right) :]
            self._silence = self._backend.encode_mel(mel[None])[0, 0]
        return self._silence

    def forget(self, before: int) -> None:
        """Drop features of frames before ``before``."""
        if self._features is not None and before > self._start:
            self._features = self._features[before - self._start :]
            self._start = before

    def _complete(self, heard: int, ends: bool) -> int:
        """Number of frames that need only the sound of the frames before ``heard``."""
        return heard if ends else max(0, heard - self.right)

    def _encode(self, start: int, stop: int, heard: int, ends: bool) -> FloatArray:
        begin, end = start * MEL_PER_FRAME - self._left, stop * MEL_PER_FRAME + self._right
        there = min(end, heard * MEL_PER_FRAME)
        mel = self._mel[begin - self._mel_start : there - self._mel_start]
        beyond = np.zeros_like(mel[-1:]) if ends else mel[-1:]
        padded = np.concatenate([mel, *[beyond] * (end - there)])
        features: FloatArray = self._backend.encode_mel(padded[None])[0]
        return features

    def _extend(self, chunks: list[FloatArray]) -> None:
        if chunks:
            self._mel = np.concatenate([self._mel, *(self._stream.push(chunk) for chunk in chunks)])
            self._total += sum(len(chunk) for chunk in chunks) // self._frame


class WindowedFeatures:
    """Features of HuBERT or wav2vec2 over a window of the newest audio.

    The window holds ``context`` frames that end with the last frame asked for, and ``right`` frames of
    later audio. It is normalised by its own mean and deviation; docs/method.md, 2.1 uses those of the
    whole clip, which a live stream does not have. Raises ConfigError for impossible lengths.
    """

    def __init__(self, backend: Backend, context: int = 100, right: int = 0) -> None:
        if context < backend.config.n_prev_motions + 1 or right < 0:
            raise ConfigError(
                f'context {context}, right {right} frames; use more than the prefix, and 0 or more'
            )
        self._backend = backend
        self._context, self.right = context, right
        self._block = backend.config.samples_per_frame
        self._silence: FloatArray | None = None
        self.reset()

    def reset(self) -> None:
        """Start a new stream."""
        self._samples = np.zeros(0, np.float32)
        self._origin = 0

    @property
    def heard(self) -> int:
        """Frames whose own sound has come, whole."""
        return (self._origin + len(self._samples)) // self._block

    def push(self, samples: FloatArray) -> None:
        """Add (n,) samples."""
        self._samples = np.concatenate([self._samples, samples])

    def finish(self) -> None:
        """End the audio. The last frames lack their right context."""

    def read(self, start: int, stop: int, heard: int | None = None, ends: bool = False) -> FloatArray:
        """Features (stop - start, C) of frames encoded together with their context."""
        end = min(stop + self.right, self.heard if heard is None else heard)
        begin = max(0, min(start, stop - self._context))
        window = self._samples[begin * self._block - self._origin : end * self._block - self._origin]
        features = self._backend.encode_audio(normalise_audio(window)[None], end - begin)[0]
        return np.asarray(features[start - begin : stop - begin], np.float32)

    def padding(self) -> FloatArray:
        """Feature of silence (C,)."""
        if self._silence is None:
            zeros = np.zeros((1, self._context * self._block), np.float32)
            features = self._backend.encode_audio(zeros, self._context)[0]
            self._silence = features.mean(axis=0, dtype=np.float32)
        return self._silence

    def forget(self, before: int) -> None:
        """Drop the audio that no later window needs."""
        drop = (before - self._context) * self._block - self._origin
        if drop > 0:
            self._samples = self._samples[drop:]
            self._origin += drop


def feature_stream(backend: Backend, context: int = 100, right: int = 0) -> FeatureStream:
    """Feature stream that fits the audio encoder of the model."""
    if backend.config.audio_encoder == 'logmel':
        return LogMelFeatures(backend)
    return WindowedFeatures(backend, context, right)
