# SPDX-License-Identifier: Apache-2.0
"""Motion and sound in bags. MCAP is written without rosbag2, and motion is read without ROS (packages mcap,
mcap-ros2-support)."""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from diffposetalk_ros.errors import DiffPoseTalkError, MotionError
from diffposetalk_ros.motion.motion_clip import MotionClip
from diffposetalk_ros.ros.recording.bag_storage import (
    BagMessage,
    bag_files,
    bag_library,
    definition,
    file_messages,
)
from diffposetalk_ros.ros.recording.clip_of_messages import clip_from_messages
from diffposetalk_ros.util.output_file import write_atomically

__all__ = [
    'FRAME',
    'INFO',
    'BagMessage',
    'BagWriter',
    'read_motion_bag',
    'read_sound_bag',
    'write_motion_bag',
]

FRAME, INFO = 'diffposetalk_ros/msg/FaceMotion', 'diffposetalk_ros/msg/FaceMotionInfo'
"""Names of the types."""
_SOUND = 'audio_common_msgs/msg/'


def read_motion_bag(path: str | Path, topic: str = '') -> MotionClip:
    """A bag with FaceMotion and the latched FaceMotionInfo -> clip; the info is the last one recorded.

    ``path``: a file (.mcap, .db3, either with .zstd), or the folder ``ros2 bag record`` made. ``topic``: which
    FaceMotion topic, needed where the bag has several. Raises MotionError for a missing, unreadable
    or unsuited bag, ConfigError when the packages are not installed.
    """
    frames: dict[str, list[Any]] = {}
    infos: dict[str, Any] = {}
    decoders: dict[str, Any] = {}
    path = Path(path)
    with _readable(path):
        for schema, message in _messages(path):
            if schema.name not in (FRAME, INFO):
                continue  # a bag holds sound and more
            if schema.name not in decoders:  # a factory uses schema numbers, which differ from file to file
                decoders[schema.name] = (
                    bag_library('mcap_ros2.decoder').DecoderFactory().decoder_for('cdr', schema)
                )
            content = decoders[schema.name](message.data)
            if schema.name == FRAME:
                frames.setdefault(message.topic, []).append(content)
            else:
                infos[message.topic] = content
    if not frames:
        raise MotionError(f'{path}: no {FRAME} in this bag; record face_motion and ~/info')
    if not topic and len(frames) > 1:
        raise MotionError(f'{path}: motion on {", ".join(sorted(frames))}; choose one of these topics')
    topic = topic or next(iter(frames))
    if topic not in frames:
        raise MotionError(f'{path}: no motion on {topic}; the bag has {", ".join(sorted(frames))}')
    info = _info_beside(topic, infos)
    try:
        return clip_from_messages(info, frames[topic])
    except MotionError as error:
        raise MotionError(f'{path}: {error}') from None


def read_sound_bag(path: str | Path, topic: str = '') -> list[BagMessage]:
    """Messages of audio_common_msgs in a bag, in order of arrival; ``path`` as in `read_motion_bag`.

    ``topic``: sound topic, needed if the bag has several; messages with its format are included. Raises
    MotionError for a missing or unreadable bag or one without sound, ConfigError without the packages.
    """
    path = Path(path)
    with _readable(path):
        found = [message for schema, message in _messages(path) if schema.name.startswith(_SOUND)]
    told = [message for message in found if message.kind == _SOUND + 'AudioInfo']
    topics = sorted({message.topic for message in found} - {message.topic for message in told})
    if not topics:
        raise MotionError(f'{path}: no sound in this bag; record the topic audio')
    if not topic and len(topics) > 1:
        raise MotionError(f'{path}: sound on {", ".join(topics)}; choose one of these topics')
    topic = topic or topics[0]
    if topic not in topics:
        raise MotionError(f'{path}: no sound on {topic}; the bag has {", ".join(topics)}')
    beside = topic.rsplit('/', 1)[0] + '/'
    wanted = [m for m in found if m.topic == topic or (m in told and m.topic.startswith(beside))]
    return sorted(wanted, key=lambda message: message.time)


def write_motion_bag(
    path: str | Path,
    info: Any,
    frames: Sequence[Any],
    received: Sequence[int],
    topics: tuple[str, str],
    sound: Sequence[BagMessage] = (),
) -> None:
    """Messages -> MCAP file as rosbag2 writes them; it appears whole or not at all. Needs ROS.

    ``received``: time of arrival of each frame in ns. ``topics``: full names of face_motion and of
    the info. ``sound``: what was said. Raises MotionError when the file cannot be written, ConfigError
    when mcap is missing.
    """
    from rclpy.serialization import serialize_message

    stream = io.BytesIO()
    writer = BagWriter(stream)
    messages = [BagMessage(topics[1], INFO, received[0], serialize_message(info))]
    for frame, time in zip(frames, received, strict=True):
        messages.append(BagMessage(topics[0], FRAME, time, serialize_message(frame)))
    for message in sorted([*messages, *sound], key=lambda message: message.time):
        writer.write(message)
    writer.finish()
    write_atomically(Path(path), stream.getvalue())


class BagWriter:
    """Writes messages to an MCAP stream as they come; what is written can be read even if `finish` never runs.

    Needs ROS for the definitions of the types. Raises ConfigError where the package mcap is missing.
    """

    def __init__(self, stream: Any) -> None:
        # Without chunks every message is a separate record, so a truncated file loses only the last one.
        self._writer = bag_library('mcap.writer').Writer(stream, use_chunking=False)
        self._writer.start(profile='ros2', library='diffposetalk_ros')
        self._channels: dict[str, int] = {}
        self._written = 0

    def write(self, message: BagMessage) -> None:
        """Add one message. Raises OSError when the stream cannot take it."""
        if message.topic not in self._channels:
            schema = self._writer.register_schema(message.kind, 'ros2msg', definition(message.kind).encode())
            self._channels[message.topic] = self._writer.register_channel(message.topic, 'cdr', schema)
        channel = self._channels[message.topic]
        self._writer.add_message(channel, message.time, message.data, message.time, self._written)
        self._written += 1

    def finish(self) -> None:
        """Write the summary at the end."""
        self._writer.finish()


def _messages(path: Path) -> Iterator[tuple[Any, BagMessage]]:
    """(schema, message) of every message of a bag; the files of a folder in the order of their times."""
    for file in bag_files(path):
        yield from file_messages(file)


@contextmanager
def _readable(path: Path) -> Iterator[None]:
    """Convert errors of the library on a damaged file to a MotionError of one line."""
    try:
        yield
    except DiffPoseTalkError:
        raise
    except OSError as error:
        raise MotionError(f'{path}: cannot be read ({error.strerror}); check the path') from None
    except Exception as error:  # the library raises what its parts raise: struct, lz4, zstandard, ...
        reason = ' '.join(str(error).split())[:160]
        raise MotionError(f'{path}: not a readable bag ({reason or type(error).__name__})') from None


def _info_beside(topic: str, infos: dict[str, Any]) -> Any:
    """The info of the node that publishes ``topic``: the one in its namespace, or the only one."""
    namespace = topic.rsplit('/', 1)[0] + '/'
    beside = [info for name, info in infos.items() if name.startswith(namespace)]
    return next(iter(beside or infos.values()), None)
