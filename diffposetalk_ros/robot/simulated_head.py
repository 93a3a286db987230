# SPDX-License-Identifier: Apache-2.0
"""A robot described by a URDF, simulated by MuJoCo, with servos that lag as real ones do.

A servo receives a command ``servo_delay`` s late, smooths it with ``servo_time_constant`` s (both from
the joint's ``<ros2_control>`` parameters) and holds the joint with a critically damped position loop
of 25 Hz. Its integral part is assumed to be perfect, so gravity is compensated.
"""

from __future__ import annotations

import os
from collections import deque
from ctypes.util import find_library
from pathlib import Path
from typing import Any
from xml.etree import ElementTree
from xml.parsers import expat

import numpy as np
from numpy.typing import ArrayLike, NDArray

from diffposetalk_ros.errors import ConfigError

__all__ = ['SimulatedHead', 'choose_renderer']

Floats = NDArray[np.float64]
_BANDWIDTH = 2 * np.pi * 25.0
_JOINT_KINDS = ('revolute', 'continuous', 'prismatic')


class SimulatedHead:
    """Movable joints ``names`` in the URDF's order. Raises ConfigError for files that cannot be simulated."""

    def __init__(self, urdf: str | Path, timestep: float = 0.001) -> None:
        mujoco = _mujoco()
        root = _parse(Path(urdf))
        self.names = tuple(j.get('name', '') for j in root.findall('joint') if j.get('type') in _JOINT_KINDS)
        if not self.names:
            raise ConfigError(f'{urdf} has no movable joint')
        lag = {j.get('name'): j for j in root.findall('ros2_control/joint')}
        self.servo_delay = np.array([_parameter(lag.get(name), 'servo_delay') for name in self.names])
        self._constants = [_parameter(lag.get(name), 'servo_time_constant') for name in self.names]
        for tag in ('ros2_control', 'gazebo', 'transmission'):
            for element in root.findall(tag):
                root.remove(element)
        try:
            spec = mujoco.MjSpec.from_string(ElementTree.tostring(root, encoding='unicode'))
            self._model = self._compile(mujoco, spec, timestep)
        except ValueError as error:
            raise ConfigError(f'MuJoCo cannot load {urdf}: {str(error).splitlines()[0]}') from error
        self._mujoco, self._data = mujoco, mujoco.MjData(self._model)
        self._queue: deque[tuple[float, Floats]] = deque()
        self._command = np.zeros(len(self.names))
        self._renderer: Any = None
        mujoco.mj_forward(self._model, self._data)

    def _compile(self, mujoco: Any, spec: Any, timestep: float) -> Any:
        spec.option.timestep = timestep
        spec.option.integrator = mujoco.mjtIntegrator.mjINT_IMPLICITFAST
        spec.visual.headlight.ambient = [0.45, 0.45, 0.45]
        spec.visual.headlight.diffuse = [0.6, 0.6, 0.6]
        for body in spec.bodies:
            if body.name != 'world':
                body.gravcomp = 1.0
        for geom in spec.geoms:  # joint limits and clearances keep parts apart
            geom.contype = geom.conaffinity = 0
        plain = spec.copy().compile()
        inertia = self._inertia(mujoco, plain)
        for name, constant in zip(self.names, self._constants, strict=True):
            actuator = spec.add_actuator(name=name, target=name, trntype=mujoco.mjtTrn.mjTRN_JOINT)
            stiffness = inertia[name] * _BANDWIDTH**2
            actuator.set_to_position(
                kp=stiffness, kv=2 * inertia[name] * _BANDWIDTH, timeconst=max(constant, timestep)
            )
        return spec.compile()

    def _inertia(self, mujoco: Any, model: Any) -> dict[str, float]:
        data = mujoco.MjData(model)
        mujoco.mj_forward(model, data)
        full = np.zeros((model.nv, model.nv))
        mujoco.mj_fullM(model, data, full)
        return {
            name: float(full[model.joint(name).dofadr[0], model.joint(name).dofadr[0]]) for name in self.names
        }

    # ---- use -------------------------------------------------------------------------------------

    @property
    def time(self) -> float:
        """Simulated time, s."""
        return float(self._data.time)

    @property
    def positions(self) -> Floats:
        """Joint positions (J,), rad or m."""
        return np.array([self._data.joint(name).qpos[0] for name in self.names])

    @property
    def velocities(self) -> Floats:
        """Joint speeds (J,)."""
        return np.array([self._data.joint(name).qvel[0] for name in self.names])

    def command(self, positions: ArrayLike) -> None:
        """Give every servo a position (J,) in the order of `names`, now."""
        values = np.array(positions, np.float64)  # a copy, because the caller may change the original
        if values.shape != (len(self.names),) or not np.isfinite(values).all():
            raise ConfigError(
                f'command of shape {values.shape}; the robot has {len(self.names)} joints, all finite'
            )
        self._queue.append((self.time, values))

    def step(self, seconds: float) -> None:
        """Simulate ``seconds``."""
        for _ in range(max(1, round(seconds / self._model.opt.timestep))):
            self._hear()
            self._data.ctrl[:] = self._command
            self._mujoco.mj_step(self._model, self._data)

    def _hear(self) -> None:
        # Commands older than the delay of the slowest servo are no longer needed.
        slowest = self.servo_delay.max(initial=0.0)
        while len(self._queue) > 1 and self._queue[1][0] + slowest <= self.time:
            self._queue.popleft()
        for given, values in self._queue:
            heard = given + self.servo_delay <= self.time + 1e-9
            self._command = np.where(heard, values, self._command)

    def render(self, width: int = 480, height: int = 480) -> NDArray[np.uint8]:
        """Picture (height, width, 3) of the robot from the front. Raises ConfigError without OpenGL."""
        try:
            if self._renderer is None:
                self._renderer = self._mujoco.Renderer(self._model, height, width)
            camera = self._mujoco.MjvCamera()
            camera.lookat[:] = [0.0, 0.0, 0.22]
            camera.distance, camera.azimuth, camera.elevation = 0.62, 205.0, -8.0
            self._renderer.update_scene(self._data, camera)
            return np.array(self._renderer.render())
        except Exception as error:  # each OpenGL platform raises different errors
            raise ConfigError(
                f'MuJoCo cannot render here ({error}); install libEGL, or set MUJOCO_GL to osmesa'
            ) from error


