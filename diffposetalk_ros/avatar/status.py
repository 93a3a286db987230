# SPDX-License-Identifier: Apache-2.0
"""Content of /diagnostics about audio, inference, playout and model.

It does not use diagnostic_updater, which is not always installed. The messages have the same form.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from diffposetalk_ros.audio.sender_clock import SenderClock
from diffposetalk_ros.avatar.audio_intake import IntakeCounters
from diffposetalk_ros.playout.presenter import PresenterStatus
from diffposetalk_ros.streaming.latency import LatencySummary
from diffposetalk_ros.streaming.warm_up import MAX_REAL_TIME_FACTOR

__all__ = [
    'ERROR',
    'OK',
    'WARN',
    'Status',
    'Trouble',
    'audio_status',
    'format_doubt',
    'inference_status',
    'playout_status',
]

OK, WARN, ERROR = 0, 1, 2
_SILENCE, _QUIET = -65.0, -40.0
"""dBFS: sound between these levels is not silence, but too soft for reliable motion."""
_TOO_FAST = 1.3
"""No microphone sends so many seconds of sound in a second."""
_RECENT = 10_000_000_000  # ns


@dataclass(frozen=True)
class Status:
    """One diagnostic status; ``values`` carry their unit in the key."""

    name: str
    level: int
    message: str
    values: Mapping[str, object] = field(default_factory=dict)


class Trouble:
    """Whether a count of faults has grown within the last ``_RECENT``. Older faults give no warning."""

    def __init__(self) -> None:
        self._count = 0
        self._grown: int | None = None

    def seen(self, count: int, now: int) -> bool:
        """Take the count of ``now`` (ns)."""
        if count > self._count:
            self._grown = now
        self._count = count
        return self._grown is not None and 0 <= now - self._grown < _RECENT


def audio_status(
    counters: IntakeCounters,
    sender: SenderClock,
    *,
    age: float,
    bad_messages: int = 0,
    lost_messages: int = 0,
    lost: float = 0.0,
    senders: int = 1,
    troubled: bool = False,
    loudest: float = float('nan'),
    waiting: bool = False,
    held: float = 0.0,
    holding: bool = False,
    doubt: str = '',
) -> Status:
    """Status of the incoming audio.

    Args:
        counters: messages and sound received, used and dropped.
        sender: clock of the sender.
        age: seconds since the last message, NaN before the first.
        bad_messages: messages that could not be used.
        lost_messages: messages that the middleware lost.
        lost: seconds of sound that were overwritten before they were used.
        senders: publishers of the topic.
        troubled: whether messages were bad or lost recently.
        loudest: loudest level of the last seconds, dBFS; NaN if unknown.
        waiting: whether the gate waits for a voice.
        held: seconds of sound that were not spoken after interrupts.
        holding: whether sound is withheld until the sender pauses.
        doubt: why the audio format may be wrong (`format_doubt`), '' if it is plausible.
    """
    level, text = OK, counters.note or 'listening'
    if troubled:
        level = WARN
        parts = [f'{bad_messages} messages could not be used'] * bool(bad_messages)
        parts += [f'{lost_messages} messages were lost on the way'] * bool(lost_messages)
        parts += [f'{counters.stale:.1f} s came too late to be heard'] * bool(counters.stale)
        parts += [f'{lost:.1f} s were sent too far ahead of time and are lost'] * bool(lost)
        text = '; '.join(parts)
    elif senders > 1:
        level = WARN
        text = f'{senders} senders: sound of two that speak at once is joined in order of arrival; stop all but one'
    elif doubt:
        level, text = WARN, doubt
    elif age != age:
        text = 'no audio yet'  # nobody has spoken yet, which is not a fault
    elif holding:
        text = 'interrupted; waiting until the sender pauses'
    elif waiting:
        text = 'waiting for a voice'
    elif _SILENCE < loudest < _QUIET:
        text = f'quiet: at most {loudest:.0f} dBFS; if that is speech, raise audio.gain'
    elif sender.differs:
        where = 'behind' if sender.offset > 0 else 'ahead'
        text = f"the sender's clock is {abs(sender.offset) / 1e9:.2f} s {where}; its stamps are corrected"
    values = {
        'senders': senders,
        'messages': counters.messages,
        'utterances': counters.utterances,
        'unusable messages': bad_messages,
        'last message age [s]': age,
        'sound [s]': counters.sound,
        'gaps filled [s]': counters.gaps,
        'sound not used [s]': counters.unused,
        'sound lost [s]': lost,
        'sound not spoken after interrupts [s]': held,
        'sound too late [s]': counters.stale,
        'messages lost on the way': lost_messages,
        "sender's clock behind by [ms]": sender.offset / 1e6,
        "drift of the sender's clock [ppm]": 1e6 * sender.drift,
        'NaN or infinite samples': counters.invalid,
        'clipped samples': counters.clipped,
        'loudest of 5 s [dBFS]': loudest,
    }
    return Status('audio in', level, text, values)


def format_doubt(speed: float, assumed: str) -> str:
    """Why the ``assumed`` audio format may be wrong; '' if it is plausible or nothing is assumed. ``speed``:
    seconds of sound sent per second."""
    if not assumed or not speed > _TOO_FAST:
        return ''
    return (
        f'sound comes {speed:.1f} times as fast as {assumed} would; unless it is synthesised, set audio.rate, '
        'audio.channels and audio.format, or let its sender publish audio_info'
    )


def inference_status(windows: LatencySummary, factor: float, errors: int, failed: bool) -> Status:
    """Status of the inference. ``factor``: seconds of computing per second of motion."""
    level, text = OK, 'in time'
    if failed:
        level, text = ERROR, 'every window fails and is retried; see the log'
    elif factor > MAX_REAL_TIME_FACTOR:
        level, text = WARN, 'too slow for live use; lower sampler.steps or raise stream.hop'
    elif not windows.count:
        text = 'nothing generated yet'
    values = {
        'window p50 [ms]': 1e3 * windows.p50,
        'window p95 [ms]': 1e3 * windows.p95,
        'window p99 [ms]': 1e3 * windows.p99,
        'real-time factor p50 [1]': factor,
        'errors': errors,
    }
    return Status('inference', level, text, values)


def playout_status(
    presented: PresenterStatus,
    release: LatencySummary,
    slack: LatencySummary,
    troubled: bool,
) -> Status:
    """Status of the playout. ``release``: how late frames were published; ``slack``: how far generated motion was
    ahead of the clock during speech (negative: too late to be shown in time); ``troubled``: whether underflows
    or late starts are recent."""
    level, text = OK, 'in time'
    if troubled or slack.p50 < 0:
        level, text = WARN, 'frames come too late; raise playout.delay or lower sampler.steps'
    values = {
        'underflows': presented.underflows,
        'late starts': presented.late_starts,
        'presented late by [ms]': 1e3 * presented.shift,
        'sound left out as too late [s]': presented.stale,
        'slack p50 [ms]': 1e3 * slack.p50,
        'release jitter p50 [ms]': 1e3 * release.p50,
        'release jitter p99 [ms]': 1e3 * release.p99,
        'release jitter max [ms]': 1e3 * release.largest,
    }
    return Status('playout', level, text, values)
