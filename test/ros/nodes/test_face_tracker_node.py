# SPDX-License-Identifier: Apache-2.0
"""Pictures on a topic become a tracked face and, asked for, a style: the real network, over DDS."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

rclpy = pytest.importorskip('rclpy', reason='rclpy is not importable')
pytest.importorskip('diffposetalk_ros.msg', reason='the messages are not built')
pytest.importorskip('mediapipe', reason='mediapipe is not installed: pip install ".[track]"')

from builtin_interfaces.msg import Time  # noqa: E402
from diagnostic_msgs.msg import DiagnosticArray  # noqa: E402
from diffposetalk_ros.msg import FaceMotion, StyleReference  # noqa: E402
from face_videos import speaking_motion  # noqa: E402
from rclpy.executors import SingleThreadedExecutor  # noqa: E402
from rclpy.lifecycle import TransitionCallbackReturn  # noqa: E402
from rclpy.parameter import Parameter  # noqa: E402
from sensor_msgs.msg import Image  # noqa: E402
from std_srvs.srv import Trigger  # noqa: E402

from diffposetalk_ros.errors import ModelError  # noqa: E402
from diffposetalk_ros.motion.layout import arkit_layout  # noqa: E402
from diffposetalk_ros.ros.messages.motion import row_from_message  # noqa: E402
from diffposetalk_ros.ros.nodes.face_tracker_node import FaceTrackerNode  # noqa: E402
from diffposetalk_ros.tracking.model_file import find_face_model  # noqa: E402
from diffposetalk_ros.viewer.render import render_frames  # noqa: E402

COUNT = 108


class Stage:
    """The node in a thread of its own, and a camera that sends pictures."""

    def __init__(self, **values: Any) -> None:
        self.context = rclpy.Context()
        rclpy.init(context=self.context)
        overrides = [Parameter(name, value=value) for name, value in values.items()]
        self.node = FaceTrackerNode(context=self.context, parameter_overrides=overrides)
        self.camera = rclpy.create_node('camera', context=self.context)
        self.faces: list[Any] = []
        self.styles: list[Any] = []
        self.statuses: list[Any] = []
        for kind, topic, into in (
            (FaceMotion, 'tracked_face', self.faces),
            (StyleReference, 'style_reference', self.styles),
            (DiagnosticArray, '/diagnostics', self.statuses),
        ):
            self.camera.create_subscription(kind, topic, into.append, 10)
        self.pictures = self.camera.create_publisher(Image, 'image', 10)
        self.take = self.camera.create_client(Trigger, 'face_tracker/take_style')
        self.executor = SingleThreadedExecutor(context=self.context)
        self.executor.add_node(self.node)
        self.executor.add_node(self.camera)
        self.thread = threading.Thread(target=self.executor.spin, daemon=True)
        self.thread.start()

    def send(self, image: np.ndarray, seconds: float, encoding: str = 'rgb8') -> None:
        """One picture, stamped as of a camera that runs at its own pace."""
        message = Image(
            height=image.shape[0], width=image.shape[1], step=3 * image.shape[1], encoding=encoding
        )
        message.header.stamp = Time(sec=int(1000 + seconds), nanosec=round(seconds % 1 * 1e9))
        message.data = image.tobytes()
        self.pictures.publish(message)

    def diagnostic(self, key: str) -> str:
        """The newest value of a key of /diagnostics."""
        values = [v.value for m in self.statuses for s in m.status for v in s.values if v.key == key]
        return values[-1] if values else ''

    def take_style(self) -> Any:
        """The answer of ~/take_style."""
        future = self.take.call_async(Trigger.Request())
        assert wait_for(future.done), 'take_style gave no answer'
        return future.result()

    def close(self) -> None:
        """Take the stage down."""
        self.node.close()
        self.executor.shutdown()
        self.thread.join(60)
        self.node.destroy_node()
        self.camera.destroy_node()
        rclpy.shutdown(context=self.context)


def wait_for(condition: Any, seconds: float = 30.0) -> bool:
    """Whether the condition comes true in time."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if condition():
            return True
        time.sleep(0.005)
    return False


@pytest.fixture(scope='module')
def model() -> Path:
    try:
        return find_face_model()
    except ModelError as error:
        pytest.skip(str(error))


@pytest.fixture
def stage(model: Path) -> Iterator[Stage]:
    made = Stage(model=str(model))
    yield made
    made.close()


def test_pictures_become_a_face_and_a_style(stage: Stage) -> None:
    assert stage.node.trigger_configure() == TransitionCallbackReturn.SUCCESS
    assert stage.take.wait_for_service(60.0)
    assert 'not active' in stage.take_style().message
    assert stage.node.trigger_activate() == TransitionCallbackReturn.SUCCESS
    assert 'no picture' in stage.take_style().message
    assert wait_for(lambda: stage.pictures.get_subscription_count() > 0)

    drawn = speaking_motion(COUNT)
    for i, image in enumerate(render_frames(drawn, (320, 256))):
        before = len(stage.faces)
        stage.send(image, i / 25)
        # The node tracks the newest picture only: the next one is sent when this one has come back.
        assert wait_for(lambda n=before: len(stage.faces) > n, 20.0), f'picture {i} gave no face'
    assert len(stage.faces) == COUNT
    rows = np.array([row_from_message(m, arkit_layout()) for m in stage.faces])
    sent = [m.header.stamp.sec + m.header.stamp.nanosec * 1e-9 - 1000 for m in stage.faces]
    jaw = arkit_layout().index('jawOpen')
    drawn_jaw = drawn[np.round(np.array(sent) * 25).astype(int), jaw]
    assert np.corrcoef(rows[:, jaw], drawn_jaw)[0, 1] > 0.8

    answer = stage.take_style()
    assert answer.success and 'style of 4' in answer.message
    assert wait_for(lambda: stage.styles)
    style = stage.styles[0]
    assert (style.space, style.rate, len(style.channel_names)) == ('arkit', 25.0, 55)
    assert len(style.motion) // 55 == pytest.approx(COUNT, abs=4)

    stage.send(np.zeros((8, 8, 3), np.uint8), 9.0, encoding='bayer_rggb8')
    assert wait_for(lambda: stage.diagnostic('pictures refused') == '1')
    assert stage.node.trigger_deactivate() == TransitionCallbackReturn.SUCCESS
    count = len(stage.faces)
    stage.send(np.zeros((8, 8, 3), np.uint8), 10.0)
    time.sleep(0.3)
    assert len(stage.faces) == count
    assert stage.node.trigger_cleanup() == TransitionCallbackReturn.SUCCESS


@pytest.mark.parametrize('camera', ['/dev/video97', 97])
def test_a_camera_that_is_away_keeps_the_node_inactive(model: Path, camera: Any) -> None:
    stage = Stage(model=str(model), camera=camera)
    try:
        assert stage.node.trigger_configure() == TransitionCallbackReturn.SUCCESS
        assert stage.node.trigger_activate() == TransitionCallbackReturn.FAILURE
    finally:
        stage.close()


def test_a_missing_network_keeps_the_node_unconfigured(tmp_path: Path) -> None:
    stage = Stage(model=str(tmp_path / 'nothing.task'))
    try:
        assert stage.node.trigger_configure() == TransitionCallbackReturn.FAILURE
    finally:
        stage.close()
