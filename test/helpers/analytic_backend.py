# SPDX-License-Identifier: Apache-2.0
"""A small real backend without weights: fixed random matrices, a few x0 steps, no torch."""

from __future__ import annotations

import numpy as np

from diffposetalk_ros.audio.logmel import MEL_PER_FRAME, LogMelStream
from diffposetalk_ros.model.backend import FloatArray, SamplingConfig, WindowRequest
from diffposetalk_ros.model.config import LogMelConfig, ModelConfig
from diffposetalk_ros.model.mel_context import logmel_context

N_MELS, CHANNELS = 8, 12


def model_config(encoder: str = 'logmel', variable: bool = True, **changes) -> ModelConfig:
    return ModelConfig(
        space='arkit',
        shape_dim=0,
        style_dim=4,
        feature_dim=CHANNELS,
        n_heads=2,
        n_motions=changes.pop('n_motions', 30),
        audio_encoder=encoder,
        variable_window=variable,
        logmel=LogMelConfig(n_mels=N_MELS) if encoder == 'logmel' else None,
        **changes,
    )


class AnalyticBackend:
    """Every output depends on all inputs the network would use: own audio, neighbours, prefix,
    style, indicator, noise."""

    runner = 'NumPy'

    def __init__(self, config: ModelConfig | None = None) -> None:
        self.config = config or model_config()
        rng = np.random.default_rng(0)
        width = self.config.motion_dim
        self.mel_context = logmel_context(self.config.logmel or LogMelConfig())
        mel = sum(self.mel_context) + MEL_PER_FRAME
        self._encode = rng.normal(0, 0.1, (mel * N_MELS, CHANNELS)).astype('f4')
        self._raw = rng.normal(0, 1, (640, CHANNELS)).astype('f4')
        self._head = rng.normal(0, 0.5, (CHANNELS, width)).astype('f4')
        self._style = rng.normal(0, 0.1, (self.config.style_dim, width)).astype('f4')
        self.windows: list[WindowRequest] = []

    def encode_mel(self, mel: FloatArray) -> FloatArray:
        left, right = self.mel_context
        frames = (mel.shape[1] - left - right) // MEL_PER_FRAME
        span = left + MEL_PER_FRAME + right
        rows = [mel[:, 4 * i : 4 * i + span].reshape(len(mel), -1) for i in range(frames)]
        # One product per frame: the bits must not depend on how many frames are asked for at once.
        return np.stack([np.tanh(row @ self._encode) for row in rows], axis=1)

    def encode_audio(self, samples: FloatArray, frames: int) -> FloatArray:
        if self.config.audio_encoder == 'logmel':
            left, right = self.mel_context
            need = 4 * frames + right
            mel = LogMelStream(N_MELS).push(samples[0][: len(samples[0]) // 160 * 160])[:need]
            return self.encode_mel(np.pad(mel, ((left, need - len(mel)), (0, 0)))[None])
        padded = np.pad(samples, ((0, 0), (0, max(0, 640 * frames - samples.shape[1]))))
        own = padded[:, : 640 * frames].reshape(len(samples), frames, 640) @ self._raw / 640
        return (own + own.mean(axis=1, keepdims=True)).astype('f4')

    def encode_style(self, motion: FloatArray) -> FloatArray:
        return motion.mean(axis=1)[:, : self.config.style_dim]

    def sample(self, request: WindowRequest, sampling: SamplingConfig) -> FloatArray:
        self.windows.append(request)
        n, length, width = request.noise.shape
        assert request.audio.shape == (n, length, CHANNELS)
        x = request.noise
        for t in range(sampling.steps, 0, -1):
            memory = request.audio @ self._head
            if request.previous_motion is not None:
                assert request.previous_motion.shape == (n, self.config.n_prev_motions, width)
                assert request.previous_audio.shape == (n, self.config.n_prev_motions, CHANNELS)
                memory = memory + 0.3 * request.previous_motion.mean(axis=1, keepdims=True)
            if request.style is not None:
                memory = memory + (request.style @ self._style)[:, None]
            real = (
                np.ones((n, length, 1), 'f4') if request.indicator is None else request.indicator[..., None]
            )
            mixing = (x * real).sum(axis=1, keepdims=True) / real.sum(axis=1, keepdims=True)
            x0 = np.tanh(memory + 0.05 * x + 0.1 * mixing)
            if request.inpainting is not None:
                x0 = x0 + request.inpainting.mask * (request.inpainting.target - x0)
            x = x0
            if t > 1 and sampling.solver == 'ddpm':
                x = x + 0.1 * request.step_noise(t)
        return x.astype('f4')
