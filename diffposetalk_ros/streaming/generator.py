# SPDX-License-Identifier: Apache-2.0
"""Speech in, motion frames out, window by window. No threads and no clock: the same audio gives the
same bits however it is cut and however slow the machine is.
"""

from __future__ import annotations

from collections.abc import Iterator
from copy import copy
from dataclasses import dataclass, field, replace

import numpy as np

from diffposetalk_ros.diffusion.noise import FrameNoise
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
from diffposetalk_ros.streaming.features import Encoding, FeatureStream, feature_stream
from diffposetalk_ros.streaming.window import Window, blend_weights, check_window, plan_window

__all__ = ['GeneratedFrames', 'StreamConfig', 'StreamingGenerator']


@dataclass(frozen=True)
class StreamConfig:
    """How a stream is generated.

    ``hop`` (k): frames that become final per window. ``look_ahead`` (L): frames of later audio a
    final frame has seen; each costs one frame of delay. ``blend``: how strongly (0..1) look-ahead
    frames generated before pull the new ones. ``seed`` and ``stream``: choose the noise.
    ``context``, ``right``: frames of audio before and after a hop that HuBERT-like encoders see;
    the log-mel encoder has its own.
    """

    hop: int = 2
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
    """Frames [start, start + n) in model space (n, D); the first ``committed`` are final, the rest
    are look-ahead and will be generated again."""

    start: int
    motion: FloatArray
    committed: int


