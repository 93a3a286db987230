# SPDX-License-Identifier: Apache-2.0
"""Estimates the offset and drift of the clock of another machine from its stamps. Imports no ROS.

    age = arrival - time the message's last sample sounded, by its stamp

    always about the same, above 0       the sender's clock is behind: its sound is not late
    always about the same, below 0       its clock is ahead: live sound cannot be sent before it has sounded
    decreasing                           not due to the clock: speech synthesis sends ahead of time
    sometimes larger                     not due to the clock: the network was late

The offset is the smallest age of the last half minute (a minimum filter, like NTP's clock filter), because messages
may be late but never early.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

from diffposetalk_ros.util.nanoseconds import NS_PER_SECOND

__all__ = ['MinimumFilter', 'PublisherClock', 'SenderClock']

_SAME = 30_000_000
"""Clocks that differ by less (ns) are the same clock: a sound card may take as long."""
_STEP = NS_PER_SECOND
"""A first message whose age is larger by more (ns) comes from a clock that was set."""
_WENT_BACK = NS_PER_SECOND // 2
"""If stamps go back by more than this (ns), the clock was set."""
_STAYED = NS_PER_SECOND // 10
"""Lateness (ns) that lasts to the end of an utterance is attributed to the clock from the next utterance on."""
_LIVE = NS_PER_SECOND // 4
"""A source is live when it has kept the pace of its sound for this time (ns)."""
_SENT_LATER = NS_PER_SECOND // 2
"""Between two messages of a stream, their publisher never waits so long (ns)."""
_GAIN = 0.02
"""If the age decreases faster than this (s/s), the cause is not the clock."""
_PATIENCE = NS_PER_SECOND // 2
"""An age that stays too large for this time (ns) is due to the clock."""
_SLEW = 1e-3
"""Rate at which the correction follows (s/s): five times the drift of a bad crystal."""
_BUCKETS = 30
"""The minimum filter keeps the smallest age of each of this many seconds."""


@dataclass(frozen=True)
class _Arrival:
    """A message that arrived at ``time``. ``lag``: that time minus the length of all sound so far; ``lag_before``:
    without this message. If speech is synthesised, both decrease even where the stamps are the times of sending and
    the ages stay the same. In ns."""

    time: int
    age: int
    lag: int
    lag_before: int


class MinimumFilter:
    """The smallest of the values of the last half minute; times in ns."""

    def __init__(self) -> None:
        self._buckets: deque[tuple[int, int]] = deque(maxlen=_BUCKETS)

    @property
    def values(self) -> list[tuple[int, int]]:
        """(time, smallest value) of each second, the oldest first."""
        return list(self._buckets)

    def push(self, value: int, now: int) -> int:
        """Add a value; returns the smallest."""
        if self._buckets and now < self._buckets[-1][0] - NS_PER_SECOND:
            self._buckets.clear()  # the clock was set
        if not self._buckets or now - self._buckets[-1][0] >= NS_PER_SECOND:
            self._buckets.append((now, value))
        begin, least = self._buckets[-1]
        self._buckets[-1] = begin, min(least, value)
        return min(least for _, least in self._buckets)


class PublisherClock:
    """When the messages of one publisher were sent, by the middleware's stamps. Times in ns; not thread-safe.

    The publisher may run on another machine, whose clock has a constant offset. The age of messages also grows in a
    long queue, which is not due to the clock. The offset therefore increases only with the first message after a
    pause of the publisher, or if stamps go back or ages stay the same for half a minute; otherwise no faster than a
    crystal drifts.

    ``step``: by how much (ns) the offset changed with the newest message, if that came after a pause.
    """

    def __init__(self) -> None:
        self._ages = MinimumFilter()
        self._offset: int | None = None
        self._seen = self._stamp = 0
        self.step = 0

    @property
    def ahead(self) -> int:
        """Lower bound on how far the publisher's clock is ahead: a message cannot arrive before it was sent."""
        return max(0, -(self._offset or 0))

    def sent(self, stamp: int, now: int) -> int:
        """Time on the receiver's clock at which a message with this ``stamp``, read at ``now``, was sent."""
        age = now - stamp
        least = self._ages.push(age, now)
        since, before = stamp - self._stamp, self._offset
        paused = now - self._seen >= NS_PER_SECOND
        alone = (paused and since >= _SENT_LATER) or since < -2 * _SAME
        if self._offset is None or least < self._offset or self._steady():
            self._offset = least
        elif alone and age > self._offset + 2 * _SAME:
            # The publisher paused, so this message waited in no queue; or its stamps went back: the clock was set.
            self._ages = MinimumFilter()
            self._offset = self._ages.push(age, now)
        else:
            risen = round(_SLEW * min(max(0, now - self._seen), NS_PER_SECOND))
            self._offset = min(least, self._offset + risen)
        self.step = self._offset - before if paused and before is not None else 0
        self._seen, self._stamp = now, stamp
        return now - (age - self._offset)

    def _steady(self) -> bool:
        ages = [age for _, age in self._ages.values]
        return len(ages) == _BUCKETS and max(ages) - min(ages) < 2 * _SAME


