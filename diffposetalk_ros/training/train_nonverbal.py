# SPDX-License-Identifier: Apache-2.0
"""Training of the nonverbal network, which draws the next knots by diffusion, on animated speech in many styles."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from tqdm import tqdm

from diffposetalk_ros.audio.formats.file import read_audio
from diffposetalk_ros.audio.logmel import MEL_PER_FRAME, LogMelStream
from diffposetalk_ros.diffusion.schedule import make_schedule
from diffposetalk_ros.model.loader import open_model
from diffposetalk_ros.nonverbal.network import (
    BLOCK,
    CONTEXT,
    HIDDEN,
    STEP_FEATURES,
    STEPS_TRAINED,
    TARGET,
    TYPICAL_PACE,
    NonverbalNetwork,
    audio_summary,
    expected,
    inputs_of,
    step_features,
)
from diffposetalk_ros.nonverbal.signals import SIGNALS
from diffposetalk_ros.nonverbal.spline import FRAMES_PER_KNOT, knots_of
from diffposetalk_ros.streaming.features import feature_stream
from diffposetalk_ros.training.animator import StyleParameters, sample_style
from diffposetalk_ros.training.animator.animator import animate_signals
from diffposetalk_ros.training.animator.coarticulation import frame_times
from diffposetalk_ros.training.animator.prosody import prosody
from diffposetalk_ros.training.data.takes import Clip, join_speech, read_clips, shift_phones
from diffposetalk_ros.training.run import RunConfig, train
from diffposetalk_ros.util.resources import demo_clip

__all__ = [
    'NonverbalClips', 'NonverbalModule', 'build_nonverbal_clips', 'calibrated_weights', 'free_run',
    'measured_chains', 'reference_features', 'train_nonverbal',
]  # fmt: skip

SECONDS = 32
"""Length of a training clip: long enough for rates and for the levels of a person to settle."""
_WIDTH = len(SIGNALS)
_LEAST_SPREAD = 2e-3
_LEAST_RUNS = 8
_LEAST_PACE = 0.5
"""1/s; slower signals stand still."""
_CROP = 200
_DRAWS = 3


@dataclass(frozen=True)
class NonverbalClips:
    """Clips of 32 s at 12.5 knots/s.

    ``position`` (N, 400, 10) signals, standardised within the clip (zero mean, unit deviation); ``pace`` (N,
    10), 1/s; ``audio`` (N, 400, 64) audio input of the network.
    """

    position: NDArray[np.float32]
    pace: NDArray[np.float32]
    audio: NDArray[np.float32]

    def __len__(self) -> int:
        return len(self.position)


def _heard(samples: NDArray[np.float32], rng: np.random.Generator) -> NDArray[np.float32]:
    """The sound with a random level and some noise, as from a microphone."""
    noise = rng.standard_normal(len(samples)).astype(np.float32)
    loud = 10 ** (rng.uniform(-70, -38) / 20)
    return np.asarray((samples + loud * noise) * 10 ** (rng.uniform(-12, 8) / 20), np.float32)


def standardised(
    signals: NDArray[np.float32], fps: float = 25.0
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Signals (F, 10) -> position (F, 10) in spreads about the mean, and pace (10,) as `measure_traits` has it."""
    spread = np.maximum(signals.std(0), _LEAST_SPREAD)
    position = (signals - signals.mean(0)) / spread
    velocity = (position[2:] - position[:-2]) * np.float32(fps / 2)
    return position.astype(np.float32), np.sqrt((velocity**2).mean(0)).astype(np.float32)


def build_nonverbal_clips(
    corpus: Path, count: int, seed: int = 0, style: StyleParameters | None = None
) -> NonverbalClips:
    """Animate ``count`` clips of 32 s, each in its own style (or in ``style``). Deterministic for a seed."""
    clips: list[Clip] = read_clips(corpus, 'train')
    positions, paces, audios = [], [], []
    length = SECONDS * 16000
    for index in tqdm(range(count), desc='nonverbal clips', unit='clip'):
        rng = np.random.default_rng((seed, 77, index))
        samples, phones = join_speech(clips, rng, length + 16000, long_pauses=0.12)
        start = int(rng.integers(0, len(samples) - length + 1))
        samples = samples[start : start + length]
        spoken = shift_phones(phones, start / 16000, SECONDS)
        voice = prosody(samples, spoken, frame_times(SECONDS * 25))
        wanted = style or sample_style(rng)
        signals = np.clip(animate_signals(voice, wanted, rng), -1, 1)
        position, pace = standardised(signals)
        mel = LogMelStream().push(_heard(samples, rng))
        per_knot = MEL_PER_FRAME * FRAMES_PER_KNOT
        positions.append(knots_of(position))
        paces.append(pace)
        audios.append(np.stack([audio_summary(piece) for piece in mel.reshape(-1, per_knot, mel.shape[1])]))
    return NonverbalClips(np.stack(positions), np.stack(paces), np.stack(audios))


