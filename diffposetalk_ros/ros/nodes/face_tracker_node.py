# SPDX-License-Identifier: Apache-2.0
"""Converts a face seen by a camera to face motion; a lifecycle node.

image | image/compressed | a camera of this machine ---> tracker, calibration ---> tracked_face

~/take_style makes a speaking style from the last seconds (default 10) and publishes it as style_reference,
which the avatar uses. No picture is stored, published or sent.

    face_tracker_node --autostart --ros-args -p camera:=0
    ros2 service call /face_tracker/take_style std_srvs/srv/Trigger
"""

from __future__ import annotations

import array
import threading
import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np
from diagnostic_msgs.msg import DiagnosticArray
from numpy.typing import NDArray
from rcl_interfaces.msg import ParameterDescriptor
from rclpy.clock import Clock, ClockType
from rclpy.lifecycle import LifecycleState, TransitionCallbackReturn
from rclpy.qos import qos_profile_sensor_data
from sensor_msgs.msg import CompressedImage, Image
from std_srvs.srv import Trigger

from diffposetalk_ros.avatar.status import OK, WARN, Status
from diffposetalk_ros.errors import ConfigError, DiffPoseTalkError, VideoError
from diffposetalk_ros.motion.layout import arkit_layout
from diffposetalk_ros.msg import FaceMotion, StyleReference
from diffposetalk_ros.ros.messages import qos
from diffposetalk_ros.ros.messages.diagnostics import to_message
from diffposetalk_ros.ros.messages.images import compressed_picture, picture
from diffposetalk_ros.ros.messages.motion import frame_message
from diffposetalk_ros.ros.support.clock_watch import with_clock
from diffposetalk_ros.ros.support.entry_point import non_ros_args, run_node
from diffposetalk_ros.ros.support.lifecycle import ManagedNode, logged_transition
from diffposetalk_ros.tracking.face_tracker import FaceTracker
from diffposetalk_ros.tracking.live_calibration import LiveCalibration
from diffposetalk_ros.tracking.video_reader import VideoReader

__all__ = ['FaceTrackerNode', 'main']

_LAYOUT = arkit_layout(head_pose=True)
_THROTTLE = 5.0
_SLOW = 0.9
_PARAMETERS: tuple[tuple[str, Any, str], ...] = (
    (
        'camera',
        '',
        'Camera of this machine, a number or /dev/videoN; empty: the topics image and image/compressed',
    ),
    ('model', '', 'face_landmarker.task; empty: the one of `diffposetalk track --install-model`'),
    ('style_seconds', 10.0, 'How much ~/take_style uses [s], 4 to 60'),
)

_Take = Callable[[], NDArray[np.uint8]]


