# SPDX-License-Identifier: Apache-2.0
"""Rude visitors cost the page's server little, whatever they do."""

from __future__ import annotations

import os
import threading
import time
from concurrent.futures import Future

import numpy as np
import pytest

pytest.importorskip('aiohttp')

from diffposetalk_ros.benchmark.page_attacks import ATTACKS, attack_table  # noqa: E402
from diffposetalk_ros.viewer.page_messages import audio_block, motion_block  # noqa: E402
from diffposetalk_ros.viewer.server import ServerOptions, ViewerServer  # noqa: E402


def test_each_attack_leaves_memory_and_the_other_viewer() -> None:
    table = attack_table(1.5)
    assert [row[0] for row in table.rows] == list(ATTACKS)
    for name, grown, _, rate, _ in table.rows:
        assert isinstance(grown, float) and grown < 50, f'{name}: {grown} MiB'
        assert isinstance(rate, float) and rate > 0, f'{name}: the other viewer sees nothing'


def test_a_page_that_runs_already_is_attacked_and_late_frames_are_seen() -> None:
    server = ViewerServer(ServerOptions(port=0), b'rig', lambda command, upload: Future(), time.time_ns)
    ended = threading.Event()

    def send() -> None:
        while not ended.wait(0.02):
            # Frames that were due three seconds ago, and sound that was due in 1970, which is not counted.
            server.send(motion_block([0.5] * 55, 2, 0, time.time_ns() - 3_000_000_000))
            server.send(audio_block(np.zeros(320, np.float32), 16000, 0))

    sender = threading.Thread(target=send)
    sender.start()
    try:
        rows = attack_table(0.3, (server.port, os.getpid())).rows
    finally:
        ended.set()
        sender.join()
        server.stop()
    assert len(rows) == len(ATTACKS)
    for name, _, _, rate, late in rows:
        assert isinstance(rate, float) and 0 < rate <= 1 / 0.02 + 2 / 0.3, name
        assert isinstance(late, int) and 3000 <= late < 10**9, name
