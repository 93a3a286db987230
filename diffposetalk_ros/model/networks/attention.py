# SPDX-License-Identifier: Apache-2.0
"""Multi-head attention with torch's parameter names, through the fused kernel."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

__all__ = ['Attention']


class Attention(nn.Module):
    """Multi-head attention over (N, tokens, width); the attention map is never computed explicitly.

    Parameters are named and stacked as in `torch.nn.MultiheadAttention` (q, k, v in
    ``in_proj_weight``), so that published state dicts fit.
    """

    def __init__(self, width: int, heads: int, dropout: float = 0.1) -> None:
        super().__init__()
        self.width = width
        self.heads = heads
        self.dropout = dropout
        self.in_proj_weight = nn.Parameter(torch.empty(3 * width, width))
        self.in_proj_bias = nn.Parameter(torch.zeros(3 * width))
        self.out_proj = nn.Linear(width, width)
        nn.init.xavier_uniform_(self.in_proj_weight)
        nn.init.zeros_(self.out_proj.bias)

    def split_heads(self, x: Tensor) -> Tensor:
        """(N, tokens, width) -> (N, heads, tokens, width / heads)."""
        return x.reshape(*x.shape[:-1], self.heads, self.width // self.heads).transpose(1, 2)

    def project_kv(self, memory: Tensor) -> tuple[Tensor, Tensor]:
        """Keys and values of a memory (N, tokens, width), split into heads."""
        width = self.width
        stacked = F.linear(memory, self.in_proj_weight[width:], self.in_proj_bias[width:])
        key, value = stacked.chunk(2, dim=-1)
        return self.split_heads(key), self.split_heads(value)

    def cross_attend(self, query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None = None) -> Tensor:
        """Attend from (N, tokens, width) to split keys and values where ``mask`` (tokens, keys) is True."""
        width = self.width
        q = self.split_heads(F.linear(query, self.in_proj_weight[:width], self.in_proj_bias[:width]))
        return self._attention(q, key, value, mask)

    def self_attend(self, x: Tensor) -> Tensor:
        """Self-attention without a mask over (N, tokens, width)."""
        q, k, v = F.linear(x, self.in_proj_weight, self.in_proj_bias).chunk(3, dim=-1)
        return self._attention(self.split_heads(q), self.split_heads(k), self.split_heads(v), None)

    def attend_aligned(self, value: Tensor) -> Tensor:
        """Attention of token i to key i alone, from split values (N, heads, tokens, head width).

        The softmax has one element, so the result is out_proj(value) for any query
        (docs/method.md, 3 step 7). In training this one weight is dropped like any other attention weight.
        """
        if self.training and self.dropout > 0:
            value = value * F.dropout(torch.ones_like(value[..., :1]), self.dropout)
        return self.merge_heads(value)

    def _attention(self, q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None) -> Tensor:
        dropout = self.dropout if self.training else 0.0
        return self.merge_heads(F.scaled_dot_product_attention(q, k, v, attn_mask=mask, dropout_p=dropout))

    def merge_heads(self, heads: Tensor) -> Tensor:
        """(N, heads, tokens, width / heads) -> projected output (N, tokens, width)."""
        out: Tensor = self.out_proj(heads.transpose(1, 2).flatten(2))
        return out
