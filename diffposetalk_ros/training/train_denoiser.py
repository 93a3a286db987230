# SPDX-License-Identifier: Apache-2.0
"""Third stage: the denoiser, on whole windows as in the paper (docs/method.md, 9.2) and on short live hops."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from diffposetalk_ros.model.networks.diffposetalk import DiffPoseTalkModel
from diffposetalk_ros.model.networks.style_encoder import StyleEncoder
from diffposetalk_ros.motion.rig import load_rig
from diffposetalk_ros.training.data.batches import Batch, BatchSource
from diffposetalk_ros.training.loss.emphasis import lip_emphasis
from diffposetalk_ros.training.loss.losses import LossWeights, Vertices, truncate, weighted_terms
from diffposetalk_ros.training.loss.window_loss import Window, WindowTerms, draw_end, window_terms
from diffposetalk_ros.training.run import RunConfig, train
from diffposetalk_ros.training.train_audio import AudioTrainee, speech_losses
from diffposetalk_ros.training.train_style import HALF, halves

__all__ = ['DenoiserLossConfig', 'rig_projection', 'train_denoiser']


@dataclass(frozen=True)
class DenoiserLossConfig:
    """Weights and probabilities. Geometric terms are in mm^2 on the rig's lips and upper face.

    ``hop_share`` of the batches are short windows of ``hop_frames``, whose prefix carries
    ``prefix_noise`` (normalised units) because live prefixes are generated, not recorded.
    ``speech`` is the weight of the first stage's losses while the audio encoder is trained too. At 0 the
    encoder is frozen, which takes a third of the time. ``closure`` and ``rivals``: see `lip_emphasis`.
    """

    weights: LossWeights = LossWeights(
        vert=0.15, vel=0.6, smooth=0.1, head_angle=0.0, head_vel=0.3, head_smooth=0.0, head_trans=0.0
    )
    speech: float = 0.0
    closure: float = 16.0
    rivals: float = 3.0
    truncate: tuple[float, float] = (0.3, 0.4)
    hop_share: float = 0.5
    hop_frames: tuple[int, int] = (1, 24)
    prefix_noise: float = 0.1


class _Trainee(nn.Module):
    """All networks that are trained in this stage. The style encoder is frozen and not one of them."""

    def __init__(self, model: DiffPoseTalkModel, audio: AudioTrainee) -> None:
        super().__init__()
        self.model = model
        self.phones, self.visemes = audio.phones, audio.visemes
        self.context = audio.encoder.context
        model.audio_encoder.load_state_dict(audio.encoder.state_dict())


def rig_projection(std: Tensor) -> Vertices:
    """Normalised motion (N, F, D) -> (N, F, r), where mean squares are mm^2 on the rig.

    The rig is linear, so mean squared vertex distance is a quadratic form. Its root, reduced to the
    relevant directions, gives the same loss at a thousandth of the cost of the mesh. Lips have full
    weight, the upper face half.
    """
    rig = load_rig()
    gram = torch.from_numpy(rig.gram('lips') + 0.5 * rig.gram('upper_face')).double()
    values, vectors = torch.linalg.eigh(gram)
    keep = values > values.max() * 1e-6
    root = vectors[:, keep] * values[keep].sqrt()
    # The loss averages over the r columns, but their squares must be summed.
    space = (std[:52, None].double() * root * root.shape[1] ** 0.5).float()

    def project(motion: Tensor) -> Tensor:
        projected: Tensor = motion[..., :52] @ space.to(motion.device)
        return projected

    return project


class _Loss:
    """Loss of a training step. It holds the data that all steps share."""

    def __init__(
        self,
        source: BatchSource,
        style: StyleEncoder,
        std: Tensor,
        config: DenoiserLossConfig,
        size: int,
        terms: WindowTerms,
    ) -> None:
        self._source, self._config, self._size, self._terms = source, config, size, terms
        self._style = style.eval().requires_grad_(False)
        self._vertices = rig_projection(std)

    def __call__(
        self, module: nn.Module, step: int, rng: torch.Generator, device: torch.device
    ) -> dict[str, Tensor]:
        trainee = module
        assert isinstance(trainee, _Trainee)
        self._style.to(device)
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

    def _emphasis(self, batch: Batch, span: slice, device: torch.device) -> Tensor:
        config = self._config
        return lip_emphasis(batch.phones, config.closure, config.rivals)[:, span].to(device)

    def _styles(self, batch: Batch, device: torch.device) -> tuple[Tensor, Tensor]:
        with torch.no_grad():
            first, second = halves(batch.motion.to(device))
            return self._style(first), self._style(second)

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
        before = motion[:, first - past : first]
        before = before + config.prefix_noise * torch.randn(before.shape, generator=rng).to(device)
        span = slice(first, first + frames)
        window = Window(
            motion[:, span],
            audio[:, past:],
            style,
            previous=(before, audio[:, :past]),
            emphasis=self._emphasis(batch, span, device),
        )
        terms = self._terms(trainee.model, window, config.weights, rng, self._vertices)
        return weighted_terms([terms], config.weights) | self._speech(trainee, raw, batch, first - past)

    def _whole(
        self, trainee: _Trainee, batch: Batch, rng: torch.Generator, device: torch.device
    ) -> dict[str, Tensor]:
        past = trainee.model.config.n_prev_motions
        raw = self._features(trainee, batch, 0, 2 * HALF, device)
        audio = trainee.model.audio_feature_map(raw)
        motion = batch.motion[:, : 2 * HALF].to(device)
        styles = self._styles(batch, device)
        done = []
        for half in range(2):
            span = slice(half * HALF, (half + 1) * HALF)
            end = draw_end(self._config.truncate[half], len(motion), HALF, rng)
            sound = audio[:, span] if end is None else truncate(audio[:, span], end)
            previous = None
            if half:
                previous = motion[:, HALF - past : HALF], audio[:, HALF - past : HALF].detach()
            # Half i is conditioned on the style of the other half.
            emphasis = self._emphasis(batch, span, device)
            window = Window(
                motion[:, span], sound, styles[1 - half], previous=previous, end=end, emphasis=emphasis
            )
            done.append(self._terms(trainee.model, window, self._config.weights, rng, self._vertices))
        return weighted_terms(done, self._config.weights) | self._speech(trainee, raw, batch, 0)

    def _speech(self, trainee: _Trainee, raw: Tensor, batch: Batch, first: int) -> dict[str, Tensor]:
        """Losses of the first stage, so that the encoder does not forget closures."""
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
    name: str = 'denoiser',
    terms: WindowTerms = window_terms,
) -> DiffPoseTalkModel:
    """Train ``model`` with a pre-trained audio encoder and a frozen style encoder, and return it.

    ``name`` is that of the checkpoint in `out`; ``terms`` makes the loss of a window.
    """
    trainee = _Trainee(model, audio)
    config = losses or DenoiserLossConfig()
    if config.speech == 0:
        for part in (trainee.phones, trainee.visemes, model.audio_encoder):
            part.requires_grad_(False)
    loss = _Loss(source, style, std, config, run.batch, terms)
    train(name, trainee, loss, out, run)
    return trainee.model
