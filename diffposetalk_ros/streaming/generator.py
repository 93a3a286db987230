# SPDX-License-Identifier: Apache-2.0
"""The method as a stream: speech in, motion frames out, window by window.

There are no threads and no clock here. The same audio gives bit-identical frames, however it is cut into chunks and
however slow the machine is.
"""

from __future__ import annotations

from collections.abc import Iterator
from copy import copy
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from diffposetalk_ros.diffusion.noise import FrameNoise
from diffposetalk_ros.diffusion.sampler import Inpainting
from diffposetalk_ros.errors import AudioError, ConfigError, StyleError
from diffposetalk_ros.model.backend import (
    Backend,
    FloatArray,
    SamplingConfig,
    WindowRequest,
    check_motion,
    noise_scale,
    sampling_for,
)
from diffposetalk_ros.model.loader import LoadedModel
from diffposetalk_ros.nonverbal.stream import NonverbalStream
from diffposetalk_ros.nonverbal.traits import TRAITS, Traits
from diffposetalk_ros.streaming.features import FeatureStream, feature_stream
from diffposetalk_ros.streaming.window import Window, blend_weights, check_window, plan_window

__all__ = ['GeneratedFrames', 'StreamConfig', 'StreamingGenerator', 'model_stream']


@dataclass(frozen=True)
class StreamConfig:
    """How a stream is generated. All lengths are in frames (40 ms at 25 fps).

    Args:
        hop: frames that become final with each window (k).
        look_ahead: frames beyond the hop that are generated with it, so that a final frame has seen them (L).
            Only those beyond the right context of the audio encoder (2 frames with log mel) add delay.
        blend: weight, 0 to 1, with which look-ahead frames of the window before guide the same frames of
            the new window.
        seed: chooses the noise, together with ``stream``.
        stream: number of the avatar or utterance; another number gives other noise.
        context: audio before the end of a hop that HuBERT and wav2vec2 encode together with it.
        right: audio after a hop that HuBERT and wav2vec2 see. The log-mel encoder has a context of its own.
        sampling: solver, steps and guidance.

    Raises ConfigError for a blend outside 0 to 1.
    """

    hop: int = 1
    look_ahead: int = 1
    blend: float = 0.5
    seed: int = 0
    stream: int = 0
    context: int = 100
    right: int = 0
    sampling: SamplingConfig = field(default_factory=SamplingConfig)

    def __post_init__(self) -> None:
        if not 0 <= self.blend <= 1:
            raise ConfigError(f'blend {self.blend}; use 0 to 1')


@dataclass(frozen=True)
class GeneratedFrames:
    """Result of one window: frames [start, start + n) of the utterance.

    ``motion`` (n, D) is normalised (model space). Its first ``committed`` frames are final. The rest are
    look-ahead, and the next window generates them again.
    """

    start: int
    motion: FloatArray
    committed: int


def model_stream(
    model: LoadedModel, config: StreamConfig | None = None, style: FloatArray | None = None, **options: Any
) -> StreamingGenerator:
    """A stream of a complete model: the denoiser and, if the model has one, the nonverbal network.

    ``style`` is what `LoadedModel.style` returns; ``options`` are further arguments of `StreamingGenerator`.
    """
    config = config or StreamConfig()
    nonverbal = model.nonverbal_motion(style, config.seed, config.stream)
    return StreamingGenerator(model.backend, config, style, nonverbal=nonverbal, **options)


