# SPDX-License-Identifier: Apache-2.0
"""Closures weigh in the lip loss, short ones as much as long ones."""

from __future__ import annotations

import pytest

torch = pytest.importorskip('torch')

from diffposetalk_ros.training.data.takes import PHONES  # noqa: E402
from diffposetalk_ros.training.loss.emphasis import gesture_share, lip_emphasis  # noqa: E402


def _share(*runs: tuple[int, int, float]) -> torch.Tensor:
    share = torch.zeros(1, 40)
    for first, count, value in runs:
        share[0, first : first + count] = value
    return share


@pytest.mark.parametrize('run', [(10, 1, 1.0), (10, 2, 0.5), (10, 2, 1.0), (10, 3, 1.0)])
def test_a_gesture_counts_the_same_however_short_it_is(run: tuple[int, int, float]) -> None:
    assert float(gesture_share(_share(run)).sum()) == pytest.approx(2.5, rel=0.25)


def test_a_trace_of_a_phone_is_not_blown_up_and_a_long_one_keeps_half() -> None:
    assert float(gesture_share(_share((10, 1, 0.1))).sum()) == pytest.approx(0.3)
    held = gesture_share(_share((10, 12, 1.0)))
    assert float(held[0, 12:20].min()) == pytest.approx(0.5)


def test_each_item_of_a_batch_and_each_gesture_stands_alone() -> None:
    both = _share((5, 1, 1.0), (30, 3, 1.0))
    alone = gesture_share(_share((5, 1, 1.0))) + gesture_share(_share((30, 3, 1.0)))
    batch = torch.cat([torch.zeros(1, 40), both])
    assert torch.equal(gesture_share(batch), torch.cat([torch.zeros(1, 40), alone]))


def test_only_closures_and_their_rivals_weigh_more() -> None:
    phones = torch.zeros(1, 30, len(PHONES))
    for frame, name in ((5, 'p'), (15, 't'), (25, 'ɑ')):
        phones[0, frame, PHONES.index(name)] = 1.0
    factor = lip_emphasis(phones, closure=16.0, rivals=3.0)[0]
    assert float(factor[5]) == pytest.approx(1 + 16 * 2.5)
    assert float(factor[15]) == pytest.approx(1 + 3 * 2.5)
    others = torch.ones(30, dtype=torch.bool)
    others[[5, 15]] = False
    assert torch.equal(factor[others], torch.ones(28))
