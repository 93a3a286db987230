# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor, nn

from diffposetalk_ros.training.data.batches import Batch
from diffposetalk_ros.training.data.takes import PHONES
from diffposetalk_ros.training.train_audio import speech_losses
from diffposetalk_ros.training.tune_audio import nearest_english


class Fixed(nn.Module):
    """A head with the same output for every frame."""

    def __init__(self, value: Tensor) -> None:
        super().__init__()
        self.value = value

    def forward(self, features: Tensor) -> Tensor:
        return self.value.expand(*features.shape[:2], -1)


def losses(sound: str, logits: Tensor | None = None, like: Tensor | None = None) -> dict[str, float]:
    """Losses of three frames of one sound, whose visemes are all 0.1 too small."""
    shares = torch.zeros(1, 3, len(PHONES))
    shares[..., PHONES.index(sound)] = 1
    batch = Batch(torch.zeros(1, 1, 64), torch.zeros(1, 3, 55), torch.full((1, 3, 8), 0.1), shares)
    heads = Fixed(torch.zeros(len(PHONES)) if logits is None else logits), Fixed(torch.zeros(8))
    return {name: float(v) for name, v in speech_losses(*heads, torch.zeros(1, 3, 4), batch, 0, like).items()}


def test_a_uniform_guess_costs_the_logarithm_of_the_number_of_sounds() -> None:
    assert losses('s')['phone'] == pytest.approx(0.3 * math.log(len(PHONES)), rel=1e-5)
    assert losses('p')['phone'] == pytest.approx(2.5 * losses('s')['phone'])


def test_the_visemes_of_rare_rounded_vowels_weigh_twelve_times_as_much() -> None:
    assert losses('i')['viseme'] == pytest.approx(10 * 0.01 * 11.2 / 8, rel=1e-5)
    assert losses('y')['viseme'] == pytest.approx(12 * losses('i')['viseme'])


def test_a_sound_that_is_like_another_is_read_as_that_one() -> None:
    near = nearest_english()
    [english] = [PHONES[k] for k in near[PHONES.index('y')].nonzero()[0]]
    logits = torch.zeros(len(PHONES))
    logits[PHONES.index(english)] = 50
    assert losses('y', logits, near)['phone'] == pytest.approx(0, abs=1e-5)
    assert losses('y', logits)['phone'] > 10
    # The weight of the frame is still that of the sound that was said.
    assert losses('y', logits, near)['viseme'] == losses('y')['viseme']