class StreamingGenerator:
    """Turns the speech of one avatar into motion as it arrives.

    `push` adds speech and returns the windows that it completes. `finish` ends the utterance and returns
    the remaining windows. `reset` starts a new utterance at frame 0, with the same style and noise.
    `set_style` and `set_sampling` take effect with the next window.

    If a backend raises an exception, nothing is lost: the audio is kept, and the next call returns the
    windows that were complete before the exception and tries the failed one again.

    Args:
        backend: runs the networks.
        config: hop, look-ahead, noise and sampling.
        style: style vector (S,), with its traits where there is ``nonverbal``, or None for the null style.
        shape: normalised FLAME identity (shape_dim,) for models that take one, or None for the data's mean.
        features: source of audio features, or None for the one that fits the model.
        nonverbal: adds head, brows, eyes and smile to the articulation; None: the denoiser generates everything. The
            stream belongs to this generator.

    Raises ConfigError if hop and look-ahead do not fit the model's window.
    """

    def __init__(
        self,
        backend: Backend,
        config: StreamConfig | None = None,
        style: FloatArray | None = None,
        shape: FloatArray | None = None,
        features: FeatureStream | None = None,
        nonverbal: NonverbalStream | None = None,
    ) -> None:
        self.config = config or StreamConfig()
        self.model = backend.config
        check_window(self.model, self.config.hop, self.config.look_ahead)
        if self.model.samples_per_frame * self.model.fps != 16000:
            raise ConfigError(f'{self.model.fps} fps does not divide 16000 samples per second')
        self._backend = backend
        self._features = features or feature_stream(backend, self.config.context, self.config.right)
        if shape is None and self.model.shape_dim:
            shape = np.zeros(self.model.shape_dim, np.float32)
        self._shape = shape
        self.nonverbal = nonverbal
        self.set_sampling(self.config.sampling)
        self.set_style(style)
        self.reset()

    @property
    def committed(self) -> int:
        """Number of frames of this utterance that are final."""
        return self._committed

    @property
    def sampling(self) -> SamplingConfig:
        """Solver, steps and guidance of the next window."""
        return self._sampling

    @property
    def done(self) -> bool:
        """Whether the utterance has ended and all of its frames are final."""
        return self._ended and self._committed >= self._features.heard

    def set_style(self, style: FloatArray | None) -> None:
        """Use style vector (S,), or the null style for None, from the next window on.

        Raises StyleError for another length or a number that is not finite.
        """
        width = self.model.style_dim
        if style is not None:
            style = np.asarray(style, np.float32)
            needed = width + (0 if self.nonverbal is None else len(TRAITS))
            if style.shape != (needed,) or not np.isfinite(style).all():
                raise StyleError(f'style of shape {style.shape}; need {needed} finite numbers')
            if self.nonverbal is not None:
                self.nonverbal.traits = Traits(style[width:])
                style = style[:width]
        self._style = style

    def set_sampling(self, sampling: SamplingConfig) -> None:
        """Use these solver, steps and guidance from the next window on."""
        self._sampling = sampling_for(self.model, sampling)
        self._noise_scale = noise_scale(self.model, sampling)

    def reset(self, stream: int | None = None, utterance: int = 0) -> None:
        """Start a new utterance at frame 0.

        ``stream``, if given, chooses other noise. ``utterance`` chooses other movements of head and eyes, so
        that they do not repeat; articulation does not depend on it.
        """
        if stream is not None:
            self.config = replace(self.config, stream=stream)
        self._features.reset()
        if self.nonverbal is not None:
            self.nonverbal.reset(self.config.stream + (utterance << 16), self.config.seed)
        self._noise = FrameNoise(self.config.seed, self.config.stream, self.model.motion_dim)
        self._unheard, self._fed = np.zeros(0, np.float32), 0
        self._committed = 0
        self._ended = False
        self._ready: list[GeneratedFrames] = []
        dim = self.model.motion_dim
        # The last frames that are final, at most as many as the prefix needs, and their features.
        self._history = np.zeros((0, dim), np.float32)
        self._history_features: FloatArray | None = None
        self._ahead = np.zeros((0, dim), np.float32)

    def push(self, samples: FloatArray, limit: int | None = None) -> list[GeneratedFrames]:
        """Add (n,) samples of mono speech at 16 kHz in [-1, 1] and generate the windows they complete.

        ``limit`` bounds the number of windows that this call generates. The rest follow with the next
        call, which may push an empty array. Raises AudioError after `finish` or for an array of another
        shape; `reset` starts over.
        """
        if self._ended:
            raise AudioError('the utterance has ended; call reset() before adding audio')
        samples = np.asarray(samples, np.float32)
        if samples.ndim != 1:
            raise AudioError(f'audio of shape {samples.shape}; the generator needs (n,) mono samples')
        if len(samples):
            self._features.push(samples)
            if self.nonverbal is not None:
                self._unheard = np.concatenate([self._unheard, samples])
        return self._generate(limit)

    def finish(self, limit: int | None = None) -> list[GeneratedFrames]:
        """End the utterance and generate its remaining frames: floor(samples / 640) in all at 25 fps.

        ``limit`` is that of `push`; call again until `done`.
        """
        if not self._ended:
            self._ended = True
            self._features.finish()
        return self._generate(limit)

    def preview(self) -> Iterator[FloatArray]:
        """Yield the frames (n, D) that would follow the final ones if the utterance ended here.

        The stream itself does not change. Each item holds all frames so far; the last one holds all there
        are. While the audio pauses, these frames keep the face moving without the encoder's look-ahead and
        the rest of the hop. If the utterance does end here, its last frames are the same bits.
        """
        other = copy(self)
        other._features = copy(self._features)
        other.nonverbal = copy(self.nonverbal)
        other._ready = []
        final = np.zeros((0, self.model.motion_dim), np.float32)
        while made := other.finish(limit=1):
            yield np.concatenate([final, made[0].motion])
            final = np.concatenate([final, made[0].motion[: made[0].committed]])

    def _generate(self, limit: int | None) -> list[GeneratedFrames]:
        """Up to ``limit`` windows, together with any that an exception kept from being returned."""
        while limit is None or len(self._ready) < limit:
            frames = self._step()
            if frames is None:
                break
            self._ready.append(frames)
        ready, self._ready = self._ready, []
        return ready

    def _step(self) -> GeneratedFrames | None:
        """Generate one window, or return None while audio is missing. An exception changes nothing."""
        window = self._plan()
        if window is None:
            return None
        audio = self._features.read(window.start, window.stop, window.heard, window.ends)
        motion = self._backend.sample(self._request(window, audio), self._sampling)[0]
        return self._accept(window, audio, motion)

    def _plan(self) -> Window | None:
        return plan_window(
            self.model,
            self.config.hop,
            self.config.look_ahead,
            self._features.right,
            self._committed,
            self._features.heard,
            self._ended,
        )

    def _request(self, window: Window, audio: FloatArray) -> WindowRequest:
        """Input of the backend for ``window`` with features ``audio`` (frames, C), as a batch of one."""
        missing = window.length - window.frames
        indicator = None
        if self.model.use_indicator:
            indicator = np.ones((1, window.length), np.float32)
            indicator[:, window.frames :] = 0
        if missing:
            audio = np.concatenate([audio, np.tile(self._features.padding(), (missing, 1))])
        first, last = window.start, window.start + window.length
        noise, scale = self._noise, self._noise_scale
        return WindowRequest(
            audio=audio[None],
            noise=self._initial_noise(first, last)[None],
            previous_motion=self._history[None] if window.prefix else None,
            previous_audio=self._previous_features()[None] if window.prefix else None,
            style=None if self._style is None else self._style[None],
            shape=None if self._shape is None else self._shape[None],
            indicator=indicator,
            step_noise=lambda t: scale * noise.step(t, first, last)[None],
            inpainting=self._inpainting(window),
        )

    def _accept(self, window: Window, audio: FloatArray, motion: FloatArray) -> GeneratedFrames:
        """Advance the stream by the motion (length, D) that the backend made of the features ``audio``."""
        check_motion(motion[: window.frames], window.start)
        fresh = motion[window.commit_start - window.start : window.frames].astype(np.float32, copy=True)
        count = window.commit_stop - window.commit_start
        keep = self.model.n_prev_motions
        features = audio[: window.commit_stop - window.start]
        if window.prefix:
            features = np.concatenate([self._previous_features(), features])
        self._history_features = features[-keep:]
        self._history = np.concatenate([self._history, fresh[:count]])[-keep:]
        self._ahead = fresh[count:]
        self._committed = window.commit_stop
        self._features.forget(0 if self._committed < keep else self._committed)
        if self.nonverbal is not None:
            # It uses the same sound as the denoiser, so that the look-ahead depends on no other sound either.
            new = window.heard * self.model.samples_per_frame - self._fed
            self.nonverbal.feed(self._unheard[:new])
            self._unheard, self._fed = self._unheard[new:], self._fed + new
            # The denoiser continues from its own frames; the returned frames also have head, eyes and brows.
            fresh = self.nonverbal.frames(fresh, ahead=len(fresh) - count)
        return GeneratedFrames(window.commit_start, fresh, count)

    def _initial_noise(self, first: int, last: int) -> FloatArray:
        """x_T of frames [first, last)."""
        return self._noise_scale * self._noise.initial(first, last)

    def _previous_features(self) -> FloatArray:
        assert self._history_features is not None
        return self._history_features

    def _inpainting(self, window: Window) -> Inpainting | None:
        """Frames generated before: mask 1 where they are final, falling over the look-ahead."""
        pinned = window.commit_start - window.start
        ahead = min(len(self._ahead), window.stop - window.commit_start)
        if not pinned and not (ahead and self.config.blend):
            return None
        target = np.zeros((1, window.length, self.model.motion_dim), np.float32)
        mask = np.zeros((1, window.length, 1), np.float32)
        target[0, :pinned] = self._history[len(self._history) - pinned :]
        mask[0, :pinned] = 1
        target[0, pinned : pinned + ahead] = self._ahead[:ahead]
        mask[0, pinned : pinned + ahead, 0] = blend_weights(ahead, self.config.blend)
        return Inpainting(target, mask)
