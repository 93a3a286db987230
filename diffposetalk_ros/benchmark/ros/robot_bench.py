# SPDX-License-Identifier: Apache-2.0
"""Jaw closures of a simulated robot against the sound, over DDS, with each node in its own process.

audio_player_node -> diffposetalk_node -> joint_command_node -> mujoco_node -> joint_states, /clock
"""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
import yaml
from diagnostic_msgs.msg import DiagnosticArray
from rclpy.qos import QoSProfile
from sensor_msgs.msg import JointState

from diffposetalk_ros.avatar.parameters import Value
from diffposetalk_ros.errors import ConfigError
from diffposetalk_ros.robot.closed_loop import Recording
from diffposetalk_ros.robot.joint_map import JointMap
from diffposetalk_ros.robot.joint_map_file import load_joint_map
from diffposetalk_ros.ros.messages.audio import stamped_kind
from diffposetalk_ros.ros.messages.motion import layout_from_info, row_from_message
from diffposetalk_ros.ros.messages.stamps import stamp_of
from diffposetalk_ros.ros.recording.motion_collector import MotionCollector
from diffposetalk_ros.ros.recording.sound_collector import SoundCollector
from diffposetalk_ros.ros.support.lifecycle_client import LifecycleClient
from diffposetalk_ros.ros.support.private_node import private_node
from diffposetalk_ros.util.child_processes import ChildProcesses
from diffposetalk_ros.util.nanoseconds import NS_PER_SECOND
from diffposetalk_ros.util.resources import find_shared

__all__ = ['RobotBench', 'RobotRun']

_DEEP = QoSProfile(depth=5000)
_STEP = 0.005
_TAIL = 0.5
"""s after the last sound."""


@dataclass(frozen=True)
class RobotRun:
    """``recording`` on the time of the sound as it is heard: the playout delay after the audio's stamps.

    ``underflows`` and ``late_starts`` of the face, median ``missing`` look-ahead [s] of the joints.
    """

    recording: Recording
    underflows: int
    late_starts: int
    missing: float


class RobotBench:
    """Use as a context manager, in the main thread: the processes end with it.

    Raises ConfigError with the place of the log when a node does not start or ends.
    """

    def __init__(self, compensate: bool, speed: float = 1.0) -> None:
        self._compensate, self._speed = compensate, speed
        self._map: JointMap = load_joint_map(find_shared('config/joint_map.yaml'))
        self._log = Path(tempfile.gettempdir()) / f'diffposetalk_robot_bench_{os.getpid()}.log'
        self._stack = ExitStack()
        self._states: list[Any] = []
        self._values: dict[str, str] = {}
        self._missing: list[float] = []

    def __enter__(self) -> RobotBench:
        with self._stack:
            log = self._stack.enter_context(self._log.open('wb'))
            self._processes = self._stack.enter_context(ChildProcesses(log))
            self._node, self._executor = self._stack.enter_context(private_node('robot_bench'))
            self._face = MotionCollector(self._node)
            self._sound = SoundCollector(self._node, stamped_kind())
            self._node.create_subscription(JointState, 'joint_states', self._states.append, _DEEP)
            self._node.create_subscription(DiagnosticArray, '/diagnostics', self._on_diagnostics, 10)
            self._start()
            self._stack = self._stack.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    def speak(self, audio: Path, patience: float = 120.0) -> RobotRun:
        """Play ``audio`` and record until it is over; at most ``patience`` s."""
        player = self._processes.start(
            'audio_player_node',
            {'file': str(audio.resolve()), 'use_sim_time': True, 'message': stamped_kind()},
        )
        self._until(lambda: player.poll() is not None, 'the player did not end', patience)
        if player.returncode:
            raise ConfigError(f'the player failed; log: {self._log}')
        self._until(lambda: bool(self._sound.chunks), 'audio_out is silent', patience)
        self._until(lambda: stamp_of(self._states[-1]) > self._end, 'the robot stands still', patience)
        return self._run()

    @property
    def _end(self) -> int:
        """When the last that was heard so far is over, tail included (ns)."""
        return int(self._sound.chunks[-1][0].stamp or 0) + round(_TAIL * NS_PER_SECOND)

    def _start(self) -> None:
        clock: dict[str, Value] = {'use_sim_time': True}
        sound: dict[str, Value] = {'audio.message': stamped_kind()}
        start = self._processes.start
        self._nodes = [
            start('mujoco_node', {'speed': self._speed}),
            start('avatar_node', clock | _parameters(find_shared('config/avatar_robot.yaml')) | sound),
            start('joint_command_node', clock | {'compensate_delay': self._compensate}),
        ]
        for name in ('diffposetalk', 'joint_command'):
            client = LifecycleClient(self._node, self._executor, name)
            try:
                ready = client.configure(120.0) and client.activate(30.0)
            except TimeoutError as error:
                raise ConfigError(f'{error}; log: {self._log}') from error
            if not ready:
                raise ConfigError(f'{name} could not start; log: {self._log}')
        self._until(lambda: bool(self._states and self._face.frames and self._face.info), 'nothing moves')

    def _until(self, done: Callable[[], bool], otherwise: str, patience: float = 30.0) -> None:
        end = time.monotonic() + patience
        while not done():
            self._executor.spin_once(timeout_sec=0.05)
            if time.monotonic() > end or any(node.poll() is not None for node in self._nodes):
                raise ConfigError(f'{otherwise}; log: {self._log}')

    def _on_diagnostics(self, message: Any) -> None:
        for status in message.status:
            values = {pair.key: pair.value for pair in status.values}
            self._values |= values
            if 'missing look-ahead [ms]' in values and values['mode'] == 'tracking':
                self._missing.append(float(values['missing look-ahead [ms]']) / 1e3)

    def _run(self) -> RobotRun:
        begin = self._sound.chunks[0][0].stamp
        assert begin is not None, 'the player stamps its messages'
        time = np.arange(0.0, (self._end - begin) / NS_PER_SECOND, _STEP)
        names = self._map.names
        places = [list(self._states[0].name).index(name) for name in names]
        stamps = np.array([stamp_of(state) - begin for state in self._states]) / NS_PER_SECOND
        positions = np.array([state.position for state in self._states])[:, places]
        layout = layout_from_info(self._face.info)
        shown = np.array([stamp_of(frame) - begin for frame in self._face.frames]) / NS_PER_SECOND
        rows = np.stack([row_from_message(frame, layout) for frame in self._face.frames])
        wanted = self._map.expand(self._map.evaluate(rows))
        recording = Recording(names, time, _sampled(time, shown, wanted), _sampled(time, stamps, positions))
        return RobotRun(
            recording,
            int(float(self._values.get('underflows', 0))),
            int(float(self._values.get('late starts', 0))),
            float(np.median(self._missing)) if self._missing else 0.0,
        )


def _parameters(path: Path) -> dict[str, Value]:
    """A parameter file as name:=value pairs."""
    groups = yaml.safe_load(path.read_text(encoding='utf-8'))['/**']['ros__parameters']
    return {f'{group}.{key}': value for group, keys in groups.items() for key, value in keys.items()}


def _sampled(time: np.ndarray, known: np.ndarray, values: np.ndarray) -> np.ndarray:
    return np.stack([np.interp(time, known, column) for column in values.T], axis=-1)
