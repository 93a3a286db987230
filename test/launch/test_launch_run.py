# SPDX-License-Identifier: Apache-2.0
"""The launch files started by launch itself, as `ros2 launch` does it, and stopped with Ctrl-C."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from launch_program import PROGRAM

pytest.importorskip('launch_ros', reason='launch and launch_ros are not installed (no wheels; ROS only)')
rclpy = pytest.importorskip('rclpy', reason='rclpy is not importable')
pytest.importorskip('audio_common_msgs', reason='audio_common_msgs is not built')

from diffposetalk_ros.msg import FaceMotion, FaceMotionInfo  # noqa: E402
from rclpy.executors import SingleThreadedExecutor  # noqa: E402

from diffposetalk_ros.ros.messages import qos  # noqa: E402
from diffposetalk_ros.ros.support.lifecycle_client import LifecycleClient  # noqa: E402

ROOT = Path(__file__).parents[2]
PATIENCE = 180.0  # s; a loaded machine needs ten for the imports alone


class Bench:
    """One launch at a time, watched by a node of this process."""

    def __init__(self, log: Path) -> None:
        self.context = rclpy.Context()
        rclpy.init(context=self.context)
        self.node = rclpy.create_node('launch_watcher', context=self.context)
        self.executor = SingleThreadedExecutor(context=self.context)
        self.executor.add_node(self.node)
        self.log = log
        self.process: subprocess.Popen[bytes] | None = None

    def launch(self, file: str, /, **arguments: str) -> None:
        words = [f'{key}:={value}' for key, value in arguments.items()]
        with self.log.open('wb') as stream:
            self.process = subprocess.Popen(
                [sys.executable, '-c', PROGRAM, str(ROOT / 'launch' / file), *words],
                stdout=stream,
                stderr=stream,
                env=os.environ | {'ROS_LOG_DIR': str(self.log.parent), 'PYTHONUNBUFFERED': '1'},
                start_new_session=True,
            )

    def wait(self, condition: Callable[[], bool], what: str) -> None:
        deadline = time.monotonic() + PATIENCE
        while not condition():
            assert time.monotonic() < deadline, f'{what}: {self.log.read_text()}'
            assert self.process is None or self.process.poll() is None, self.log.read_text()
            self.executor.spin_once(timeout_sec=0.1)

    def becomes(self, state: str, name: str) -> None:
        client = LifecycleClient(self.node, self.executor, name)
        self.wait(lambda: client.state(PATIENCE) == state, f'{name} is not {state}')

    def parameter(self, node: str, name: str) -> Any:
        from rcl_interfaces.srv import GetParameters
        from rclpy.parameter import parameter_value_to_python

        from diffposetalk_ros.ros.support.lifecycle_client import call

        client = self.node.create_client(GetParameters, f'{node}/get_parameters')
        answer = call(self.node, self.executor, client, GetParameters.Request(names=[name]), PATIENCE)
        return parameter_value_to_python(answer.values[0])

    def stop(self) -> int:
        """Ctrl-C; the exit status."""
        assert self.process is not None
        self.process.send_signal(signal.SIGINT)
        return self.process.wait(PATIENCE)

    def close(self) -> None:
        if self.process is not None and self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()
        self.executor.shutdown()
        self.node.destroy_node()
        rclpy.try_shutdown(context=self.context)


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    bench = Bench(tmp_path / 'launch.log')
    yield bench
    bench.close()


def test_avatar_starts_itself_and_ends_with_ctrl_c(bench: Bench, model_folder: Path, tmp_path: Path) -> None:
    values = tmp_path / 'values.yaml'
    values.write_text('/**:\n  ros__parameters:\n    sampler: {steps: 3}\n    style: {name: lively}\n')
    frames: list[Any] = []
    bench.node.create_subscription(FaceMotion, '/robot/face', frames.append, 10)
    bench.launch(
        'avatar.launch.py',
        namespace='robot',
        name='head',
        params_file=str(values),
        model=str(model_folder),
        audio='/voice',
        face_motion='face',
    )
    bench.becomes('active', '/robot/head')
    bench.wait(lambda: len(frames) > 5, 'no motion')
    topics = dict(bench.node.get_topic_names_and_types())
    assert {'/voice', '/robot/face', '/robot/head_pose', '/robot/head/info'} <= set(topics)
    assert bench.parameter('/robot/head', 'sampler.steps') == 3
    assert bench.parameter('/robot/head', 'style.name') == 'lively', 'the parameter file decides'
    assert bench.parameter('/robot/head', 'use_sim_time') is False
    assert bench.stop() == 0
    assert 'process has finished cleanly' in bench.log.read_text()


def test_avatar_waits_for_a_lifecycle_manager(bench: Bench, model_folder: Path) -> None:
    bench.launch(
        'avatar.launch.py',
        autostart='false',
        use_sim_time='true',
        style='lively',
        model=str(model_folder),
        log_level='warn',
    )
    bench.becomes('unconfigured', '/diffposetalk')
    assert bench.parameter('/diffposetalk', 'use_sim_time') is True
    assert bench.parameter('/diffposetalk', 'style.name') == 'lively', 'an argument wins over the file'
    assert bench.stop() == 0


def test_demo_speaks(bench: Bench, model_folder: Path) -> None:
    states: list[int] = []
    bench.node.create_subscription(
        FaceMotion, '/stage/face_motion', lambda frame: states.append(frame.state), 50
    )
    values = {'model': str(model_folder), 'namespace': 'stage', 'audio': 'voice', 'loop': 'true'}
    values['port'] = '0'
    bench.launch('demo.launch.py', **values)
    bench.becomes('active', '/stage/diffposetalk')
    bench.wait(lambda: FaceMotion.SPEAKING in states, 'nobody speaks')
    bench.wait(lambda: ('viewer', '/stage') in bench.node.get_node_names_and_namespaces(), 'no page')
    assert bench.stop() == 0


def test_two_avatars_keep_apart(bench: Bench, model_folder: Path) -> None:
    infos: dict[str, str] = {}
    for name in ('avatar_1', 'right'):
        bench.node.create_subscription(
            FaceMotionInfo,
            f'/{name}/diffposetalk/info',
            lambda info, name=name: infos.update({name: info.style}),
            qos.INFO,
        )
    bench.launch('two_avatars.launch.py', namespace_2='right', style_2='lively', model=str(model_folder))
    bench.becomes('active', '/avatar_1/diffposetalk')
    bench.becomes('active', '/right/diffposetalk')
    bench.wait(lambda: len(infos) == 2, 'no info')
    assert infos == {'avatar_1': 'neutral', 'right': 'lively'}
    topics = dict(bench.node.get_topic_names_and_types())
    assert {'/avatar_1/audio', '/right/audio', '/avatar_1/face_motion', '/right/face_motion'} <= set(topics)
    assert bench.stop() == 0


def test_a_killed_avatar_speaks_again(bench: Bench, model_folder: Path) -> None:
    psutil = pytest.importorskip('psutil')
    states: list[int] = []
    bench.node.create_subscription(
        FaceMotion, '/stage/face_motion', lambda frame: states.append(frame.state), 50
    )
    values = {
        'model': str(model_folder),
        'namespace': 'stage',
        'loop': 'true',
        'viewer': 'false',
    }
    bench.launch('demo.launch.py', **values, respawn='true')
    bench.wait(lambda: FaceMotion.SPEAKING in states, 'nobody speaks')
    assert bench.process is not None

    def avatars() -> list[Any]:
        children = psutil.Process(bench.process.pid).children(recursive=True)  # type: ignore[union-attr]
        named = [child for child in children if child.status() != psutil.STATUS_ZOMBIE]
        return [child for child in named if any('diffposetalk_node' in word for word in child.cmdline())]

    (first,) = avatars()
    first.kill()
    begin = time.monotonic()
    bench.wait(lambda: [each.pid for each in avatars()] not in ([], [first.pid]), 'nothing was started again')
    states.clear()
    bench.wait(lambda: FaceMotion.SPEAKING in states, 'nobody speaks again')
    print(f'silent for {time.monotonic() - begin:.1f} s')
    assert bench.stop() == 0
