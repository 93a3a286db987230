# SPDX-License-Identifier: Apache-2.0
"""Converts motion rows to messages and back. The meaning of the numbers is sent once, in FaceMotionInfo.

A row is de-normalised motion (D,) in the columns of a MotionLayout. Its head rotation vector is in
face axes (x to the subject's left, y up, z forward); messages use REP-103 (x forward, y left, z up).
"""

from __future__ import annotations

import array
from typing import Any

import numpy as np
from numpy.typing import NDArray

from diffposetalk_ros.errors import ConfigError, MotionError
from diffposetalk_ros.motion.layout import MotionLayout, layout_for
from diffposetalk_ros.motion.rotation import flame_to_ros, quaternion_to_vector, ros_to_flame
from diffposetalk_ros.motion.single_rotation import vector_to_quaternion
from diffposetalk_ros.playout.lookahead import FramesAhead
from diffposetalk_ros.ros.messages.stamps import duration_message
from diffposetalk_ros.util.nanoseconds import to_nanoseconds

__all__ = [
    'chunk_message',
    'expression_columns',
    'frame_message',
    'info_message',
    'layout_from_info',
    'pose_message',
    'row_from_message',
    'rows_from_chunk',
    'transform_class',
    'transform_message',
]

Floats = NDArray[np.float32]


def expression_columns(layout: MotionLayout) -> NDArray[np.intp]:
    """Columns that FaceMotion.expression carries: all but the head's rotation, in order."""
    columns = np.arange(layout.width)
    return columns if layout.head_rotation is None else np.delete(columns, layout.head_rotation)


def frame_message(
    row: Floats, layout: MotionLayout, *, stamp: Any, frame_id: str, index: int, state: int
) -> Any:
    """Row (D,) -> FaceMotion."""
    from diffposetalk_ros.msg import FaceMotion

    message = FaceMotion(frame_index=index, state=state)
    message.header.stamp = stamp
    message.header.frame_id = frame_id
    message.expression = _floats(row[expression_columns(layout)])
    _set_orientation(message.head_orientation, row, layout)
    return message


def pose_message(frame: Any) -> Any:
    """FaceMotion -> PoseStamped of the head: no translation."""
    from geometry_msgs.msg import PoseStamped

    message = PoseStamped(header=frame.header)
    message.pose.orientation = frame.head_orientation
    return message


def transform_class() -> Any:
    """tf2_msgs/TFMessage. Raises ConfigError when tf2_msgs is not installed."""
    try:
        from tf2_msgs.msg import TFMessage
    except ImportError as error:
        raise ConfigError(
            f'publish.tf needs tf2_msgs ({error}); install ros-<distro>-tf2-msgs or set publish.tf false'
        ) from error
    return TFMessage


def transform_message(frame: Any, child: str) -> Any:
    """FaceMotion -> TFMessage: frame ``child``, turned by the head in the frame of the message."""
    from geometry_msgs.msg import TransformStamped

    transform = TransformStamped(header=frame.header, child_frame_id=child)
    transform.transform.rotation = frame.head_orientation
    return transform_class()(transforms=[transform])


def chunk_message(ahead: FramesAhead, layout: MotionLayout, *, stamp: Any, frame_id: str, rate: float) -> Any:
    """Frames ahead of playout -> FaceMotionChunk; ``stamp`` is ``ahead.due``."""
    from geometry_msgs.msg import Quaternion

    from diffposetalk_ros.msg import FaceMotionChunk

    message = FaceMotionChunk(
        epoch=ahead.epoch,
        first_frame=ahead.first,
        rate=float(rate),
        frame_count=len(ahead.rows),
        committed_count=ahead.committed,
    )
    message.header.stamp = stamp
    message.header.frame_id = frame_id
    message.expression = _floats(ahead.rows[:, expression_columns(layout)])
    if layout.head_rotation is not None:
        message.head_orientation = [Quaternion() for _ in ahead.rows]
        for quaternion, row in zip(message.head_orientation, ahead.rows, strict=True):
            _set_orientation(quaternion, row, layout)
    return message


