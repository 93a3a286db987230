# SPDX-License-Identifier: Apache-2.0
"""Processor time, memory and threads of another process. Linux only."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from pathlib import Path

from diffposetalk_ros.errors import ConfigError

__all__ = ['ProcessSample', 'ProcessWatch']

_TICKS = os.sysconf('SC_CLK_TCK')
_PAGE = os.sysconf('SC_PAGE_SIZE')


@dataclass(frozen=True)
class ProcessSample:
    """``time``: ns since 1970; ``processor``: seconds of all threads so far; ``resident``: MiB."""

    time: int
    processor: float
    resident: float
    threads: int


class ProcessWatch:
    """Watches process ``pid``. Raises ConfigError if there is no /proc."""

    def __init__(self, pid: int) -> None:
        self._folder = Path('/proc') / str(pid)
        if not self._folder.is_dir():
            raise ConfigError(f'{self._folder} does not exist; this measurement needs Linux')

    def sample(self) -> ProcessSample:
        """What the process has used so far. Raises OSError if it has ended."""
        # After the name, which may hold anything: field 3 (state) and on, proc(5).
        fields = (self._folder / 'stat').read_text(encoding='utf-8').rpartition(')')[2].split()
        processor = (int(fields[11]) + int(fields[12])) / _TICKS
        return ProcessSample(time.time_ns(), processor, int(fields[21]) * _PAGE / 2**20, int(fields[17]))