def choose_renderer() -> None:
    """Set MUJOCO_GL, which MuJoCo reads when it is imported, unless it is set: EGL needs no window system.

    If libEGL is missing, importing MuJoCo with it would fail; then it simulates without pictures.
    """
    if 'MUJOCO_GL' not in os.environ:
        os.environ['MUJOCO_GL'] = 'egl' if find_library('EGL') else 'disable'


def _mujoco() -> Any:
    choose_renderer()
    try:
        import mujoco
    except ImportError as error:
        raise ConfigError('the simulated robot needs MuJoCo; install it: pip install mujoco') from error
    return mujoco


def _parse(path: Path) -> ElementTree.Element:
    """Root of a URDF. Raises ConfigError for a file that cannot be read, is not a URDF, or declares a document type.

    A URDF needs no entities, which can make a small file expand to gigabytes."""

    def refuse(*declared: object) -> None:
        raise ConfigError(
            f'{path} declares a document type (<!DOCTYPE>), which a URDF does not need: remove it'
        )

    try:
        text = path.read_bytes()
        scanner = expat.ParserCreate()
        scanner.StartDoctypeDeclHandler = refuse
        scanner.Parse(text, True)
        root = ElementTree.fromstring(text)
    except (OSError, expat.ExpatError, ElementTree.ParseError) as error:
        raise ConfigError(f'cannot read {path}: {error}') from error
    if root.tag != 'robot':
        raise ConfigError(f'{path} is not a URDF: its root is <{root.tag}>, not <robot>')
    return root


def _parameter(joint: ElementTree.Element | None, name: str) -> float:
    if joint is None:
        return 0.0
    for element in joint.findall('param'):
        if element.get('name') == name:
            return float(element.text or 0)
    return 0.0
