# SPDX-License-Identifier: Apache-2.0
"""Writes a take to disk while it is being recorded, so that a crash loses at most the last second."""

from __future__ import annotations

import csv
import errno
import io
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from rclpy.serialization import serialize_message

from diffposetalk_ros.errors import MotionError
from diffposetalk_ros.motion.layout import MotionLayout
from diffposetalk_ros.ros.messages.motion import layout_from_info, row_from_message
from diffposetalk_ros.ros.recording.bag_storage import BagMessage
from diffposetalk_ros.ros.recording.motion_bag import FRAME, INFO, BagWriter

__all__ = ['DurableFile', 'Journal', 'journal_path']

_PERIOD = 0.5
"""Seconds between two moments at which everything is on disk."""


class DurableFile:
    """A new file whose content `sync` puts on disk. Raises OSError if a file or link of that name exists."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o666)
        self._waiting = bytearray()
        self._full = 0  # number of the error after which nothing more is accepted
        self._length = 0

    def write(self, data: bytes) -> int:
        """Add bytes. They are on disk after the next `sync`."""
        if self._full:
            raise OSError(self._full, os.strerror(self._full))
        self._waiting += data
        self._length += len(data)
        return len(data)

    def tell(self) -> int:
        """Bytes written so far."""
        return self._length

    def sync(self) -> None:
        """Put the written bytes on disk. Raises OSError if it is full; the bytes that fitted are kept."""
        try:
            while self._waiting:
                written = os.write(self._file, self._waiting)
                del self._waiting[:written]
            os.fsync(self._file)
        except OSError as error:
            self._full = error.errno or errno.EIO
            self._waiting.clear()
            raise

    def close(self) -> None:
        """Close the file. What was not synced is lost."""
        os.close(self._file)


def journal_path(target: Path) -> Path:
    """Where a take for ``target`` is kept while it is recorded.

    This is ``target`` itself if its format can be written incrementally (.mcap, .csv) and the file does not exist.
    Otherwise it is NAME.part.mcap or NAME.part.csv, with a number if that exists. `diffposetalk convert` reads both.
    """
    ending = '.mcap' if target.suffix.lower() == '.mcap' else '.csv'
    if target.suffix.lower() == ending and not os.path.lexists(target):
        return target
    number = 1
    while True:
        path = target.with_name(f'{target.stem}.part{"" if number == 1 else f"-{number}"}{ending}')
        if not os.path.lexists(path):
            return path
        number += 1


class Journal:
    """Writes a take as it arrives; the file begins as soon as a frame and the info of the node are known.

    ``topics``: full names of face_motion and of the info. After the first OSError, `failure` holds it and nothing
    more is written.
    """

    def __init__(self, target: Path, topics: tuple[str, str]) -> None:
        self.target = target
        self.path: Path | None = None
        self.failure: OSError | None = None
        self._topics = topics
        self._info: tuple[Any, int] | None = None
        self._early: list[tuple[Any, int]] = []
        self._early_sound: list[BagMessage] = []
        self._file: DurableFile | None = None
        self._bag: BagWriter | None = None
        self._layout: MotionLayout | None = None
        self._rate = 0.0
        self._frame = 0
        self._last = -1
        self._synced = 0.0

    def info(self, info: Any, received: int) -> None:
        """Take the info of the node, which arrived at ``received`` (ns)."""
        self._info = info, received
        with self._guard():
            if self._file is None:
                self._open_if_ready()
            elif self._bag is not None:
                self._bag.write(BagMessage(self._topics[1], INFO, received, serialize_message(info)))

    def frame(self, frame: Any, received: int) -> None:
        """Take a frame that arrived at ``received`` (ns)."""
        with self._guard():
            if self._file is None:
                self._early.append((frame, received))
                self._open_if_ready()
            else:
                self._write_frame(frame, received)

    def sound(self, message: BagMessage) -> None:
        """Take a message of sound; it is written only to a bag."""
        with self._guard():
            if self._file is None:
                self._early_sound.append(message)
            elif self._bag is not None:
                self._bag.write(message)

    def sync(self, now: float | None = None) -> None:
        """Put everything on disk, unless that was done less than half a second ago. Call it often."""
        now = time.monotonic() if now is None else now
        if self._file is not None and now - self._synced >= _PERIOD:
            self._synced = now
            with self._guard():
                self._file.sync()

    def finish(self) -> None:
        """Complete the file. Without a failure, it is then complete and on disk. Idempotent."""
        file, self._file = self._file, None
        if file is None:
            return
        with self._guard():
            if self._bag is not None:
                self._bag.finish()
            file.sync()
        file.close()

    @contextmanager
    def _guard(self) -> Iterator[None]:
        """Catch a failure of the disk, so that it does not end a callback; the file is then abandoned."""
        try:
            yield
        except OSError as error:
            self.failure = self.failure or error

    def _open_if_ready(self) -> None:
        if self._info is None or not self._early or self.failure is not None:
            return
        info, received = self._info
        self.path = journal_path(self.target)
        self._file = DurableFile(self.path)
        if self.path.suffix == '.mcap':
            self._bag = BagWriter(self._file)
            self._bag.write(BagMessage(self._topics[1], INFO, received, serialize_message(info)))
            for message in self._early_sound:
                self._bag.write(message)
        else:
            self._layout = layout_from_info(info)
            self._rate = float(info.output_rate)
            self._write_cells(['frame', *self._layout.names, 'fps'])
        for frame, when in self._early:
            self._write_frame(frame, when)
        self._early, self._early_sound = [], []

    def _write_frame(self, frame: Any, received: int) -> None:
        if self._bag is not None:
            self._bag.write(BagMessage(self._topics[0], FRAME, received, serialize_message(frame)))
            return
        assert self._layout is not None
        try:
            values = row_from_message(frame, self._layout)
        except MotionError:
            return  # of another node; the clip made from memory reports it at the end
        if not np.isfinite(values).all():
            return  # a gap in the numbers, across which readers would interpolate
        # Numbers that restart belong to a new activation; the table continues.
        self._frame += max(1, frame.frame_index - self._last) if self._last >= 0 else 0
        self._last = frame.frame_index
        self._write_cells([self._frame, *(f'{x:.9g}' for x in values), repr(self._rate)])

    def _write_cells(self, cells: list[Any]) -> None:
        assert self._file is not None
        stream = io.StringIO()
        csv.writer(stream, lineterminator='\n').writerow(cells)
        self._file.write(stream.getvalue().encode())
