# SPDX-License-Identifier: Apache-2.0
"""Rude visitors cost the page's server little, whatever they do."""

from __future__ import annotations

import pytest

pytest.importorskip('aiohttp')

from diffposetalk_ros.benchmark.page_attacks import ATTACKS, attack_table  # noqa: E402


def test_each_attack_leaves_memory_and_the_other_viewer() -> None:
    table = attack_table(0.7)
    assert [row[0] for row in table.rows] == list(ATTACKS)
    for name, grown, _, rate in table.rows:
        assert isinstance(grown, float) and grown < 50, f'{name}: {grown} MiB'
        assert isinstance(rate, float) and rate > 0, f'{name}: the other viewer sees nothing'
