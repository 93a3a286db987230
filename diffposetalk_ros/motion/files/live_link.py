# SPDX-License-Identifier: Apache-2.0
"""ARKit motion for game engines: UDP packets as Epic's Live Link Face app sends them, and its CSV.

A packet, big-endian: version 6 (uint8); device and subject name, each a length (int32) and UTF-8; frame
number (int32), sub-frame (float32), frames per second as numerator and denominator (int32 each);
61 (uint8) and as many float32: the 52 weights in the order of Unreal's EARFaceBlendShape, then yaw, pitch
and roll (rad) of head, left eye and right eye. Unreal Engine listens on port 11111. The packet puts left
before right for jaw and mouth; the CSV, which names its columns, right before left.
"""

from __future__ import annotations

import csv
import io
import socket
import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from diffposetalk_ros.errors import ConfigError, MotionError
from diffposetalk_ros.motion.files.timecode import timecode_of
from diffposetalk_ros.motion.layout import ARKIT_BLENDSHAPES
from diffposetalk_ros.motion.motion_clip import MotionClip, check_arkit
from diffposetalk_ros.motion.resampling import at_rate
from diffposetalk_ros.util.output_file import write_atomically

__all__ = [
    'LIVE_LINK_NAMES',
    'PACKET_NAMES',
    'LiveLinkSender',
    'live_link_packet',
    'live_link_values',
    'write_live_link_csv',
]

Floats = NDArray[np.float32]

_RATE = 60
_DAY = 24 * 3600 * _RATE
# Gaze angle (rad) at weight 1, as on our own rig: up, down, in, out.
_UP, _DOWN, _IN, _OUT = (float(np.radians(angle)) for angle in (22, 26, 28, 30))

LIVE_LINK_NAMES: tuple[str, ...] = (
    *(name[0].upper() + name[1:] for name in ARKIT_BLENDSHAPES),
    *(f'{part}{angle}' for part in ('Head', 'LeftEye', 'RightEye') for angle in ('Yaw', 'Pitch', 'Roll')),
)
"""The 61 names in the order of the CSV."""

PACKET_NAMES: tuple[str, ...] = (
    *LIVE_LINK_NAMES[:15],
    *('JawLeft', 'JawRight', *LIVE_LINK_NAMES[17:21], 'MouthLeft', 'MouthRight'),
    *LIVE_LINK_NAMES[23:],
)
"""The 61 names in the order of a packet."""

_PACKET_ORDER = [LIVE_LINK_NAMES.index(name) for name in PACKET_NAMES]


def live_link_values(motion: ArrayLike) -> Floats:
    """ARKit motion (T, 55), or (T, 52) without head -> the 61 values (T, 61) of Live Link Face.

    Angles in rad about the face's axes, yaw about y first: yaw is positive to the face's own left, pitch
    downwards. Raises MotionError for other widths.
    """
    rows = np.asarray(motion, np.float32)
    if rows.ndim != 2 or rows.shape[1] not in (52, 55):
        raise MotionError(f'motion of shape {rows.shape} is not ARKit motion (frames, 55)')
    out = np.zeros((len(rows), 61), np.float32)
    out[:, :52] = rows[:, :52]
    if rows.shape[1] == 55:
        out[:, 52:55] = _euler(rows[:, 52:55])
    at = {name: rows[:, i] for i, name in enumerate(ARKIT_BLENDSHAPES)}
    for column, side, sign in ((55, 'Left', 1.0), (58, 'Right', -1.0)):
        out[:, column] = sign * (_OUT * at[f'eyeLookOut{side}'] - _IN * at[f'eyeLookIn{side}'])
        out[:, column + 1] = _DOWN * at[f'eyeLookDown{side}'] - _UP * at[f'eyeLookUp{side}']
    return out


def _euler(vectors: Floats) -> Floats:
    """Rotation vectors (T, 3) in face axes -> yaw (about y), pitch (about x), roll (about z)."""
    from scipy.spatial.transform import Rotation

    return np.asarray(Rotation.from_rotvec(vectors).as_euler('YXZ'), np.float32)


def live_link_packet(values: ArrayLike, seconds: float, subject: str, device: str) -> bytes:
    """One packet of 61 values (ordered as LIVE_LINK_NAMES) at a time of day in seconds, counted in frames
    of 1/60 s. Raises MotionError for another number of values."""
    frame, rest = divmod(seconds * _RATE, 1.0)
    names = b''.join(struct.pack('>i', len(n)) + n for n in (device.encode(), subject.encode()))
    numbers = np.asarray(values, '>f4')
    if numbers.shape != (61,):
        raise MotionError(f'{numbers.shape} values are not the 61 of Live Link Face')
    time = struct.pack('>ifii', int(frame) % _DAY, rest, _RATE, 1)
    return b'\x06' + names + time + bytes([61]) + numbers[_PACKET_ORDER].tobytes()


class LiveLinkSender:
    """Sends packets to an engine. A lost packet is not sent again, as with the app.

    Raises ConfigError for a name that does not resolve, a port out of range or a subject that is empty.
    """

    def __init__(self, host: str, port: int = 11111, subject: str = 'DiffPoseTalk') -> None:
        if not (1 <= port <= 65535 and 0 < len(subject.encode()) <= 256):
            raise ConfigError(f'Live Link port {port}, subject {subject!r}; use 1 to 65535 and a name')
        try:
            family, _, _, _, place = socket.getaddrinfo(host, port, type=socket.SOCK_DGRAM)[0]
        except OSError as error:
            raise ConfigError(f'Live Link host {host!r} is not known ({error}); give an address') from error
        self._socket = socket.socket(family, socket.SOCK_DGRAM)
        self._socket.setblocking(False)
        self._place: Any = place
        self._subject = subject
        self._device = f'{zlib.crc32(subject.encode()):08X}'

    def send(self, row: Floats, stamp_ns: int) -> None:
        """Send one frame, row (D,), shown at ``stamp_ns``. An unreachable network is not an error."""
        values = live_link_values(row[None])[0]
        try:
            self._socket.sendto(
                live_link_packet(values, stamp_ns / 1e9 % 86400, self._subject, self._device), self._place
            )
        except OSError:
            return  # as with any UDP sender: the receiver may come later

    def close(self) -> None:
        """Close the socket."""
        self._socket.close()


def write_live_link_csv(path: str | Path, clip: MotionClip) -> int:
    """Write a clip as the app's own recordings: Timecode, BlendShapeCount, 61 values, 60 rows a second.

    Returns the number of rows. Timecodes are hh:mm:ss:ff.fff from 0 on. Raises MotionError for FLAME
    motion or a file that cannot be written.
    """
    check_arkit(clip)
    stream = io.StringIO()
    table = csv.writer(stream, lineterminator='\n')
    table.writerow(['Timecode', 'BlendShapeCount', *LIVE_LINK_NAMES])
    rows = live_link_values(at_rate(clip, float(_RATE)).values)
    for frame, values in enumerate(rows):
        table.writerow(
            [timecode_of(frame, _RATE), len(LIVE_LINK_NAMES), *(f'{value:.7g}' for value in values)]
        )
    write_atomically(Path(path), stream.getvalue().encode())
    return len(rows)
