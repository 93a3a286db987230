# SPDX-License-Identifier: Apache-2.0
"""The session that `diffposetalk demo` runs: node, player and page as processes, watched over DDS."""

from __future__ import annotations

import os
import random
import re
import subprocess
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any

from diagnostic_msgs.msg import DiagnosticArray

from diffposetalk_ros.avatar.parameters import Value
from diffposetalk_ros.errors import ConfigError, ModelError
from diffposetalk_ros.ros.messages.audio import default_kind, stamped_kind
from diffposetalk_ros.ros.messages.stamps import nanoseconds_of
from diffposetalk_ros.ros.nodes.motion_recorder_node import MotionCollector
from diffposetalk_ros.ros.recording.audio_collector import SoundCollector
from diffposetalk_ros.ros.support.child_processes import ChildProcesses
from diffposetalk_ros.ros.support.lifecycle_client import LifecycleClient
from diffposetalk_ros.ros.support.private_node import private_node

__all__ = ['DemoOptions', 'DemoSession', 'stamp_ns', 'use_private_domain']

_NODE = 'diffposetalk'
_LOG_HEADER = re.compile(r'^\[[A-Z]+\] \[[\d.]+\] \[\S+\]: ')
"""Of a line of ROS's log: severity, time and node."""
_PATIENCE = 20.0
"""Longest wait for the page before the player starts, s."""


def use_private_domain() -> int:
    """A DDS domain of this machine only, away from the user's robots; returns its number."""
    domain = random.SystemRandom().randint(100, 200)
    os.environ['ROS_DOMAIN_ID'] = str(domain)
    os.environ['ROS_AUTOMATIC_DISCOVERY_RANGE'] = 'LOCALHOST'
    return domain


def stamp_ns(message: Any) -> int:
    """header.stamp in ns."""
    return nanoseconds_of(message.header.stamp)


@dataclass(frozen=True)
class DemoOptions:
    """What to play and how. ``audio`` None: listen to ``topic`` instead of starting a player.

    ``port``: of the page; None: no page.
    """

    audio: Path | None
    topic: str = 'audio'
    burst: bool = False
    loop: bool = False
    parameters: dict[str, Value] = field(default_factory=dict)
    port: int | None = None


class DemoSession:
    """Use as a context manager; its processes end with it in every case."""

    def __init__(self, options: DemoOptions, log: Path) -> None:
        self.options = options
        self.values: dict[str, str] = {}
        self._log = log
        self._stack = ExitStack()
        self._player: subprocess.Popen[bytes] | None = None
        self._server: subprocess.Popen[bytes] | None = None
        self._page: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> DemoSession:
        with self._stack:
            log = self._stack.enter_context(self._log.open('wb'))
            self._processes = self._stack.enter_context(ChildProcesses(log))
            # A sender of one's own need not have stamps.
            self._kind = default_kind() if self.options.audio is None else stamped_kind()
            self._node, self._executor = self._stack.enter_context(private_node('diffposetalk_demo'))
            self.collector = MotionCollector(self._node, f'{_NODE}/info')
            self.sound = SoundCollector(self._node, self._kind)
            self._node.create_subscription(DiagnosticArray, '/diagnostics', self._on_diagnostics, 10)
            remaps = [] if self.options.topic == 'audio' else [f'audio:={self.options.topic}']
            told: dict[str, Value] = {'audio.message': self._kind}
            self._server = self._processes.start('avatar_node', told | self.options.parameters, remaps)
            if self.options.port is not None:
                sample = {} if self.options.audio is None else {'sample': str(self.options.audio.resolve())}
                page: dict[str, Value] = {'port': self.options.port, 'message': self._kind, **sample}
                self._page = self._processes.start('viewer_node', page, remaps)
            self._stack = self._stack.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    def activate(self) -> None:
        """Configure and activate the node. Raises ModelError with its log when it refuses."""
        client = LifecycleClient(self._node, self._executor, _NODE, self._look)
        try:
            ready = client.configure(120.0) and client.activate(30.0)
        except TimeoutError as error:
            raise ModelError(f'{error}; log: {self._log}') from error
        if not ready:
            raise ModelError(f'the node could not start: {self._last_line()}')

    @property
    def warnings(self) -> list[str]:
        """Warnings of the processes so far."""
        lines = self._log.read_text(errors='replace').splitlines()
        return [_LOG_HEADER.sub('', line) for line in lines if line.startswith('[WARN]')]

    def play(self) -> None:
        """Start the player, once this session and the page would hear the first word."""
        if self.options.audio is not None:
            listeners = 1 + (self._page is not None)
            patience = time.monotonic() + _PATIENCE
            while self._node.count_subscribers('audio_out') < listeners and time.monotonic() < patience:
                self._executor.spin_once(timeout_sec=0.05)
            parameters: dict[str, Value] = {
                'file': str(self.options.audio.resolve()),
                'burst': self.options.burst,
                'loop': self.options.loop,
                'message': self._kind,
            }
            self._player = self._processes.start('audio_player_node', parameters)

    def watch(self, show: Callable[[DemoSession], None], period: float, seconds: float, tail: float) -> None:
        """Receive until the player is done and the face has been quiet for ``tail`` s.

        ``seconds`` > 0 bounds the whole. ``show`` is called every ``period`` s.
        """
        begin = quiet_since = time.monotonic()
        next_show = begin
        while seconds <= 0 or time.monotonic() - begin < seconds:
            self._executor.spin_once(timeout_sec=0.02)
            now = time.monotonic()
            self._look()
            if self._page is not None and self._page.poll() is not None:
                raise ConfigError(f'the page ended: {self._last_line()}')
            if self._player is not None and self._player.poll() not in (None, 0):
                raise ConfigError(f'the player failed: {self._last_line()}')
            playing = self._player is None or self._player.poll() is None
            if playing or self.speaking:
                quiet_since = now
            elif now - quiet_since > tail:
                return
            if now >= next_show:
                next_show = now + period
                show(self)

    def stay(self) -> None:
        """Keep node and page alive until one of them ends (or Ctrl-C)."""
        while all(process is None or process.poll() is None for process in (self._server, self._page)):
            time.sleep(0.2)

    @property
    def speaking(self) -> bool:
        """Whether the newest frame is driven by audio, held or easing."""
        return bool(self.collector.frames) and self.collector.frames[-1].state >= 2

    def _look(self) -> None:
        if self._server is not None and self._server.poll() is not None:
            raise ModelError(f'the node ended by itself: {self._last_line()}')

    def _on_diagnostics(self, message: Any) -> None:
        for status in message.status:
            self.values |= {pair.key: pair.value for pair in status.values}

    def _last_line(self) -> str:
        lines = self._log.read_text(errors='replace').strip().splitlines()
        return f'{_LOG_HEADER.sub("", lines[-1]) if lines else "no output"} (log: {self._log})'