class NonverbalModule(nn.Module):
    """`NonverbalNetwork` in torch, with the same names of weights."""

    scale_slope: Tensor
    scale_offset: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.context = nn.GRU(CONTEXT, HIDDEN, batch_first=True)
        self.head = nn.Sequential(
            nn.Linear(HIDDEN + TARGET + STEP_FEATURES, 2 * HIDDEN), nn.GELU(approximate='tanh'),
            nn.Linear(2 * HIDDEN, HIDDEN), nn.GELU(approximate='tanh'),
            nn.Linear(HIDDEN, TARGET),
        )  # fmt: skip
        self.register_buffer('scale_slope', torch.zeros(TARGET))
        self.register_buffer('scale_offset', torch.zeros(TARGET))

    def fit_scale(self, clips: NonverbalClips) -> None:
        """Fit the unit of each target as a power of the pace, by least squares of logarithms."""
        blocks, before, velocity = blocked(clips.position)
        ways = (blocks[:, 1:] - expected(before[:, 1:], velocity[:, 1:])).std(1)  # (N, 3, 10)
        for k in range(_WIDTH):
            moving = clips.position[:, :, k].std(1) > 0.5
            for knot in range(BLOCK):
                slope, offset = np.polyfit(
                    np.log(clips.pace[moving, k]), np.log(ways[moving, knot, k] + 1e-6), 1
                )
                index = knot * _WIDTH + k
                self.scale_slope[index], self.scale_offset[index] = float(slope), float(offset)


def blocked(
    position: NDArray[np.float32],
) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]]:
    """Blocks (N, B, 3, 10) of knots (N, K, 10); and before each block the last position and velocity (N, B, 10)."""
    count = position.shape[1] // BLOCK
    blocks = position[:, : count * BLOCK].reshape(len(position), count, BLOCK, _WIDTH)
    last, before = blocks[:, :-1, -1], blocks[:, :-1, -2]
    pad = ((0, 0), (1, 0), (0, 0))
    return blocks, np.pad(last, pad), np.pad(last - before, pad)


class _Source:
    """Crops of the clips as tensors, and the loss of a step."""

    def __init__(self, clips: NonverbalClips, batch: int) -> None:
        self._clips, self._batch = clips, batch
        bars = torch.tensor(make_schedule('cosine', STEPS_TRAINED).alpha_bars)
        self._signal, self._noise = bars.sqrt(), (1 - bars).sqrt()
        self._steps = torch.from_numpy(np.stack([step_features(t) for t in range(STEPS_TRAINED + 1)]))

    def loss(self, module: Any, number: int, rng: torch.Generator, device: torch.device) -> dict[str, Tensor]:
        """Squared error of the clean target at random diffusion steps (the paper's x0 loss)."""
        clips = self._clips
        index = torch.randint(len(clips), (self._batch,), generator=rng).numpy()
        first = torch.randint(clips.position.shape[1] - _CROP, (self._batch,), generator=rng).numpy()
        position = np.stack([clips.position[i, f : f + _CROP] for i, f in zip(index, first, strict=True)])
        audio = np.stack([clips.audio[i, f : f + _CROP] for i, f in zip(index, first, strict=True)])
        pace = np.maximum(clips.pace[index], 0.5)[:, None]
        blocks, _, _ = blocked(position)
        sounds = audio[:, : blocks.shape[1] * BLOCK].reshape(*blocks.shape[:3], -1)
        velocity = blocks[:, :, -1] - blocks[:, :, -2]
        seen = inputs_of(
            blocks[:, :-1],
            velocity[:, :-1],
            np.broadcast_to(pace, velocity[:, :-1].shape),
            sounds[:, :-1],
        )
        # The errors of a block become its later input, so it is trained with small errors.
        inputs = torch.from_numpy(seen) + 0.02 * torch.randn(seen.shape, generator=rng)
        state, _ = module.context(inputs)
        way = blocks[:, 1:] - expected(blocks[:, :-1, -1], velocity[:, :-1])
        slope, offset = module.scale_slope.numpy(), module.scale_offset.numpy()
        scale = np.exp(offset + slope * np.log(np.tile(pace, BLOCK)))
        clean = torch.from_numpy((way.reshape(*way.shape[:2], TARGET) / scale).astype(np.float32))
        moving = np.tile((position.std(1) > 0.2).astype(np.float32), BLOCK)[:, None]
        # Each state is used with several draws of noise, because the recurrent part is the most expensive.
        error = torch.zeros(())
        for _ in range(_DRAWS):
            steps = torch.randint(1, STEPS_TRAINED + 1, clean.shape[:2], generator=rng)
            noise = torch.randn(clean.shape, generator=rng)
            noisy = self._signal[steps][..., None] * clean + self._noise[steps][..., None] * noise
            guess = module.head(torch.cat([noisy.float(), state, self._steps[steps]], -1))
            # Signals that a style keeps still carry no information.
            error = error + ((guess - clean) ** 2 * torch.from_numpy(moving)).mean() / _DRAWS
        return {'clean': error}


