# SPDX-License-Identifier: Apache-2.0
"""Reads messages from rosbag2 files: MCAP and SQLite, split or compressed, finished or not. Needs no ROS."""

from __future__ import annotations

import logging
import re
import shutil
import sqlite3
import struct
import tempfile
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from diffposetalk_ros.errors import ConfigError, MotionError

__all__ = ['BagMessage', 'bag_files', 'bag_library', 'definition', 'file_messages', 'is_bag']

_log = logging.getLogger(__name__)

_FIELD_TYPE = re.compile(r'^\s*(?:([a-z]\w*)/)?(?:msg/)?([A-Z]\w*)', re.M)
_ENDINGS = ('.mcap', '.db3', '.mcap.zstd', '.db3.zstd')


@dataclass(frozen=True)
class BagMessage:
    """A serialised message (CDR) of type ``kind`` ('package/msg/Type'), received at ``time`` (ns)."""

    topic: str
    kind: str
    time: int
    data: bytes


@dataclass(frozen=True)
class Schema:
    """Definition of a message type, with the names that decoders of MCAP look for."""

    id: int
    name: str
    encoding: str
    data: bytes


def is_bag(path: Path) -> bool:
    """Whether a path is a bag by its name, or a folder."""
    return path.is_dir() or path.name.lower().endswith(_ENDINGS)


def bag_files(path: Path) -> list[Path]:
    """The files of a bag in the order of their first messages; ``path`` is one of them, or their folder.

    A warning lists files that are empty, and those that metadata.yaml names but that are missing. Raises MotionError
    for a folder without any file, or with empty ones only, or for a pipe.
    """
    if not path.is_dir():
        files = [path]
    else:
        files = sorted(file for file in path.iterdir() if file.name.lower().endswith(_ENDINGS))
    if not files:
        raise MotionError(
            f'{path}: no .mcap or .db3 file in this folder; name the folder ros2 bag record made'
        )
    for file in files:
        if file.exists() and not file.is_file():
            # Opening a FIFO would block and ignore signals, and a bag is read from its end.
            raise MotionError(f'{file}: a pipe or device cannot be read as a bag; copy it to a file first')
    if path.is_dir():
        _warn_of_missing(path, files)
        files = _without_empty(path, files)
    if len(files) < 2:
        return files
    begins = {file: next((message.time for _, message in file_messages(file)), 0) for file in files}
    return sorted(files, key=lambda file: (begins[file], file.name))


def _without_empty(folder: Path, files: list[Path]) -> list[Path]:
    """Files that hold something. A recorder that stopped as it began a file leaves an empty one."""
    empty = [file for file in files if file.stat().st_size == 0]
    if len(empty) == len(files):
        raise MotionError(f'{folder}: all files of this bag are empty (0 bytes)')
    if empty:
        _log.warning('%s: empty files are skipped: %s', folder, ', '.join(file.name for file in empty))
    return [file for file in files if file not in empty]


def _warn_of_missing(folder: Path, files: list[Path]) -> None:
    try:
        text = (folder / 'metadata.yaml').read_text(encoding='utf-8')
    except (OSError, ValueError):
        return
    named = re.findall(r'^\s*-\s+["\']?([^"\':]+\.(?:mcap|db3)(?:\.zstd)?)["\']?\s*$', text, re.M)
    missing = sorted({Path(name).name for name in named} - {file.name for file in files})
    if missing:
        _log.warning('%s: these files of the bag are missing and skipped: %s', folder, ', '.join(missing))


def file_messages(file: Path) -> Iterator[tuple[Any, BagMessage]]:
    """(schema, message) of every message of one file, in the order of their times.

    Raises the errors of the libraries on a damaged file, MotionError for unknown compression.
    """
    name = file.name.lower()
    if name.endswith('.zstd'):
        with tempfile.TemporaryDirectory() as folder:
            plain = Path(folder, file.name[: -len('.zstd')])
            with file.open('rb') as source, plain.open('wb') as target:
                shutil.copyfileobj(bag_library('zstandard').ZstdDecompressor().stream_reader(source), target)
            yield from file_messages(plain)
    elif name.endswith('.db3'):
        yield from _sqlite_messages(file)
    else:
        yield from _mcap_messages(file)


def _unpacked(data: bytes, is_compressed: bool) -> bytes:
    if not is_compressed:
        return data
    unpacked: bytes = bag_library('zstandard').ZstdDecompressor().decompressobj().decompress(data)
    return unpacked


