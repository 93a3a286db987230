# SPDX-License-Identifier: Apache-2.0
"""What is told to end in the middle leaves no half-written file and no process."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from diffposetalk_ros.cli import main as cli_main
from diffposetalk_ros.motion.files.motion_file import save_motion
from diffposetalk_ros.motion.layout import layout_for
from diffposetalk_ros.motion.motion_clip import MotionClip

psutil = pytest.importorskip('psutil')
pytest.importorskip('av')


def rendering(folder: Path, workers: int, **options: Any) -> subprocess.Popen[bytes]:
    """A process that begins to render a take of 200 s to ``out.mp4`` in ``folder``."""
    layout = layout_for('arkit', True)
    save_motion(folder / 'a.npz', MotionClip(np.zeros((5000, layout.width), np.float32), 25.0, layout))
    words = ['render', 'a.npz', '-o', 'out.mp4', '--workers', str(workers), '--size', '320x240']
    return subprocess.Popen(
        [sys.executable, '-m', 'diffposetalk_ros.cli', *words],
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        stdin=subprocess.DEVNULL,
        # Under nohup, the tests ignore it, and so would the process.
        preexec_fn=lambda: signal.signal(signal.SIGHUP, signal.SIG_DFL),
        **options,
    )


@pytest.mark.parametrize('number', [signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGKILL])
def test_render_ends_with_all_it_started(number: signal.Signals, tmp_path: Path) -> None:
    process = rendering(tmp_path, 2)
    parts = list(tmp_path.glob('.out.mp4*'))
    while not parts or parts[0].stat().st_size == 0:
        assert process.poll() is None, process.communicate()
        time.sleep(0.1)
        parts = list(tmp_path.glob('.out.mp4*'))
    children = psutil.Process(process.pid).children(recursive=True)
    process.send_signal(number)
    output = process.communicate(timeout=240)[0].decode()
    assert not psutil.wait_procs(children, timeout=240)[1]
    if number == signal.SIGKILL:
        return
    assert process.returncode == 130 and output == 'diffposetalk render: interrupted\n'
    assert [path.name for path in tmp_path.iterdir()] == ['a.npz']


def test_ctrl_c_in_a_terminal_reaches_workers_that_are_still_starting(tmp_path: Path) -> None:
    process = rendering(tmp_path, 3, start_new_session=True)
    parent = psutil.Process(process.pid)
    while not (
        started := [child for child in parent.children() if 'spawn_main' in ' '.join(child.cmdline())]
    ):
        assert process.poll() is None, process.communicate()
        time.sleep(0.01)
    time.sleep(0.2)  # Python has started there and imports what it needs to draw
    os.killpg(process.pid, signal.SIGINT)
    assert process.communicate(timeout=240)[0].decode() == 'diffposetalk render: interrupted\n'
    assert process.returncode == 130 and not psutil.wait_procs(started, timeout=240)[1]
    assert [path.name for path in tmp_path.iterdir()] == ['a.npz']


@pytest.mark.parametrize('loaded', [KeyboardInterrupt, ImportError, RuntimeError])
def test_ctrl_c_while_a_verb_is_loaded_ends_in_a_line(
    loaded: type[BaseException], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupted(name: str) -> None:
        try:
            raise KeyboardInterrupt
        except KeyboardInterrupt:
            if loaded is KeyboardInterrupt:
                raise
            raise loaded('initialization failed') from None

    monkeypatch.setattr(cli_main, 'import_module', interrupted)
    assert cli_main.main(['generate']) == 130
    assert capsys.readouterr().err == 'diffposetalk generate: interrupted\n'


def test_other_errors_of_a_verb_that_is_loaded_are_not_hidden(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(name: str) -> None:
        raise ImportError('libfoo.so: wrong ELF class')

    monkeypatch.setattr(cli_main, 'import_module', broken)
    with pytest.raises(ImportError, match='ELF'):
        cli_main.main(['generate'])


def test_a_verb_without_enough_memory_ends_in_a_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def greedy(name: str) -> None:
        raise MemoryError('Unable to allocate 41.0 GiB')

    monkeypatch.setattr(cli_main, 'import_module', greedy)
    assert cli_main.main(['generate']) == 1
    assert (
        capsys.readouterr().err == 'diffposetalk generate: not enough memory (Unable to allocate 41.0 GiB)\n'
    )
