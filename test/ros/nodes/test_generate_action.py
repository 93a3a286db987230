# SPDX-License-Identifier: Apache-2.0
"""~/generate over DDS: a file, its errors, feedback, cancel, and clean-up in the middle."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

rclpy = pytest.importorskip('rclpy', reason='rclpy is not importable')
soundfile = pytest.importorskip('soundfile')
from action_msgs.msg import GoalStatus  # noqa: E402
from diffposetalk_ros.action import Generate  # noqa: E402
from node_stage import Stage  # noqa: E402
from rclpy.action import ActionClient  # noqa: E402

from diffposetalk_ros.motion.files.motion_file import load_motion  # noqa: E402


class Asking(Stage):
    def __init__(self, model_folder: Path, folder: Path) -> None:
        super().__init__(model_folder, files__folder=str(folder))
        self.action = ActionClient(self.client, Generate, 'diffposetalk/generate')
        self.feedback: list[Any] = []

    def send(self, **values: Any) -> Any:
        self.until(self.action.server_is_ready)
        future = self.action.send_goal_async(
            Generate.Goal(**values), feedback_callback=lambda m: self.feedback.append(m.feedback)
        )
        self.until(future.done)
        return future.result()

    def result(self, goal: Any) -> Any:
        future = goal.get_result_async()
        self.until(future.done)
        return future.result()


@pytest.fixture
def stage(model_folder: Path, tmp_path: Path) -> Iterator[Asking]:
    made = Asking(model_folder, tmp_path)
    yield made
    made.action.destroy()
    made.close()


@pytest.fixture
def voice(tmp_path: Path) -> Path:
    path = tmp_path / 'voice.wav'
    soundfile.write(path, np.random.default_rng(0).uniform(-0.3, 0.3, 22050 * 5), 22050)
    return path


def test_a_file_becomes_a_motion_file(stage: Asking, voice: Path, tmp_path: Path) -> None:
    assert stage.lifecycle.configure()
    clips = []
    for name in ('a.npz', 'b.npz'):
        out = tmp_path / name
        goal = stage.send(audio_path=str(voice), motion_path=str(out), seed=7, rate=50.0)
        answer = stage.result(goal)
        assert answer.status == GoalStatus.STATUS_SUCCEEDED, answer.result.message
        assert (answer.result.frame_count, answer.result.rate) == (250, 50.0)
        clips.append(load_motion(out).values)
    np.testing.assert_array_equal(*clips)
    assert stage.feedback[-1].frames_done == stage.feedback[-1].frames_total == 125
    goal = stage.send(audio_path=str(voice), motion_path=str(tmp_path / 'a.npz'))
    assert stage.result(goal).result.error_code == Generate.Result.OUTPUT


def test_paths_outside_the_folder_get_one_answer_whether_they_exist_or_not(
    stage: Asking, voice: Path, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    assert stage.lifecycle.configure()
    outside = tmp_path_factory.mktemp('outside')
    secret, motion, style = (outside / name for name in ('voice.wav', 'motion.npz', 'style.npy'))
    secret.write_bytes(voice.read_bytes())
    motion.write_bytes(b'precious')
    np.save(style, np.zeros(168, np.float32))
    (tmp_path / 'link.wav').symlink_to(secret)
    (tmp_path / 'link.npz').symlink_to(motion)
    out = {'audio_path': 'voice.wav', 'motion_path': 'm.npz', 'overwrite': True}

    def message(code: int, **change: Any) -> str:
        result = stage.result(stage.send(**{**out, **change})).result
        assert result.error_code == code, result.message
        return str(result.message)

    for key, code, names in (
        (
            'audio_path',
            Generate.Result.AUDIO,
            (secret, outside / 'none.wav', '../x.wav', 'link.wav', '/etc/passwd'),
        ),
        ('motion_path', Generate.Result.OUTPUT, (motion, outside / 'none.npz', '../x.npz', 'link.npz')),
        (
            'style',
            Generate.Result.STYLE,
            (style, outside / 'none.npy', '../x.npy', f'{style}*0.5+neutral*0.5'),
        ),
    ):
        told = {
            message(code, **{key: str(name)}).replace(str(name), '').replace(str(style), '')
            for name in names[:2]
        }
        assert len(told) == 1, told
        for name in names[2:]:
            assert str(tmp_path) in message(code, **{key: str(name)})
    assert motion.read_bytes() == b'precious'
    # Style names of the live face follow the same rule, and the folder itself is not the graph's to change.
    for name in (style, outside / 'none.npy'):
        assert 'not a file in' in stage.set('style.name', str(name)).reason
    assert 'only when the node is started' in stage.set('files.folder', '/').reason
    # Inside, names may be relative or absolute.
    assert stage.result(stage.send(**out)).result.error_code == Generate.Result.OK
    assert load_motion(tmp_path / 'm.npz').fps == 25


@pytest.mark.parametrize(
    ('change', 'code'),
    [
        ({'audio_path': '/no/such.wav'}, Generate.Result.AUDIO),
        ({'audio_path': '/dev/zero'}, Generate.Result.AUDIO),
        ({'style': 'nobody'}, Generate.Result.STYLE),
        ({'motion_path': '/no/such/folder/m.npz'}, Generate.Result.OUTPUT),
        ({'motion_path': 'm.txt'}, Generate.Result.OUTPUT),
        ({'audio_path': '/a' * 9 + 300 * 'a'}, Generate.Result.AUDIO),
        ({'audio_path': 300 * 'a'}, Generate.Result.AUDIO),
        ({'motion_path': 300 * 'm' + '.npz'}, Generate.Result.OUTPUT),
        ({'motion_path': '/proc/m.npz', 'steps': 2**32 - 1}, Generate.Result.OUTPUT),  # before it computes
        ({'rate': 1e9}, Generate.Result.INTERNAL),
        ({'rate': float('nan')}, Generate.Result.INTERNAL),
        ({'steps': 2**32 - 1}, Generate.Result.INTERNAL),
    ],
)
def test_errors_are_told(
    stage: Asking, voice: Path, tmp_path: Path, change: dict[str, Any], code: int
) -> None:
    assert stage.lifecycle.configure()
    goal = stage.send(**{'audio_path': str(voice), 'motion_path': str(tmp_path / 'm.npz'), **change})
    answer = stage.result(goal)
    assert (answer.status, answer.result.error_code) == (GoalStatus.STATUS_ABORTED, code)
    assert answer.result.message
    assert not (tmp_path / 'm.npz').exists()


def test_cancel_one_at_a_time_and_clean_up_in_the_middle(stage: Asking, tmp_path: Path) -> None:
    voice, out = tmp_path / 'long.wav', tmp_path / 'm.npz'
    soundfile.write(voice, np.random.default_rng(0).uniform(-0.3, 0.3, 16000 * 600), 16000)
    assert stage.lifecycle.configure()
    long = {'audio_path': str(voice), 'motion_path': str(out), 'steps': 50}
    goal = stage.send(**long)
    assert goal.accepted and not stage.send(**long).accepted
    stage.until(lambda: stage.feedback)
    cancel = goal.cancel_goal_async()
    stage.until(cancel.done)
    assert stage.result(goal).status == GoalStatus.STATUS_CANCELED
    goal = stage.send(**long)
    assert goal.accepted
    assert stage.lifecycle.cleanup()
    assert stage.lifecycle.configure()
    assert not out.exists()
    assert stage.send(**long).accepted


@pytest.mark.filterwarnings(
    'ignore::pytest.PytestUnhandledThreadExceptionWarning'
)  # that of the spinning thread
def test_ctrl_c_while_it_generates_leaves_no_traceback(
    stage: Asking, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    voice = tmp_path / 'long.wav'
    soundfile.write(voice, np.random.default_rng(0).uniform(-0.3, 0.3, 16000 * 600), 16000)
    assert stage.lifecycle.configure()
    assert stage.send(audio_path='long.wav', motion_path='m.npz', steps=50).accepted
    stage.until(lambda: stage.feedback)
    rclpy.try_shutdown(context=stage.context)  # as the signal handler of rclpy does
    stage.node.close()
    assert 'not released' not in capfd.readouterr().err
