# SPDX-License-Identifier: Apache-2.0
"""The session that `diffposetalk demo` runs: node, player and page as processes, watched over DDS."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import tempfile
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
from diffposetalk_ros.ros.recording.motion_collector import MotionCollector
from diffposetalk_ros.ros.recording.sound_collector import SoundCollector
from diffposetalk_ros.ros.support.lifecycle_client import LifecycleClient
from diffposetalk_ros.ros.support.private_node import private_node
from diffposetalk_ros.util.child_processes import ChildProcesses

__all__ = ['DemoOptions', 'DemoSession']

_NODE = 'diffposetalk'
_LOG_HEADER = re.compile(r'^\[[A-Z]+\] \[[\d.]+\] \[(\S+)\]: ')
"""Of a line of ROS's log: severity, time and node."""
_PATIENCE = 60.0
"""Longest wait for the page before the player starts, s."""
_DISCOVERY = 1.0
"""Time for the nodes of a domain to be found, s."""
_PORTS = 50
"""Ports that are tried for the page."""


@dataclass(frozen=True)
class DemoOptions:
    """What to play and how. ``audio`` None: listen to ``topic`` instead of starting a player.

    ``port``: first to try for the page; None: no page.
    ``shared``: others may use this domain.
    """

    audio: Path | None
    topic: str = 'audio'
    burst: bool = False
    loop: bool = False
    parameters: dict[str, Value] = field(default_factory=dict)
    port: int | None = None
    shared: bool = False


