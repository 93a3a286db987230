# SPDX-License-Identifier: Apache-2.0
"""Motion of whole clips, window after window (docs/method.md, 6)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import partial
from pathlib import Path

import numpy as np

from diffposetalk_ros.errors import AudioError
from diffposetalk_ros.model.backend import (
    Backend,
    FloatArray,
    SamplingConfig,
    WindowRequest,
    check_motion,
    noise_scale,
    sampling_for,
)
from diffposetalk_ros.model.config import ModelConfig
from diffposetalk_ros.model.loader import LoadedModel, open_model
from diffposetalk_ros.motion.motion_clip import MotionClip
from diffposetalk_ros.nonverbal.stream import NonverbalStream
from diffposetalk_ros.offline.noise import ClipNoise, SeededNoise
from diffposetalk_ros.offline.speech_windows import speech_windows
from diffposetalk_ros.streaming.features import LogMelFeatures

__all__ = ['MIN_SECONDS', 'Generator']

MIN_SECONDS = 0.04
"""Seconds of one frame. Less sound gives no motion."""

Progress = Callable[[int], None]
"""Takes the number of frames finished so far."""

_ENCODE_FRAMES = 250


def _step_noise(noise: ClipNoise, scale: FloatArray, window: int, frames: int, t: int) -> FloatArray:
    """Noise (1, frames, D) of an ancestral step, with standard deviations ``scale`` (D,)."""
    fresh: FloatArray = (scale * noise.step(window, t, frames))[None]
    return fresh


def _fed(nonverbal: NonverbalStream, blocks: Iterable[FloatArray]) -> Iterator[FloatArray]:
    """Pass on the blocks, and give them to the nonverbal stream as well."""
    for block in blocks:
        nonverbal.feed(block)
        yield block


class Generator:
    """Turns speech clips into motion clips with one model.

    Windows have 100 frames and are conditioned on the ten frames before them.

    Raises what `open_model` raises.
    """

    def __init__(
        self, model: str | Path | LoadedModel = 'embedded', backend: str = 'auto', device: str = 'auto'
    ):
        self.model = model if isinstance(model, LoadedModel) else open_model(model, backend, device)

    @property
    def config(self) -> ModelConfig:
        """Configuration of the model."""
        return self.model.backend.config

    def generate(
        self,
        samples: FloatArray | Iterable[FloatArray],
        style: str | Path | FloatArray | None = None,
        seed: int = 0,
        sampling: SamplingConfig | None = None,
        shape: FloatArray | None = None,
        progress: Progress | None = None,
        noise: ClipNoise | None = None,
        audio_context: bool = True,
    ) -> MotionClip:
        """Generate the motion of a clip.

        Args:
            samples: mono speech at 16 kHz in [-1, 1], whole or as consecutive blocks.
            style: name, .npy file, vector (S,) or None for the null style.
            seed: determines all noise. The same seed, audio and settings give the same motion.
            sampling: solver, steps and guidance, or None for the defaults of `SamplingConfig`.
            shape: normalised FLAME identity (100,) for models that take one, or None for the data's mean.
            progress: called after each window with the number of frames finished so far.
            noise: used by the denoiser instead of noise from ``seed``; head, brows and eyes still use the seed.
            audio_context: whether HuBERT and wav2vec2 encode the whole clip, or each window by itself. It
                makes no difference for a log-mel model.

        Returns:
            The motion (frames, D) in the units of the model's layout: weights, coefficients and rad
            (`LoadedModel.clip`).

        Raises AudioError if the audio is shorter than one frame or not finite, StyleError for an
        unknown style, ModelError for weights that give no finite motion.
        """
        blocks: Iterable[FloatArray] = (samples,) if isinstance(samples, np.ndarray) else samples
        vector = self.model.style(style)
        if shape is None and self.config.shape_dim:
            shape = np.zeros(self.config.shape_dim, np.float32)
        wanted = sampling_for(self.config, sampling or SamplingConfig())
        if noise is None:
            noise = SeededNoise(seed, self.config.n_motions, self.config.motion_dim)
        nonverbal = self.model.nonverbal_motion(vector, seed)
        if nonverbal is not None:
            blocks = _fed(nonverbal, blocks)
        features = self._feature_windows(blocks, audio_context)
        denoiser_style = self.model.style_parts(vector)[0]
        windows = [
            motion if nonverbal is None else nonverbal.frames(motion)
            for motion in self._windows(features, denoiser_style, noise, wanted, shape, progress)
        ]
        if not windows:
            raise AudioError(
                'the audio is shorter than one frame (40 ms); give at least 640 samples at 16 kHz'
            )
        meta = {'model': self.model.folder.name, 'seed': seed}
        return self.model.clip(np.concatenate(windows), meta, shape)

    def _windows(
        self,
        features: Iterable[tuple[FloatArray, int]],
        style: FloatArray | None,
        noise: ClipNoise,
        sampling: SamplingConfig,
        shape: FloatArray | None,
        progress: Progress | None,
    ) -> Iterator[FloatArray]:
        config, length, past = self.config, self.config.n_motions, self.config.n_prev_motions
        scale = noise_scale(config, sampling)
        previous: tuple[FloatArray, FloatArray] | None = None
        done = 0
        for window, (audio, valid) in enumerate(features):
            frames = valid if config.variable_window else length
            request = WindowRequest(
                audio=audio[None, :frames],
                noise=(scale * noise.initial(window, frames))[None],
                previous_motion=None if previous is None else previous[0],
                previous_audio=None if previous is None else previous[1],
                style=None if style is None else style[None],
                shape=None if shape is None else shape[None],
                indicator=(np.arange(frames) < valid)[None].astype(np.float32)
                if config.use_indicator
                else None,
                step_noise=partial(_step_noise, noise, scale, window, frames),
            )
            motion = self.model.backend.sample(request, sampling)
            check_motion(motion[0, :valid], done)
            previous = motion[:, -past:], audio[None, -past:]
            done += valid
            if progress is not None:
                progress(done)
            yield motion[0, :valid]

    def _feature_windows(
        self, blocks: Iterable[FloatArray], audio_context: bool
    ) -> Iterator[tuple[FloatArray, int]]:
        """Features (100, C) of each window, zero beyond the clip, and the number of real frames."""
        length = self.config.n_motions
        if self.config.audio_encoder != 'logmel':
            yield from speech_windows(self.model.backend, blocks, context=audio_context)
            return
        held = np.zeros((0, self.config.feature_dim), np.float32)
        for piece in _logmel_features(self.model.backend, blocks):
            held = np.concatenate([held, piece])
            while len(held) >= length:
                yield held[:length], length
                held = held[length:]
        if len(held):
            yield np.pad(held, ((0, length - len(held)), (0, 0))), len(held)


def _logmel_features(backend: Backend, blocks: Iterable[FloatArray]) -> Iterator[FloatArray]:
    """Features (F, C) of a log-mel model, 10 s at a time, so that memory does not grow with the clip."""
    features = LogMelFeatures(backend, _ENCODE_FRAMES)
    done = 0

    def encode(least: int) -> Iterator[FloatArray]:
        nonlocal done
        while features.available - done >= least:
            stop = min(done + _ENCODE_FRAMES, features.available)
            yield features.read(done, stop)
            features.forget(stop)
            done = stop

    for block in blocks:
        features.push(block)
        yield from encode(_ENCODE_FRAMES)
    features.finish()
    yield from encode(1)
