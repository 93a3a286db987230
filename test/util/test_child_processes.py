# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import os
import signal
import subprocess
from typing import Any

import pytest

from diffposetalk_ros.util.child_processes import ChildProcesses


def test_a_process_that_starts_while_ctrl_c_arrives_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    born: list[Any] = []

    class Interrupted(subprocess.Popen):  # type: ignore[type-arg]
        def __init__(self, *arguments: Any, **options: Any) -> None:
            super().__init__(*arguments, **options)
            born.append(self)
            os.kill(os.getpid(), signal.SIGINT)

    monkeypatch.setattr(subprocess, 'Popen', Interrupted)
    with pytest.raises(KeyboardInterrupt), ChildProcesses(subprocess.DEVNULL) as processes:
        processes.start('no_such_node', {})
    assert born and born[0].returncode is not None
