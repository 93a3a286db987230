# SPDX-License-Identifier: Apache-2.0
"""The face for RViz and Foxglove: vertices as PointCloud2, the mesh as a marker."""

from __future__ import annotations

import array
from typing import Any

import numpy as np
from geometry_msgs.msg import Point
from numpy.typing import NDArray
from rclpy.qos import QoSProfile
from sensor_msgs.msg import PointCloud2, PointField
from std_msgs.msg import ColorRGBA
from visualization_msgs.msg import Marker, MarkerArray

from diffposetalk_ros.errors import ConfigError
from diffposetalk_ros.motion.flame.flame_mesh import FlameMesh
from diffposetalk_ros.motion.rig import PARTS, Rig, load_rig
from diffposetalk_ros.ros.messages.stamps import nanoseconds_of
from diffposetalk_ros.util.nanoseconds import NS_PER_SECOND
from diffposetalk_ros.viewer.light import DAY, THEMES, Light
from diffposetalk_ros.viewer.tint import corner_tint

__all__ = ['FacePoints', 'cloud_message', 'to_ros_axes']

Floats = NDArray[np.float32]

_EARLY = 1_000_000


def to_ros_axes(points: Floats) -> Floats:
    """Face axes in mm (x to the subject's left, y up, z forward) -> REP-103 in m, any shape (..., 3)."""
    return np.asarray(points[..., [2, 0, 1]] * np.float32(0.001), np.float32)


def cloud_message(points: Floats, header: Any) -> PointCloud2:
    """PointCloud2 of points (V, 3) in m: fields x, y, z as float32."""
    try:
        from sensor_msgs_py.point_cloud2 import create_cloud_xyz32
    except ImportError:  # the helper package is not installed everywhere, and the message is simple
        pass
    else:
        return create_cloud_xyz32(header, points)
    cloud = PointCloud2(header=header, height=1, width=len(points), point_step=12, is_dense=True)
    cloud.row_step = 12 * len(points)
    cloud.fields = [
        PointField(name=name, offset=4 * i, datatype=PointField.FLOAT32, count=1)
        for i, name in enumerate('xyz')
    ]
    cloud.data = array.array('B', np.ascontiguousarray(points, '<f4').tobytes())
    return cloud


class FacePoints:
    """Publishes ``face_points`` and ``face_mesh`` while there are subscribers.

    The marker is slow to build in Python, so it is published at most ``rate`` times a second. ``flame``: the
    mesh that FLAME motion needs to be shown. Raises ConfigError for a rate out of range.
    """

    def __init__(
        self, node: Any, rate: float, flame: FlameMesh | None = None, rig: Rig | None = None
    ) -> None:
        if not 0 < rate <= 120:
            raise ConfigError(f'rviz.rate {rate:g} Hz; use more than 0, at most 120')
        self._cloud = node.create_publisher(PointCloud2, 'face_points', QoSProfile(depth=5))
        self._mesh = node.create_publisher(MarkerArray, 'face_mesh', QoSProfile(depth=2))
        # Stamps are rounded, so on a grid of 20 ms the fifth may be a nanosecond early.
        self._pause = round(NS_PER_SECOND / rate) - _EARLY
        self._last = -self._pause
        self._flame = flame
        self._rig = load_rig() if rig is None else rig
        self._markers: dict[str, Marker] = {}

    def show(self, row: Floats, space: str, header: Any) -> None:
        """Publish one frame: row of ARKit motion (55,) or (52,), or of FLAME motion (54,) or (51,)."""
        wants_cloud = self._cloud.get_subscription_count() > 0
        stamp = nanoseconds_of(header.stamp)
        due = not 0 <= stamp - self._last < self._pause
        wants_mesh = due and self._mesh.get_subscription_count() > 0
        if not (wants_cloud or wants_mesh) or (space == 'flame' and self._flame is None):
            return
        points = to_ros_axes(self._points(row, space))
        if wants_cloud:
            self._cloud.publish(cloud_message(points, header))
        if wants_mesh:
            self._last = stamp
            self._mesh.publish(self._marker(points, space, header))

    def _points(self, row: Floats, space: str) -> Floats:
        if space == 'flame':
            assert self._flame is not None
            return np.asarray(1000.0 * self._flame.points(row), np.float32)
        head = row[None, 52:55] if len(row) == 55 else None
        return np.asarray(self._rig.vertices(row[None, :52], head)[0])

    def _marker(self, points: Floats, space: str, header: Any) -> MarkerArray:
        if space not in self._markers:
            self._markers[space] = (
                _rig_marker(self._rig)
                if self._flame is None or space == 'arkit'
                else _triangles(len(self._flame.faces))
            )
        marker = self._markers[space]
        faces = self._rig.faces if self._flame is None or space == 'arkit' else self._flame.faces
        marker.header = header
        for point, (x, y, z) in zip(marker.points, points[faces].reshape(-1, 3).tolist(), strict=True):
            point.x, point.y, point.z = x, y, z
        return MarkerArray(markers=[marker])


def _triangles(count: int) -> Marker:
    """Marker with this number of triangles, all of the skin's colour."""
    marker = Marker(ns='face', type=Marker.TRIANGLE_LIST, action=Marker.ADD)
    marker.scale.x = marker.scale.y = marker.scale.z = 1.0
    marker.pose.orientation.w = 1.0
    marker.color.r, marker.color.g, marker.color.b = (value / 255.0 for value in DAY.skin)
    marker.color.a = 1.0
    marker.points = [Point() for _ in range(3 * count)]
    return marker


def _rig_marker(rig: Rig) -> Marker:
    """Marker of the rig with baked light.

    RViz does not light triangles that have their own colours. Half of the neutral face's light is therefore baked in,
    which costs nothing per frame. The other half is left to programs that light them."""
    base = np.array([getattr(THEMES[rig.face], name) for name in PARTS], np.float32)[rig.part] / 255.0
    # Linear tint on sRGB colours: its root of 2.2.
    plain = base[:, None] * corner_tint(rig) ** (1 / 2.2)
    colours = (0.5 * plain + 0.5 * Light(rig).colours(rig.neutral)[..., :3]).reshape(-1, 3).tolist()
    marker = _triangles(len(rig.faces))
    marker.colors = [ColorRGBA(r=r, g=g, b=b, a=1.0) for r, g, b in colours]
    return marker
