# SPDX-License-Identifier: Apache-2.0
"""The measurement of `diffposetalk bench-live`: the node in its own process, watched over DDS."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
from diagnostic_msgs.msg import DiagnosticArray
from geometry_msgs.msg import PoseStamped
from rclpy.qos import QoSProfile

from diffposetalk_ros.avatar.parameters import Value
from diffposetalk_ros.benchmark.live.live_record import CycleSample, LiveRecord
from diffposetalk_ros.benchmark.process_watch import ProcessSample, ProcessWatch
from diffposetalk_ros.benchmark.ros.paced_speech import PacedSpeech
from diffposetalk_ros.errors import ModelError
from diffposetalk_ros.msg import FaceMotion, FaceMotionInfo
from diffposetalk_ros.ros.messages import qos
from diffposetalk_ros.ros.messages.audio import message_class, stamped_kind
from diffposetalk_ros.ros.messages.stamps import stamp_of
from diffposetalk_ros.ros.support.lifecycle_client import LifecycleClient
from diffposetalk_ros.ros.support.private_node import private_node
from diffposetalk_ros.util.child_processes import ChildProcesses

__all__ = ['LiveBench']

_NODE = 'diffposetalk'
_DEEP = QoSProfile(depth=2000)
_LOOK = 0.5
"""Seconds between two looks at the process."""


class LiveBench:
    """Use as a context manager; the process of the node ends with it in every case.

    ``parameters`` of the node by name; what it prints goes to the file ``log``.
    """

    def __init__(self, parameters: Mapping[str, Value], log: Path) -> None:
        self._parameters = {'audio.message': stamped_kind(), **parameters}
        self._log = log
        self._stack = ExitStack()

    def __enter__(self) -> LiveBench:
        with self._stack:
            stream = self._stack.enter_context(self._log.open('wb'))
            processes = self._stack.enter_context(ChildProcesses(stream))
            self.node, self._executor = self._stack.enter_context(private_node('bench_live'))
            self.info: Any = None
            self.node.create_subscription(FaceMotionInfo, f'{_NODE}/info', self._on_info, qos.INFO)
            self._process = processes.start('avatar_node', self._parameters)
            self._watch = ProcessWatch(self._process.pid)
            self._client = LifecycleClient(self.node, self._executor, _NODE, self._look)
            self._stack = self._stack.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    def activate(self) -> None:
        """Configure and activate. Raises ModelError with the end of the log when the node refuses."""
        self._need(self._client.configure(120.0) and self._client.activate(30.0), 'could not start')

    def deactivate(self) -> None:
        """Deactivate and clean up. Raises ModelError as `activate`."""
        self._need(self._client.deactivate() and self._client.cleanup(), 'could not be stopped')

    def speak(self, speech: PacedSpeech, show: Callable[[float, int], None]) -> LiveRecord:
        """Play the plan and record what the node publishes meanwhile.

        ``show(seconds, state)`` is called twice a second. Raises ModelError when the node ends.
        """
        frames: list[tuple[int, int, int, int, int]] = []
        poses: list[int] = []
        sounds: list[tuple[int, int]] = []
        values: dict[str, str] = {}
        samples: list[ProcessSample] = []

        def on_frame(message: Any, info: Any) -> None:
            written, received = info['source_timestamp'], info['received_timestamp']
            frames.append((message.frame_index, stamp_of(message), written, received, message.state))

        def on_sound(message: Any, info: Any) -> None:
            sounds.append((stamp_of(message), info['source_timestamp']))

        def on_diagnostics(message: Any) -> None:
            for status in message.status:
                values.update({pair.key: pair.value for pair in status.values})

        kind = message_class(stamped_kind())
        subscriptions = [
            self.node.create_subscription(FaceMotion, 'face_motion', on_frame, _DEEP),
            self.node.create_subscription(
                PoseStamped, 'head_pose', lambda m: poses.append(stamp_of(m)), _DEEP
            ),
            self.node.create_subscription(kind, 'audio_out', on_sound, _DEEP),
            self.node.create_subscription(DiagnosticArray, '/diagnostics', on_diagnostics, 10),
        ]
        try:
            self._spin_until(lambda: bool(frames and poses and self.info and speech.listeners), 20.0)
            for made in (frames, poses, sounds):
                made.clear()  # what came before all were connected
            speech.start()
            look = time.monotonic()
            while not speech.done:
                self._executor.spin_once(timeout_sec=0.05)
                if time.monotonic() >= look:
                    look += _LOOK
                    samples.append(self._sample())
                    show((samples[-1].time - speech.begin) / 1e9, frames[-1][4] if frames else 0)
        finally:
            speech.stop()
            for subscription in subscriptions:
                self.node.destroy_subscription(subscription)
        return LiveRecord(
            np.array(frames, np.int64).reshape(-1, 5),
            np.array(poses, np.int64),
            np.array(sounds, np.int64).reshape(-1, 2),
            np.array([(s.begin, s.end, s.sent) for s in speech.sent], np.int64).reshape(-1, 3),
            samples,
            values,
        )

    def cycle(self) -> CycleSample:
        """Configure, activate, receive a frame, deactivate, clean up; returns what is left."""
        seen: list[Any] = []
        begin = time.monotonic()
        self.activate()
        subscription = self.node.create_subscription(FaceMotion, 'face_motion', seen.append, 10)
        self._spin_until(lambda: bool(seen), 20.0)
        self.node.destroy_subscription(subscription)
        self.deactivate()
        took = time.monotonic() - begin
        sample = self._sample()
        return CycleSample(took, sample.resident, sample.threads, self._endpoints())

    def _on_info(self, message: Any) -> None:
        self.info = message

    def _endpoints(self) -> int:
        """Publishers and subscriptions the node has, as discovery tells it, services by name."""
        node, count = self.node, 0
        for topic, _ in node.get_topic_names_and_types():
            found = [*node.get_publishers_info_by_topic(topic), *node.get_subscriptions_info_by_topic(topic)]
            count += sum(info.node_name == _NODE for info in found)
        return count + len(node.get_service_names_and_types_by_node(_NODE, '/'))

    def _spin_until(self, condition: Callable[[], bool], timeout: float) -> None:
        deadline = time.monotonic() + timeout
        while not condition():
            self._executor.spin_once(timeout_sec=0.05)
            self._need(time.monotonic() < deadline, f'published nothing within {timeout:g} s')

    def _sample(self) -> ProcessSample:
        self._look()
        return self._watch.sample()

    def _look(self) -> None:
        self._need(self._process.poll() is None, 'ended by itself')

    def _need(self, condition: bool, text: str) -> None:
        if not condition:
            lines = self._log.read_text(errors='replace').strip().splitlines()
            raise ModelError(f'the node {text}: {lines[-1] if lines else "no output"} (log: {self._log})')
