# SPDX-License-Identifier: Apache-2.0
"""The lifecycle node: wiring only. Callbacks store, one thread infers, one publishes.

unconfigured --configure--> inactive --activate--> active
  (parameters)   model, publishers    subscriptions, services' effect, timers, worker
"""

from __future__ import annotations

import gc
import sys
import threading
import time
import traceback
from collections import deque
from collections.abc import Callable, Sequence
from functools import wraps
from typing import Any, TypeVar

import rclpy
from diagnostic_msgs.msg import DiagnosticArray
from geometry_msgs.msg import PoseStamped
from rcl_interfaces.msg import SetParametersResult
from rclpy.clock import Clock, ClockType
from rclpy.executors import ExternalShutdownException, SingleThreadedExecutor
from rclpy.lifecycle import LifecycleNode, LifecycleState, TransitionCallbackReturn
from rclpy.parameter import Parameter
from rclpy.time import Time
from std_srvs.srv import Trigger

from diffposetalk_ros.errors import AudioError, DiffPoseTalkError
from diffposetalk_ros.msg import FaceMotion, FaceMotionInfo, StyleReference
from diffposetalk_ros.ros import parameters, qos
from diffposetalk_ros.ros.audio_messages import (
    AudioFormat,
    chunk_from_message,
    format_from_info,
    has_portaudio_form,
    message_class,
)
from diffposetalk_ros.ros.avatar import Avatar
from diffposetalk_ros.ros.diagnostics import to_message
from diffposetalk_ros.ros.generate_action import GenerateAction
from diffposetalk_ros.ros.motion_messages import frame_message, info_message, pose_message
from diffposetalk_ros.ros.release_thread import ReleaseThread
from diffposetalk_ros.ros.schedule import FrameSchedule
from diffposetalk_ros.srv import ListStyles, SetStyle

__all__ = ['DiffPoseTalkNode', 'main']

_SUCCESS, _FAILURE = TransitionCallbackReturn.SUCCESS, TransitionCallbackReturn.FAILURE
_ERROR = TransitionCallbackReturn.ERROR
_Node = TypeVar('_Node', bound='DiffPoseTalkNode')
_Transition = Callable[[_Node, LifecycleState], TransitionCallbackReturn]
_THROTTLE = 5.0
_DELAYED = 20000
"""Messages that may wait for audio_out."""
_POLL = 0.02
"""Seconds between two looks for a pause or the end of an utterance."""


def _logged(transition: _Transition[_Node]) -> _Transition[_Node]:
    """Log a transition and what it raises: rclpy itself would swallow an exception silently."""
    name = transition.__name__.removeprefix('on_')

    @wraps(transition)
    def run(self: _Node, state: LifecycleState) -> TransitionCallbackReturn:
        begin = time.monotonic()
        try:
            result = transition(self, state)
        except DiffPoseTalkError as error:
            self.get_logger().error(f'{name} failed: {error}')
            self._undo(name)
            return _FAILURE
        except Exception:
            self.get_logger().error(f'{name} failed unexpectedly:\n{traceback.format_exc()}')
            self._undo(name)
            return _ERROR
        self.get_logger().info(f'{name} done in {time.monotonic() - begin:.2f} s')
        return result

    return run


