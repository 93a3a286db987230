# SPDX-License-Identifier: Apache-2.0
"""Runs nodes in separate processes, which end with the process that started them, however it ends."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from types import TracebackType
from typing import Any

from diffposetalk_ros.util.end_with_parent import end_with_parent

__all__ = ['ChildProcesses']

_ENDING = (signal.SIGINT, signal.SIGTERM)


class ChildProcesses:
    """Use as a context manager in the main thread. Output of the processes goes to the open file ``log``.

    While it is open, SIGTERM raises KeyboardInterrupt, as Ctrl-C does. rclpy turns one that arrives while it converts
    a message into a RuntimeError, which leaves the block as KeyboardInterrupt again.
    """

    def __init__(self, log: Any) -> None:
        self._log = log
        self._started: list[subprocess.Popen[bytes]] = []
        self.interrupted = False
        """Whether Ctrl-C or SIGTERM has come."""

    def __enter__(self) -> ChildProcesses:
        self._handlers = {number: signal.signal(number, self._interrupt) for number in _ENDING}
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            _end(self._started)
        finally:
            for number, handler in self._handlers.items():
                signal.signal(number, handler)
        if self.interrupted and kind is RuntimeError:
            raise KeyboardInterrupt from error

    def _interrupt(self, number: int, frame: Any) -> None:
        self.interrupted = True
        raise KeyboardInterrupt  # kill, like Ctrl-C, also ends the processes

    def start(
        self, module: str, parameters: Mapping[str, bool | int | float | str], remaps: Sequence[str] = ()
    ) -> subprocess.Popen[bytes]:
        """Run ``diffposetalk_ros.ros.nodes.<module>``; ``remaps`` are rules such as 'audio:=voice'."""
        command = [sys.executable, '-m', f'diffposetalk_ros.ros.nodes.{module}', '--ros-args']
        for name, value in parameters.items():
            command += ['-p', f'{name}:={json.dumps(value)}']  # quoted: a style may be called 5 or true
        for rule in remaps:
            command += ['-r', rule]
        with _interrupts_held():
            process = subprocess.Popen(
                command,
                stdout=self._log,
                stderr=self._log,
                stdin=subprocess.DEVNULL,
                start_new_session=True,  # this process passes on Ctrl-C in a terminal
                preexec_fn=_prepare,
            )
            self._started.append(process)
        return process


@contextmanager
def _interrupts_held() -> Iterator[None]:
    """Hold Ctrl-C until the end of the block: one between fork and list would leave a process that nobody ends.

    A signal mask would not do, because any other thread may take the signal.
    """
    came: list[int] = []
    former = {number: signal.signal(number, lambda number, _: came.append(number)) for number in _ENDING}
    try:
        yield
    finally:
        for number, handler in former.items():
            signal.signal(number, handler)
    if came:
        signal.raise_signal(came[0])


def _prepare() -> None:
    """Make Ctrl-C work: a shell starts background processes with Ctrl-C ignored, and children inherit this."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    end_with_parent()


def _end(processes: Sequence[subprocess.Popen[bytes]]) -> None:
    for number, patience in ((signal.SIGINT, 5.0), (signal.SIGTERM, 2.0), (signal.SIGKILL, 2.0)):
        left = [process for process in processes if process.poll() is None]
        for process in left:
            process.send_signal(number)
        deadline = time.monotonic() + patience
        for process in left:
            try:
                process.wait(max(0.0, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                continue
