# SPDX-License-Identifier: Apache-2.0
"""Converts face motion to joint commands; a lifecycle node.

face_motion, head_pose, face_motion_chunk ---> map, caps ---> joint_trajectory | commands | joint_command

Every trajectory contains the known motion and then the path to rest, so the controller brings the robot to
rest if no further messages arrive. The other two outputs carry single positions: with them, the node moves to
rest when its input is stale, on ~/emergency_stop and on deactivate. The caps then hold by the times at which the
positions are published.

    joint_command_node --ros-args -p map_file:=my_robot.yaml -p output:=forward
    ros2 lifecycle set /joint_command configure        then activate; --autostart does both
"""

from __future__ import annotations

import signal
import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import rclpy
from diagnostic_msgs.msg import DiagnosticArray
from geometry_msgs.msg import PoseStamped
from rcl_interfaces.msg import ParameterDescriptor, SetParametersResult
from rclpy.clock import Clock, ClockType
from rclpy.executors import SingleThreadedExecutor
from rclpy.lifecycle import LifecycleState, TransitionCallbackReturn
from rclpy.parameter import Parameter
from rclpy.signals import SignalHandlerOptions
from sensor_msgs.msg import JointState
from std_msgs.msg import Float64MultiArray
from std_srvs.srv import SetBool
from trajectory_msgs.msg import JointTrajectory

from diffposetalk_ros.avatar.status import OK, WARN, Status
from diffposetalk_ros.errors import ConfigError, DiffPoseTalkError, MotionError
from diffposetalk_ros.motion.action_units import action_units
from diffposetalk_ros.motion.rotation import quaternion_to_vector, ros_to_flame
from diffposetalk_ros.msg import FaceMotion, FaceMotionChunk, FaceMotionInfo
from diffposetalk_ros.robot.character import Character, load_character, mirror
from diffposetalk_ros.robot.commander import CommanderConfig, CommanderMode, JointCommander
from diffposetalk_ros.robot.joint_map_file import load_joint_map
from diffposetalk_ros.ros.messages import qos
from diffposetalk_ros.ros.messages.diagnostics import to_message
from diffposetalk_ros.ros.messages.joints import (
    action_units_message,
    positions_by_name,
    state_message,
    trajectory_message,
)
from diffposetalk_ros.ros.messages.motion import layout_from_info, row_from_message, rows_from_chunk
from diffposetalk_ros.ros.messages.stamps import nanoseconds_of
from diffposetalk_ros.ros.support.clock_watch import ClockWatch, with_clock
from diffposetalk_ros.ros.support.entry_point import (
    create_node,
    non_ros_args,
    print_help,
    report_errors,
    start_rclpy,
    undisturbed,
    until_shutdown,
)
from diffposetalk_ros.ros.support.lifecycle import ManagedNode, logged_transition
from diffposetalk_ros.util.nanoseconds import NS_PER_SECOND
from diffposetalk_ros.util.resources import find_shared

__all__ = ['JointCommandNode', 'main']

_SUCCESS = TransitionCallbackReturn.SUCCESS
_THROTTLE = 5.0
_FARTHEST = 600 * NS_PER_SECOND
"""Frames farther ahead are of another clock: nobody speaks that long in advance."""
_FRESH = NS_PER_SECOND
"""joint_states are valid for this time (ns)."""
_DISCOVERY = 0.5
"""Seconds for which a node that has just been activated waits for the first joint_states."""
_RECENT = 50
"""Commands whose shortest computation is expected of the next one."""
_OUTPUTS = ('trajectory', 'forward', 'joint_state')
_PARAMETERS: tuple[tuple[str, Any, str], ...] = (
    ('map_file', '', 'Joint map; empty: config/joint_map.yaml of this package'),
    ('calibration_file', '', 'Corrections of one built robot; empty: none'),
    ('character_file', '', 'Multipliers and offsets of channels; empty: none'),
    ('mirror', False, 'Swap left and right, as in a mirror'),
    ('output', 'trajectory', 'trajectory, forward (Float64MultiArray) or joint_state'),
    ('rate', 50.0, 'Commands per second [Hz], 10 to 1000'),
    ('stale_after', 0.15, 'Without a frame for this long the joints go to rest [s], 0.02 to 2'),
    ('compensate_delay', True, 'Send each joint its commands earlier by its delay'),
    ('horizon', 0.5, 'Longest known motion in a trajectory before the path to rest [s], 0.05 to 5'),
    ('head_source', 'face_motion', 'Head rotation from face_motion or from head_pose'),
    ('avatar', 'diffposetalk', 'Node whose ~/info describes face_motion'),
    ('action_units', False, 'Publish ~/action_units (hri_msgs/FacialActionUnits)'),
)

