# SPDX-License-Identifier: Apache-2.0
"""The joint command node and the simulated robot over DDS: commands, caps, rest, refusals."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

rclpy = pytest.importorskip('rclpy', reason='rclpy is not importable')
pytest.importorskip('ruckig', reason='ruckig is not installed')
pytest.importorskip('mujoco', reason='MuJoCo is not installed')

from diffposetalk_ros.msg import FaceMotion, FaceMotionChunk  # noqa: E402
from rclpy.executors import SingleThreadedExecutor  # noqa: E402
from rclpy.lifecycle import TransitionCallbackReturn  # noqa: E402
from rclpy.parameter import Parameter  # noqa: E402
from rclpy.qos import qos_profile_sensor_data  # noqa: E402
from rosgraph_msgs.msg import Clock  # noqa: E402
from sensor_msgs.msg import JointState  # noqa: E402
from std_msgs.msg import Float64MultiArray  # noqa: E402
from std_srvs.srv import SetBool  # noqa: E402
from trajectory_msgs.msg import JointTrajectory  # noqa: E402

from diffposetalk_ros.motion.layout import arkit_layout  # noqa: E402
from diffposetalk_ros.robot.joint_map_file import load_joint_map  # noqa: E402
from diffposetalk_ros.ros.messages.motion import frame_message  # noqa: E402
from diffposetalk_ros.ros.nodes import joint_command_node  # noqa: E402
from diffposetalk_ros.ros.nodes.joint_command_node import JointCommandNode  # noqa: E402

ROOT = Path(__file__).parents[3]
EXAMPLE = load_joint_map(ROOT / 'config' / 'joint_map.yaml')
LAYOUT = arkit_layout()
JAW = EXAMPLE.names.index('jaw')
NS = 1_000_000_000
PATIENCE = 60.0  # s; a busy machine is slow


class Bench:
    """Node under test, robot and a talker on one executor."""

    def __init__(self) -> None:
        self.context = rclpy.Context()
        rclpy.init(context=self.context)
        self.executor = SingleThreadedExecutor(context=self.context)
        self.talker = self.add(rclpy.create_node('talker', context=self.context))
        self.motion = self.talker.create_publisher(FaceMotion, 'face_motion', 5)
        self.chunks = self.talker.create_publisher(FaceMotionChunk, 'face_motion_chunk', 5)
        self.begin, self.count = time.monotonic(), 0
        self.robot: subprocess.Popen[bytes] | None = None

    def add(self, node: Any) -> Any:
        self.executor.add_node(node)
        return node

    def node(self, **values: Any) -> JointCommandNode:
        overrides = [Parameter(name, value=value) for name, value in values.items()]
        return self.add(JointCommandNode(context=self.context, parameter_overrides=overrides))

    def listen(self, kind: Any, topic: str, depth: int = 200) -> list[Any]:
        received: list[Any] = []
        self.talker.create_subscription(kind, topic, received.append, depth)
        return received

    def turn(self, talk: bool) -> None:
        if talk and time.monotonic() - self.begin >= self.count * 0.02:
            self.count = max(self.count + 1, int((time.monotonic() - self.begin) / 0.02))
            self.say()
        self.executor.spin_once(timeout_sec=0.005)

    def spin(self, seconds: float, talk: bool = False) -> None:
        """For a time, in which a busy machine has as many turns as an idle one."""
        end, turns = time.monotonic() + seconds, 0
        while time.monotonic() < end or turns < seconds / 0.005:
            self.turn(talk)
            turns += 1

    def until(self, condition: Callable[[], object], talk: bool = False) -> None:
        deadline = time.monotonic() + PATIENCE
        while not condition():
            assert time.monotonic() < deadline, 'condition not reached'
            self.turn(talk)

    def say(self) -> None:
        now = self.talker.get_clock().now()
        moment = now.nanoseconds / NS
        self.motion.publish(
            frame_message(
                talking(moment), LAYOUT, stamp=now.to_msg(), frame_id='neck', index=self.count, state=2
            )
        )

    def start_robot(self) -> None:
        command = [
            sys.executable,
            '-m',
            'diffposetalk_ros.ros.nodes.mujoco_node',
            '--ros-args',
            '-p',
            'period:=0.02',
        ]
        self.robot = subprocess.Popen(command, cwd=ROOT)

    def close(self) -> None:
        if self.robot is not None:
            self.robot.terminate()
            try:
                self.robot.wait(60)
            except subprocess.TimeoutExpired:
                self.robot.kill()
        for node in self.executor.get_nodes():
            if isinstance(node, JointCommandNode):
                node.close()
            node.destroy_node()
        self.executor.shutdown()
        rclpy.try_shutdown(context=self.context)


def talking(moment: float) -> np.ndarray:
    row = np.zeros(LAYOUT.width, np.float32)
    row[LAYOUT.index('jawOpen')] = 0.5 - 0.5 * np.cos(2 * np.pi * 3 * moment)
    row[LAYOUT.head_rotation] = [0.1, 0.0, 0.0]
    return row


@pytest.fixture
def bench() -> Iterator[Bench]:
    bench = Bench()
    yield bench
    bench.close()


def seconds(stamp: Any) -> float:
    return float(stamp.sec + stamp.nanosec / NS)


def test_trajectories_hold_the_whole_horizon_and_end_at_rest(bench: Bench) -> None:
    node = bench.node()
    received = bench.listen(JointTrajectory, 'joint_trajectory')
    assert node.trigger_configure() == TransitionCallbackReturn.SUCCESS
    bench.spin(0.3, talk=True)
    assert not received  # inactive: no commands
    assert node.trigger_activate() == TransitionCallbackReturn.SUCCESS

    def jaw() -> np.ndarray:
        return np.array([message.points[0].positions[JAW] for message in received])

    # A late command moves the joints no farther than one in time: on a busy machine the jaw opens later.
    bench.until(lambda: len(received) > 40 and jaw().max() > 0.3 and np.ptp(jaw()) > 0.25, talk=True)
    speed = np.array([joint.speed for joint in EXAMPLE.joints])
    rest = EXAMPLE.expand(EXAMPLE.rest)
    for message in received[5::5]:
        assert list(message.joint_names) == list(EXAMPLE.names)
        times = [seconds(point.time_from_start) for point in message.points]
        assert (np.diff(times) > 0).all() and 0 <= times[0] <= 0.05
        np.testing.assert_allclose(message.points[-1].positions, rest, atol=1e-6)
        assert (np.abs([p.velocities for p in message.points]) <= speed * (1 + 1e-6)).all()


def test_stale_input_and_deactivate_end_at_rest(bench: Bench) -> None:
    node = bench.node(output='forward', rate=100.0)
    received: list[Any] = []
    sent: list[int] = []

    def on_command(message: Any, info: dict[str, Any]) -> None:
        received.append(message)
        sent.append(info['source_timestamp'])

    bench.talker.create_subscription(Float64MultiArray, 'commands', on_command, 200)
    rest = EXAMPLE.expand(EXAMPLE.rest)

    def at_rest() -> bool:
        return bool(np.allclose(received[-1].data, rest, atol=1e-4))

    node.trigger_configure()
    node.trigger_activate()
    bench.until(lambda: received and received[-1].data[JAW] > 0.25, talk=True)
    last = len(received)
    bench.until(at_rest)
    # 0.5 s in all, 0.15 of it until the input is stale; a busy machine sends as many commands in a longer time.
    assert len(received) - last <= 60
    bench.until(lambda: received[-1].data[JAW] > 0.25, talk=True)
    before = len(received)
    assert node.trigger_deactivate() == TransitionCallbackReturn.SUCCESS
    silent = time.time_ns()
    # Nobody drains the queue while the node streams its way to rest: its end arrives.
    bench.until(lambda: len(received) > before and at_rest())
    bench.spin(0.3, talk=True)
    assert at_rest() and max(sent) < silent


def test_a_frame_that_is_not_finite_is_told_and_not_followed(
    bench: Bench, capfd: pytest.CaptureFixture[str]
) -> None:
    node = bench.node()
    node.trigger_configure()
    now = bench.talker.get_clock().now().to_msg()
    bad = frame_message(talking(0.0), LAYOUT, stamp=now, frame_id='neck', index=0, state=2)
    bad.head_orientation.x = float('nan')
    node._on_motion(bad)
    assert node.commander.bad_frames == 1
    assert 'face_motion ignored: NaN' in capfd.readouterr().err


def test_settings_of_a_configured_node_stay(bench: Bench) -> None:
    node = bench.node()
    assert node.set_parameters([Parameter('rate', value=100.0)])[0].successful
    assert node.trigger_configure() == TransitionCallbackReturn.SUCCESS
    answer = node.set_parameters([Parameter('output', value='forward')])[0]
    assert not answer.successful and 'before configure' in answer.reason
    assert node.trigger_cleanup() == TransitionCallbackReturn.SUCCESS
    assert node.set_parameters([Parameter('output', value='forward')])[0].successful


@pytest.mark.parametrize('age', [0, 2])
def test_it_begins_where_a_driver_with_sensor_qos_says_unless_that_is_old(bench: Bench, age: int) -> None:
    node = bench.node(output='forward')
    assert node.trigger_configure() == TransitionCallbackReturn.SUCCESS
    driver = bench.talker.create_publisher(JointState, 'joint_states', qos_profile_sensor_data)
    commands = bench.listen(Float64MultiArray, 'commands')
    names = node.commander.map.names
    far = node.commander.map.upper[0]
    message = JointState(name=list(names), position=[0.0] * len(names))
    message.position[node.commander.map.driven[0]] = float(far)

    def heard() -> bool:
        driver.publish(message)
        return bool(node._measured)

    bench.until(heard)
    bench.spin(0.2)  # what was published last arrives too
    node._measured_at = node._now() - age * NS
    assert node.trigger_activate() == TransitionCallbackReturn.SUCCESS
    bench.until(lambda: commands)
    first = commands[0].data[node.commander.map.driven[0]]
    begin = far if age == 0 else node.commander.map.rest[0]
    assert abs(first - begin) < 0.2 * abs(far), 'on the way from there'


def test_joints_of_another_driver_do_not_make_an_old_position_new(bench: Bench) -> None:
    node = bench.node(output='forward')
    assert node.trigger_configure() == TransitionCallbackReturn.SUCCESS
    driver = bench.talker.create_publisher(JointState, 'joint_states', qos_profile_sensor_data)
    names = list(node.commander.map.names)
    arm = JointState(name=['elbow'], position=[1.0])

    def arm_moves() -> None:
        for _ in range(25):
            driver.publish(arm)
            bench.spin(0.02)

    bench.until(lambda: driver.get_subscription_count())
    arm_moves()
    assert not node._start_at_robot() and not node._measured_at
    head = JointState(name=names, position=[0.0] * len(names))
    bench.until(lambda: driver.publish(head) or node._start_at_robot())
    bench.spin(0.2)
    node._measured_at -= 2 * NS
    arm_moves()
    assert not node._start_at_robot()


def test_a_node_that_is_started_again_waits_for_the_position_of_the_joints(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Configured and activated at once, as after a crash, while the driver tells where the joints are."""
    monkeypatch.setattr(joint_command_node, '_DISCOVERY', PATIENCE)  # a busy machine discovers late
    driver = bench.talker.create_publisher(JointState, 'joint_states', qos_profile_sensor_data)
    commands = bench.listen(Float64MultiArray, 'commands')
    joint, far = EXAMPLE.driven[0], float(EXAMPLE.upper[0])
    position = [0.0] * len(EXAMPLE.names)
    position[joint] = far
    message = JointState(name=list(EXAMPLE.names), position=position)
    bench.talker.create_timer(0.02, lambda: driver.publish(message))
    node = bench.node(output='forward')
    assert node.trigger_configure() == TransitionCallbackReturn.SUCCESS
    assert node.trigger_activate() == TransitionCallbackReturn.SUCCESS
    bench.until(lambda: commands)
    assert abs(commands[0].data[joint] - far) < 0.2 * abs(far)


