# SPDX-License-Identifier: Apache-2.0
"""Figures and a chart of a live run, from the frames that a subscriber received. Imports no ROS."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from diffposetalk_ros.benchmark.ros.percentiles import percentiles
from diffposetalk_ros.motion.motion_clip import MotionClip
from diffposetalk_ros.util.output_file import write_atomically

__all__ = ['LiveReport', 'measure', 'plot', 'write_report']

_SPEAKING, _HOLDING = 2, 3


@dataclass(frozen=True)
class LiveReport:
    """Times in ms. ``age``: from a frame's stamp (when it should be seen) to its arrival at a
    subscriber in another process; ``uneven_stamps`` counts stamps off the output rate's grid."""

    frames: int
    speaking_frames: int
    held_frames: int
    lost_frames: int
    doubled_frames: int
    uneven_stamps: int
    age_p50: float
    age_p95: float
    age_p99: float


def measure(
    numbers: Sequence[int],
    stamps: Sequence[int],
    received: Sequence[int],
    states: Sequence[int],
    rate: float,
) -> LiveReport:
    """Frame numbers, stamps (ns), arrival times (ns), states and output rate (Hz) -> LiveReport."""
    age = percentiles([(r - s) / 1e6 for r, s in zip(received, stamps, strict=True)])
    counted = np.diff(np.asarray(numbers, np.int64))
    spacing = np.diff(np.asarray(stamps, np.int64))
    even = np.abs(spacing - counted * 1e9 / rate) <= 1000
    return LiveReport(
        frames=len(numbers),
        speaking_frames=sum(state == _SPEAKING for state in states),
        held_frames=sum(state == _HOLDING for state in states),
        lost_frames=int(np.maximum(counted - 1, 0).sum()),
        doubled_frames=int((counted <= 0).sum()),
        uneven_stamps=int((~even).sum()),
        age_p50=age[0],
        age_p95=age[1],
        age_p99=age[2],
    )


def write_report(path: Path, report: LiveReport, diagnostics: Mapping[str, str]) -> None:
    """Write a JSON file with the figures measured from outside and those the node reported."""
    content = {'subscriber': asdict(report), 'node': dict(diagnostics)}
    write_atomically(path, (json.dumps(content, indent=2) + '\n').encode())


def plot(path: Path, clip: MotionClip, states: Sequence[int], ages_ms: Sequence[float]) -> bool:
    """PNG of mouth, eyes, head and frame age over time; False when matplotlib is not installed."""
    try:
        from matplotlib.figure import Figure
    except ImportError:
        return False
    names = clip.layout.names
    time = np.arange(len(clip.values)) / clip.fps
    figure = Figure(figsize=(11, 7))
    axes = figure.subplots(4, 1, sharex=True)
    groups = (
        ('mouth [1]', ('jawOpen', 'mouthClose', 'mouthPucker', 'mouthSmileLeft', 'exp00', 'exp01')),
        ('eyes, brows [1]', ('eyeBlinkLeft', 'browInnerUp', 'browDownLeft', 'exp02')),
        ('head [rad]', ('headRotationX', 'headRotationY', 'headRotationZ')),
    )
    for axis, (label, members) in zip(axes, groups, strict=False):
        for name in members:
            if name in names:
                axis.plot(time, clip.values[:, names.index(name)], label=name, linewidth=0.9)
        axis.set_ylabel(label)
        if axis.lines:
            axis.legend(loc='upper right', fontsize=7)
    axes[3].plot(np.arange(len(ages_ms)) / clip.fps, ages_ms, linewidth=0.7, label='frame age')
    speaking = np.asarray(states) == _SPEAKING
    axes[3].fill_between(
        np.arange(len(states)) / clip.fps,
        0,
        max(ages_ms, default=1.0),
        where=speaking.tolist(),
        alpha=0.15,
        label='speaking',
    )
    axes[3].set_ylabel('age [ms]')
    axes[3].set_xlabel('time [s]')
    axes[3].legend(loc='upper right', fontsize=7)
    figure.tight_layout()
    figure.savefig(path, dpi=110)
    return True
