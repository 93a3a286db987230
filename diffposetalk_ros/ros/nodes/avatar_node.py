# SPDX-License-Identifier: Apache-2.0
"""The avatar, a lifecycle node: converts speech on ``audio`` to ``face_motion`` and ``head_pose``.

Frames are published at their display time. Callbacks only store data; one thread runs the networks, one publishes.

unconfigured --configure--> inactive --activate--> active
  (parameters)   model, publishers    subscriptions, services' effect, timers, worker

    diffposetalk_node --ros-args -p style.name:=lively
    ros2 lifecycle set /diffposetalk configure        then activate; --autostart does both
"""

from __future__ import annotations

import gc
import sys
import time
from collections.abc import Sequence
from typing import Any

import rclpy
from diagnostic_msgs.msg import DiagnosticArray
from geometry_msgs.msg import PoseStamped
from rcl_interfaces.msg import SetParametersResult
from rclpy.clock import Clock, ClockType
from rclpy.lifecycle import LifecycleState, TransitionCallbackReturn
from rclpy.parameter import Parameter
from std_srvs.srv import Trigger

from diffposetalk_ros.audio.chunk import AudioFormat
from diffposetalk_ros.avatar import parameters
from diffposetalk_ros.avatar.avatar import Avatar
from diffposetalk_ros.avatar.person_voice import PersonVoice
from diffposetalk_ros.errors import AudioError, ConfigError, DiffPoseTalkError, StyleError
from diffposetalk_ros.msg import FaceMotion, FaceMotionChunk, FaceMotionInfo, StyleReference
from diffposetalk_ros.playout.face_delay import FaceDelay
from diffposetalk_ros.playout.frame_schedule import FrameSchedule
from diffposetalk_ros.playout.lookahead import FramesAhead
from diffposetalk_ros.ros.messages import qos
from diffposetalk_ros.ros.messages.audio import (
    AudioReader,
    default_kind,
    has_portaudio_form,
    message_class,
)
from diffposetalk_ros.ros.messages.diagnostics import to_message
from diffposetalk_ros.ros.messages.motion import (
    chunk_message,
    frame_message,
    info_message,
    pose_message,
    transform_class,
    transform_message,
)
from diffposetalk_ros.ros.messages.stamps import time_message
from diffposetalk_ros.ros.messages.style import style_reference
from diffposetalk_ros.ros.nodes.generate_action import GenerateAction
from diffposetalk_ros.ros.support.audio_subscription import AudioSubscription
from diffposetalk_ros.ros.support.clock_watch import with_clock
from diffposetalk_ros.ros.support.declare_parameters import declare
from diffposetalk_ros.ros.support.entry_point import non_ros_args, run_node
from diffposetalk_ros.ros.support.lifecycle import ManagedNode, logged_transition
from diffposetalk_ros.ros.support.publish_thread import PublishThread
from diffposetalk_ros.ros.support.quiet_executor import QuietExecutor
from diffposetalk_ros.srv import ListStyles, SetStyle
from diffposetalk_ros.util.clock_steps import ClockSteps
from diffposetalk_ros.util.log_throttle import LogThrottle
from diffposetalk_ros.util.nanoseconds import NS_PER_SECOND

__all__ = ['DiffPoseTalkNode', 'main']

_SUCCESS = TransitionCallbackReturn.SUCCESS
_THROTTLE = 5.0
_LONGEST_TRANSITION = (
    next(spec.upper for spec in parameters.PARAMETERS if spec.name == 'style.transition') or 0.0
)
"""Seconds that ~/set_style may ask for: as the parameter."""
_LOOK = NS_PER_SECOND // 2
"""ns between two looks for a publisher of audio_info."""
_POLL = 0.02
"""Seconds between two looks for a pause or the end of an utterance. Messages of its sound give the occasion."""
_POLL_IN_PAUSE = 0.03
"""The same while no message gives it. The publishing thread asks for it, because a timer that is put off by every
message wakes the executor every time."""
_POLL_AT_REST = 0.1
"""The same while nobody speaks."""
_PATIENCE = 0.1
"""Seconds that requests may wait, other than to interrupt."""