class FaceTrackerNode(ManagedNode):
    """See the module. Tracks only while active, and always uses the newest picture."""

    def __init__(self, name: str = 'face_tracker', **kwargs: Any) -> None:
        super().__init__(name, **kwargs)
        for parameter, default, description in _PARAMETERS:
            # A camera may be given as a number, which rclpy does not take for a string.
            about = ParameterDescriptor(description=description, dynamic_typing=parameter == 'camera')
            self.declare_parameter(parameter, default, about)
        self._tracker: FaceTracker | None = None
        self._lock = threading.Lock()
        self._news = threading.Condition(self._lock)
        self._reset()

    def _reset(self) -> None:
        self._calibration = LiveCalibration()
        self._waiting: tuple[Any, str, _Take] | None = None
        self._arrived = self._tracked = self._seen = self._dropped = self._refused = 0
        self._before = (0, 0, 0)
        self._cpu = 0.0
        self._counted = time.monotonic()
        self._origin: float | None = None
        self._last = self._last_tracked = 0.0
        self._failure = ''

    @logged_transition
    def on_configure(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Load the network; create publishers, subscriptions and the service."""
        seconds = self.get_parameter('style_seconds').value
        if not 4.0 <= seconds <= 60.0:
            raise ConfigError(f'style_seconds {seconds:g}; use 4 to 60')
        self._tracker = FaceTracker(self.get_parameter('model').value or None)
        self._configured.callback(self._forget_tracker)
        self._motion = self._publish(FaceMotion, 'tracked_face', qos.MOTION)
        self._styles = self._publish(StyleReference, 'style_reference', qos.STYLE)
        self._diagnostics = self._publish(DiagnosticArray, '/diagnostics', qos.DIAGNOSTICS)
        service = self.create_service(Trigger, '~/take_style', self._on_take_style)
        self._configured.callback(self.destroy_service, service)
        return TransitionCallbackReturn.SUCCESS

    @logged_transition
    def on_activate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Open the camera, or subscribe to pictures, and start to track."""
        self._reset()
        camera = str(self.get_parameter('camera').value)
        video = VideoReader(camera) if camera else None
        if video is not None:
            self._activated.callback(video.close)
        result = self._open_publishers(state)
        self._active = True
        worker = threading.Thread(target=self._work, args=(video,), name='face tracker', daemon=True)
        worker.start()
        self._activated.callback(self._end, worker)
        if video is None:
            undo = self._activated
            self._subscribe(Image, 'image', self._on_image, qos_profile_sensor_data, undo)
            self._subscribe(
                CompressedImage, 'image/compressed', self._on_compressed, qos_profile_sensor_data, undo
            )
        timer = self.create_timer(1.0, self._diagnose, clock=Clock(clock_type=ClockType.STEADY_TIME))
        self._activated.callback(self.destroy_timer, timer)
        return result

    # ---- pictures in ---------------------------------------------------------------------------------

    def _on_image(self, message: Any) -> None:
        self._offer(message.header, lambda: picture(message))

    def _on_compressed(self, message: Any) -> None:
        self._offer(message.header, lambda: compressed_picture(message))

    def _offer(self, header: Any, take: _Take) -> None:
        """Give the worker a picture; it replaces one that the worker has not begun."""
        with self._news:
            self._arrived += 1
            self._dropped += self._waiting is not None
            self._waiting = (header.stamp, header.frame_id, take)
            self._news.notify()

    # ---- the worker ----------------------------------------------------------------------------------

    def _work(self, video: VideoReader | None) -> None:
        try:
            if video is None:
                while (waiting := self._next()) is not None:
                    self._handle(*waiting)
            else:
                for frame in video:
                    if not self._active:
                        return
                    self._arrived += 1
                    self._handle(self.get_clock().now().to_msg(), 'camera', partial(np.asarray, frame.image))
                if self._active:
                    raise VideoError(f'camera {video.source} has stopped; is it still plugged in?')
        except Exception as error:  # a thread that ends silently would look like a missing face
            self._failure = str(error) or type(error).__name__
            self.get_logger().error(f'tracking has ended: {self._failure}; deactivate and activate the node')

    def _next(self) -> tuple[Any, str, _Take] | None:
        with self._news:
            while self._active and self._waiting is None:
                self._news.wait(0.2)
            waiting, self._waiting = self._waiting, None
            return waiting if self._active else None

    def _handle(self, stamp: Any, frame_id: str, take: _Take) -> None:
        begin, cpu = time.monotonic(), time.process_time()
        try:
            image = take()
        except DiffPoseTalkError as error:
            self._refused += 1
            self.get_logger().warning(f'picture ignored: {error}', throttle_duration_sec=_THROTTLE)
            return
        assert self._tracker is not None, 'the worker runs only while active'
        seconds = stamp.sec + stamp.nanosec * 1e-9 or begin
        if self._origin is None or seconds < self._last:
            self._origin = seconds - self._last_tracked - 0.04
        self._last = seconds
        self._last_tracked = seconds - self._origin
        reading = self._tracker.track(image, self._last_tracked)
        with self._lock:
            row = self._calibration.push(reading, self._last_tracked)
        self._tracked += 1
        self._seen += row is not None
        self._cpu += time.process_time() - cpu
        if row is not None and self._active:
            self._motion.publish(
                frame_message(
                    row,
                    _LAYOUT,
                    stamp=stamp,
                    frame_id=frame_id,
                    index=self._tracked,
                    state=FaceMotion.SPEAKING,
                )
            )

    # ---- services and diagnostics --------------------------------------------------------------------

    def _on_take_style(self, request: Any, response: Any) -> Any:
        if not self._active:
            response.message = 'the tracker is not active; activate it and look into the camera'
            return response
        try:
            with self._lock:
                clip, quality = self._calibration.take(self.get_parameter('style_seconds').value)
        except VideoError as error:
            response.message = str(error)
            return response
        message = StyleReference(
            name='camera', space=_LAYOUT.space, rate=clip.fps, channel_names=list(_LAYOUT.names)
        )
        message.header.stamp = self.get_clock().now().to_msg()
        message.motion = array.array('f', clip.values.tobytes())
        self._styles.publish(message)
        response.success = True
        response.message = '; '.join(
            [f'style of {clip.duration:.1f} s', quality.summary(), *quality.warnings()]
        )
        return response

    def _diagnose(self) -> None:
        now = time.monotonic()
        span = max(now - self._counted, 1e-3)
        arrived, tracked, seen = (
            new - old
            for new, old in zip((self._arrived, self._tracked, self._seen), self._before, strict=True)
        )
        cpu, self._cpu = self._cpu / span, 0.0
        self._before, self._counted = (self._arrived, self._tracked, self._seen), now
        level, text = OK, 'a face is tracked' if seen else 'no face is seen'
        if self._failure:
            level, text = WARN, f'tracking has ended: {self._failure}'
        elif arrived == 0:
            level, text = WARN, 'no picture arrives'
        elif tracked < _SLOW * arrived:
            level = WARN
            text = f'{tracked / span:.0f} of {arrived / span:.0f} pictures a second are tracked; the machine is busy'
        values: dict[str, object] = {
            'pictures a second': arrived / span,
            'tracked a second': tracked / span,
            'faces a second': seen / span,
            'processor share [cores]': cpu,
            'pictures given up': self._dropped,
            'pictures refused': self._refused,
        }
        name = self.get_fully_qualified_name().lstrip('/')
        stamp = self.get_clock().now().to_msg()
        statuses = with_clock(self, [Status('face tracker', level, text, values)])
        self._diagnostics.publish(to_message(statuses, stamp, name))

    # ---- inside ------------------------------------------------------------------------------------------

    def _end(self, worker: threading.Thread) -> None:
        self._active = False
        with self._news:
            self._news.notify_all()
        worker.join(5.0)

    def _forget_tracker(self) -> None:
        if self._tracker is not None:
            self._tracker.close()
        self._tracker = None


def main(args: Sequence[str] | None = None) -> int:
    """Entry point of face_tracker_node: 0 when stopped, 2 on a user error. ``--autostart`` activates it."""

    def make() -> FaceTrackerNode:
        node = FaceTrackerNode()
        if '--autostart' in non_ros_args(args):
            node.autostart()
        return node

    return run_node(
        'face_tracker_node', make, args, finish=FaceTrackerNode.close, about=__doc__, table=_PARAMETERS
    )


if __name__ == '__main__':
    raise SystemExit(main())