def rows_from_chunk(message: Any, layout: MotionLayout) -> NDArray[np.float64]:
    """FaceMotionChunk -> all its frames (K, D), also those that a later chunk replaces.

    Inverse of `chunk_message`. Raises MotionError when the sizes do not fit.
    """
    columns = expression_columns(layout)
    values = np.asarray(message.expression, np.float64)
    count, turns = int(message.frame_count), message.head_orientation
    if len(values) != count * len(columns) or len(turns) not in (0, count):
        raise MotionError(
            f'face_motion_chunk has {len(values)} values and {len(turns)} orientations for {count} frames '
            f'of {len(columns)} channels'
        )
    rows = np.zeros((count, layout.width))
    rows[:, columns] = values.reshape(-1, len(columns))
    if layout.head_rotation is not None and turns:
        quaternions = np.array([[q.x, q.y, q.z, q.w] for q in turns])
        rows[:, layout.head_rotation] = ros_to_flame(quaternion_to_vector(quaternions))
    return rows


def info_message(
    layout: MotionLayout,
    rest: Floats,
    *,
    stamp: Any,
    frame_id: str,
    model: str,
    checksum: str,
    model_rate: float,
    output_rate: float,
    playout_delay: float,
    style: str,
    style_dim: int,
) -> Any:
    """FaceMotionInfo of a layout whose resting face is ``rest`` (D,)."""

    from diffposetalk_ros.msg import FaceMotionInfo

    columns = expression_columns(layout)
    channels = [layout.channels[i] for i in columns]
    message = FaceMotionInfo(
        model=model,
        model_checksum=checksum,
        space=layout.space,
        channel_names=[channel.name for channel in channels],
        channel_units=[channel.unit for channel in channels],
        has_head_pose=layout.head_rotation is not None,
        model_rate=float(model_rate),
        output_rate=float(output_rate),
        playout_delay=duration_message(to_nanoseconds(playout_delay)),
        style=style,
        style_dim=style_dim,
    )
    message.header.stamp = stamp
    message.header.frame_id = frame_id
    message.channel_min = _floats(np.array([channel.lower for channel in channels]))
    message.channel_max = _floats(np.array([channel.upper for channel in channels]))
    message.channel_rest = _floats(rest[columns])
    return message


def layout_from_info(info: Any) -> MotionLayout:
    """Layout that a FaceMotionInfo describes. Raises MotionError if this version does not know it."""
    layout = layout_for(info.space, bool(info.has_head_pose))
    names = [layout.names[i] for i in expression_columns(layout)]
    if list(info.channel_names) != names:
        raise MotionError(f'the channels of {info.model} differ from the known {info.space} layout')
    return layout


def row_from_message(message: Any, layout: MotionLayout) -> Floats:
    """FaceMotion -> row (D,); inverse of `frame_message`. Raises MotionError for a wrong length."""
    columns = expression_columns(layout)
    if len(message.expression) != len(columns):
        raise MotionError(
            f'face_motion has {len(message.expression)} channels, but ~/info states {len(columns)}'
        )
    row = np.zeros(layout.width, np.float32)
    row[columns] = message.expression
    if layout.head_rotation is not None:
        q = message.head_orientation
        row[layout.head_rotation] = ros_to_flame(quaternion_to_vector([q.x, q.y, q.z, q.w]))
    return row


def _floats(values: NDArray[Any]) -> array.array[float]:
    # rosidl checks each element of a list or ndarray, but takes an array.array as it is.
    return array.array('f', np.ascontiguousarray(values, np.float32).tobytes())


def _set_orientation(quaternion: Any, row: Floats, layout: MotionLayout) -> None:
    if layout.head_rotation is not None:
        values = vector_to_quaternion(flame_to_ros(row[layout.head_rotation]).tolist())
        quaternion.x, quaternion.y, quaternion.z, quaternion.w = values
