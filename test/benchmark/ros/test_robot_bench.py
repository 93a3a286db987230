# SPDX-License-Identifier: Apache-2.0
"""Speech -> node -> joint_command_node -> simulated robot, each a process: the jaw closes with the sound."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

pytest.importorskip('rclpy', reason='rclpy is not importable')
pytest.importorskip('audio_common_msgs', reason='audio_common_msgs is not built')
pytest.importorskip('ruckig', reason='ruckig is not installed')
pytest.importorskip('mujoco', reason='MuJoCo is not installed')
soundfile = pytest.importorskip('soundfile')

from own_domain import own_domain  # noqa: E402

from diffposetalk_ros.benchmark.ros.robot_bench import RobotBench  # noqa: E402
from diffposetalk_ros.robot.closed_loop import closure_offsets, load_closures  # noqa: E402
from diffposetalk_ros.util.resources import demo_clip  # noqa: E402

SECONDS = 5.0


def test_the_jaw_closes_with_the_sound(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # Nodes of other tests have the same names.
    monkeypatch.setenv('ROS_DOMAIN_ID', own_domain())
    samples, rate = soundfile.read(demo_clip())
    speech = tmp_path / 'speech.wav'
    soundfile.write(speech, samples[: round(SECONDS * rate)], rate)
    with RobotBench(compensate=True, speed=0.5) as bench:
        run = bench.speak(speech)
    wanted, measured = run.recording.joint('jaw')
    assert len(run.recording.time) >= SECONDS / 0.005 and np.isfinite(measured).all()
    assert np.ptp(measured) > 0.5 * np.ptp(wanted) > 0.03
    if run.underflows or run.late_starts or run.missing:
        pytest.skip('the machine was too busy for figures')  # that it moved was tested
    closures = load_closures()
    heard = closures[closures < SECONDS - 0.2]
    offsets = closure_offsets(run.recording.time, measured, heard)
    assert np.isfinite(offsets).sum() >= 5
    # Half the bar of the whole clip would be missed by chance with so few.
    assert abs(np.nanmedian(offsets)) <= 0.08