def free_run(
    network: NonverbalNetwork, clips: NonverbalClips, index: int, seed: int = 0
) -> NDArray[np.float32]:
    """Knots (K, 10) that the network generates freely from the sound and the pace of a clip, starting at rest."""
    noise = np.random.default_rng((seed, index))
    pace = network.learned_pace(clips.pace[index])
    hidden = np.zeros(HIDDEN, np.float32)
    block = np.zeros((BLOCK, _WIDTH), np.float32)
    made = [block]
    for first in range(0, clips.audio.shape[1] - BLOCK + 1, BLOCK):
        velocity = block[-1] - block[-2]
        hidden = network.context(
            hidden, inputs_of(block, velocity, pace, clips.audio[index, first : first + BLOCK])
        )
        target = network.sample(hidden, noise.standard_normal(TARGET).astype(np.float32), 8)
        block = expected(block[-1], velocity) + (target * network.scale(pace)).reshape(BLOCK, _WIDTH)
        made.append(block.astype(np.float32))
    return np.concatenate(made)


def calibrated_weights(
    module: NonverbalModule, clips: NonverbalClips, count: int = 60
) -> dict[str, NDArray[Any]]:
    """Weights for `NonverbalNetwork` in half precision, with the calibration from ``count`` free runs."""
    weights: dict[str, NDArray[Any]] = {
        name: value.numpy().astype(np.float16 if 'scale' not in name else np.float32)
        for name, value in module.state_dict().items()
    }
    return weights | measured_chains(weights, clips, count)


def measured_chains(
    weights: dict[str, NDArray[Any]], clips: NonverbalClips, count: int = 60
) -> dict[str, NDArray[np.float32]]:
    """``gain``, ``gain_slope``, ``offset`` and ``pace_range`` of a trained network, from ``count`` free runs."""
    moving = np.where(clips.pace > _LEAST_PACE, clips.pace, np.nan)
    # C order, because safetensors writes the memory as it is.
    span = np.nanquantile(moving, [0.02, 0.98], axis=0).astype(np.float32, order='C')
    zeros, ones = np.zeros(_WIDTH, np.float32), np.ones(_WIDTH, np.float32)
    network = NonverbalNetwork(
        weights | {'gain': ones, 'gain_slope': zeros, 'offset': zeros, 'pace_range': span}
    )
    runs = np.stack([free_run(network, clips, index) for index in range(min(count, len(clips)))])
    spreads, paces = np.log(runs.std(1)), np.log(np.clip(moving[: len(runs)], *span) / TYPICAL_PACE)
    gain, slope = zeros.copy(), zeros.copy()
    for k in range(_WIDTH):
        known = np.isfinite(paces[:, k])
        slope[k], gain[k] = _line(paces[known, k], spreads[known, k])
    return {'gain': gain, 'gain_slope': slope, 'offset': runs.mean((0, 1)), 'pace_range': span}


def _line(pace: NDArray[Any], spread: NDArray[Any]) -> tuple[float, float]:
    """Slope of log spread over log pace, and the gain that brings the spread to 1 at the typical pace.

    With fewer than eight runs the slope is 0, because the line would not extrapolate to other paces.
    """
    if len(pace) < _LEAST_RUNS:
        return 0.0, float(np.exp(-spread.mean())) if len(spread) else 1.0
    slope, level = np.polyfit(pace, spread, 1)
    return float(slope), float(np.exp(-level))


def reference_features(folder: Path) -> NDArray[np.float16]:
    """Audio features (100, C) of the bundled speech from the audio encoder of the model in ``folder``."""
    backend = open_model(folder).backend
    stream = feature_stream(backend, 100, 0)
    stream.push(read_audio(demo_clip()))
    stream.finish()
    return stream.read(20, 120).astype(np.float16)


def train_nonverbal(clips: NonverbalClips, work: Path, config: RunConfig, seed: int = 0) -> NonverbalModule:
    """Train on the clips; checkpoints and logs below ``work``, as `training.run.train`."""
    torch.manual_seed(seed)
    module = NonverbalModule()
    module.fit_scale(clips)
    train('nonverbal', module, _Source(clips, config.batch).loss, work, config)
    return module
