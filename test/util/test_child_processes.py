# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import os
import signal
import subprocess
from typing import Any

import pytest

from diffposetalk_ros.errors import MotionError
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


@pytest.mark.parametrize('number', [signal.SIGINT, signal.SIGTERM])
def test_an_error_that_an_interrupt_causes_is_an_interrupt(number: signal.Signals) -> None:
    before = signal.getsignal(number)
    with pytest.raises(KeyboardInterrupt), ChildProcesses(subprocess.DEVNULL):
        try:
            signal.raise_signal(number)
        except KeyboardInterrupt:
            raise RuntimeError('as of rclpy, which was converting a message') from None
    assert signal.getsignal(number) is before


def test_other_errors_are_not() -> None:
    with pytest.raises(RuntimeError), ChildProcesses(subprocess.DEVNULL):
        raise RuntimeError('of its own')
    with pytest.raises(MotionError), ChildProcesses(subprocess.DEVNULL) as processes:
        try:
            signal.raise_signal(signal.SIGINT)
        except KeyboardInterrupt:
            assert processes.interrupted
        raise MotionError('the disk is full')