class DiffPoseTalkNode(LifecycleNode):  # type: ignore[misc,unused-ignore]
    """Audio topic in, face_motion and head_pose out, by DESIGN 7."""

    def __init__(self, name: str = 'diffposetalk', **kwargs: Any) -> None:
        super().__init__(name, **kwargs)
        parameters.declare(self)
        self._avatar: Avatar | None = None
        self._active = False
        self._publishers_made: list[Any] = []
        self._services_made: list[Any] = []
        self._generate: GenerateAction | None = None
        self._inputs: list[Any] = []
        self._timers_made: list[Any] = []
        self._release_thread: ReleaseThread | None = None
        self._delayed: deque[tuple[int, Any]] = deque(maxlen=_DELAYED)
        self._delayed_lock = threading.Lock()
        self.add_on_set_parameters_callback(self._check_parameters)
        self.add_post_set_parameters_callback(self._apply_parameters)

    # ---- lifecycle -------------------------------------------------------------------------------

    @_logged
    def on_configure(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Check parameters, load and warm up the model, create publishers and services."""
        config = self._read_config()
        portaudio = has_portaudio_form() if config.audio_message == 'auto' else None
        kind = config.audio_message
        if portaudio is not None:
            kind = 'AudioStamped' if portaudio else 'AudioData'
        self._audio_class = message_class(kind)
        self._avatar = Avatar(config, self._log_from_avatar)
        self._config = config
        self._motion = self._publish(FaceMotion, 'face_motion', qos.MOTION)
        self._pose = self._publish(PoseStamped, 'head_pose', qos.MOTION) if config.publish_head_pose else None
        self._info = self._publish(FaceMotionInfo, '~/info', qos.INFO)
        self._audio_out = (
            self._publish(self._audio_class, 'audio_out', qos.AUDIO_OUT) if config.publish_audio_out else None
        )
        self._diagnostics = self._publish(DiagnosticArray, '/diagnostics', qos.DIAGNOSTICS)
        self._services_made = [
            self.create_service(Trigger, '~/interrupt', self._on_interrupt),
            self.create_service(Trigger, '~/reset', self._on_reset),
            self.create_service(SetStyle, '~/set_style', self._on_set_style),
            self.create_service(ListStyles, '~/list_styles', self._on_list_styles),
        ]
        avatar = self._avatar
        self._generate = GenerateAction(self, avatar.new_generator, lambda: avatar.style_and_sampling)
        self.get_logger().info(self._avatar.description)
        return _SUCCESS

    @_logged
    def on_activate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Start the worker, open the inputs, start the clockwork."""
        avatar = self._the_avatar()
        self._config = self._read_config()
        avatar.update(self._config)
        result = super().on_activate(state)
        self._format = AudioFormat(
            self._config.audio_rate, self._config.audio_channels, self._config.audio_format
        )
        avatar.start()
        self._schedule = FrameSchedule(self._config.playout_output_rate)
        self._index = 0
        self._inputs = [
            self.create_subscription(
                self._audio_class,
                'audio',
                self._on_audio,
                qos.AUDIO,
                qos_overriding_options=qos.overridable(),
            ),
            self.create_subscription(StyleReference, 'style_reference', self._on_style, qos.STYLE),
        ]
        if not has_portaudio_form():
            info = message_class('AudioInfo')
            self._inputs.append(self.create_subscription(info, 'audio_info', self._on_info, qos.AUDIO_INFO))
        # On the steady clock: after a clock jump there is work to do even while simulated time stands.
        steady = Clock(clock_type=ClockType.STEADY_TIME)
        self._timers_made = [
            self.create_timer(_POLL, self._poll, clock=steady),
            self.create_timer(self._config.diagnostics_period, self._diagnose),
        ]
        self._active = True
        self._publish_info()
        # What is there now stays: collecting it again and again costs tens of milliseconds.
        gc.collect()
        gc.freeze()
        self._release_thread = ReleaseThread(self.get_clock(), self._release_due, self._on_release_error)
        return result

    @_logged
    def on_deactivate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Mirror of activate; the last frame published is the face at rest."""
        self._stop(rest=True)
        return super().on_deactivate(state)

    @_logged
    def on_cleanup(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Mirror of configure."""
        self._release()
        return _SUCCESS

    @_logged
    def on_shutdown(self, state: LifecycleState) -> TransitionCallbackReturn:
        """From any state: stop and release."""
        self._stop(rest=True)
        self._release()
        return _SUCCESS

    @_logged
    def on_error(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Release everything; the node can be configured again."""
        self._stop(rest=False)
        self._release()
        return _SUCCESS

    def close(self) -> None:
        """Stop and release without a transition: the process is about to end. Idempotent."""
        self._stop(rest=False)
        self._release()

    def _undo(self, transition: str) -> None:
        """Take back a transition that stopped half-way."""
        self._stop(rest=False)
        if transition == 'activate':
            super().on_deactivate(None)
        else:
            self._release()

    def _stop(self, *, rest: bool) -> None:
        was_active, self._active = self._active, False
        if self._release_thread is not None:
            self._release_thread.stop()
            self._release_thread = None
            gc.unfreeze()
        for timer in self._timers_made:
            self.destroy_timer(timer)
        for subscription in self._inputs:
            self.destroy_subscription(subscription)
        self._timers_made, self._inputs = [], []
        self._forget_delayed()
        if self._avatar is not None:
            self._avatar.stop()
            if was_active and rest:
                self._publish_row(self._avatar.rest, FaceMotion.REST, self.get_clock().now().nanoseconds)

    def _release(self) -> None:
        if self._generate is not None:
            self._generate.close()
            self._generate = None
        for service in self._services_made:
            self.destroy_service(service)
        for publisher in self._publishers_made:
            self.destroy_lifecycle_publisher(publisher)
        self._services_made, self._publishers_made = [], []
        self._avatar = None

    # ---- inputs ----------------------------------------------------------------------------------

    def _on_audio(self, message: Any) -> None:
        now = self.get_clock().now().nanoseconds
        avatar = self._the_avatar()
        try:
            chunk = chunk_from_message(message, self._format)
        except AudioError as error:
            avatar.bad_messages += 1
            self.get_logger().warning(f'audio ignored: {error}', throttle_duration_sec=_THROTTLE)
            return
        avatar.hear(chunk, now)
        if self._audio_out is not None:
            delay = round(self._config.playout_delay * 1e9)
            due = (chunk.stamp or now) + delay
            if hasattr(message, 'header'):
                message.header.stamp = Time(nanoseconds=due).to_msg()
            with self._delayed_lock:
                self._delayed.append((due, message))

    def _on_info(self, message: Any) -> None:
        try:
            self._format = format_from_info(message)
        except AudioError as error:
            self.get_logger().warning(f'audio_info ignored: {error}', throttle_duration_sec=_THROTTLE)

    def _on_style(self, message: Any) -> None:
        try:
            self._the_avatar().set_style(message)
        except DiffPoseTalkError as error:
            self.get_logger().warning(f'style_reference refused: {error}', throttle_duration_sec=_THROTTLE)
        else:
            self._publish_info()

    # ---- output ----------------------------------------------------------------------------------

    def _poll(self) -> None:
        self._the_avatar().poll(self.get_clock().now().nanoseconds)

    def _release_due(self, now: int) -> int:
        """On the release thread: publish what is due at ``now``; returns when the next frame is."""
        avatar = self._the_avatar()
        if self._schedule.jumped_back(now):
            avatar.startle()
        for due in self._schedule.due(now):
            row, state = avatar.look(due)
            self._publish_row(row, state, due)
            avatar.note_release(self.get_clock().now().nanoseconds - due)
        if self._audio_out is not None:
            for message in self._due_sound(now):
                self._audio_out.publish(message)
        return self._schedule.next

    def _due_sound(self, now: int) -> list[Any]:
        due = []
        with self._delayed_lock:
            while self._delayed and self._delayed[0][0] <= now:
                due.append(self._delayed.popleft()[1])
        return due

    def _forget_delayed(self) -> None:
        with self._delayed_lock:
            self._delayed.clear()

    def _on_release_error(self, text: str) -> None:
        if self.context.ok():
            self.get_logger().error(f'publishing failed:\n{text}', throttle_duration_sec=_THROTTLE)

    def _publish_row(self, row: Any, state: int, due: int) -> None:
        message = frame_message(
            row,
            self._the_avatar().layout,
            stamp=Time(nanoseconds=due).to_msg(),
            frame_id=self._config.frames_parent,
            index=self._index,
            state=state,
        )
        self._index += 1
        self._motion.publish(message)
        if self._pose is not None:
            self._pose.publish(pose_message(message))

    def _publish_info(self) -> None:
        avatar = self._the_avatar()
        self._info.publish(
            info_message(
                avatar.layout,
                avatar.rest,
                stamp=self.get_clock().now().to_msg(),
                frame_id=self._config.frames_parent,
                model=avatar.model_name,
                checksum=avatar.checksum,
                model_rate=avatar.model_rate,
                output_rate=self._config.playout_output_rate,
                playout_delay=self._config.playout_delay,
                style=avatar.style.name,
                style_dim=avatar.style_dim,
            )
        )

    def _diagnose(self) -> None:
        now = self.get_clock().now()
        name = self.get_fully_qualified_name().lstrip('/')
        statuses = self._the_avatar().diagnose(now.nanoseconds)
        self._diagnostics.publish(to_message(statuses, now.to_msg(), name))

    # ---- services --------------------------------------------------------------------------------

    def _on_interrupt(self, request: Any, response: Any) -> Any:
        self._forget_delayed()
        self._the_avatar().interrupt()
        response.success = True
        return response

    def _on_reset(self, request: Any, response: Any) -> Any:
        self._forget_delayed()
        self._the_avatar().interrupt()
        response.success = True
        return response

    def _on_set_style(self, request: Any, response: Any) -> Any:
        try:
            duration = request.transition
            self._the_avatar().set_style(request.style, duration.sec + duration.nanosec * 1e-9)
            response.success = True
        except DiffPoseTalkError as error:
            response.message = str(error)
        response.name = self._the_avatar().style.name
        if response.success and self._active:
            self._publish_info()
        return response

    def _on_list_styles(self, request: Any, response: Any) -> Any:
        styles = self._the_avatar().styles
        response.names = sorted(styles)
        response.descriptions = [styles[name] for name in response.names]
        response.current = self._the_avatar().style.name
        return response

    # ---- parameters ------------------------------------------------------------------------------

    def _read_config(self) -> parameters.NodeConfig:
        names = [spec.name for spec in parameters.PARAMETERS]
        values = self.get_parameters(names)
        return parameters.config_from({p.name: p.value for p in values})

    def _check_parameters(self, changes: Sequence[Parameter]) -> SetParametersResult:
        state = 'active' if self._active else 'unconfigured' if self._avatar is None else 'inactive'
        for change in changes:
            reason = parameters.reject_reason(change.name, change.value, state)
            if reason is None and change.name == 'style.name' and self._avatar is not None:
                reason = self._avatar.style.refusal(str(change.value))
            if reason is not None:
                return SetParametersResult(successful=False, reason=reason)
        return SetParametersResult(successful=True)

    def _apply_parameters(self, changes: Sequence[Parameter]) -> None:
        if self._avatar is not None:
            self._config = self._read_config()
            self._avatar.update(self._config)
            if self._active:
                self._publish_info()

    def _publish(self, kind: Any, topic: str, profile: Any) -> Any:
        publisher = self.create_lifecycle_publisher(
            kind, topic, profile, qos_overriding_options=qos.overridable()
        )
        self._publishers_made.append(publisher)
        return publisher

    def _the_avatar(self) -> Avatar:
        assert self._avatar is not None, 'only called between configure and cleanup'
        return self._avatar

    def _log_from_avatar(self, text: str) -> None:
        self.get_logger().error(text, throttle_duration_sec=_THROTTLE)


def main(args: Sequence[str] | None = None) -> int:
    """Entry point of diffposetalk_node."""
    # The release thread must not wait 5 ms for the worker to let go of the interpreter.
    sys.setswitchinterval(0.0005)
    rclpy.init(args=args)
    node = DiffPoseTalkNode()
    executor = SingleThreadedExecutor()
    executor.add_node(node)
    try:
        executor.spin()
    except (KeyboardInterrupt, ExternalShutdownException):
        pass
    finally:
        node.close()
        executor.shutdown()
        node.destroy_node()
        rclpy.try_shutdown()
    return 0


if __name__ == '__main__':
    raise SystemExit(main())
