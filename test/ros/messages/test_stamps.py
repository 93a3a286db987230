# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import pytest

pytest.importorskip('builtin_interfaces', reason='ROS 2 is not importable')

from geometry_msgs.msg import PoseStamped  # noqa: E402
from std_msgs.msg import Header  # noqa: E402

from diffposetalk_ros.ros.messages.stamps import (  # noqa: E402
    duration_message,
    nanoseconds_of,
    stamp_of,
    time_message,
)
from diffposetalk_ros.util.nanoseconds import to_nanoseconds  # noqa: E402


@pytest.mark.parametrize('moment', [0, 1, 999_999_999, 1_000_000_000, 1_795_000_000_123_456_789])
def test_times_survive_the_message(moment: int) -> None:
    assert nanoseconds_of(time_message(moment)) == moment
    assert nanoseconds_of(duration_message(moment)) == moment
    assert stamp_of(PoseStamped(header=Header(stamp=time_message(moment)))) == moment


def test_negative_durations_count_up_from_the_second_below() -> None:
    message = duration_message(-1)
    assert (message.sec, message.nanosec) == (-1, 999_999_999)
    assert nanoseconds_of(message) == -1


def test_seconds_become_the_nearest_nanosecond() -> None:
    assert to_nanoseconds(0.3) == 300_000_000
    assert to_nanoseconds(1.9999999999) == 2_000_000_000
