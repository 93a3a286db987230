# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import math

import pytest

torch = pytest.importorskip('torch')

from diffposetalk_ros.errors import ConfigError  # noqa: E402
from diffposetalk_ros.training.loss.losses import (  # noqa: E402
    LossWeights,
    condition_dropout,
    denoiser_terms,
    nt_xent,
    truncate,
    weighted_terms,
)

HEAD = slice(3, 6)


def batch() -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
    torch.manual_seed(0)
    return torch.randn(2, 14, 6), torch.randn(2, 10, 6), torch.randn(2, 10, 6), torch.randn(2, 4, 6)


def lift(motion: torch.Tensor) -> torch.Tensor:
    return motion.unflatten(-1, (2, 3)) * 2


def test_perfect_prediction_costs_nothing_but_smoothness() -> None:
    _, clean, noise, previous = batch()
    prediction = torch.cat([previous, clean], dim=1)
    terms = denoiser_terms(
        prediction, clean, noise, LossWeights(), previous=previous, head=HEAD, vertices=lift
    )
    assert set(terms) == {
        'noise', 'vert', 'vel', 'smooth', 'head_angle', 'head_vel', 'head_smooth', 'head_trans',
    }  # fmt: skip
    for name in ('noise', 'vert', 'vel', 'head_angle', 'head_vel'):
        assert terms[name] == 0
    assert terms['smooth'] > 0


def test_invalid_frames_do_not_count() -> None:
    prediction, clean, noise, _ = batch()
    end = torch.tensor([3, 5])
    before = denoiser_terms(prediction, clean, noise, LossWeights(), end=end, head=HEAD, vertices=lift)
    changed = clean.clone()
    changed[0, 3:] = changed[1, 5:] = 99
    after = denoiser_terms(prediction, changed, noise, LossWeights(), end=end, head=HEAD, vertices=lift)
    assert before == after
    short = denoiser_terms(prediction, clean, noise, LossWeights(), end=torch.ones(2).int(), head=HEAD)
    assert set(short) == {'noise', 'head_angle'}


def test_noise_target_has_one_term() -> None:
    prediction, clean, noise, previous = batch()
    terms = denoiser_terms(
        prediction, clean, noise, LossWeights(), target='noise', previous=previous, head=HEAD
    )
    assert set(terms) == {'noise'}
    torch.testing.assert_close(terms['noise'], ((noise - prediction[:, 4:]) ** 2).mean())


def test_halves_are_averaged_and_the_seam_counts_whole() -> None:
    one = {'noise': torch.tensor(2.0), 'head_angle': torch.tensor(4.0)}
    two = {'noise': torch.tensor(4.0), 'head_trans': torch.tensor(3.0)}
    terms = weighted_terms([one, two], LossWeights(head_angle=0.5, head_trans=10.0))
    assert terms == {'noise': 3.0, 'head_angle': 0.5 * 2.0, 'head_trans': 10.0 * 3.0}


@pytest.mark.parametrize('mode', ['zero', 'replicate'])
def test_truncation(mode: str) -> None:
    values = torch.arange(1.0, 11).repeat(2, 1)
    out = truncate(values, torch.tensor([3, 9]), mode)
    assert out[0].tolist() == [1, 2, 3] + [0 if mode == 'zero' else 3] * 7
    assert out[1, 9] == (0 if mode == 'zero' else 9)
    assert truncate(values[..., None], torch.tensor([3, 9]), mode).shape == (2, 10, 1)


def test_condition_dropout_rates() -> None:
    uniform = torch.rand(40000, 2, generator=torch.Generator().manual_seed(0))
    style, audio = condition_dropout(('audio', 'style'), 'incremental', uniform)
    assert style is not None
    assert audio is not None
    assert style.float().mean().item() == pytest.approx(0.45, abs=0.01)
    assert audio.float().mean().item() == pytest.approx(0.10, abs=0.01)
    assert not (audio & ~style).any()
    style, audio = condition_dropout(('audio', 'style'), 'independent', uniform)
    assert style is not None
    assert audio is not None
    assert (style & audio).float().mean().item() == pytest.approx(0.25, abs=0.01)
    style, audio = condition_dropout(('audio',), 'incremental', uniform)
    assert style is None
    assert audio is not None
    assert audio.float().mean().item() == pytest.approx(0.1, abs=0.01)


def test_nt_xent_of_orthogonal_pairs() -> None:
    features = torch.eye(4)
    expected = math.log(math.exp(10) + 6) - 10
    assert nt_xent(features, features).item() == pytest.approx(expected, abs=1e-6)


def test_wrong_settings_are_named() -> None:
    with pytest.raises(ConfigError, match='criterion'):
        LossWeights(criterion='huber')
    with pytest.raises(ConfigError, match='pad_mode'):
        truncate(torch.zeros(1, 2), torch.tensor([1]), 'mirror')


def test_emphasis_scales_the_vertex_error_of_its_frames_only() -> None:
    torch.manual_seed(0)
    clean, guess = torch.randn(2, 6, 8), torch.randn(2, 9, 8)
    previous, weights = torch.randn(2, 3, 8), LossWeights()
    emphasis = torch.ones(2, 6)

    def terms(factor: torch.Tensor | None) -> dict[str, torch.Tensor]:
        return denoiser_terms(
            guess, clean, clean, weights, previous=previous, vertices=lambda m: m[..., :4], emphasis=factor
        )

    plain, ones = terms(None), terms(emphasis)
    assert all(torch.equal(plain[name], ones[name]) for name in plain)
    emphasis[:, 2] = 5.0
    strong = terms(emphasis)
    error = ((guess[:, 5, :4] - clean[:, 2, :4]) ** 2).sum()
    torch.testing.assert_close(strong['vert'], plain['vert'] + 4.0 * error / (2 * 9 * 4))
    assert strong['vel'] > plain['vel']
    assert torch.equal(strong['noise'], plain['noise'])
    assert torch.equal(strong['smooth'], plain['smooth'])