def test_without_joint_states_a_node_begins_at_rest_after_a_moment(bench: Bench) -> None:
    commands = bench.listen(Float64MultiArray, 'commands')
    node = bench.node(output='forward')
    assert node.trigger_configure() == TransitionCallbackReturn.SUCCESS
    assert node.trigger_activate() == TransitionCallbackReturn.SUCCESS
    bench.until(lambda: commands)
    joint = EXAMPLE.driven[0]
    assert commands[0].data[joint] == pytest.approx(EXAMPLE.rest[0], abs=1e-6)


def test_emergency_stop(bench: Bench) -> None:
    node = bench.node(output='joint_state')
    received = bench.listen(JointState, 'joint_command')
    client = bench.talker.create_client(SetBool, 'joint_command/emergency_stop')
    node.trigger_configure()
    node.trigger_activate()

    def at_rest() -> bool:
        return bool(np.allclose(received[-1].position, EXAMPLE.expand(EXAMPLE.rest), rtol=0, atol=1e-6))

    bench.until(lambda: received and received[-1].position[JAW] > 0.2, talk=True)
    bench.until(client.service_is_ready, talk=True)
    answer = client.call_async(SetBool.Request(data=True))
    bench.until(answer.done, talk=True)
    assert answer.result().success
    stopped = len(received)
    bench.until(at_rest, talk=True)
    # 0.35 s and what was still under way; a busy machine sends as many commands in a longer time.
    assert len(received) - stopped <= 25
    stopped = len(received)
    bench.spin(0.4, talk=True)
    bench.until(lambda: len(received) > stopped + 10, talk=True)
    jaws = [message.position[JAW] for message in received[stopped:]]
    np.testing.assert_allclose(jaws, EXAMPLE.expand(EXAMPLE.rest)[JAW], atol=1e-6)
    client.call_async(SetBool.Request(data=False))
    bench.until(lambda: received[-1].position[JAW] > 0.2, talk=True)


