# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from diffposetalk_ros.util.log_throttle import LogThrottle


def test_each_text_is_told_once_in_a_period() -> None:
    news = LogThrottle(5.0)
    assert [news('a', 0.0), news('a', 1.0), news('b', 1.0), news('a', 4.9)] == [True, False, True, False]
    assert [news('a', 5.1), news('b', 5.1), news('b', 6.1)] == [True, False, True]


def test_a_flood_of_different_texts_is_held_back() -> None:
    news = LogThrottle(5.0, most=8)
    assert sum(news(f'{i} values', 0.001 * i) for i in range(1000)) == 8
    assert news('another', 6.0)
