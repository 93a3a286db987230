# SPDX-License-Identifier: Apache-2.0
"""Records published motion to a file: .npz, .csv, .json, or an .mcap bag, which can include the sound.

For example:
    motion_recorder --ros-args -p file:=take.mcap -p audio:=auto      Ctrl-C ends the take

The recording is written to disk continuously; a crash or a full disk loses at most the last second.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import rclpy
from rclpy.node import Node

from diffposetalk_ros.errors import ConfigError
from diffposetalk_ros.ros.recording.bag_storage import bag_library
from diffposetalk_ros.ros.recording.motion_collector import MotionCollector
from diffposetalk_ros.ros.support.entry_point import declared, run_node
from diffposetalk_ros.util.output_file import check_output

__all__ = ['RecorderNode', 'main']

_PARAMETERS = (
    ('file', 'motion.npz', 'File to write: .npz, .csv, .json or .mcap'),
    ('wait', 0.0, 'Stop after this time without motion [s]; 0: never'),
    ('duration', 0.0, 'Stop after this much motion [s]; 0: only at Ctrl-C'),
    ('node', 'diffposetalk', 'Name of the node whose ~/info describes the motion'),
    ('audio', '', "Type on the topic audio, to record the sound into .mcap too; 'auto': as installed"),
)


class RecorderNode(Node):  # type: ignore[misc,unused-ignore]
    """Collects ``face_motion`` until it is stopped."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__('motion_recorder', **kwargs)
        value = declared(self, _PARAMETERS)
        self.path, self.wait, self.limit = value['file'], value['wait'], value['duration']
        sound = value['audio']
        check_output(Path(self.path), ('.npz', '.csv', '.json', '.mcap'))  # before the take, not after it
        if sound and Path(self.path).suffix.lower() != '.mcap':
            raise ConfigError(
                f'{self.path} cannot store sound; record it to .mcap, or omit the parameter audio'
            )
        if Path(self.path).suffix.lower() == '.mcap':
            bag_library('mcap.writer')
        self.collector = MotionCollector(self, f'{value["node"]}/info', sound, Path(self.path))

    @property
    def full(self) -> bool:
        """Whether the wanted duration is recorded, or the disk cannot take more."""
        info, journal = self.collector.info, self.collector.journal
        if journal is not None and journal.failure is not None:
            return True
        return bool(self.limit > 0 and info and len(self.collector.frames) >= self.limit * info.output_rate)


def main(args: Sequence[str] | None = None) -> int:
    """Entry point of motion_recorder: 0 when the file is written, 2 when it could not be."""
    unmade = 'no FaceMotion was received: the recorder was ended before it was ready'
    return run_node('motion_recorder', RecorderNode, args, _record, _save, __doc__, _PARAMETERS, unmade)


def _record(node: RecorderNode) -> None:
    begin = time.monotonic()
    while rclpy.ok() and not node.full:
        rclpy.spin_once(node, timeout_sec=0.2)
        if node.collector.journal is not None:
            node.collector.journal.sync()
        if 0 < node.wait < time.monotonic() - begin and not node.collector.frames:
            break


def _save(node: RecorderNode) -> None:
    clip = node.collector.finish()
    print(f'{node.path}: {len(clip.values)} frames, {clip.duration:.2f} s, lost {node.collector.missing}')


if __name__ == '__main__':
    raise SystemExit(main())