def test_robot_moves_with_simulated_clock_and_chunks_lead(bench: Bench) -> None:
    node = bench.node(stale_after=0.5)
    clocks, states = bench.listen(Clock, '/clock', 1), bench.listen(JointState, 'joint_states', 1)
    # The simulator's clock for everyone.
    for each in (node, bench.talker):
        each.set_parameters([Parameter('use_sim_time', value=True)])
    bench.start_robot()
    node.trigger_configure()
    bench.until(lambda: len(states) > 5)
    node.trigger_activate()

    def chunk() -> None:
        now = bench.talker.get_clock().now().nanoseconds
        first = now + 40_000_000
        rows = [talking((first + k * 40_000_000) / NS) for k in range(6)]
        message = FaceMotionChunk(epoch=1, rate=25.0, frame_count=6, committed_count=6)
        message.header.stamp.sec, message.header.stamp.nanosec = divmod(first, NS)
        message.expression = np.stack(rows)[:, :52].astype(np.float32).reshape(-1).tolist()
        message.head_orientation = [
            frame_message(
                row, LAYOUT, stamp=message.header.stamp, frame_id='', index=0, state=2
            ).head_orientation
            for row in rows
        ]
        bench.chunks.publish(message)

    def moved(joint: str) -> np.ndarray:
        return np.array([state.position[state.name.index(joint)] for state in states])

    end, led = time.monotonic() + PATIENCE, False
    while time.monotonic() < end and not (
        np.ptp(moved('jaw')) > 0.15 and moved('neck_tilt')[-1] > 0.07 and led
    ):
        chunk()
        bench.spin(0.04, talk=True)
        frames = node.commander.frames
        led |= (frames.known_until or 0) > (frames.shown_until or 0)
    assert sorted(states[-1].name) == sorted(EXAMPLE.names)
    assert np.ptp(moved('jaw')) > 0.15 and led
    # Positive rotation about the left axis nods: neck_tilt follows head_orientation.
    assert moved('neck_tilt')[-1] == pytest.approx(0.1, abs=0.035)
    assert seconds(clocks[-1].clock) > 0.2