_NAMES = {name for name, _, _ in _PARAMETERS}


class JointCommandNode(ManagedNode):
    """See the module. Sends commands only while active."""

    def __init__(self, name: str = 'joint_command', **kwargs: Any) -> None:
        super().__init__(name, **kwargs)
        for parameter, default, description in _PARAMETERS:
            self.declare_parameter(parameter, default, ParameterDescriptor(description=description))
        self._commander: JointCommander | None = None
        self.add_on_set_parameters_callback(self._check_parameters)
        self._character: Character | None = None
        self._units: Any = None

    # ---- lifecycle -------------------------------------------------------------------------------

    @logged_transition
    def on_configure(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Read and check map, calibration and character; create publishers and inputs."""
        self._output, self._mirror = self._value('output'), bool(self._value('mirror'))
        if self._output not in _OUTPUTS:
            raise ConfigError(f'output is {self._output!r}; use one of {", ".join(_OUTPUTS)}')
        source = self._value('head_source')
        if source not in ('face_motion', 'head_pose'):
            raise ConfigError(f'head_source is {source!r}; use face_motion or head_pose')
        joint_map = load_joint_map(
            self._value('map_file') or find_shared('config/joint_map.yaml'),
            self._value('calibration_file') or None,
        )
        file = self._value('character_file')
        self._character = load_character(file, joint_map.layout) if file else None
        config = CommanderConfig(
            *(self._value(name) for name in ('rate', 'stale_after', 'compensate_delay', 'horizon'))
        )
        undo = self._configured
        undo.callback(self._forget_commander)
        self._commander = JointCommander(joint_map, config)
        self._took = deque([0], maxlen=_RECENT)
        self._head: np.ndarray | None = None
        self._layout = joint_map.layout
        self._fits: bool | None = None
        self._measured: dict[str, float] = {}
        self._measured_at = 0
        self._speaking = False
        self._missing: list[float] = []
        kind, topic = {
            'trajectory': (JointTrajectory, 'joint_trajectory'),
            'forward': (Float64MultiArray, 'commands'),
            'joint_state': (JointState, 'joint_command'),
        }[self._output]
        self._commands = self._publish(kind, topic, qos.MOTION)
        self._diagnostics = self._publish(DiagnosticArray, '/diagnostics', qos.DIAGNOSTICS)
        if self._value('action_units'):
            message = action_units_message(np.zeros(99), self.get_clock().now().to_msg(), '')
            self._units = self._publish(type(message), '~/action_units', qos.MOTION)
        self._subscribe(FaceMotionInfo, f'{self._value("avatar")}/info', self._on_info, qos.INFO, undo)
        self._subscribe(FaceMotion, 'face_motion', self._on_motion, qos.MOTION, undo)
        self._subscribe(FaceMotionChunk, 'face_motion_chunk', self._on_chunk, qos.CHUNK, undo)
        self._subscribe(JointState, 'joint_states', self._on_joint_states, qos.JOINT_STATES, undo)
        if source == 'head_pose':
            self._head = np.zeros(3)
            self._subscribe(PoseStamped, 'head_pose', self._on_head, qos.MOTION, undo)
        service = self.create_service(SetBool, '~/emergency_stop', self._on_emergency_stop)
        undo.callback(self.destroy_service, service)
        slow = [
            f'{joint_map.names[joint_map.driven[k]]} {seconds:.2f} s'
            for k, seconds in enumerate(self._commander.limiter.slowest_ramp())
            if seconds > 0.35  # with the default stale_after half a second in all
        ]
        if slow:
            self.get_logger().warning(f'slow joints, time from the far limit to rest: {", ".join(slow)}')
        self.get_logger().info(f'{joint_map.robot}: {len(joint_map.names)} joints, output {self._output}')
        return _SUCCESS

    @logged_transition
    def on_activate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Start at the robot's current position (joint_states, if received) and begin to send commands."""
        commander = self.commander
        # A node that was started again after a crash finds the joints anywhere. It has not received joint_states yet.
        self._waits_until: float | None = None if self._start_at_robot() else time.monotonic() + _DISCOVERY
        undo = self._activated
        result = self._open_publishers(state)
        undo.callback(self.destroy_timer, self.create_timer(1.0 / commander.config.rate, self._tick))
        steady = Clock(clock_type=ClockType.STEADY_TIME)
        undo.callback(self.destroy_timer, self.create_timer(1.0, self._diagnose, clock=steady))
        undo.callback(self._go_to_rest)  # move to rest within the caps first, then stop sending
        self._active = True
        return result

    def _start_at_robot(self) -> bool:
        """Start at the measured position; returns whether it is known."""
        commander = self.commander
        names = [commander.map.names[i] for i in commander.map.driven]
        # An old message of a driver that has ended does not give the robot's position.
        fresh = 0 <= self._now() - self._measured_at < _FRESH
        known = fresh and all(name in self._measured for name in names)
        if known:
            commander.start_at([self._measured[name] for name in names])
        return known

    def _forget_commander(self) -> None:
        self._commander, self._units = None, None

    def _check_parameters(self, changes: Sequence[Parameter]) -> SetParametersResult:
        late = [change.name for change in changes if change.name in _NAMES and self._commander is not None]
        reason = f'{late[0]} may change only before configure; clean up first' if late else ''
        return SetParametersResult(successful=not late, reason=reason)

    # ---- inputs ----------------------------------------------------------------------------------

    def _on_info(self, info: Any) -> None:
        try:
            layout = layout_from_info(info)
        except DiffPoseTalkError as error:
            self._fits = False
            self.get_logger().error(f'face_motion cannot be used: {error}')
            return
        wanted = self.commander.map.layout.space
        self._fits = layout.space == wanted
        if self._fits:
            self._layout = layout
        else:
            self.get_logger().error(
                f'{info.model} uses {layout.space}, the joint map {wanted}; use a map with space: {layout.space}'
            )

    def _on_motion(self, message: Any) -> None:
        if self._fits is False:
            return
        try:
            row = self._own_layout(np.asarray(row_from_message(message, self._layout), np.float64)[None])[0]
        except MotionError as error:
            self.get_logger().warning(f'face_motion ignored: {error}', throttle_duration_sec=_THROTTLE)
            return
        if not np.isfinite(row).all():  # the commander does not use it, and counts it
            self.get_logger().warning(
                'face_motion ignored: NaN or infinite values', throttle_duration_sec=_THROTTLE
            )
        self._speaking = message.state == FaceMotion.SPEAKING
        now = self._now()
        stamp = nanoseconds_of(message.header.stamp)
        # A stamp of another clock would never become due, so frames then count as due on arrival.
        due = stamp if abs(stamp - now) < NS_PER_SECOND else now
        self.commander.show(due, row, now)
        if self._units is not None and self._active and np.isfinite(row).all():
            units = action_units(row, self.commander.map.layout)
            self._units.publish(action_units_message(units, message.header.stamp, message.header.frame_id))

    def _on_chunk(self, message: Any) -> None:
        if self._fits is False or not 1.0 <= message.rate <= 1000.0:
            return
        try:
            rows = self._own_layout(rows_from_chunk(message, self._layout))
        except MotionError as error:
            self.get_logger().warning(f'face_motion_chunk ignored: {error}', throttle_duration_sec=_THROTTLE)
            return
        first = nanoseconds_of(message.header.stamp)
        if abs(first - self._now()) < _FARTHEST:
            step = round(NS_PER_SECOND / message.rate)
            self.commander.frames.foresee(int(message.epoch), first, step, rows)

    def _own_layout(self, rows: np.ndarray) -> np.ndarray:
        """Rows as the map needs them: mirrored, with the character applied, and with the head from head_pose."""
        layout = self.commander.map.layout
        if rows.shape[1] != layout.width:  # the model has no head pose
            rows = np.insert(rows, [len(self._layout.names[self._layout.expression])] * 3, 0.0, axis=1)
        if self._head is not None:
            rows[:, layout.head_rotation] = self._head
        if self._mirror:
            rows = mirror(rows, layout)
        return rows if self._character is None else self._character.apply(rows)

    def _on_head(self, message: Any) -> None:
        q = message.pose.orientation
        values = np.array([q.x, q.y, q.z, q.w])
        length = float(np.linalg.norm(values))
        if np.isfinite(length) and length > 1e-6:
            self._head = ros_to_flame(quaternion_to_vector(values / length))

    def _on_joint_states(self, message: Any) -> None:
        measured = positions_by_name(message, self.commander.map.names)
        if measured:  # the drivers of other joints publish on the same topic
            self._measured.update(measured)
            self._measured_at = self._now()

    def _on_emergency_stop(self, request: Any, response: Any) -> Any:
        commander = self.commander
        if request.data:
            commander.stop()
            self.get_logger().warning('emergency stop: the joints go to rest')
        else:
            commander.release()
        response.success = True
        return response

    # ---- output ----------------------------------------------------------------------------------

    def _tick(self) -> None:
        if self._waits_until is not None:
            if not self._start_at_robot() and time.monotonic() < self._waits_until:
                return
            self._waits_until = None
        self._command(self._now)

    def _command(self, clock: Callable[[], int]) -> None:
        """Send the next command; ``clock`` tells the time in ns."""
        commander, now = self.commander, clock()
        if self._output == 'trajectory':
            due = commander.advance(now)
            self._note_look_ahead()
            self._commands.publish(trajectory_message(commander.plan(), commander.map.names, due, now))
            return
        planned = now + min(self._took)
        moment = commander.next_position(planned)
        if moment is None:
            return
        self._note_look_ahead()
        message, ready = self._position_message(moment), clock()
        self._took.append(max(0, ready - now))
        if ready < planned:
            time.sleep((planned - ready) / NS_PER_SECOND)
        self._commands.publish(message)
        commander.sent(clock())

    def _position_message(self, due: int) -> Any:
        commander = self.commander
        position = commander.positions()
        if self._output == 'forward':
            return Float64MultiArray(data=position.tolist())
        speed = commander.map.expand_rates(commander.state.velocity)
        return state_message(commander.map.names, due, position, speed)

    def _note_look_ahead(self) -> None:
        if self._speaking and self.commander.mode is CommanderMode.TRACKING:
            self._missing.append(self.commander.missing_look_ahead)

    def _go_to_rest(self) -> None:
        """Send the commands to rest. A busy machine may need longer, at most four times as long plus a second."""
        if self._waits_until is not None:
            return  # nothing was sent yet
        commander = self.commander
        stopped = commander.stopped
        commander.stop()
        now, begin, period = self._now(), time.monotonic(), 1.0 / commander.config.rate
        longest = 4 * (commander.limiter.ramp_time(commander.state) + 3 * period) + 1.0
        while time.monotonic() - begin < longest and rclpy.ok(context=self.context):
            self._command(lambda: now + round((time.monotonic() - begin) * NS_PER_SECOND))
            if commander.mode is CommanderMode.RESTING:
                break
            time.sleep(period)
        if not stopped:
            commander.release()

    def _diagnose(self) -> None:
        commander = self.commander
        # The median, because at the end of speech no frames are known ahead.
        missing = float(np.median(self._missing)) if self._missing else 0.0
        self._missing.clear()
        level, text = OK, commander.mode.value
        if commander.stopped:
            level, text = WARN, 'emergency stop'
        elif self._fits is False:
            level, text = WARN, 'face_motion is of another motion space than the joint map'
        elif missing > 0:
            text = (
                f'joints lag: frames are known {1e3 * missing:.0f} ms too late; publish face_motion_chunk '
                'and raise playout.delay of the avatar'
            )
            level = WARN
        commanded = dict(zip(commander.map.names, commander.positions(), strict=True))
        errors = [abs(commanded[name] - value) for name, value in self._measured.items()]
        values: dict[str, object] = {
            'mode': commander.mode.value,
            'missing look-ahead [ms]': 1e3 * missing,
            'frames not used': commander.bad_frames,
            'steps without a way': commander.limiter.refused,
            'largest deviation of joint_states [rad or m]': max(errors, default=float('nan')),
        }
        now = self.get_clock().now().to_msg()
        name = self.get_fully_qualified_name().lstrip('/')
        statuses = with_clock(self, [Status('joints', level, text, values)])
        self._diagnostics.publish(to_message(statuses, now, name))

    # ---- inside ----------------------------------------------------------------------------------

    def _value(self, name: str) -> Any:
        return self.get_parameter(name).value

    def _now(self) -> int:
        return int(self.get_clock().now().nanoseconds)

    @property
    def commander(self) -> JointCommander:
        """The commander, between configure and cleanup."""
        assert self._commander is not None, 'only called between configure and cleanup'
        return self._commander


def main(args: Sequence[str] | None = None) -> int:
    """Entry point of joint_command_node."""
    with report_errors('joint_command_node') as status:
        if print_help('joint_command_node', __doc__, _PARAMETERS, args):
            return 0
        # rclpy's own handlers end the context at once, so the commands to rest could not be sent.
        start_rclpy(args, signal_handler_options=SignalHandlerOptions.NO)
        signal.signal(signal.SIGTERM, signal.default_int_handler)
        executor = SingleThreadedExecutor()
        node: JointCommandNode | None = None
        try:
            with until_shutdown():
                node = create_node(JointCommandNode)
                executor.add_node(node)
                ClockWatch(node)
                if '--autostart' in non_ros_args(args):
                    node.autostart()
                while rclpy.ok():
                    executor.spin_once(timeout_sec=0.2)
        finally:
            with undisturbed():
                if node is not None:
                    node.close()
                executor.shutdown()
                if node is not None:
                    node.destroy_node()
                rclpy.try_shutdown()
    return status()


if __name__ == '__main__':
    raise SystemExit(main())
