# SPDX-License-Identifier: Apache-2.0
"""Third stage: the denoiser, on whole windows as in the paper (SPEC 9.2) and on short live hops."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from diffposetalk_ros.diffusion.schedule import make_schedule
from diffposetalk_ros.model.style_encoder import StyleEncoder
from diffposetalk_ros.model.torch_model import DiffPoseTalkModel
from diffposetalk_ros.motion.rig import load_rig
from diffposetalk_ros.training.batches import Batch, BatchSource
from diffposetalk_ros.training.run import RunConfig, train
from diffposetalk_ros.training.train_audio import AudioTrainee, speech_losses
from diffposetalk_ros.training.train_style import HALF, halves

__all__ = ['DenoiserLossConfig', 'train_denoiser']


@dataclass(frozen=True)
class DenoiserLossConfig:
    """Weights and probabilities. Geometric terms are in mm^2 on the rig's lips and upper face.

    ``hop_share`` of the batches are short windows of ``hop_frames``, whose prefix carries
    ``prefix_noise`` (normalised units) because live prefixes are generated, not recorded.
    ``speech`` weighs the first stage's losses, kept on while the audio encoder learns along; at 0 the
    encoder is frozen, which costs a third of the time. ``style_null`` and ``audio_null`` are the
    condition dropouts of SPEC 9.2 step 7.
    """

    vertex: float = 0.15
    velocity: float = 0.6
    smooth: float = 0.1
    head_velocity: float = 0.3
    speech: float = 0.0
    truncate: tuple[float, float] = (0.3, 0.4)
    hop_share: float = 0.5
    hop_frames: tuple[int, int] = (1, 24)
    prefix_noise: float = 0.1
    style_null: float = 0.45
    audio_null: float = 0.10


class _Trainee(nn.Module):
    """Everything that learns in this stage; the style encoder is frozen and stays outside."""

    def __init__(self, model: DiffPoseTalkModel, audio: AudioTrainee) -> None:
        super().__init__()
        self.model = model
        self.phones, self.visemes = audio.phones, audio.visemes
        self.context = audio.encoder.context
        model.audio_encoder.load_state_dict(audio.encoder.state_dict())


def _lip_space(std: Tensor) -> Tensor:
    """Matrix (52, r) that takes normalised expression differences to millimetres on the rig.

    The rig is linear, so mean squared vertex distance is a quadratic form; its root, cut to the
    directions that matter, gives the same loss at a thousandth of the cost of the mesh.
    """
    rig = load_rig()
    gram = torch.from_numpy(rig.gram('lips') + 0.5 * rig.gram('upper_face')).double()
    values, vectors = torch.linalg.eigh(gram)
    keep = values > values.max() * 1e-6
    root = vectors[:, keep] * values[keep].sqrt()
    space: Tensor = (std[:52, None].double() * root).float()
    return space


def _motion_terms(
    predicted: Tensor, truth: Tensor, mask: Tensor, space: Tensor, config: DenoiserLossConfig
) -> dict[str, Tensor]:
    """SPEC 9.3: x0, vertex, velocity, smoothness and head terms over the valid frames (N, F)."""

    def mean(error: Tensor, valid: Tensor) -> Tensor:
        return (error.mean(-1) * valid).sum() / valid.sum().clamp(min=1.0)

    lips = (predicted - truth)[..., :52] @ space
    moved = (predicted[..., :52] @ space).diff(dim=1)
    # space's columns are not averaged but summed: their squares add up to the mean over vertices.
    width = space.shape[1]
    return {
        'x0': mean((predicted - truth) ** 2, mask),
        'vertex': config.vertex * width * mean(lips**2, mask),
        'velocity': config.velocity * width * mean(lips.diff(dim=1) ** 2, mask[:, 1:]),
        'smooth': config.smooth * width * mean(moved.diff(dim=1) ** 2, mask[:, 2:]),
        'head': config.head_velocity * mean((predicted - truth)[..., 52:].diff(dim=1) ** 2, mask[:, 1:]),
    }


class _Loss:
    """One training step's loss; holds what does not change from step to step."""

    def __init__(
        self, source: BatchSource, style: StyleEncoder, std: Tensor, config: DenoiserLossConfig, size: int
    ) -> None:
        self._source, self._config, self._size = source, config, size
        self._style = style.eval().requires_grad_(False)
        self._space = _lip_space(std)

    def __call__(
        self, module: nn.Module, step: int, rng: torch.Generator, device: torch.device
    ) -> dict[str, Tensor]:
        trainee = getattr(module, 'module', module)
        assert isinstance(trainee, _Trainee)
        batch = self._source.draw(step, self._size)
        if torch.rand((), generator=rng) < self._config.hop_share:
            terms = self._hop(trainee, batch, rng, device)
        else:
            terms = self._whole(trainee, batch, rng, device)
        return terms

    def _features(
        self, trainee: _Trainee, batch: Batch, first: int, frames: int, device: torch.device
    ) -> Tensor:
        encoder = trainee.model.audio_encoder
        with torch.set_grad_enabled(self._config.speech > 0):
            out: Tensor = encoder(batch.mel_for(first, frames, trainee.context).to(device))
        return out

    def _styles(self, batch: Batch, device: torch.device) -> tuple[Tensor, Tensor]:
        with torch.no_grad():
            first, second = halves(batch.motion.to(device))
            return self._style(first), self._style(second)

    def _denoise(
        self,
        trainee: _Trainee,
        truth: Tensor,
        mask: Tensor,
        audio: Tensor,
        style: Tensor,
        previous: tuple[Tensor, Tensor] | None,
        rng: torch.Generator,
    ) -> dict[str, Tensor]:
        """Noise the window, drop conditions, predict, compare (SPEC 9.2 steps 7-9)."""
        model, count, config = trainee.model, len(truth), self._config
        device = truth.device
        schedule = make_schedule(model.config.diff_schedule, model.config.n_diff_steps)
        chance = torch.rand(count, generator=rng)
        no_style = (chance > 1.0 - config.style_null)[:, None].to(device)
        no_audio = (chance > 1.0 - config.audio_null)[:, None, None].to(device)
        style = torch.where(no_style, model.null_style_feat[:, 0], style)
        audio = torch.where(no_audio, model.null_audio_feat, audio)
        if previous is None:
            before_motion = model.start_motion_feat.expand(count, -1, -1)
            before_audio = model.start_audio_feat.expand(count, -1, -1)
        else:
            before_motion, before_audio = previous
        t = torch.randint(1, model.config.n_diff_steps + 1, (count,), generator=rng)
        bar = torch.tensor(schedule.alpha_bars, dtype=torch.float32)[t][:, None, None].to(device)
        noise = torch.randn(truth.shape, generator=rng).to(device)
        noisy = bar.sqrt() * truth * mask[..., None] + (1 - bar).sqrt() * noise
        predicted = model.denoising_net(
            noisy, audio, style[:, None], before_motion, before_audio, t.to(device), mask
        )
        whole_mask = mask
        if previous is not None:
            truth = torch.cat([before_motion, truth], dim=1)
            whole_mask = torch.cat([torch.ones_like(before_motion[..., 0]), mask], dim=1)
        else:
            predicted = predicted[:, before_motion.shape[1] :]
        return _motion_terms(predicted, truth, whole_mask, self._space.to(device), config)

    def _hop(
        self, trainee: _Trainee, batch: Batch, rng: torch.Generator, device: torch.device
    ) -> dict[str, Tensor]:
        config, past = self._config, trainee.model.config.n_prev_motions
        frames = int(torch.randint(config.hop_frames[0], config.hop_frames[1] + 1, (), generator=rng))
        total = batch.motion.shape[1]
        first = int(torch.randint(past, total - frames, (), generator=rng))
        raw = self._features(trainee, batch, first - past, past + frames, device)
        audio = trainee.model.audio_feature_map(raw)
        motion = batch.motion.to(device)
        styles = self._styles(batch, device)
        style = styles[1] if first < HALF else styles[0]
        mask = torch.ones(len(motion), frames, device=device)
        before = motion[:, first - past : first]
        before = before + config.prefix_noise * torch.randn(before.shape, generator=rng).to(device)
        terms = self._denoise(
            trainee,
            motion[:, first : first + frames],
            mask,
            audio[:, past:],
            style,
            (before, audio[:, :past]),
            rng,
        )
        return terms | self._speech(trainee, raw, batch, first - past)

    def _whole(
        self, trainee: _Trainee, batch: Batch, rng: torch.Generator, device: torch.device
    ) -> dict[str, Tensor]:
        past = trainee.model.config.n_prev_motions
        raw = self._features(trainee, batch, 0, 2 * HALF, device)
        audio = trainee.model.audio_feature_map(raw)
        motion = batch.motion[:, : 2 * HALF].to(device)
        styles = self._styles(batch, device)
        sums: dict[str, Tensor] = {}
        for half in range(2):
            span = slice(half * HALF, (half + 1) * HALF)
            mask = torch.ones(len(motion), HALF, device=device)
            if torch.rand((), generator=rng) < self._config.truncate[half]:
                ends = torch.randint(1, HALF, (len(motion), 1), generator=rng).to(device)
                mask = (torch.arange(HALF, device=device) < ends).float()
            previous = None
            if half:
                previous = motion[:, HALF - past : HALF], audio[:, HALF - past : HALF].detach()
            # Half i is conditioned on the style of the other half.
            terms = self._denoise(
                trainee,
                motion[:, span],
                mask,
                audio[:, span] * mask[..., None],
                styles[1 - half],
                previous,
                rng,
            )
            for key, value in terms.items():
                sums[key] = sums.get(key, torch.zeros((), device=device)) + value / 2
        return sums | self._speech(trainee, raw, batch, 0)

    def _speech(self, trainee: _Trainee, raw: Tensor, batch: Batch, first: int) -> dict[str, Tensor]:
        """The first stage's losses stay on, so that the encoder does not forget closures."""
        if self._config.speech == 0:
            return {}
        terms = speech_losses(trainee.phones, trainee.visemes, raw, batch, first)
        return {key: self._config.speech * value for key, value in terms.items()}


def train_denoiser(
    source: BatchSource,
    model: DiffPoseTalkModel,
    audio: AudioTrainee,
    style: StyleEncoder,
    std: Tensor,
    out: Path,
    run: RunConfig,
    losses: DenoiserLossConfig | None = None,
) -> DiffPoseTalkModel:
    """Train `model` from a pre-trained audio encoder and a frozen style encoder; return it."""
    trainee = _Trainee(model, audio)
    config = losses or DenoiserLossConfig()
    if config.speech == 0:
        for part in (trainee.phones, trainee.visemes, model.audio_encoder):
            part.requires_grad_(False)
    loss = _Loss(source, style, std, config, run.batch)
    train('denoiser', trainee, loss, out, run)
    return trainee.model
