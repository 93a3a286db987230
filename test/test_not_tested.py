# SPDX-License-Identifier: Apache-2.0
"""The end of a test run names what was left out and the way to enable it."""

from __future__ import annotations

from not_tested import lines


def test_reasons_are_counted_and_come_with_a_way() -> None:
    browser = 'Skipped: no Chromium on this machine (apt install chromium)'
    told = lines([browser, "Skipped: could not import 'mcap_ros2': No module named 'mcap_ros2'", browser])
    assert told[0].split() == [
        '2',
        *browser.split()[1:],
        '->',
        'apt',
        'install',
        'chromium,',
        'then',
        './check',
    ]
    assert told[1].startswith('   1') and told[1].endswith('.venv/bin/pip install mcap-ros2')


def test_what_nobody_knows_a_way_for_is_told_all_the_same() -> None:
    assert lines(['Skipped: the moon is full']) == ['   1  the moon is full']
