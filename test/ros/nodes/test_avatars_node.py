# SPDX-License-Identifier: Apache-2.0
"""Three avatars of one process over real DDS: each its own voice, style and reset, one model."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

rclpy = pytest.importorskip('rclpy', reason='rclpy is not importable')
pytest.importorskip('diffposetalk_ros.msg', reason='the messages are not built')
pytest.importorskip('audio_common_msgs', reason='audio_common_msgs is not built')

from diffposetalk_ros.msg import FaceMotion  # noqa: E402
from diffposetalk_ros.msg import StyleReference as Style  # noqa: E402
from diffposetalk_ros.srv import SetStyle  # noqa: E402
from rclpy.executors import SingleThreadedExecutor  # noqa: E402
from rclpy.parameter import Parameter  # noqa: E402
from rclpy.time import Time  # noqa: E402
from std_srvs.srv import Trigger  # noqa: E402

from diffposetalk_ros.model.loader import set_backend_factory  # noqa: E402
from diffposetalk_ros.ros.messages.audio import audio_to_message, message_class, stamped_kind  # noqa: E402
from diffposetalk_ros.ros.nodes.avatars_node import BackendPool, main, make_avatars  # noqa: E402
from diffposetalk_ros.ros.support.lifecycle_client import LifecycleClient, call  # noqa: E402

RATE, COUNT = 16000, 3
KIND = stamped_kind()


class Stage:
    """Three nodes in one executor, and a client that talks to them."""

    def __init__(self, model_folder: Path) -> None:
        self.context = rclpy.Context()
        rclpy.init(context=self.context)
        self.pool = BackendPool(COUNT)
        set_backend_factory(self.pool)
        values = {
            'model.path': str(model_folder), 'audio.message': KIND, 'sampler.steps': 1,
            'playout.delay': 1.0, 'sampler.guidance_audio': 1.0, 'sampler.guidance_style': 1.0,
        }  # fmt: skip
        overrides = [Parameter(name, value=value) for name, value in values.items()]
        self.nodes = make_avatars(COUNT + 1, context=self.context, parameter_overrides=overrides)
        self._spinner = SingleThreadedExecutor(context=self.context)
        for node in self.nodes:
            self._spinner.add_node(node)
        self._thread = threading.Thread(target=self._spinner.spin, daemon=True)
        self._thread.start()
        self.client = rclpy.create_node('client', context=self.context)
        self.executor = SingleThreadedExecutor(context=self.context)
        self.executor.add_node(self.client)
        self.seen: list[list[Any]] = [[] for _ in self.nodes]
        self.sound = []
        for number, frames in enumerate(self.seen):
            space = f'avatar_{number}'
            self.client.create_subscription(FaceMotion, f'{space}/face_motion', frames.append, 100)
            self.sound.append(self.client.create_publisher(message_class(KIND), f'{space}/audio', 1000))

    def close(self) -> None:
        self._spinner.shutdown()
        self._thread.join(60)
        for node in self.nodes:
            node.close()
            node.destroy_node()
        self.executor.shutdown()
        self.client.destroy_node()
        self.pool.close()
        set_backend_factory()
        rclpy.try_shutdown(context=self.context)

    def lifecycle(self, number: int) -> LifecycleClient:
        return LifecycleClient(self.client, self.executor, f'avatar_{number}/diffposetalk')

    def until(self, condition: Callable[[], object], timeout: float = 30.0) -> None:
        deadline = time.monotonic() + timeout
        while not condition():
            assert time.monotonic() < deadline, 'condition not reached'
            for _ in range(20):
                self.executor.spin_once(timeout_sec=0.005)

    def speak(self, number: int, seconds: float) -> None:
        samples = np.random.default_rng(7).uniform(-0.5, 0.5, round(seconds * RATE)).astype(np.float32)
        now = self.client.get_clock().now().nanoseconds
        for begin in range(0, len(samples), 320):
            stamp = Time(nanoseconds=now + begin * 10**9 // RATE).to_msg()
            self.sound[number].publish(audio_to_message(samples[begin : begin + 320], RATE, stamp, KIND))

    def state(self, number: int) -> int:
        return int(self.seen[number][-1].state) if self.seen[number] else -1

    def spoken(self, number: int) -> bool:
        return any(frame.state == FaceMotion.SPEAKING for frame in self.seen[number])

    def call(self, number: int, kind: Any, name: str, request: Any) -> Any:
        client = self.client.create_client(kind, f'avatar_{number}/diffposetalk/{name}')
        return call(self.client, self.executor, client, request, 10.0)


@pytest.fixture
def stage(model_folder: Path) -> Iterator[Stage]:
    made = Stage(model_folder)
    yield made
    made.close()


def test_three_avatars_share_a_model_and_nothing_else(stage: Stage) -> None:
    assert [node.get_namespace() for node in stage.nodes[:2]] == ['/avatar_0', '/avatar_1']
    assert [node.get_parameter('sampler.seed').value for node in stage.nodes] == [0, 1, 2, 3]
    for number in range(COUNT):
        lifecycle = stage.lifecycle(number)
        assert lifecycle.configure() and lifecycle.activate()
    (shared,) = stage.pool.shared.values()
    assert shared.members == COUNT
    # Admission: the fourth is refused and can come when another has gone.
    assert not stage.lifecycle(COUNT).configure()
    stage.until(lambda: all(sound.get_subscription_count() for sound in stage.sound[:COUNT]))
    stage.until(lambda: all(stage.seen[:COUNT]))
    answer = stage.call(1, SetStyle, 'set_style', SetStyle.Request(style=Style(name='lively')))
    assert answer.success
    stage.speak(0, 4.0)
    stage.speak(1, 4.0)
    stage.until(lambda: stage.spoken(0) and stage.spoken(1))
    assert not stage.spoken(2) and stage.state(2) in (FaceMotion.IDLE, FaceMotion.REST)
    assert [node.avatar.style.name for node in stage.nodes[:2]] == ['neutral', 'lively']
    assert stage.call(0, Trigger, 'interrupt', Trigger.Request()).success
    stage.until(lambda: stage.state(0) in (FaceMotion.IDLE, FaceMotion.REST))
    # Same sound, other seed and style: other motion, the second one undisturbed to its end.
    timeline = stage.nodes[1].avatar.timeline
    stage.until(lambda: timeline.end >= 90)
    assert shared.sizes
    assert stage.lifecycle(2).deactivate() and stage.lifecycle(2).cleanup()
    assert stage.lifecycle(COUNT).configure()


def test_too_many_avatars_are_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(['avatars_node', '--avatars', '3', '--limit', '2']) == 2
    assert capsys.readouterr().err == 'avatars_node: --avatars 3; use 1 to --limit (2)\n'


@pytest.mark.parametrize(
    'around, prefix, place',
    [('/robot', 'avatar_', '/robot/avatar_'), ('/', 'avatar_', '/avatar_'), ('/a/b', '/c/d', '/a/b/c/d')],
)
def test_a_namespace_of_the_process_comes_before_those_of_the_avatars(
    around: str, prefix: str, place: str
) -> None:
    """Launch files set it so; it would give two avatars one name and the same topics."""
    context = rclpy.Context()
    rclpy.init(args=['--ros-args', '-r', f'__ns:={around}', '-p', 'style.name:=lively'], context=context)
    try:
        nodes = make_avatars(2, prefix, context=context)
        names = [node.get_fully_qualified_name() for node in nodes]
        assert names == [f'{place}{number}/diffposetalk' for number in range(2)]
        assert [node.get_parameter('style.name').value for node in nodes] == ['lively'] * 2
        assert [node.get_parameter('sampler.seed').value for node in nodes] == [0, 1]
        for node in nodes:
            node.destroy_node()
    finally:
        rclpy.try_shutdown(context=context)


def test_two_heads_are_two_frames(model_folder: Path) -> None:
    """Namespaces keep topics apart, but /tf is one for all: a frame carries the namespace unless it is named."""
    kind = pytest.importorskip('tf2_msgs.msg', reason='tf2_msgs is not installed').TFMessage
    context = rclpy.Context()
    rclpy.init(context=context)
    values = {'model.path': str(model_folder), 'sampler.steps': 1, 'publish.tf': True}
    overrides = [Parameter(name, value=value) for name, value in values.items()]
    nodes = make_avatars(2, context=context, parameter_overrides=overrides)
    nodes[1].set_parameters([Parameter('frames.head', value='skull')])
    executor = SingleThreadedExecutor(context=context)
    frames: set[tuple[str, str]] = set()
    for node in nodes:
        executor.add_node(node)
    watcher = rclpy.create_node('watcher', context=context)
    executor.add_node(watcher)

    def note(message: Any) -> None:
        frames.update((each.header.frame_id, each.child_frame_id) for each in message.transforms)

    watcher.create_subscription(kind, '/tf', note, 100)
    try:
        for node in nodes:
            node.autostart()
        deadline = time.monotonic() + 30.0
        while len(frames) < 2 and time.monotonic() < deadline:
            executor.spin_once(timeout_sec=0.1)
        assert frames == {('avatar_0/neck', 'avatar_0/head'), ('avatar_1/neck', 'skull')}
    finally:
        for node in nodes:
            node.close()
        executor.shutdown()
        for node in (*nodes, watcher):
            node.destroy_node()
        rclpy.try_shutdown(context=context)