@pytest.mark.parametrize(
    ('values', 'words'),
    [
        ({'map_file': '/no/such/map.yaml'}, 'cannot read'),
        ({'output': 'serial'}, 'trajectory, forward, joint_state'),
        ({'rate': 5.0}, 'rate 5.0'),
        ({'action_units': True}, 'hri_msgs'),
    ],
)
def test_bad_settings_are_refused_at_configure(
    bench: Bench, values: dict[str, Any], words: str, capfd: pytest.CaptureFixture[str]
) -> None:
    if 'action_units' in values:
        try:
            import hri_msgs.msg  # noqa: F401
        except ImportError:
            pass
        else:
            pytest.skip('hri_msgs is here')
    node = bench.node(**values)
    assert node.trigger_configure() == TransitionCallbackReturn.FAILURE
    assert words in capfd.readouterr().err
    node.set_parameters([Parameter(name, value=node_default(name)) for name in values])
    assert node.trigger_configure() == TransitionCallbackReturn.SUCCESS


def node_default(name: str) -> Any:
    return {'map_file': '', 'output': 'trajectory', 'rate': 50.0, 'action_units': False}[name]


def test_bad_map_names_file_line_and_valid_names(
    bench: Bench, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    text = (ROOT / 'config' / 'joint_map.yaml').read_text()
    line = text[: text.index('channel: jawOpen')].count('\n') + 1
    path = tmp_path / 'map.yaml'
    path.write_text(text.replace('channel: jawOpen', 'channel: jawOpened'))
    node = bench.node(map_file=str(path))
    assert node.trigger_configure() == TransitionCallbackReturn.FAILURE
    assert f"{path}:{line}: no arkit channel 'jawOpened'; did you mean jawOpen" in capfd.readouterr().err


def test_action_units_stay_out_of_humans(bench: Bench) -> None:
    units = pytest.importorskip('hri_msgs.msg', reason='hri_msgs is not installed').FacialActionUnits
    node = bench.node(action_units=True)
    received = bench.listen(units, 'joint_command/action_units')
    assert node.trigger_configure() == TransitionCallbackReturn.SUCCESS
    assert node.trigger_activate() == TransitionCallbackReturn.SUCCESS
    bench.until(lambda: any(m.intensity[units.JAW_DROP] > 0.5 for m in received), talk=True)
    message = next(m for m in received if m.intensity[units.JAW_DROP] > 0.5)
    assert message.header.frame_id == 'neck' and seconds(message.header.stamp) > 0
    assert message.confidence[units.JAW_DROP] == 1.0 and message.confidence[units.SNIFF] == 0.0
    assert message.intensity[units.HEAD_DOWN] == pytest.approx(0.2, abs=1e-5)
    topics = [name for name, _ in bench.talker.get_topic_names_and_types()]
    assert not any('humans' in name for name in topics)
