# SPDX-License-Identifier: Apache-2.0
"""Makes face and sound wait together for late data, and catch up in pauses. Imports no ROS.

frame 0 late            |--stands--|=== everything later by that ===|
once late by a little   |===|hold|====                                the sound goes on
late again within 1 s   |===|hold|=|stands|=== everything later ===   once, with some room
a pause in the sound    ~~~~~~~~~~~~~~~~~~~~~ up to 10 % faster ~~~   until nothing is late
"""

from __future__ import annotations

from diffposetalk_ros.playout.presentation_clock import PresentationClock
from diffposetalk_ros.playout.timeline import MotionTimeline
from diffposetalk_ros.util.nanoseconds import NS_PER_SECOND

__all__ = ['Pacer']

_ROOM = 20_000_000
"""Margin between the newest frame and the shown one after a wait, ns, because the next window may be late."""
_AGAIN = NS_PER_SECOND
"""A second late window within this time (ns) makes face and sound wait together."""
_HEAP = NS_PER_SECOND // 2
"""Time (ns) within which the network delivers its backlog after a stall."""
_CATCH_UP = 0.1
"""Speed-up of late playback during a pause of speech."""


class Pacer:
    """Runs or stops a `PresentationClock` according to the frames available. Not thread-safe; times in ns.

    Args:
        timeline: frames of the utterances.
        hop: frames that are generated at once.
        fps: frames per second of the timeline.

    ``hold`` and ``max_shift`` in ns may be set at any time. ``underflows``: times a frame was not there when it
    was due; ``late_starts``: utterances that began late; ``skipped``: ns that were not presented because
    ``max_shift`` was reached.
    """

    def __init__(self, timeline: MotionTimeline, hop: int = 2, fps: float = 25.0) -> None:
        self._timeline = timeline
        self._hop, self._fps = hop, fps
        self.hold, self.max_shift = 120_000_000, NS_PER_SECOND // 2
        self.underflows = self.late_starts = self.skipped = 0
        self.begin()

    def begin(self) -> None:
        """Begin to present another utterance."""
        self._late_since: int | None = None
        self._late_before: int | None = None
        self._run_at: int | None = None
        self._last: int | None = None
        self._skipping_since: int | None = None

    def is_over(self, clock: PresentationClock, now: int) -> bool:
        """Whether all frames of the utterance have been shown at ``now``."""
        position = max(0.0, clock.position(now))
        held = self._timeline.at(int(position), provisional=True, epoch=clock.epoch)
        if held.epoch > clock.epoch:
            return True  # long over: its frames are forgotten
        return held.epoch == clock.epoch and held.closed and position >= held.last - 0.5

    def advance(self, clock: PresentationClock, now: int, quiet_until: int, in_gap: bool = False) -> None:
        """Decide whether ``clock`` runs at ``now``. Up to the moment ``quiet_until``, its sound is silence, which may
        be shortened. ``in_gap``: there is no sound now, so no frame is missed."""
        before, self._last = self._last, now
        if clock.standing and quiet_until > clock.moment(now):
            # Silence does not wait for late frames.
            clock.stand(min(quiet_until, clock.moment(now) + clock.lateness(now)))
        due = clock.position(now)
        position = max(0.0, due)
        frame = int(position)
        held = self._timeline.at(frame, provisional=True, epoch=clock.epoch)
        mine = held.epoch == clock.epoch
        over = mine and (held.closed or held.waiting)
        passed = over and position >= held.last - 0.5
        there = mine and held.first is not None
        there = there and (held.second is not None or position - frame < 1e-6 or over)
        # The newest frame that is there until the next window comes, and some room.
        lacking = (
            round((due - (held.last - 1 - self._hop)) / self._fps * NS_PER_SECOND) + _ROOM if mine else 0
        )
        if clock.standing:
            self._wait(clock, now, there or passed, 0 if over else lacking)
        elif clock.moment(now) < 0:
            return
        elif there or passed:
            self._note_there(clock, now, 0 if over else lacking)
            if before is not None and clock.shift and quiet_until > clock.moment(now):
                self._catch_up(
                    clock, now - before, round((held.last - 1 - position) / self._fps * NS_PER_SECOND)
                )
        elif not in_gap:
            self._note_missing(clock, now)

    def sound_is_late(self, clock: PresentationClock, place: int, now: int) -> None:
        """The sound at ``place`` arrived only ``now``: present it as soon as its frames are available.

        Nothing at or after ``place`` may have been presented.
        """
        late = now - clock.time_of(place)
        if late <= 0:
            self._skipping_since = None
        elif clock.shift + late > self.max_shift:
            # Too late to be presented. Sound that follows at once and is less late belongs to the same backlog.
            self._skipping_since = now if self._skipping_since is None else self._skipping_since
        elif self._skipping_since is not None and now - self._skipping_since < _HEAP:
            return
        elif clock.moment(now) > place:
            clock.stand(place)
            self._run_at = self._skipping_since = None

    def _wait(self, clock: PresentationClock, now: int, there: bool, lacking: int) -> None:
        """Resume a stopped clock once enough frames are available, or ``max_shift`` is reached."""
        late = clock.lateness(now)
        if not there and clock.shift + late < self.max_shift:
            return
        if there and not late and not self._run_at:
            clock.run(now, self.max_shift)  # in time: nothing has waited
            return
        if self._run_at is None:
            self._run_at = now + max(0, lacking)
        if there and now < self._run_at and lacking > 0 and clock.shift + late < self.max_shift:
            return
        self.late_starts += late > _ROOM and clock.moment(now) <= 0
        self.skipped += clock.run(now, self.max_shift)
        self._run_at = self._late_since = None

    def _note_there(self, clock: PresentationClock, now: int, lacking: int) -> None:
        """Handle an available frame. If frames were late twice within a short time, stop to gain some room."""
        if self._late_since is None:
            return
        self._late_since = None
        again = self._late_before is not None and now - self._late_before < _AGAIN
        self._late_before = now
        if again and lacking > 0 and clock.shift < self.max_shift:
            clock.stand(clock.moment(now))
            self._run_at = now + lacking

    def _note_missing(self, clock: PresentationClock, now: int) -> None:
        if self._late_since is None:
            self._late_since = now
            self.underflows += 1
        if now - self._late_since > self.hold and clock.shift < self.max_shift:
            # Otherwise the lips would rest while the voice continues, so both wait.
            clock.stand(clock.moment(now))
            self._run_at = None

    def _catch_up(self, clock: PresentationClock, elapsed: int, ahead: int) -> None:
        """Catch up only if enough motion is available until the next window."""
        if ahead > round(self._hop / self._fps * NS_PER_SECOND) + _ROOM:
            clock.shift = max(0, clock.shift - round(_CATCH_UP * min(elapsed, NS_PER_SECOND)))
