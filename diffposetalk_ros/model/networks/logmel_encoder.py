# SPDX-License-Identifier: Apache-2.0
"""Audio encoder of the embedded model: log mel -> one feature per motion frame, for streams.

All convolutions are 'valid', so a feature depends on a bounded stretch of mel frames only. A stream that
encodes each frame once gets the same features as a whole clip.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from diffposetalk_ros.model.config import LogMelConfig
from diffposetalk_ros.model.mel_context import block_lookaheads, logmel_context

__all__ = ['LogMelEncoder', 'logmel_context']


class _Residual(nn.Module):
    """Dilated convolution with a residual path, which is cropped by the receptive field.

    ``right`` of the cropped frames are on the right, the others on the left.
    """

    def __init__(self, channels: int, dilation: int, right: int) -> None:
        super().__init__()
        self.conv = nn.Conv1d(channels, channels, 3, dilation=dilation)
        self.mix = nn.Conv1d(channels, channels, 1)
        self.norm = nn.LayerNorm(channels)
        self.left, self.right = 2 * dilation - right, right

    def forward(self, x: Tensor) -> Tensor:
        y = self.norm(x.transpose(1, 2)).transpose(1, 2)
        y = self.mix(torch.nn.functional.gelu(self.conv(y)))
        out: Tensor = x[:, :, self.left : -self.right or None] + y
        return out


class LogMelEncoder(nn.Module):
    """Normalised log mel (N, left + 4 F + right, n_mels) -> (N, F, hidden).

    ``context`` is (left, right) in mel frames; ``out_dim`` is ``hidden``.
    """

    def __init__(self, config: LogMelConfig) -> None:
        super().__init__()
        self.context = logmel_context(config)
        self.out_dim = config.hidden
        self.stem = nn.Conv1d(config.n_mels, config.channels, 5)
        self.down = nn.Conv1d(config.channels, config.hidden, 4, stride=2)
        self.blocks = nn.ModuleList(
            _Residual(config.hidden, dilation, right)
            for dilation, right in zip(config.dilations, block_lookaheads(config), strict=True)
        )
        self.pool = nn.Conv1d(config.hidden, config.hidden, 2, stride=2)
        self.norm = nn.LayerNorm(config.hidden)

    def begin_as(self, smaller: LogMelEncoder) -> None:
        """Take the weights of an encoder with the first of these blocks. The other blocks add nothing yet.

        Both encoders then give the same features, although this one has more context.
        """
        self.load_state_dict(smaller.state_dict(), strict=False)
        for block in list(self.blocks)[len(smaller.blocks) :]:
            assert isinstance(block, _Residual)
            for parameter in block.mix.parameters():
                nn.init.zeros_(parameter)

    def forward(self, mel: Tensor) -> Tensor:
        """Encode. The number of mel frames determines F."""
        x = torch.nn.functional.gelu(self.stem(mel.transpose(1, 2)))
        x = torch.nn.functional.gelu(self.down(x))
        for block in self.blocks:
            x = block(x)
        x = torch.nn.functional.gelu(self.pool(x))
        out: Tensor = self.norm(x.transpose(1, 2))
        return out
