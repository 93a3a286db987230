# SPDX-License-Identifier: Apache-2.0
"""A TCP port for a server that is started later."""

from __future__ import annotations

import random
import socket


def free_port() -> int:
    """One of this machine that no outgoing connection gets by chance before the server has it."""
    while True:
        port = random.SystemRandom().randrange(20_000, 32_000)  # Linux gives connections those from 32768 on
        with socket.socket() as probe:
            try:
                probe.bind(('127.0.0.1', port))
            except OSError:
                continue
            return port
