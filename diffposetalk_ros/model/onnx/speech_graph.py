# SPDX-License-Identifier: Apache-2.0
"""HuBERT and wav2vec2 with the number of frames as an input, in a form that ONNX can hold."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from diffposetalk_ros.model.networks.diffposetalk import DiffPoseTalkModel

__all__ = ['SpeechGraph']


class SpeechGraph(nn.Module):
    """Padded normalised speech (N, n) and the number of frames F (1) -> features (N, F, C).

    It computes the same function as `DiffPoseTalkModel.extract_audio_feature` after `pad_audio`. Both
    interpolations are written out, because otherwise their sizes would have to be constant in the graph.
    """

    def __init__(self, model: DiffPoseTalkModel) -> None:
        super().__init__()
        self.audio_encoder: Any = model.audio_encoder
        self.audio_feature_map = model.audio_feature_map
        self.fps = model.config.fps

    def forward(self, samples: Tensor, frames: Tensor) -> Tensor:
        """See the class."""
        doubled = (2 * frames).squeeze()
        stack = _stretched(self.audio_encoder.feature_extractor(samples), doubled, self.fps)
        projected = self.audio_encoder.feature_projection(stack.transpose(1, 2))
        hidden = projected[0] if isinstance(projected, tuple) else projected
        hidden = self.audio_encoder.encoder(hidden, output_attentions=False).last_hidden_state
        # Halving by linear interpolation with half-pixel centres is the mean of pairs (docs/method.md, 2.4).
        pairs = hidden.reshape(hidden.shape[0], -1, 2, hidden.shape[2]).mean(dim=2)
        out: Tensor = self.audio_feature_map(pairs)
        return out


def _stretched(stack: Tensor, doubled: Tensor, fps: int) -> Tensor:
    """At most round(doubled 50 / fps) columns of (N, C, T), stretched to ``doubled`` (docs/method.md, 2.3)."""
    there = torch._shape_as_tensor(stack)[2]
    used = torch.minimum(there, torch.round(doubled * (50 / fps)).long())
    columns: Any = doubled  # the stub takes numbers only; a tensor keeps the graph's size open
    place = (torch.arange(columns) + 0.5) * (used / doubled) - 0.5
    place = place.clamp(min=0)
    low = place.floor().long()
    high = torch.minimum(low + 1, used - 1)
    share = place - low
    out: Tensor = stack.index_select(2, low) * (1 - share) + stack.index_select(2, high) * share
    return out