class DemoSession:
    """Use as a context manager; its processes end with it in every case."""

    def __init__(self, options: DemoOptions, log: Path) -> None:
        self.options = options
        self.values: dict[str, str] = {}
        self._log = log
        self._stack = ExitStack()
        self._children: dict[str, subprocess.Popen[bytes]] = {}
        self._viewers = 0

    def __enter__(self) -> DemoSession:
        with self._stack:
            self._folder = Path(tempfile.mkdtemp(prefix='diffposetalk-'))
            self._stack.callback(shutil.rmtree, self._folder, ignore_errors=True)
            log = self._stack.enter_context(self._log.open('wb'))
            self._processes = self._stack.enter_context(ChildProcesses(log))
            # The user's own sender need not set stamps.
            self._kind = default_kind() if self.options.audio is None else stamped_kind()
            self._node, self._executor = self._stack.enter_context(private_node('diffposetalk_demo'))
            if self.options.shared:
                self._refuse_a_twin()
            self.collector = MotionCollector(self._node, f'{_NODE}/info')
            self.sound = SoundCollector(self._node, self._kind)
            self._node.create_subscription(DiagnosticArray, '/diagnostics', self._on_diagnostics, 10)
            remaps = [] if self.options.topic == 'audio' else [f'audio:={self.options.topic}']
            told: dict[str, Value] = {'audio.message': self._kind}
            self._children[_NODE] = self._processes.start(
                'avatar_node', told | self.options.parameters, remaps
            )
            if self.options.port is not None:
                self._children['viewer'] = self._processes.start('viewer_node', self._page(), remaps)
            self._stack = self._stack.pop_all()
        return self

    @property
    def interrupted(self) -> bool:
        """Whether Ctrl-C or SIGTERM has come; rclpy may have turned it into a RuntimeError."""
        return self._processes.interrupted

    def _refuse_a_twin(self) -> None:
        """Raise ConfigError if the domain has an avatar already: both would answer to the same name."""
        deadline = time.monotonic() + _DISCOVERY
        while time.monotonic() < deadline:
            self._executor.spin_once(timeout_sec=0.05)
            if _NODE in self._node.get_node_names():
                domain = os.environ.get('ROS_DOMAIN_ID', '0')
                raise ConfigError(
                    f'ROS_DOMAIN_ID {domain} already has a node named {_NODE}, perhaps of another demo; stop it, or '
                    'unset ROS_DOMAIN_ID to give this demo its own domain'
                )

    def _page(self) -> dict[str, Value]:
        """Parameters of the viewer node."""
        assert self.options.port is not None
        page: dict[str, Value] = {
            'port': self.options.port,
            'port_attempts': min(_PORTS, 65536 - self.options.port),
            'address_file': str(self._address_file),
            'message': self._kind,
        }
        if self.options.audio is not None:
            page |= {'sample': str(self.options.audio.resolve()), 'replay': True}
        return page

    @property
    def _address_file(self) -> Path:
        return self._folder / 'address'

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    def activate(self) -> None:
        """Configure and activate the node. Raises ModelError with its log when it refuses."""
        client = LifecycleClient(self._node, self._executor, _NODE, self._check_children)
        try:
            ready = client.configure(120.0) and client.activate(30.0)
        except TimeoutError as error:
            raise ModelError(f'{error}; log: {self._log}') from error
        if not ready:
            raise ModelError(f'the node could not start: {self._last_line(_NODE)}')
        twins = self._node.get_node_names().count(_NODE)
        if twins > 1:
            raise ConfigError(
                f'{twins} nodes in this domain are named {_NODE}; stop the other one, or '
                'choose another ROS_DOMAIN_ID'
            )

    def address(self) -> str:
        """Where the page is, once it is served. Raises ConfigError when it cannot be."""
        deadline = time.monotonic() + _PATIENCE
        while not self._address_file.exists():
            self._check_children()
            if time.monotonic() > deadline:
                raise ConfigError(f'the page did not start within {_PATIENCE:g} s; log: {self._log}')
            self._executor.spin_once(timeout_sec=0.05)
        return self._address_file.read_text().strip()

    def wait_for_viewer(self, seconds: float) -> bool:
        """Wait at most ``seconds`` until somebody opens the page; returns whether somebody did."""
        deadline = time.monotonic() + seconds
        while not self._viewers and time.monotonic() < deadline:
            self._check_children()
            self._executor.spin_once(timeout_sec=0.05)
        return self._viewers > 0

    @property
    def warnings(self) -> list[str]:
        """Warnings of the processes so far."""
        lines = self._log.read_text(errors='replace').splitlines()
        return [_LOG_HEADER.sub('', line) for line in lines if line.startswith('[WARN]')]

    def play(self) -> None:
        """Start the player once this session and the page are ready to receive the first word."""
        if self.options.audio is not None:
            listeners = 1 + ('viewer' in self._children)
            patience = time.monotonic() + _PATIENCE
            while self._node.count_subscribers('audio_out') < listeners and time.monotonic() < patience:
                self._check_children()
                self._executor.spin_once(timeout_sec=0.05)
            parameters: dict[str, Value] = {
                'file': str(self.options.audio.resolve()),
                'burst': self.options.burst,
                'loop': self.options.loop,
                'message': self._kind,
            }
            self._children['audio_player'] = self._processes.start('audio_player_node', parameters)

    def watch(self, show: Callable[[DemoSession], None], period: float, seconds: float, tail: float) -> None:
        """Receive until the player is done and the face has been quiet for ``tail`` s.

        ``seconds`` > 0 bounds the whole. ``show`` is called every ``period`` s.
        """
        begin = quiet_since = time.monotonic()
        next_show = begin
        while seconds <= 0 or time.monotonic() - begin < seconds:
            self._executor.spin_once(timeout_sec=0.02)
            now = time.monotonic()
            self._check_children()
            player = self._children.get('audio_player')
            playing = player is None or player.poll() is None
            if playing or self.speaking:
                quiet_since = now
            elif now - quiet_since > tail:
                return
            if now >= next_show:
                next_show = now + period
                show(self)

    def stay(self) -> None:
        """Keep node and page alive until Ctrl-C. Raises ConfigError when one of them ends."""
        while True:
            self._check_children()
            time.sleep(0.2)

    @property
    def speaking(self) -> bool:
        """Whether the newest frame is driven by audio, held or easing."""
        return bool(self.collector.frames) and self.collector.frames[-1].state >= 2

    def _check_children(self) -> None:
        """Raise ModelError or ConfigError when a process has ended that should not have."""
        for name, process in self._children.items():
            status = process.poll()
            if status is None or (name == 'audio_player' and status == 0):
                continue
            error = ModelError if name == _NODE else ConfigError
            if status < 0:
                cause = signal.strsignal(-status) or f'signal {-status}'
                raise error(f'{name} was ended by a signal ({cause}) (log: {self._log})')
            raise error(f'{name} ended by itself: {self._last_line(name)}')

    def _on_diagnostics(self, message: Any) -> None:
        for status in message.status:
            values = {pair.key: pair.value for pair in status.values}
            if status.name.startswith('viewer: '):
                self._viewers = int(values['viewers'])
            else:
                self.values |= values

    def _last_line(self, name: str) -> str:
        """Last output line of process ``name``."""
        lines = self._log.read_text(errors='replace').strip().splitlines()
        heads = [(_LOG_HEADER.match(line), line) for line in lines if line.strip()]
        own = [line for head, line in heads if head is None or head[1] == name]
        return f'{_LOG_HEADER.sub("", own[-1]) if own else "no output"} (log: {self._log})'
