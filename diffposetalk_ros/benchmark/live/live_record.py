# SPDX-License-Identifier: Apache-2.0
"""The record of a live run, and the figures computed from it. Imports no ROS."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from diffposetalk_ros.benchmark.process_watch import ProcessSample
from diffposetalk_ros.playout.playout import PlayoutState

__all__ = ['CycleSample', 'LiveRecord']

Integers = NDArray[np.int64]
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class CycleSample:
    """After one configure-activate-deactivate-cleanup: seconds it took, resident MiB, threads, and
    publishers, subscriptions and services that are there."""

    seconds: float
    resident: float
    threads: int
    endpoints: int


@dataclass(frozen=True)
class LiveRecord:
    """Times in ns since 1970.

    ``frames`` (n, 5): number, stamp, moment it was handed to the middleware, moment it arrived, state.
    ``poses`` (n,): stamps. ``sounds`` (n, 2): stamp and moment of audio_out. ``sent`` (n, 3): sound of the
    times [begin, end) and the moment its message was sent. ``diagnostics``: the last values.
    """

    frames: Integers
    poses: Integers
    sounds: Integers
    sent: Integers
    samples: Sequence[ProcessSample]
    diagnostics: Mapping[str, str]

    @property
    def missing(self) -> int:
        """Numbers that never came."""
        steps = np.diff(self.frames[:, 0])
        return int(np.maximum(steps - 1, 0).sum())

    @property
    def doubled(self) -> int:
        """Frames that came twice, or in the wrong order."""
        return int((np.diff(self.frames[:, 0]) <= 0).sum())

    def off_grid(self, rate: float) -> int:
        """Stamps that are not the first one plus a multiple of 1 / ``rate``, to the nanosecond."""
        number, stamp = self.frames[:, 0], self.frames[:, 1]
        wanted = np.round((number - number[0]) * (1e9 / rate))
        return int((np.abs(stamp - stamp[0] - wanted) > 1).sum())

    @property
    def poses_apart(self) -> int:
        """Stamps that head_pose and face_motion do not share, ends left out."""
        low = max(self.frames[0, 1], self.poses[0])
        high = min(self.frames[-1, 1], self.poses[-1])
        pair = [stamps[(low <= stamps) & (stamps <= high)] for stamps in (self.frames[:, 1], self.poses)]
        return len(np.setxor1d(*pair))

    @property
    def held(self) -> int:
        """Frames shown again because the next was late."""
        return int((self.frames[:, 4] == PlayoutState.HOLDING).sum())

    @property
    def lateness(self) -> Floats:
        """ms from each frame's stamp until it was handed to the middleware."""
        return np.asarray((self.frames[:, 2] - self.frames[:, 1]) / 1e6)

    @property
    def arrival(self) -> Floats:
        """ms from each frame's stamp until it arrived at a subscriber in another process."""
        return np.asarray((self.frames[:, 3] - self.frames[:, 1]) / 1e6)

    @property
    def sound_lateness(self) -> Floats:
        """ms from the stamp of each message of audio_out until it was handed to the middleware."""
        return np.asarray((self.sounds[:, 1] - self.sounds[:, 0]) / 1e6)

    def added_delay(self, playout_delay: float, frame: float) -> Floats:
        """ms from the sending of the last sample a spoken frame is made of until the frame is published.

        A frame with stamp s shows the sound around s - ``playout_delay``, ``frame`` seconds (one frame of the
        model) of it. Frames whose last sample fell into a pause without messages are left out.
        """
        spoken = self.frames[self.frames[:, 4] == PlayoutState.SPEAKING]
        last = spoken[:, 1] - round((playout_delay - frame / 2) * 1e9)
        place = np.searchsorted(self.sent[:, 0], last, side='left') - 1
        inside = (place >= 0) & (last <= self.sent[place, 1])
        return np.asarray((spoken[inside, 2] - self.sent[place[inside], 2]) / 1e6)

    def processor_share(self, talking: bool) -> float:
        """Share of one core while all frames are of one kind, spoken or not; NaN without such time."""
        stamps, spoken = self.frames[:, 1], self.frames[:, 4] >= PlayoutState.SPEAKING
        used = wall = 0.0
        for a, b in zip(self.samples, self.samples[1:], strict=False):
            within = spoken[np.searchsorted(stamps, a.time) : np.searchsorted(stamps, b.time)]
            if len(within) and (within == talking).all():
                used += b.processor - a.processor
                wall += (b.time - a.time) / 1e9
        return used / wall if wall else float('nan')

    @property
    def seconds(self) -> Floats:
        """Times of ``samples`` from the first on."""
        times = np.array([sample.time for sample in self.samples])
        return np.asarray((times - times[0]) / 1e9)

    @property
    def resident(self) -> Floats:
        """MiB of ``samples``."""
        return np.array([sample.resident for sample in self.samples])

    @property
    def settled(self) -> float:
        """Seconds after which memory has to stay as it is: a minute, or half of a shorter run."""
        return min(60.0, float(self.seconds[-1]) / 2)

    @property
    def memory_growth(self) -> tuple[float, float]:
        """(largest fall, largest rise) of resident memory after `settled`, in MiB."""
        later = self.resident[self.seconds >= self.settled]
        return float((later - later[0]).min()), float((later - later[0]).max())
