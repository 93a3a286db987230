# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import os
import signal
import subprocess
from pathlib import Path
from typing import Any

import pytest

from diffposetalk_ros.util import child_processes
from diffposetalk_ros.util.child_processes import ChildProcesses


def test_a_process_that_starts_while_ctrl_c_arrives_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    born: list[Any] = []

    class Interrupted(subprocess.Popen):  # type: ignore[type-arg]
        def __init__(self, *arguments: Any, **options: Any) -> None:
            super().__init__(*arguments, **options)
            born.append(self)
            os.kill(os.getpid(), signal.SIGINT)

    monkeypatch.setattr(child_processes.subprocess, 'Popen', Interrupted)
    with pytest.raises(KeyboardInterrupt), ChildProcesses(subprocess.DEVNULL) as processes:
        processes.start('no_such_node', {})
    assert born and born[0].poll() is not None


def test_a_process_takes_ctrl_c_itself() -> None:
    with ChildProcesses(subprocess.DEVNULL) as processes:
        pid = processes.start('no_such_node', {}).pid
        status = Path(f'/proc/{pid}/status').read_text(encoding='ascii').splitlines()
    blocked = next(int(line.split()[1], 16) for line in status if line.startswith('SigBlk'))
    assert not blocked & (1 << (signal.SIGINT - 1) | 1 << (signal.SIGTERM - 1))
