# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import platform
from pathlib import Path

import pytest

from diffposetalk_ros.util.free_memory import return_freed_memory


def _resident() -> int:
    """Pages in memory, in bytes."""
    return int(Path('/proc/self/statm').read_text().split()[1]) * 4096


@pytest.mark.skipif(platform.libc_ver()[0] != 'glibc', reason='only glibc can return freed memory')
def test_freed_memory_is_returned() -> None:
    blocks = [bytearray(4000) for _ in range(20_000)]
    last = bytearray(4000)  # while it lives, the heap cannot shrink from its end
    full = _resident()
    del blocks
    return_freed_memory()
    assert full - _resident() > 60e6 and len(last) == 4000