class DiffPoseTalkNode(ManagedNode):
    """Node that converts the audio topic to face_motion and head_pose."""

    def __init__(self, name: str = 'diffposetalk', **kwargs: Any) -> None:
        super().__init__(name, **kwargs)
        declare(self)
        self._avatar: Avatar | None = None
        self._news = LogThrottle(_THROTTLE)
        self._publish_thread: PublishThread | None = None
        self.add_on_set_parameters_callback(self._check_parameters)
        self.add_post_set_parameters_callback(self._apply_parameters)

    # ---- lifecycle -------------------------------------------------------------------------------

    @logged_transition
    def on_configure(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Check parameters, load and warm up the model, create publishers and services."""
        config = self._read_config()
        self._audio_class = message_class(
            default_kind() if config.audio_message == 'auto' else config.audio_message
        )
        self._configured.callback(self._forget_avatar)
        self._avatar = Avatar(config, self._log_from_avatar, self._on_frames)
        self._config = config
        self._motion = self._publish(FaceMotion, 'face_motion', qos.MOTION)
        self._pose = self._publish(PoseStamped, 'head_pose', qos.MOTION) if config.publish_head_pose else None
        self._tf = self._publish(transform_class(), '/tf', qos.TF) if config.publish_tf else None
        self._chunk = (
            self._publish(FaceMotionChunk, 'face_motion_chunk', qos.CHUNK)
            if config.publish_face_motion_chunk
            else None
        )
        self._info = self._publish(FaceMotionInfo, '~/info', qos.INFO)
        self._audio_out = (
            self._publish(self._audio_class, 'audio_out', qos.AUDIO_OUT) if config.publish_audio_out else None
        )
        self._diagnostics = self._publish(DiagnosticArray, '/diagnostics', qos.DIAGNOSTICS)
        for service_kind, service, callback in (
            (Trigger, '~/interrupt', self._on_interrupt),
            (Trigger, '~/reset', self._on_reset),
            (SetStyle, '~/set_style', self._on_set_style),
            (ListStyles, '~/list_styles', self._on_list_styles),
        ):
            made = self.create_service(service_kind, service, callback)
            self._configured.callback(self.destroy_service, made)
            if service_kind is Trigger:
                self.default_callback_group.never_wait(made)
        avatar = self._avatar
        action = GenerateAction(self, avatar.new_generator, lambda: avatar.style_and_sampling, avatar.files)
        self._configured.callback(action.close)
        self.get_logger().info(self._avatar.model.description)
        if self._avatar.model.too_slow:
            self.get_logger().warning(self._avatar.model.too_slow)
        return _SUCCESS

    @logged_transition
    def on_activate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Start the worker, open the inputs, start timers and the publishing thread."""
        avatar = self.avatar
        self._config = self._read_config()
        avatar.update(self._config)
        undo = self._activated
        result = self._open_publishers(state)
        self._index = 0
        undo.callback(self._show_rest)
        told = AudioFormat(self._config.audio_rate, self._config.audio_channels, self._config.audio_format)
        patience = self._patience
        self._reader = AudioReader(told, self._config.audio_channel, patience, self.get_logger().info)
        undo.callback(avatar.stop)
        avatar.start()
        self._ear = AudioSubscription(self, self._audio_class, 'audio', self._on_audio)
        undo.callback(self._ear.destroy)
        if self._listens:
            self._voice = PersonVoice()
            self._listener = AudioReader(told, self._config.audio_channel, patience)
            undo.callback(AudioSubscription(self, self._audio_class, 'listen', self._on_listen).destroy)
        self._subscribe(StyleReference, 'style_reference', self._on_style, qos.STYLE, undo)
        self._info_topic: str | None = None
        self._info_looked, self._info_expected = -_LOOK, False
        if not has_portaudio_form():
            self._info_topic = self._subscribe(
                message_class('AudioInfo'), 'audio_info', self._on_info, qos.AUDIO_INFO, undo
            )
        # On the steady clock: after a clock jump there is work to do even while simulated time is stopped.
        steady = Clock(clock_type=ClockType.STEADY_TIME)
        self._polled = 0
        self._poll_due = time.monotonic()
        self._wants_poll = self.create_guard_condition(self._poll)
        undo.callback(self.destroy_guard_condition, self._wants_poll)
        self.default_callback_group.never_wait(self._wants_poll)
        diagnose = self.create_timer(self._config.diagnostics_period, self._diagnose, clock=steady)
        undo.callback(self.destroy_timer, diagnose)
        for event in self._ear.events:
            self.default_callback_group.never_wait(event)
        undo.callback(setattr, self.default_callback_group, 'patience', 0.0)
        self.default_callback_group.patience = _PATIENCE
        self._active = True
        rate = self._config.playout_output_rate
        self._face_delay = FaceDelay(rate, self._config.playout_loudspeaker_delay)
        self._publish_info()
        # Exclude the existing objects from garbage collection, which would take tens of milliseconds each time.
        gc.collect()
        gc.freeze()
        undo.callback(gc.unfreeze)
        self._schedule = FrameSchedule(rate)
        self._clock_steps = ClockSteps()
        self._publish_thread = PublishThread(self.get_clock(), self._publish_due, self._on_publish_error)
        undo.callback(self._publish_thread.stop)
        return result

    def _forget_avatar(self) -> None:
        self._avatar = None
        gc.collect()  # the model is large and part of a reference cycle, so collect it now

    def _show_rest(self) -> None:
        """Publish the face at rest as the last frame of a stream."""
        if not self._index or not self.context.ok():
            return
        avatar, now = self.avatar, self.get_clock().now().nanoseconds
        self._publish_row(avatar.model.rest, FaceMotion.REST, now)
        if self._chunk is not None:
            self._chunk.publish(self._chunk_message(avatar.presenter.voided(now)))

    # ---- inputs ----------------------------------------------------------------------------------

    def _on_audio(self, message: Any, now: int, sent: int | None) -> None:
        avatar = self.avatar
        if self._info_is_awaited(now):
            avatar.bad_messages += 1
            self._warn(
                'audio ignored: its format is not known until a message arrives on audio_info, which has a publisher'
            )
            return
        try:
            heard = self._reader.read(message, now)
        except AudioError as error:
            avatar.bad_messages += 1
            self._warn(f'audio ignored: {error}')
            return
        avatar.intake.sender.expect(self._ear.ahead, self._ear.step)
        for chunk, passed in heard:
            avatar.push_audio(chunk, now, passed if self._audio_out is not None else None, sent)
        if not 0 <= now - self._polled < _POLL * NS_PER_SECOND:
            self._poll()
        self._poll_after(_POLL_IN_PAUSE)

    def _info_is_awaited(self, now: int) -> bool:
        """Whether the format of messages without one is still to be announced. Until then no sound is used."""
        if self._info_topic is None or self._reader.told or self._reader.refuses:
            return False
        if not 0 <= now - self._info_looked < _LOOK:
            self._info_looked = now
            self._info_expected = self.count_publishers(self._info_topic) > 0
        return self._info_expected

    def _assumed_format(self) -> str:
        """Assumed format of messages that carry none, if it was not announced; '' otherwise."""
        carries = hasattr(getattr(self._audio_class(), 'audio', None), 'info')
        if carries or self._reader.told:
            return ''
        made = self._reader.audio_format
        return f'{made.sample_format} at {made.rate} Hz with {made.channels} channel(s)'

    def _on_listen(self, message: Any, now: int, sent: int | None) -> None:
        """Sound of the person's microphone."""
        try:
            heard = self._listener.read(message, now)
        except AudioError as error:
            self._warn(f'listen ignored: {error}')
            return
        for chunk, _ in heard:
            if self._voice.push(chunk, now) and self._config.interrupt_by_voice:
                self.avatar.interrupt()

    def _on_info(self, message: Any) -> None:
        try:
            self._reader.on_info(message)
        except AudioError as error:
            self._warn(f'audio refused: {error}')

    def _on_style(self, message: Any) -> None:
        try:
            self.avatar.set_style(style_reference(message))
        except DiffPoseTalkError as error:
            self._warn(f'style_reference refused: {error}')
        else:
            self._publish_info()

    def _warn(self, text: str) -> None:
        if self._news(text):
            self.get_logger().warning(text)

    # ---- output ----------------------------------------------------------------------------------

    def _poll(self) -> None:
        self._polled = self.get_clock().now().nanoseconds
        if self._config.idle_listen:
            self.avatar.listen(self._voice.speaks(self._polled))
        self._poll_after(_POLL_IN_PAUSE if self.avatar.poll(self._polled) else _POLL_AT_REST)

    def _poll_after(self, seconds: float) -> None:
        """Look again ``seconds`` from now."""
        self._poll_due = time.monotonic() + seconds

    def _seconds_to_poll(self) -> float:
        """On the publishing thread: ask the executor for a look if it is due; returns when the next one may be."""
        seconds = self._poll_due - time.monotonic()
        if seconds > 0:
            return seconds
        self._poll_after(_POLL_AT_REST)
        self._wants_poll.trigger()
        return _POLL_AT_REST

    def _publish_due(self, now: int) -> int:
        """On the publishing thread: publish what is due at ``now``; returns when something is due next."""
        avatar = self.avatar
        presenter = avatar.presenter
        next_poll = now + round(self._seconds_to_poll() * NS_PER_SECOND)
        if self._schedule.jumped_back(now):
            avatar.on_clock_jump()
        step = self._clock_steps.next()
        if step > 0 and not self.get_clock().ros_time_is_active:  # simulated time has steps of its own
            presenter.on_clock_forward(step, now)
        for due in self._schedule.due(now):
            frame = self._face_delay.show(presenter.sample(due))
            self._publish_row(frame.row, int(frame.state), due)
            avatar.release.add((self.get_clock().now().nanoseconds - due) / NS_PER_SECOND)
        if self._audio_out is not None:
            for due, message in presenter.due_audio(now):
                if hasattr(message, 'header'):
                    message.header.stamp = time_message(due + self._face_delay.time)
                self._audio_out.publish(message)
        if self._chunk is not None:
            while (ahead := presenter.look_ahead(now)) is not None:
                self._chunk.publish(self._chunk_message(ahead))
        wakes = [next_poll, self._schedule.next]
        if self._audio_out is not None and (sound := presenter.next_audio) is not None:
            wakes.append(sound)
        return min(wakes)

    def _on_frames(self) -> None:
        """On the worker's thread. Frames of an utterance that is being presented need not be looked at before they
        are due."""
        publish_thread = self._publish_thread
        if publish_thread is not None and (self._chunk is not None or self.avatar.presenter.waits):
            publish_thread.wake()

    def _on_publish_error(self, text: str) -> None:
        if self.context.ok():
            self.get_logger().error(f'publishing failed:\n{text}', throttle_duration_sec=_THROTTLE)

    def _publish_row(self, row: Any, state: int, due: int) -> None:
        message = frame_message(
            row,
            self.avatar.model.layout,
            stamp=time_message(due),
            frame_id=self._config.frames_parent,
            index=self._index,
            state=state,
        )
        self._index += 1
        self._motion.publish(message)
        if self._pose is not None:
            self._pose.publish(pose_message(message))
        if self._tf is not None:
            self._tf.publish(transform_message(message, self._config.frames_head))

    def _chunk_message(self, ahead: FramesAhead) -> Any:
        avatar = self.avatar
        stamp = time_message(ahead.due + self._face_delay.time)
        frame_id, rate = self._config.frames_parent, avatar.model.fps
        return chunk_message(ahead, avatar.model.layout, stamp=stamp, frame_id=frame_id, rate=rate)

    def _publish_info(self) -> None:
        avatar = self.avatar
        self._info.publish(
            info_message(
                avatar.model.layout,
                avatar.model.rest,
                stamp=self.get_clock().now().to_msg(),
                frame_id=self._config.frames_parent,
                model=avatar.model.name,
                checksum=avatar.model.checksum,
                model_rate=avatar.model.fps,
                output_rate=self._config.playout_output_rate,
                playout_delay=self._config.playout_delay + self._face_delay.time / NS_PER_SECOND,
                style=avatar.style.name,
                style_dim=avatar.model.style_dim,
            )
        )

    def _diagnose(self) -> None:
        now = self.get_clock().now()
        name = self.get_fully_qualified_name().lstrip('/')
        avatar = self.avatar
        avatar.lost_messages = self._ear.lost
        senders = self.count_publishers(self._ear.topic)
        statuses = avatar.diagnose(now.nanoseconds, senders, self._assumed_format())
        self._diagnostics.publish(to_message(with_clock(self, statuses), now.to_msg(), name))

    # ---- services --------------------------------------------------------------------------------

    def _on_interrupt(self, request: Any, response: Any) -> Any:
        return self._interrupted(response, hold=True)

    def _on_reset(self, request: Any, response: Any) -> Any:
        return self._interrupted(response, hold=False)

    def _interrupted(self, response: Any, hold: bool) -> Any:
        response.success = self._active
        if self._active:
            self.avatar.interrupt(hold)
        else:
            response.message = 'the node is not active; activate it first'
        return response

    def _on_set_style(self, request: Any, response: Any) -> Any:
        try:
            seconds = request.transition.sec + request.transition.nanosec * 1e-9
            if not 0.0 <= seconds <= _LONGEST_TRANSITION:
                raise StyleError(
                    f'transition {seconds:g} s; use 0 to {_LONGEST_TRANSITION:g}, 0 is the parameter'
                )
            self.avatar.set_style(style_reference(request.style), seconds)
            response.success = True
        except DiffPoseTalkError as error:
            response.message = str(error)
        response.name = self.avatar.style.name
        if response.success and self._active:
            self._publish_info()
        return response

    def _on_list_styles(self, request: Any, response: Any) -> Any:
        styles = self.avatar.model.styles
        response.names = sorted(styles)
        response.descriptions = [styles[name] for name in response.names]
        response.current = self.avatar.style.name
        return response

    # ---- parameters ------------------------------------------------------------------------------

    def _read_config(self, changes: Sequence[Parameter] = ()) -> parameters.NodeConfig:
        names = [spec.name for spec in parameters.PARAMETERS]
        values = {p.name: p.value for p in (*self.get_parameters(names), *changes)}
        # Two avatars in two namespaces do not share a frame.
        place = self.get_namespace().strip('/')
        for name, frame in (('frames.parent', 'neck'), ('frames.head', 'head')):
            values[name] = values[name] or (f'{place}/{frame}' if place else frame)
        return parameters.config_from({name: values[name] for name in names})

    def _check_parameters(self, changes: Sequence[Parameter]) -> SetParametersResult:
        state = 'active' if self._active else 'unconfigured' if self._avatar is None else 'inactive'
        for change in changes:
            reason = parameters.reject_reason(change.name, change.value, state)
            if reason is None and change.name == 'style.name' and self._avatar is not None:
                reason = self._avatar.style.refusal(str(change.value))
            if reason is not None:
                return SetParametersResult(successful=False, reason=reason)
        if self._avatar is not None:
            try:
                self._avatar.model.check(self._read_config(changes))
            except ConfigError as error:
                return SetParametersResult(successful=False, reason=str(error))
        return SetParametersResult(successful=True)

    def _apply_parameters(self, changes: Sequence[Parameter]) -> None:
        if self._avatar is not None:
            self._config = self._read_config()
            self._avatar.update(self._config, restyle='style.name' in {change.name for change in changes})
            if self._active:
                self._face_delay.set(self._config.playout_loudspeaker_delay)
                self._reader.end_timeout = self._patience
                if self._listens:
                    self._listener.end_timeout = self._patience
                self._publish_info()

    @property
    def _listens(self) -> bool:
        """Whether the topic ``listen`` is used; it cannot change while the node is active."""
        return self._config.interrupt_by_voice or self._config.idle_listen

    @property
    def _patience(self) -> float:
        """Seconds that half a sample waits for the other half: longer than the face waits for sound, because networks
        stall in mid-word."""
        return max(1.0, self._config.audio_end_timeout)

    @property
    def avatar(self) -> Avatar:
        """The avatar, between configure and cleanup."""
        assert self._avatar is not None, 'only called between configure and cleanup'
        return self._avatar

    def _log_from_avatar(self, text: str) -> None:
        self.get_logger().error(text, throttle_duration_sec=_THROTTLE)


def main(args: Sequence[str] | None = None) -> int:
    """Entry point of diffposetalk_node."""
    # The publishing thread must not wait 5 ms for the worker to release the interpreter lock.
    sys.setswitchinterval(0.0005)
    table = [
        (spec.name, spec.default, f'{spec.full_description} ({spec.constraints})')
        for spec in parameters.PARAMETERS
    ]

    def spin(node: DiffPoseTalkNode) -> None:
        if '--autostart' in non_ros_args(args):
            node.autostart()
        rclpy.spin(node, QuietExecutor())

    finish = DiffPoseTalkNode.close
    return run_node('diffposetalk_node', DiffPoseTalkNode, args, spin, finish, about=__doc__, table=table)


if __name__ == '__main__':
    raise SystemExit(main())