class StreamingGenerator:
    """One avatar's stream.

    Simple use: ``push(samples)`` returns what can be generated so far, ``finish()`` the rest. A
    worker feeds with `feed` and `end` and takes one window at a time with `step`; an engine that
    batches avatars uses `plan`, `missing` and `fill`, `request` and `accept` instead.

    ``shape`` is a normalised FLAME identity (shape_dim,), for models that take one; None: the data's mean.

    `set_style` and `set_sampling` take effect with the next window. `reset` starts a new utterance
    at frame 0, with the same style and noise.
    """

    def __init__(
        self,
        backend: Backend,
        config: StreamConfig | None = None,
        style: FloatArray | None = None,
        shape: FloatArray | None = None,
        features: FeatureStream | None = None,
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
        self.set_sampling(self.config.sampling)
        self.set_style(style)
        self.reset()

    @property
    def committed(self) -> int:
        """Frames of this utterance that are final."""
        return self._committed

    @property
    def sampling(self) -> SamplingConfig:
        """Sampling of the next window."""
        return self._sampling

    @property
    def done(self) -> bool:
        """True after `end` once every frame is final."""
        return self._ended and self._committed >= self._features.available

    def set_style(self, style: FloatArray | None) -> None:
        """Style vector (S,) from the next window on; None: the null style. StyleError if misshapen."""
        if style is not None:
            style = np.asarray(style, np.float32)
            if style.shape != (self.model.style_dim,) or not np.isfinite(style).all():
                raise StyleError(f'style of shape {style.shape}; need {self.model.style_dim} finite numbers')
        self._style = style

    def set_sampling(self, sampling: SamplingConfig) -> None:
        """Solver, steps and guidance from the next window on."""
        self._sampling = sampling_for(self.model, sampling)
        self._noise_scale = noise_scale(self.model, sampling)

    def reset(self, stream: int | None = None) -> None:
        """Start a new utterance at frame 0; ``stream`` chooses other noise."""
        if stream is not None:
            self.config = replace(self.config, stream=stream)
        self._features.reset()
        self._noise = FrameNoise(self.config.seed, self.config.stream, self.model.motion_dim)
        self._committed = 0
        self._ended = False
        dim = self.model.motion_dim
        # The last frames that are final, at most as many as the prefix needs, and their features.
        self._history = np.zeros((0, dim), np.float32)
        self._history_features: FloatArray | None = None
        self._ahead = np.zeros((0, dim), np.float32)

    def push(self, samples: FloatArray) -> list[GeneratedFrames]:
        """Add (n,) samples at 16 kHz, mono, [-1, 1]; returns the windows that became possible."""
        self.feed(samples)
        return self._run()

    def finish(self) -> list[GeneratedFrames]:
        """End of the utterance: the remaining frames, floor(samples / 640) in all at 25 fps."""
        self.end()
        return self._run()

    def feed(self, samples: FloatArray) -> None:
        """Add samples without generating. Raises AudioError after `end` or for a wrong array."""
        if self._ended:
            raise AudioError('the utterance has ended; reset the generator before adding audio')
        samples = np.asarray(samples, np.float32)
        if samples.ndim != 1:
            raise AudioError(f'audio of shape {samples.shape}; the generator needs (n,) mono samples')
        self._features.push(samples)

    def end(self) -> None:
        """No more audio in this utterance; calling it again changes nothing."""
        if not self._ended:
            self._ended = True
            self._features.finish()

    def step(self) -> GeneratedFrames | None:
        """Generate one window if there is audio for it. On an exception nothing has changed, so the
        call may be repeated."""
        window = self.plan()
        if window is None:
            return None
        return self.accept(window, self._backend.sample(self.request(window), self._sampling)[0])

    def preview(self) -> Iterator[FloatArray]:
        """Frames (n, D) that would follow the final ones if the utterance ended here; changes nothing.

        Window by window, each time all frames so far, the last time all there are. While audio pauses they
        keep the face moving: the encoder's look-ahead and the rest of the hop need not be waited for.
        Should the utterance really end here, its last frames are the same bits.
        """
        other = copy(self)
        other._features = copy(self._features)
        other.end()
        final = np.zeros((0, self.model.motion_dim), np.float32)
        while (frames := other.step()) is not None:
            yield np.concatenate([final, frames.motion])
            final = np.concatenate([final, frames.motion[: frames.committed]])

    def plan(self) -> Window | None:
        """The window `step` would generate, None while audio is missing."""
        return plan_window(
            self.model,
            self.config.hop,
            self.config.look_ahead,
            self._committed,
            self._features.available,
            self._ended,
        )

    def missing(self, window: Window) -> Encoding | None:
        """Audio of ``window`` that `request` would have to encode."""
        return self._features.missing(window.start, window.stop)

    def fill(self, encoding: Encoding, features: FloatArray) -> None:
        """Take the features of what was `missing`."""
        self._features.fill(encoding, features)

    def request(self, window: Window) -> WindowRequest:
        """What the backend needs for ``window``: a batch of one."""
        missing = window.length - window.frames
        audio = self._window_features(window)
        indicator = None
        if self.model.use_indicator:
            indicator = np.ones((1, window.length), np.float32)
            indicator[:, window.frames :] = 0
        if missing:
            audio = np.concatenate([audio, np.tile(self._features.padding(), (missing, 1))])
        known, weight = self._known(window)
        first, last = window.start, window.start + window.length
        noise, scale = self._noise, self._noise_scale
        return WindowRequest(
            audio=audio[None],
            noise=self._start(first, last)[None],
            previous_motion=self._history[None] if window.prefix else None,
            previous_audio=self._previous_features()[None] if window.prefix else None,
            style=None if self._style is None else self._style[None],
            shape=None if self._shape is None else self._shape[None],
            indicator=indicator,
            step_noise=lambda t: scale * noise.step(t, first, last)[None],
            known=known,
            known_weight=weight,
        )

    def accept(self, window: Window, motion: FloatArray) -> GeneratedFrames:
        """Take the backend's answer (length, D) to ``window``: advance the stream."""
        check_motion(motion[: window.frames], window.start)
        fresh = motion[window.commit_start - window.start : window.frames].astype(np.float32, copy=True)
        count = window.commit_stop - window.commit_start
        keep = self.model.n_prev_motions
        features = self._window_features(window)[: window.commit_stop - window.start]
        if window.prefix:
            features = np.concatenate([self._previous_features(), features])
        self._history_features = features[-keep:]
        self._history = np.concatenate([self._history, fresh[:count]])[-keep:]
        self._ahead = fresh[count:]
        self._committed = window.commit_stop
        self._features.forget(0 if self._committed < keep else self._committed)
        return GeneratedFrames(window.commit_start, fresh, count)

    def _run(self) -> list[GeneratedFrames]:
        out = []
        while (frames := self.step()) is not None:
            out.append(frames)
        return out

    def _start(self, first: int, last: int) -> FloatArray:
        """x_T of frames [first, last)."""
        return self._noise_scale * self._noise.initial(first, last)

    def _window_features(self, window: Window) -> FloatArray:
        return self._features.read(window.start, window.stop)

    def _previous_features(self) -> FloatArray:
        assert self._history_features is not None
        return self._history_features

    def _known(self, window: Window) -> tuple[FloatArray | None, FloatArray | None]:
        """Frames generated before and how hard they hold: 1 where final, falling over look-ahead."""
        pinned = window.commit_start - window.start
        ahead = min(len(self._ahead), window.stop - window.commit_start)
        if not pinned and not (ahead and self.config.blend):
            return None, None
        known = np.zeros((1, window.length, self.model.motion_dim), np.float32)
        weight = np.zeros((1, window.length, 1), np.float32)
        known[0, :pinned] = self._history[len(self._history) - pinned :]
        weight[0, :pinned] = 1
        known[0, pinned : pinned + ahead] = self._ahead[:ahead]
        weight[0, pinned : pinned + ahead, 0] = blend_weights(ahead, self.config.blend)
        return known, weight
