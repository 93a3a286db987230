# SPDX-License-Identifier: Apache-2.0
"""The node spinning in a thread of its own, and a participant that talks to it over DDS."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

rclpy = pytest.importorskip('rclpy', reason='rclpy is not importable')
pytest.importorskip('diffposetalk_ros.msg', reason='the messages are not built')
pytest.importorskip('audio_common_msgs', reason='audio_common_msgs is not built')

from geometry_msgs.msg import PoseStamped  # noqa: E402
from rcl_interfaces.msg import Parameter as ParameterMsg  # noqa: E402
from rcl_interfaces.srv import SetParameters  # noqa: E402
from rclpy.executors import SingleThreadedExecutor  # noqa: E402
from rclpy.parameter import Parameter  # noqa: E402
from rclpy.time import Time  # noqa: E402

from diffposetalk_ros.ros.messages.audio import (  # noqa: E402
    audio_to_message,
    default_kind,
    message_class,
    stamped_kind,
)
from diffposetalk_ros.ros.nodes.avatar_node import DiffPoseTalkNode  # noqa: E402
from diffposetalk_ros.ros.recording.motion_collector import MotionCollector  # noqa: E402
from diffposetalk_ros.ros.support.lifecycle_client import LifecycleClient, call  # noqa: E402

RATE = 16000


KIND = stamped_kind()


class Stage:
    """A node spinning in its own thread, and a second participant that talks to it."""

    def __init__(self, model_folder: Path, **values: Any) -> None:
        self.context = rclpy.Context()
        rclpy.init(context=self.context)
        values = {
            'model.path': str(model_folder),
            'audio.message': KIND,
            'sampler.steps': 1,
            # Generous, so that a busy test machine shows every frame and refuses no sound as too late.
            'playout.delay': 1.0,
            'playout.max_shift': 5.0,
            'playout.min_delay': 5.0,  # the whole delay, however fast a test sends
            'sampler.guidance_audio': 1.0,
            'sampler.guidance_style': 1.0,
        } | values
        overrides = [Parameter(name.replace('__', '.'), value=v) for name, v in values.items()]
        self.node = DiffPoseTalkNode(context=self.context, parameter_overrides=overrides)
        self._node_executor = SingleThreadedExecutor(context=self.context)
        self._node_executor.add_node(self.node)
        self._thread = threading.Thread(target=self._node_executor.spin, daemon=True)
        self._thread.start()
        self.client = rclpy.create_node('client', context=self.context)
        self.executor = SingleThreadedExecutor(context=self.context)
        self.executor.add_node(self.client)
        self.lifecycle = LifecycleClient(self.client, self.executor, 'diffposetalk')
        self.seen = MotionCollector(self.client)
        self.poses: list[Any] = []
        self.client.create_subscription(PoseStamped, 'head_pose', self.poses.append, 100)
        kind = default_kind() if values['audio.message'] == 'auto' else values['audio.message']
        self.audio = self.client.create_publisher(message_class(kind), 'audio', 1000)

    def close(self) -> None:
        self._node_executor.shutdown()
        self._thread.join(60)
        self.node.close()
        self.node.destroy_node()
        self.executor.shutdown()
        self.client.destroy_node()
        rclpy.try_shutdown(context=self.context)

    def start(self) -> None:
        assert self.lifecycle.configure() and self.lifecycle.activate()
        self.until(lambda: self.audio.get_subscription_count() > 0)

    def until(self, condition: Callable[[], object], timeout: float = 60.0) -> None:
        deadline = time.monotonic() + timeout
        while not condition():
            assert time.monotonic() < deadline, 'condition not reached'
            self.executor.spin_once(timeout_sec=0.05)

    def speak(self, seconds: float, chunk: float = 0.02) -> None:
        """A burst, stamped with the times at which it is to sound."""
        samples = np.random.default_rng(0).uniform(-0.5, 0.5, round(seconds * RATE)).astype(np.float32)
        size = round(chunk * RATE)
        now = self.client.get_clock().now().nanoseconds
        for begin in range(0, len(samples), size):
            stamp = Time(nanoseconds=now + begin * 10**9 // RATE).to_msg()
            self.audio.publish(audio_to_message(samples[begin : begin + size], RATE, stamp, KIND))

    def burst(self, seconds: float) -> None:
        """As speech synthesis sends it: faster than real time and without stamps."""
        samples = np.random.default_rng(0).uniform(-0.5, 0.5, round(seconds * RATE)).astype(np.float32)
        for part in np.split(samples, round(seconds * 50)):
            self.audio.publish(audio_to_message(part, RATE, Time().to_msg(), KIND))

    def state(self) -> int:
        return int(self.seen.frames[-1].state) if self.seen.frames else -1

    def call(self, kind: Any, name: str, request: Any) -> Any:
        client = self.client.create_client(kind, f'diffposetalk/{name}')
        try:
            return call(self.client, self.executor, client, request, 60.0)
        finally:
            self.client.destroy_client(client)

    def set(self, name: str, value: Any) -> Any:
        parameter: ParameterMsg = Parameter(name, value=value).to_parameter_msg()
        answer = self.call(SetParameters, 'set_parameters', SetParameters.Request(parameters=[parameter]))
        return answer.results[0]