class SenderClock:
    """Corrects the stamps of one sender to the receiver's clock. Times in ns; not thread-safe.

    ``offset`` is added to a stamp; ``drift`` is the change of the offset in seconds per second. ``most_late``: if
    sound stays late by more (ns), as after a paused replay, its clock is taken to have been set, because the
    presentation does not wait longer.
    """

    def __init__(self) -> None:
        self.offset = 0
        self.most_late = NS_PER_SECOND // 2
        self._known = False
        self._forget()

    def _forget(self) -> None:
        self._least = MinimumFilter()
        self._recent: deque[_Arrival] = deque()
        self._sound = self._length = self._floor = self._resumed = 0
        self._stamp = 0
        self._end: int | None = None
        self._now: int | None = None

    @property
    def differs(self) -> bool:
        """Whether the sender's clock differs from the receiver's."""
        return abs(self.offset) > _SAME

    @property
    def drift(self) -> float:
        """Change of the offset in seconds per second; NaN during the first 10 s."""
        seen = self._least.values
        if len(seen) < 10:
            return float('nan')
        (first, low), (last, high) = seen[0], seen[-1]
        return (high - low) / (last - first)

    def expect(self, ahead: int, step: int) -> None:
        """The clock of the sender's machine is ``ahead`` (`PublisherClock.ahead`); used until live sound tells more.
        It was just set back by ``step`` (`PublisherClock.step`).

        A burst alone does not tell whether its stamps are ahead because of the clock or because it is early.
        """
        offset = self.offset
        if self._known and abs(step) > _WENT_BACK:
            offset += step
        elif not self._known and ahead > _SAME and abs(offset + ahead) > _SAME:
            offset = -ahead
        if offset != self.offset:
            self.offset, self._least = offset, MinimumFilter()
            self._recent.clear()

    def observe(self, stamp: int, length: int, now: int, begins: bool) -> int:
        """A message of ``length`` with the time ``stamp`` of its first sample arrived at ``now``.

        ``begins``: it is the first of an utterance. Returns by how much the earlier sound of this utterance must be
        moved, because until now it seemed to be ahead of time.
        """
        if self._end is not None and stamp == self._stamp:
            return 0  # one stamp for a whole sentence gives no information about a clock
        self._stamp, moved = stamp, 0
        if self._now is not None and now < self._now - NS_PER_SECOND:
            self._forget()  # the receiver's own clock was set
        age = now - stamp - length
        gap = 0 if self._end is None else stamp - self._end
        went_back = gap < -_WENT_BACK
        self._end = stamp + length
        if begins and self._steady(late_by=_STAYED):
            # The utterance before was late to its end, so a clock was set by less than `_STEP`.
            self._set(min(recent.age for recent in self._recent), now)
        self._sound += length
        self._length = length
        if gap > _SAME:
            self._resumed = now
        self._note(now, age)
        late = age - self.offset
        set_back = went_back and late > _WENT_BACK
        fresh = late > _STEP and (begins or not self._known)
        most_late = max(_STAYED, min(self.most_late, _STEP))
        if set_back or fresh or (late > most_late and self._steady(late_by=most_late)):
            self._set(age if begins or went_back else min(recent.age for recent in self._recent), now)
        elif not self._known and age > _SAME:
            self._set(age, now)
        elif (ahead := self._steady_ahead()) is not None:
            moved = ahead - self.offset
            self._set(ahead, now)
        else:
            self._follow(now)
        self._known = self._known or age > -_SAME
        self._now = now
        return moved

    def _note(self, now: int, age: int) -> None:
        lag = now - self._sound
        self._recent.append(_Arrival(now, age, lag, lag + self._length))
        while now - self._recent[0].time > 2 * _PATIENCE:
            self._recent.popleft()
        self._floor = self._least.push(age, now)

    def _steady(self, late_by: int) -> bool:
        """Whether all messages of a period were late by this amount and are not catching up."""
        if not self._recent:
            return False
        first, last = self._recent[0], self._recent[-1]
        elapsed = last.time - first.time
        steady = elapsed >= _PATIENCE and last.age - first.age > -0.2 * elapsed
        return steady and min(recent.age for recent in self._recent) - self.offset > late_by

    def _paced(self) -> tuple[list[_Arrival], list[_Arrival]] | None:
        """The messages of the last half second, in two halves, if the source sends in real time and without a gap.
        Synthesis that is only a little faster than real time gets ahead more and more."""
        begin = max(self._resumed, self._recent[-1].time - 2 * _LIVE)
        recent = [seen for seen in self._recent if seen.time >= begin]
        first, elapsed = recent[0].time, recent[-1].time - recent[0].time
        if elapsed < _LIVE or len(recent) < 3:
            return None
        early = [seen for seen in recent if 2 * (seen.time - first) <= elapsed]
        late = recent[len(early) :]
        gained = min(seen.lag for seen in early) - min(seen.lag for seen in late)
        # The last piece of a sentence is shorter.
        begun = min(seen.lag_before for seen in early) - min(seen.lag_before for seen in late)
        return (early, late) if max(gained, begun) < _GAIN * elapsed else None

    def _steady_ahead(self) -> int | None:
        """The offset of a live source that stamps its sound ahead of time by the estimate so far; otherwise None."""
        paced = self._paced()
        if paced is None:
            return None
        early, late = ([seen.age for seen in half] for half in paced)
        ahead = max(*early, *late) - self.offset < -_SAME and abs(min(late) - min(early)) < _SAME
        return min(*early, *late) if ahead else None

    def _follow(self, now: int) -> None:
        """Follow the drift without a jump."""
        same = not self.offset and abs(self._floor) <= _SAME
        if self._now is None or same or self._paced() is None:
            return
        most = round(_SLEW * min(max(0, now - self._now), NS_PER_SECOND))
        self.offset += max(-most, min(most, self._floor - self.offset))

    def _set(self, offset: int, now: int) -> None:
        self.offset, self._known = (0 if abs(offset) <= _SAME else offset), True
        self._least = MinimumFilter()
        self._recent.clear()
        self._note(now, offset)
