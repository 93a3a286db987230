# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from pathlib import Path

import pytest

from diffposetalk_ros.cli.main import main
from diffposetalk_ros.util.resources import demo_clip


@pytest.mark.parametrize('words', [['--steps', '20'], ['--scale-audio', '3'], ['--shape', 'me.npy']])
def test_live_refuses_what_it_would_not_use(
    words: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / 'motion.npz'
    assert main(['generate', str(demo_clip()), '-o', str(out), '--live', *words]) == 1
    assert '--live' in capsys.readouterr().err and not out.exists()
