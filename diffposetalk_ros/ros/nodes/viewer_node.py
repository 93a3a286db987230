# SPDX-License-Identifier: Apache-2.0
"""Serves the page with the face: sends topics to its viewers, and their commands to the avatar node.

For example:
    viewer_node --ros-args -p port:=8080 -p sample:=speech.wav
"""

from __future__ import annotations

import atexit
import gc
import os
from collections import deque
from collections.abc import Callable, Coroutine, Sequence
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import numpy as np
import rclpy
from diagnostic_msgs.msg import DiagnosticArray
from rclpy.clock import Clock, ClockType
from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy

from diffposetalk_ros.audio.chunk import AudioChunk, AudioFormat
from diffposetalk_ros.audio.formats.file import read_native
from diffposetalk_ros.audio.resampler import StreamResampler
from diffposetalk_ros.avatar.status import OK, Status
from diffposetalk_ros.errors import AudioError, ConfigError, DiffPoseTalkError
from diffposetalk_ros.motion.closure_snap import DEFAULT_SNAP, snap_closures
from diffposetalk_ros.motion.files.live_link import LiveLinkSender
from diffposetalk_ros.motion.flame.flame_mesh import FlameMesh
from diffposetalk_ros.motion.flame.flame_model import load_flame_model
from diffposetalk_ros.motion.layout import MotionLayout
from diffposetalk_ros.motion.rig import DEFAULT_FACE, FACES, load_rig
from diffposetalk_ros.msg import FaceMotion, FaceMotionInfo
from diffposetalk_ros.ros.messages import qos
from diffposetalk_ros.ros.messages.audio import (
    AudioReader,
    default_kind,
    has_portaudio_form,
    message_class,
)
from diffposetalk_ros.ros.messages.diagnostics import to_message
from diffposetalk_ros.ros.messages.motion import layout_from_info, row_from_message
from diffposetalk_ros.ros.messages.stamps import nanoseconds_of
from diffposetalk_ros.ros.nodes.face_markers import FacePoints
from diffposetalk_ros.ros.support.clock_watch import with_clock
from diffposetalk_ros.ros.support.entry_point import declared, run_node
from diffposetalk_ros.ros.viewer.avatar_client import AvatarClient, checked_number
from diffposetalk_ros.ros.viewer.on_demand_publisher import OnDemandPublisher
from diffposetalk_ros.ros.viewer.page_microphone import PageMicrophone
from diffposetalk_ros.ros.viewer.speech_sender import SpeechSender
from diffposetalk_ros.ros.viewer.style_recorder import StyleRecorder, style_of_clip, style_of_file
from diffposetalk_ros.tracking.page_camera import PageCamera, told
from diffposetalk_ros.tracking.page_tracker import find_page_tracker
from diffposetalk_ros.util.nanoseconds import NS_PER_SECOND
from diffposetalk_ros.util.private_file import write_private
from diffposetalk_ros.viewer.page_messages import (
    audio_block,
    motion_block,
    read_face,
    read_live,
    read_speech,
    read_style,
)
from diffposetalk_ros.viewer.rig_file import pack_rig
from diffposetalk_ros.viewer.server import ServerOptions, ViewerServer

__all__ = ['ViewerNode', 'main']

_THROTTLE = 5.0
_LONGEST_REPORT, _LONGEST_NAME = 500, 40
_PARAMETERS = (
    ('node', 'diffposetalk', 'Name of the avatar node'),
    ('host', '127.0.0.1', 'Address to serve; 0.0.0.0: every network, with a token'),
    ('port', 8765, 'Port of the page; 0: any free one'),
    ('port_attempts', 1, 'Ports to try, from port on, until one is free'),
    ('token', '', 'Token that visitors need; empty: none on loopback, otherwise a random one'),
    (
        'address_file',
        '',
        'File for the address with its token; empty: one in the ROS folder, if there is a token',
    ),
    ('sample', '', 'Sound file that the page offers to speak'),
    ('replay', False, 'Repeat the sample when a page turns on its sound'),
    ('rviz.rate', 10.0, 'Highest rate of face_mesh [Hz]'),
    ('flame_model', '', 'FLAME file (.pkl, .npz, folder) for FLAME motion in RViz'),
    ('live_link.host', '', 'Receiver of Live Link Face packets; empty: none'),
    ('live_link.port', 11111, 'UDP port of the receiver'),
    ('live_link.subject', 'DiffPoseTalk', 'Name of the Live Link subject'),
    ('message', 'auto', 'Type of audio and audio_out: AudioStamped, AudioDataStamped, AudioData or auto'),
    ('face', DEFAULT_FACE, 'Head to show: robin or maya'),
    ('closure_snap', DEFAULT_SNAP, 'Show lip openings up to this as contact [mm]; 0: unchanged'),
)
# A slow viewer needs the newest frames; reliable publishers also match best-effort subscriptions.
_MOTION = QoSProfile(
    depth=50, reliability=ReliabilityPolicy.BEST_EFFORT, durability=DurabilityPolicy.VOLATILE
)


