# SPDX-License-Identifier: Apache-2.0
"""Motion in MCAP bags: written without rosbag2, read without ROS (packages mcap, mcap-ros2-support)."""

from __future__ import annotations

import io
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from diffposetalk_ros.errors import ConfigError, MotionError
from diffposetalk_ros.motion.motion_clip import MotionClip
from diffposetalk_ros.motion.motion_file import write_atomically
from diffposetalk_ros.ros.recorded_motion import clip_from_messages

__all__ = ['read_motion_bag', 'write_motion_bag']

_FRAME, _INFO = 'diffposetalk_ros/msg/FaceMotion', 'diffposetalk_ros/msg/FaceMotionInfo'
_FIELD_TYPE = re.compile(r'^\s*([a-z]\w*)/(?:msg/)?([A-Z]\w*)', re.M)


def read_motion_bag(path: str | Path, topic: str = '') -> MotionClip:
    """A bag with FaceMotion and the latched FaceMotionInfo -> clip; the info is the last one recorded.

    ``path``: an .mcap file, or the folder ``ros2 bag record -s mcap`` made. ``topic``: which
    FaceMotion topic, needed where the bag has several. Raises MotionError for a missing, unreadable
    or unsuited bag, ConfigError when the packages are not installed.
    """
    path = Path(path)
    files = sorted(path.glob('*.mcap')) if path.is_dir() else [path]
    if not files:
        raise MotionError(f'{path}: no .mcap file in this folder; record with ros2 bag record -s mcap')
    frames: dict[str, list[Any]] = {}
    infos: dict[str, Any] = {}
    for file in files:
        _read_file(file, frames, infos)
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


def write_motion_bag(
    path: str | Path, info: Any, frames: Sequence[Any], received: Sequence[int], topics: tuple[str, str]
) -> None:
    """Messages -> MCAP file as rosbag2 writes them; it appears whole or not at all. Needs ROS.

    ``received``: time of arrival of each frame in ns. ``topics``: full names of face_motion and of
    the info. Raises MotionError when the file cannot be written, ConfigError when mcap is missing.
    """
    writer_module = _library('mcap.writer')
    from rclpy.serialization import serialize_message

    stream = io.BytesIO()
    writer = writer_module.Writer(stream)
    writer.start(profile='ros2', library='diffposetalk_ros')
    messages = [(topics[1], _INFO, [info], received[:1]), (topics[0], _FRAME, frames, received)]
    for topic, kind, contents, times in messages:
        schema = writer.register_schema(kind, 'ros2msg', _definition(kind).encode())
        channel = writer.register_channel(topic, 'cdr', schema)
        for number, (content, time) in enumerate(zip(contents, times, strict=True)):
            writer.add_message(channel, time, serialize_message(content), time, number)
    writer.finish()
    write_atomically(Path(path), stream.getvalue())


def _read_file(path: Path, frames: dict[str, list[Any]], infos: dict[str, Any]) -> None:
    decoder = _library('mcap_ros2.decoder')
    reader = _library('mcap.reader')
    factory = decoder.DecoderFactory()
    try:
        with path.open('rb') as stream:
            for schema, channel, record in reader.make_reader(stream).iter_messages():
                if schema is None or schema.name not in (_FRAME, _INFO):
                    continue  # a bag holds sound and more
                message = factory.decoder_for(channel.message_encoding, schema)(record.data)
                if schema.name == _FRAME:
                    frames.setdefault(channel.topic, []).append(message)
                else:
                    infos[channel.topic] = message
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
        wanted += [f'{found[0]}/msg/{found[1]}' for found in _FIELD_TYPE.findall(text)]
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
