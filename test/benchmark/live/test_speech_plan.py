# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import os
import time

import pytest

from diffposetalk_ros.benchmark.live.speech_plan import plan_speech
from diffposetalk_ros.benchmark.process_watch import ProcessWatch
from diffposetalk_ros.errors import ConfigError


def test_the_plan_fills_the_time_and_holds_every_kind_of_stretch() -> None:
    plan = plan_speech(300, 1)
    assert plan == plan_speech(300, 1) != plan_speech(300, 2)
    assert {stretch.kind for stretch in plan} == {'speech', 'silence', 'nothing'}
    now = said = 0.0
    for stretch in plan:
        assert stretch.begin == pytest.approx(now) and stretch.duration > 0
        assert stretch.duration / 0.02 == pytest.approx(round(stretch.duration / 0.02))
        now += stretch.duration
        if stretch.kind == 'speech':
            assert stretch.offset == pytest.approx(said)
            said += stretch.duration
    assert now == pytest.approx(300)
    assert plan[-1].kind == 'nothing' and said > 150
    with pytest.raises(ConfigError, match='too short'):
        plan_speech(3, 0)


def test_a_process_is_watched() -> None:
    watch = ProcessWatch(os.getpid())
    before = watch.sample()
    while watch.sample().processor < before.processor + 0.03:
        pass
    after = watch.sample()
    assert after.time > before.time and 5 < after.resident < 100_000 and after.threads >= 1
    assert abs(time.time_ns() - after.time) < 60e9
    with pytest.raises(ConfigError, match='Linux'):
        ProcessWatch(-1)
