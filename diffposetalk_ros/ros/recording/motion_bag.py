# SPDX-License-Identifier: Apache-2.0
"""Motion and sound in MCAP bags: written without rosbag2, motion read without ROS (packages mcap,
mcap-ros2-support)."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from diffposetalk_ros.errors import ConfigError, DiffPoseTalkError, MotionError
from diffposetalk_ros.motion.motion_clip import MotionClip
from diffposetalk_ros.motion.motion_file import write_atomically
from diffposetalk_ros.ros.recording.recorded_motion import clip_from_messages

__all__ = ['BagMessage', 'is_bag', 'read_motion_bag', 'read_sound_bag', 'write_motion_bag']

_FRAME, _INFO = 'diffposetalk_ros/msg/FaceMotion', 'diffposetalk_ros/msg/FaceMotionInfo'
_SOUND = 'audio_common_msgs/msg/'
_FIELD_TYPE = re.compile(r'^\s*(?:([a-z]\w*)/)?(?:msg/)?([A-Z]\w*)', re.M)


@dataclass(frozen=True)
class BagMessage:
    """A serialised message (CDR) of type ``kind`` ('package/msg/Type'), received at ``time`` (ns)."""

    topic: str
    kind: str
    time: int
    data: bytes


def is_bag(path: Path) -> bool:
    """Whether a path is a bag by its name, or the folder of one."""
    return path.is_dir() or path.name.lower().endswith(('.mcap', '.db3', '.mcap.zstd', '.db3.zstd'))


def read_motion_bag(path: str | Path, topic: str = '') -> MotionClip:
    """A bag with FaceMotion and the latched FaceMotionInfo -> clip; the info is the last one recorded.

    ``path``: an .mcap file, or the folder ``ros2 bag record -s mcap`` made. ``topic``: which
    FaceMotion topic, needed where the bag has several. Raises MotionError for a missing, unreadable
    or unsuited bag, ConfigError when the packages are not installed.
    """
    frames: dict[str, list[Any]] = {}
    infos: dict[str, Any] = {}
    factory = _library('mcap_ros2.decoder').DecoderFactory()
    path = Path(path)
    with _readable(path):
        for schema, message in _messages(path):
            if schema.name not in (_FRAME, _INFO):
                continue  # a bag holds sound and more
            content = factory.decoder_for('cdr', schema)(message.data)
            if schema.name == _FRAME:
                frames.setdefault(message.topic, []).append(content)
            else:
                infos[message.topic] = content
    if not frames:
        raise MotionError(f'{path}: no {_FRAME} in this bag; record face_motion and ~/info')
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

    ``topic``: which sound, needed where the bag has several; what tells its format comes along. Raises
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
    writer_module = _library('mcap.writer')
    from rclpy.serialization import serialize_message

    stream = io.BytesIO()
    writer = writer_module.Writer(stream)
    writer.start(profile='ros2', library='diffposetalk_ros')
    messages = [BagMessage(topics[1], _INFO, received[0], serialize_message(info))]
    for frame, time in zip(frames, received, strict=True):
        messages.append(BagMessage(topics[0], _FRAME, time, serialize_message(frame)))
    channels: dict[str, int] = {}
    for number, message in enumerate(sorted([*messages, *sound], key=lambda message: message.time)):
        if message.topic not in channels:
            schema = writer.register_schema(message.kind, 'ros2msg', _definition(message.kind).encode())
            channels[message.topic] = writer.register_channel(message.topic, 'cdr', schema)
        writer.add_message(channels[message.topic], message.time, message.data, message.time, number)
    writer.finish()
    write_atomically(Path(path), stream.getvalue())


def _messages(path: Path) -> Iterator[tuple[Any, BagMessage]]:
    """(schema, message) of every message of a bag, file by file."""
    reader = _library('mcap.reader')
    files = sorted(path.glob('*.mcap')) if path.is_dir() else [path]
    if not files:
        raise MotionError(f'{path}: no .mcap file in this folder; record with ros2 bag record -s mcap')
    for file in files:
        if file.exists() and not file.is_file():
            # A FIFO would block in open, deaf to signals, and a bag is read from its end.
            raise MotionError(f'{file}: a pipe or device is no bag; copy it into a file first')
        with file.open('rb') as stream:
            for schema, channel, record in reader.make_reader(stream).iter_messages():
                if schema is not None and channel.message_encoding == 'cdr':
                    yield schema, BagMessage(channel.topic, schema.name, record.log_time, record.data)


@contextmanager
def _readable(path: Path) -> Iterator[None]:
    """Whatever the library raises on a damaged file becomes a MotionError of one line."""
    try:
        yield
    except DiffPoseTalkError:
        raise
    except OSError as error:
        raise MotionError(f'{path}: cannot be read ({error.strerror}); check the path') from None
    except Exception as error:  # the library raises what its parts raise: struct, lz4, zstandard, ...
        reason = ' '.join(str(error).split())[:160]
        raise MotionError(f'{path}: not a readable MCAP file ({reason or type(error).__name__})') from None


def _info_beside(topic: str, infos: dict[str, Any]) -> Any:
    """The info of the node that publishes ``topic``: the one of its namespace, or the only one."""
    namespace = topic.rsplit('/', 1)[0] + '/'
    beside = [info for name, info in infos.items() if name.startswith(namespace)]
    return next(iter(beside or infos.values()), None)


def _definition(kind: str) -> str:
    """Text of a message type followed by all it contains, in the form MCAP calls ros2msg."""
    from ament_index_python.packages import get_package_share_directory

    texts: dict[str, str] = {}
    wanted = [kind]
    while wanted:
        package, _, name = wanted.pop(0).split('/')
        if f'{package}/{name}' in texts:
            continue
        text = Path(get_package_share_directory(package), 'msg', f'{name}.msg').read_text(encoding='utf-8')
        texts[f'{package}/{name}'] = text
        wanted += [f'{found[0] or package}/msg/{found[1]}' for found in _FIELD_TYPE.findall(text)]
    first, *others = texts.items()
    return first[1] + ''.join(f'\n{"=" * 80}\nMSG: {name}\n{text}' for name, text in others)


def _library(name: str) -> Any:
    from importlib import import_module

    try:
        return import_module(name)
    except ImportError as error:
        raise ConfigError(
            f'MCAP needs packages that are not installed ({error}); pip install mcap mcap-ros2-support'
        ) from None