def _compressed_by_message(file: Path) -> bool:
    """Whether metadata.yaml beside the file says that messages are compressed individually."""
    try:
        text = (file.parent / 'metadata.yaml').read_text(encoding='utf-8')
    except (OSError, ValueError):
        return False
    mode = re.search(r'^\s*compression_mode:\s*["\']?(\w+)', text, re.M)
    if mode is None or mode[1].upper() != 'MESSAGE':
        return False
    form = re.search(r'^\s*compression_format:\s*["\']?(\w+)', text, re.M)
    if form is None or form[1].lower() != 'zstd':
        raise MotionError(
            f'{file}: messages compressed as {form[1] if form else "?"!r}; only zstd is read here'
        )
    return True


def _mcap_messages(file: Path) -> Iterator[tuple[Any, BagMessage]]:
    packed = _compressed_by_message(file)
    with file.open('rb') as stream:
        if _is_finished(stream):
            records = bag_library('mcap.reader').make_reader(stream).iter_messages()
        else:
            _log.warning('%s was not closed, for example after a crash; its complete part is read', file)
            records = _unfinished(stream)
        for schema, channel, record in records:
            if schema is not None and channel.message_encoding == 'cdr':
                data = _unpacked(record.data, packed)
                yield schema, BagMessage(channel.topic, schema.name, record.log_time, data)


_MAGIC = b'\x89MCAP0\r\n'


def _is_finished(stream: Any) -> bool:
    """Whether an MCAP file is complete. A file of another format counts as complete; the reader then reports it."""
    begins = stream.read(len(_MAGIC)) == _MAGIC
    size = stream.seek(0, 2)
    stream.seek(max(0, size - len(_MAGIC)))
    ends = size > len(_MAGIC) and stream.read() == _MAGIC
    stream.seek(0)
    return ends or not begins


def _unfinished(stream: Any) -> Iterator[tuple[Any, Any, Any]]:
    """Messages of a file that ends in the middle of a record."""
    records = bag_library('mcap.records')
    errors = bag_library('mcap.exceptions')
    schemas: dict[int, Any] = {}
    channels: dict[int, Any] = {}
    found = False
    try:
        for record in bag_library('mcap.stream_reader').StreamReader(stream).records:
            if isinstance(record, records.Schema):
                schemas[record.id] = record
            elif isinstance(record, records.Channel):
                channels[record.id] = record
            elif isinstance(record, records.Message):
                channel = channels[record.channel_id]
                found = True
                yield schemas.get(channel.schema_id), channel, record
    except (errors.EndOfFile, errors.McapError, EOFError, struct.error):
        if not found:
            raise


def _sqlite_messages(file: Path) -> Iterator[tuple[Any, BagMessage]]:
    if not file.exists():
        raise FileNotFoundError(2, 'No such file or directory')
    packed = _compressed_by_message(file)
    with closing(sqlite3.connect(f'file:{_quoted(file)}?mode=ro', uri=True)) as base:
        columns = base.execute('SELECT id, name, type, serialization_format FROM topics').fetchall()
        topics = {row[0]: row[1:] for row in columns}
        schemas = {kind: _sqlite_schema(base, number, kind) for number, (_, kind, _) in topics.items()}
        for topic, time, data in base.execute(
            'SELECT topic_id, timestamp, data FROM messages ORDER BY timestamp, id'
        ):
            name, kind, form = topics[topic]
            if form == 'cdr':
                yield schemas[kind], BagMessage(name, kind, time, _unpacked(data, packed))


def _quoted(file: Path) -> str:
    from urllib.parse import quote

    return quote(str(file.absolute()))


def _sqlite_schema(base: sqlite3.Connection, number: int, kind: str) -> Schema:
    """The definition the file carries (since ROS 2 Iron), or that of this installation."""
    tables = {name for (name,) in base.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    found = None
    if 'message_definitions' in tables:
        found = base.execute(
            'SELECT encoding, encoded_message_definition FROM message_definitions WHERE topic_type = ?',
            (kind,),
        ).fetchone()
    if found and found[0] == 'ros2msg':
        return Schema(number + 1, kind, 'ros2msg', found[1].encode())
    if not kind.startswith('diffposetalk_ros/'):
        return Schema(number + 1, kind, '', b'')  # sound, which is passed on unchanged
    try:
        return Schema(number + 1, kind, 'ros2msg', definition(kind).encode())
    except (ImportError, LookupError, OSError) as error:
        raise MotionError(
            f'this bag carries no definition of {kind} ({error}); read it where the package is installed'
        ) from None


def definition(kind: str) -> str:
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


def bag_library(name: str) -> Any:
    """A module of the packages that bags need. Raises ConfigError if it is not installed."""
    from importlib import import_module

    try:
        return import_module(name)
    except ImportError as error:
        raise ConfigError(
            f'MCAP needs packages that are not installed ({error}); pip install mcap mcap-ros2-support'
        ) from None