class ViewerNode(Node):  # type: ignore[misc,unused-ignore]
    """Serves the page; see docs/viewer.md for topics and parameters.

    Raises ConfigError for a port in use or an unknown face, AudioError for a sample, MotionError for a FLAME
    file that cannot be read.
    """

    def __init__(self, **kwargs: Any) -> None:
        super().__init__('viewer', **kwargs)
        value = declared(self, _PARAMETERS)
        self._target, sample, flame, self._snap = (
            value[name] for name in ('node', 'sample', 'flame_model', 'closure_snap')
        )
        options = ServerOptions(*(value[name] for name in ('host', 'port', 'token', 'port_attempts')))
        link_host, link_port, subject = (value[f'live_link.{name}'] for name in ('host', 'port', 'subject'))
        rig = load_rig(value['face'])
        snap_closures(rig, np.zeros((1, 52), np.float32), self._snap)  # refuses what is out of range
        self._sample = read_native(sample) if sample else None
        self._info: Any = None
        self._layout: MotionLayout | None = None
        self._style = StyleRecorder()
        self._reader = AudioReader(AudioFormat())
        self._heard = 0
        self._resampler: StreamResampler | None = None
        mesh = FlameMesh(load_flame_model(Path(flame))) if flame else None
        self._points = FacePoints(self, value['rviz.rate'], mesh, rig)
        self._live_link = LiveLinkSender(link_host, link_port, subject) if link_host else None
        self._kind = default_kind() if value['message'] == 'auto' else value['message']
        voice = OnDemandPublisher(self, self._kind, 'page')
        self._speech, self._microphone = SpeechSender(self, voice), PageMicrophone(self, voice)
        self._camera = PageCamera()
        self._asked: deque[Callable[[], Coroutine[Any, Any, None]]] = deque()
        self._first_turn = self.create_timer(
            0.0, self._on_first_turn, clock=Clock(clock_type=ClockType.STEADY_TIME)
        )
        tracker, missing = self._page_tracker()
        self._server = ViewerServer(
            options, pack_rig(rig), self._on_command, self._now, tracker=tracker, faces=_faces()
        )
        self._avatar = AvatarClient(self, self._target, self._server.latch)
        self._subscribe()
        self._server.latch(
            'setup', {'sample': bool(sample), 'replay': bool(sample) and value['replay'], 'camera': missing}
        )
        self._tracked = self._spoken = False
        self._diagnostics = self.create_publisher(DiagnosticArray, '/diagnostics', qos.DIAGNOSTICS)
        self.create_timer(1.0, self._look_around, clock=Clock(clock_type=ClockType.STEADY_TIME))
        self._address_file = self._write_address(value['address_file'])
        # Exclude the existing objects from garbage collection. Visitors that come and go cause collections, and each
        # would stop every viewer for a tenth of a second.
        gc.collect()
        gc.freeze()

    @property
    def server(self) -> ViewerServer:
        """The page's server, which knows its address."""
        return self._server

    def close(self) -> None:
        """Close port and sockets, and remove the address file."""
        gc.unfreeze()
        self._server.stop()
        if self._address_file is not None:
            self._address_file.unlink(missing_ok=True)
        if self._live_link is not None:
            self._live_link.close()

    def _write_address(self, wanted: str) -> Path | None:
        """Log and write the address of the page. The token is written only to a file that only its owner can read."""
        told = f'page: {self._server.public_address}'
        path = Path(wanted) if wanted else None
        if path is None and self._server.token:
            home = Path(os.environ.get('ROS_HOME') or Path.home() / '.ros')
            path = (
                home
                / 'diffposetalk'
                / f'{self.get_fully_qualified_name().strip("/").replace("/", ".")}.address'
            )
        if path is not None:
            # Also where a signal ends the process before `close` can be called.
            atexit.register(path.unlink, missing_ok=True)
            write_private(path, f'{self._server.address}\n')
            if self._server.token:
                told += f' (the address with its token is in {path})'
        self.get_logger().info(told)
        return path

    @staticmethod
    def _page_tracker() -> tuple[dict[str, Path], str]:
        """Files of the page's face tracker, and the reason if there are none."""
        try:
            return find_page_tracker(), ''
        except DiffPoseTalkError as error:
            return {}, str(error)

    def _subscribe(self) -> None:
        kind = message_class(self._kind)
        self.create_subscription(FaceMotionInfo, f'{self._target}/info', self._on_info, qos.INFO)
        self.create_subscription(FaceMotion, 'face_motion', self._on_motion, _MOTION)
        self.create_subscription(kind, 'audio_out', self._on_audio, qos.AUDIO_OUT)
        self.create_subscription(FaceMotion, 'tracked_face', self._on_tracked, _MOTION)
        if not has_portaudio_form():
            info = message_class('AudioInfo')
            self.create_subscription(info, 'audio_info', self._on_audio_info, qos.AUDIO_INFO)

    def _now(self) -> int:
        return int(self.get_clock().now().nanoseconds)

    # ---- topics ----------------------------------------------------------------------------------

    def _on_info(self, message: Any) -> None:
        self._info = message
        delay = message.playout_delay
        try:
            self._layout = layout_from_info(message)
        except DiffPoseTalkError as error:
            self._layout = None
            self.get_logger().error(f'motion cannot be shown: {error}')
        self._server.latch(
            'info',
            {
                'model': message.model,
                'space': message.space,
                'style': message.style,
                'delay': delay.sec + delay.nanosec / 1e9,
                'rate': message.output_rate,
            },
        )
        self._run(self._refresh)

    async def _refresh(self) -> None:
        try:
            await self._avatar.refresh()
        except DiffPoseTalkError as error:
            self.get_logger().warning(str(error), throttle_duration_sec=_THROTTLE)

    def _on_motion(self, message: Any) -> None:
        if self._layout is None:
            return
        try:
            row = row_from_message(message, self._layout)
        except DiffPoseTalkError as error:
            self.get_logger().warning(f'frame ignored: {error}', throttle_duration_sec=_THROTTLE)
            return
        stamp = nanoseconds_of(message.header.stamp)
        self._spoken = self._spoken or message.state == FaceMotion.SPEAKING
        if self._layout.space != 'arkit':
            self._points.show(row, self._layout.space, message.header)
            return
        shown = snap_closures(load_rig(), row[None], self._snap)[0]
        self._server.send(motion_block(shown, message.state, message.frame_index, stamp))
        self._points.show(shown, 'arkit', message.header)
        if self._live_link is not None:
            self._live_link.send(row, stamp)

    def _on_audio_info(self, message: Any) -> None:
        try:
            self._reader.on_info(message)
        except AudioError as error:
            self.get_logger().warning(f'audio_info ignored: {error}', throttle_duration_sec=_THROTTLE)

    def _on_audio(self, message: Any) -> None:
        if not self._server.viewers:
            return
        try:
            heard = self._reader.read(message, self._now())
        except AudioError as error:
            self.get_logger().warning(f'audio ignored: {error}', throttle_duration_sec=_THROTTLE)
            return
        for chunk, _ in heard:
            self._show_sound(chunk)

    def _show_sound(self, chunk: AudioChunk) -> None:
        samples, rate = chunk.sound.samples, chunk.rate
        length = len(samples) * NS_PER_SECOND // rate
        # Without a stamp the sound is played now, or continues the previous sound.
        stamp = chunk.stamp or max(self._heard, self._now())
        self._heard = stamp + length
        if not 8000 <= rate <= 96000:  # browsers play no other rates
            if self._resampler is None or self._resampler.rate != rate:
                self._resampler = StreamResampler(rate)
            samples, rate = self._resampler.push(samples), self._resampler.out_rate
        if len(samples):
            self._server.send(audio_block(samples, rate, stamp))

    def _on_tracked(self, message: Any) -> None:
        try:
            self._style.add(message, self._now())
        except DiffPoseTalkError as error:
            self.get_logger().warning(f'tracked_face ignored: {error}', throttle_duration_sec=_THROTTLE)

    def _look_around(self) -> None:
        """Once a second: check for a tracker, for sound of the speaking face, and for viewers."""
        if self._spoken and not self.count_publishers('audio_out'):
            self.get_logger().warning(
                'the face speaks without sound because audio_out has no publisher; set publish.audio_out of the '
                'avatar node and configure it again',
                once=True,
            )
        present = self._style.arrived > 0 and self._now() - self._style.arrived < NS_PER_SECOND
        if present != self._tracked:
            self._tracked = present
            self._server.latch('tracker', {'present': present})
        viewers = self._server.viewers
        status = Status('page', OK, f'{viewers} viewers', {'viewers': viewers, **self._server.counts})
        now = self.get_clock().now().to_msg()
        self._diagnostics.publish(to_message(with_clock(self, [status]), now, self.get_name()))

    # ---- commands of pages -----------------------------------------------------------------------

    def _run(self, work: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """Have the executor begin ``work``, from any thread, in the order of the calls. Pages may ask before there is
        an executor; what they asked is then done in its first turn."""
        self._asked.append(work)
        self._start_work()

    def _start_work(self) -> None:
        if self.executor is not None:
            self.executor.create_task(self._oldest_work)

    async def _oldest_work(self) -> None:
        # The executor starts the last of several new tasks first, so every task takes the oldest work.
        if self._asked:
            await self._asked.popleft()()

    def _on_first_turn(self) -> None:
        self.destroy_timer(self._first_turn)
        for _ in range(len(self._asked)):
            self._start_work()

    def _on_command(self, command: dict[str, Any], upload: bytes) -> Future[dict[str, Any]]:
        """Called in the server's thread; passes the work to the executor's thread."""
        done: Future[dict[str, Any]] = Future()

        async def work() -> None:
            try:
                done.set_result(await self._obey(command, upload))
            except Exception as error:
                done.set_exception(error)

        self._run(work)
        return done

    async def _obey(self, command: dict[str, Any], upload: bytes) -> dict[str, Any]:
        kind = command['do']
        if kind == 'interrupt':
            self._speech.stop()
            self._microphone.stop()
            self._server.send({'type': 'interrupt'})
            return await self._avatar.interrupt()
        if kind == 'style':
            return await self._avatar.name_style(str(command.get('name', '')))
        if kind == 'parameter':
            value = checked_number(command.get('value'))
            return await self._avatar.set_parameter(str(command.get('name')), value)
        if kind == 'record':
            return await self._record(min(30.0, checked_number(command.get('seconds', 8.0))))
        if kind == 'speak':
            return await self._say(*read_speech(upload))
        if kind == 'hear':
            return self._hear(str(command.get('page', '')), upload)
        if kind == 'face':
            row = self._camera.see(str(command.get('page', '')), *read_face(upload))
            return {'row': None if row is None else np.round(row.astype(float), 4).tolist()}
        if kind == 'own_style':
            return await self._take(
                str(command.get('page', '')), checked_number(command.get('seconds', 10.0))
            )
        if kind == 'load_style':
            request = style_of_file(str(command.get('name', ''))[:_LONGEST_NAME], *read_style(upload))
            return await self._avatar.set_style(request)
        if kind == 'report':
            return self._note(str(command.get('text', '')))
        if kind == 'sample':
            if self._sample is None:
                raise ConfigError('this node has no sample to speak; set its parameter sample')
            return await self._say(*self._sample)
        raise ConfigError(f'{kind!r} is not a command of this page')

    def _note(self, text: str) -> dict[str, Any]:
        """Log an error that the page reports."""
        line = ' '.join(''.join(c if c.isprintable() else ' ' for c in text[:_LONGEST_REPORT]).split())
        self.get_logger().error(f'a page reports: {line}', throttle_duration_sec=_THROTTLE)
        return {}

    def _hear(self, page: str, upload: bytes) -> dict[str, Any]:
        """Take a block from a page's microphone, which has priority over the sound being played."""
        self._speech.stop()
        self._microphone.hear(page, *read_live(upload))
        return {}

    async def _say(self, samples: Any, rate: int) -> dict[str, Any]:
        if self._microphone.on:
            raise ConfigError('the microphone of a page is on; stop it first')
        if self._speech.speaking:
            self._speech.stop()
            self._server.send({'type': 'interrupt'})
            await self._avatar.reset()
        self._speech.say(samples, rate)
        return {'seconds': len(samples) / rate}

    async def _take(self, page: str, seconds: float) -> dict[str, Any]:
        """Use the style of the person seen by a page's camera in the last ``seconds``."""
        clip, quality = self._camera.take(page, min(30.0, seconds))
        return {**await self._avatar.set_style(style_of_clip('camera', clip)), **told(clip, quality)}

    async def _record(self, seconds: float) -> dict[str, Any]:
        until = rclpy.task.Future()
        timer = self.create_timer(max(1.0, seconds), lambda: until.set_result(None))
        await until
        self.destroy_timer(timer)
        return await self._avatar.set_style(self._style.request(seconds))


def _faces() -> dict[str, Callable[[], bytes]]:
    """Functions that make each head that a page may request by ?face=."""
    return {name: lambda name=name: pack_rig(load_rig(name)) for name in FACES}  # type: ignore[misc]


def main(args: Sequence[str] | None = None) -> int:
    """Entry point of viewer_node: 0 when asked to end, 2 on a user error."""
    return run_node(
        'viewer_node', ViewerNode, args, finish=ViewerNode.close, about=__doc__, table=_PARAMETERS
    )


if __name__ == '__main__':
    raise SystemExit(main())
