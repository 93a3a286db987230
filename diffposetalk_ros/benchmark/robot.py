# SPDX-License-Identifier: Apache-2.0
"""Benchmarks of joints: computing time, jaw closures against sound, time to rest; needs no ROS."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from diffposetalk_ros.benchmark.table import Cell, Table
from diffposetalk_ros.benchmark.timing import timed
from diffposetalk_ros.motion.layout import arkit_layout
from diffposetalk_ros.motion.motion_clip import MotionClip
from diffposetalk_ros.robot.closed_loop import Recording, closure_offsets, lag_of
from diffposetalk_ros.robot.commander import CommanderConfig, CommanderMode, JointCommander
from diffposetalk_ros.robot.joint_limits import JointLimiter
from diffposetalk_ros.robot.joint_map import Clearance, Joint, JointMap, NeckMap, Source
from diffposetalk_ros.util.nanoseconds import NS_PER_SECOND

__all__ = ['closure_row', 'closure_table', 'rest_table', 'speed_table', 'thirty_joints']

Floats = NDArray[np.float64]
_CLOSURE_COLUMNS = (
    'run',
    'jaw closes after the sound, median [ms]',
    'closures found',
    'lag of the jaw [ms]',
    'late frames of the face',
)


def thirty_joints() -> JointMap:
    """A map with everything in it: 30 joints, curves, dead bands, six clearances, a neck of three axes."""
    layout, rng = arkit_layout(), np.random.default_rng(0)
    names = [f'joint{i}' for i in range(30)]
    joints = []
    for i, name in enumerate(names):
        first, second, third = rng.choice(layout.names[:52], 3, replace=False)
        curve = Source(third, points=((0.0, 0.0), (0.5, 0.3), (1.0, 0.8)))
        sources = (Source(first, 0.5), Source(second, -0.2), curve)
        joints.append(
            Joint(
                name,
                'rad',
                (-1.0, 1.0),
                speed=5.0,
                acceleration=100.0,
                jerk=5000.0,
                dead_band=0.01 * (i % 2),
                sources=() if i < 3 else sources,
            )
        )
    pairs = [(names[i], names[i + 1]) for i in range(3, 15, 2)]
    clearances = tuple(Clearance(f'{a} and {b}', ((a, 1.0), (b, 1.0)), 0.3) for a, b in pairs)
    return JointMap(
        'thirty', layout, tuple(joints), NeckMap(tuple(names[:3]), ('+z', '+y', '+x')), clearances
    )


def speed_table(example: JointMap, seconds: float = 2.0) -> Table:
    """Time of one frame through the map, of one step within the caps, of one plan."""
    rows: list[tuple[Cell, ...]] = []
    for name, joint_map in (('30 joints', thirty_joints()), (f'example, {len(example.names)}', example)):
        faces = _faces(joint_map)
        turn = iter(np.tile(faces, (2000, 1)))

        def look_up() -> None:
            joint_map.evaluate(next(turn))  # noqa: B023

        rows.append((f'map, one frame ({name})', *_cells(timed(look_up, seconds))))
        limiter = JointLimiter(joint_map, 0.02)
        state, targets = limiter.at_rest(), iter(joint_map.evaluate(np.tile(faces, (2000, 1))))

        def step() -> None:
            nonlocal state
            state = limiter.step(state, next(targets))  # noqa: B023

        rows.append((f'limits, one command ({name})', *_cells(timed(step, seconds))))
    commander = JointCommander(example)
    faces = _faces(example)
    commander.show(0, faces[0], 0)
    commander.frames.foresee(0, 0, NS_PER_SECOND // 25, faces[:4])
    commander.advance(0)
    rows.append(('trajectory, 150 ms and the way to rest (example)', *_cells(timed(commander.plan, seconds))))
    note = 'Random faces move every joint, which is worse than speech. `cpu` is processor time.'
    return Table('Time', note, ('what', 'p50 [ms]', 'p95 [ms]', 'cpu [ms]'), tuple(rows))


def _faces(joint_map: JointMap) -> Floats:
    width = joint_map.layout.width
    faces = np.random.default_rng(1).uniform(0, 1, (100, width))
    faces[:, joint_map.layout.head_rotation] *= 0.2
    return faces


def _cells(timing: object) -> tuple[Cell, ...]:
    return tuple(float(getattr(timing, key)) for key in ('p50', 'p95', 'cpu'))


def closure_row(run: str, recording: Recording, closures: Floats, late: Cell = None) -> tuple[Cell, ...]:
    """A row of `closure_table`: the jaw against the ``closures`` (s) heard."""
    wanted, measured = recording.joint('jaw')
    offsets = closure_offsets(recording.time, measured, closures)
    found = int(np.isfinite(offsets).sum())
    median = float(1e3 * np.nanmedian(offsets)) if found else float('nan')
    lag = 1e3 * lag_of(wanted, measured, 0.005)
    return run, round(median), f'{found} of {len(closures)}', round(lag), late


def closure_table(rows: Sequence[tuple[Cell, ...]], note: str) -> Table:
    """Jaw closures against sound, one `closure_row` a run."""
    return Table('Jaw and sound', note, _CLOSURE_COLUMNS, tuple(rows))


def rest_table(clip: MotionClip, example: JointMap, cuts: int = 40) -> Table:
    """Frames of ``clip`` stop at ``cuts`` moments in mid-word: how long until every joint rests."""
    moments = np.linspace(1.0, clip.duration - 0.5, cuts)
    runs = [_cut_off(clip, example, moment) for moment in moments]
    seconds, speed, acceleration = (np.array(part) for part in zip(*runs, strict=True))
    rows = (
        ('time until every joint rests, median [ms]', round(1e3 * float(np.median(seconds)))),
        ('time until every joint rests, longest [ms]', round(1e3 * float(seconds.max()))),
        ('largest speed, as a share of its cap', float(speed.max())),
        ('largest acceleration, as a share of its cap', float(acceleration.max())),
    )
    note = f'The last frame of face_motion is shown at one of {cuts} moments of the speech; 50 commands/s.'
    return Table('Input stops in the middle of a word', note, ('what', 'value'), rows)


def _cut_off(clip: MotionClip, example: JointMap, moment: float) -> tuple[float, float, float]:
    """Seconds from the last frame to rest; greatest mean speed and acceleration of a period / cap."""
    commander = JointCommander(example, CommanderConfig())
    period, begin = 1.0 / commander.config.rate, moment - 1.0
    middles = (np.arange(len(clip.values)) + 0.5) / clip.fps
    path, rested = [], float('inf')
    for k in range(round(2.5 / period)):
        now = begin + k * period
        if now <= moment + 1e-9:
            row = np.array([np.interp(now, middles, column) for column in clip.values.T])
            commander.show(round(now * NS_PER_SECOND), row, round(now * NS_PER_SECOND))
        due = commander.advance(round(now * NS_PER_SECOND)) / NS_PER_SECOND
        path.append(commander.state.position)
        resting = commander.mode is not CommanderMode.TRACKING
        if now > moment and resting and np.allclose(path[-1], example.rest, rtol=0, atol=1e-6):
            rested = min(rested, due - moment)
    speed = np.diff(path, axis=0) / period
    acceleration = np.diff(speed, axis=0) / period
    shares = (np.abs(speed) / example.speed).max(), (np.abs(acceleration) / example.acceleration).max()
    return rested, float(shares[0]), float(shares[1])
