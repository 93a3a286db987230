# SPDX-License-Identifier: Apache-2.0
"""Player and node as processes of their own, over DDS, started and ended by the command."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import BinaryIO

import numpy as np
import pytest

rclpy = pytest.importorskip('rclpy', reason='rclpy is not importable')
pytest.importorskip('audio_common_msgs', reason='audio_common_msgs is not built')
soundfile = pytest.importorskip('soundfile')
av = pytest.importorskip('av')

from own_domain import own_domain  # noqa: E402

from diffposetalk_ros.benchmark.ros import demo_session  # noqa: E402
from diffposetalk_ros.benchmark.ros.demo_session import DemoOptions, DemoSession  # noqa: E402
from diffposetalk_ros.cli.main import main  # noqa: E402
from diffposetalk_ros.errors import ConfigError, ModelError  # noqa: E402
from diffposetalk_ros.motion.files.motion_file import load_motion  # noqa: E402
from diffposetalk_ros.util.child_processes import ChildProcesses  # noqa: E402

ROOT = Path(__file__).parents[3]


def demo(
    *arguments: str, stdin: int | BinaryIO = subprocess.DEVNULL, **more: str
) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, '-m', 'diffposetalk_ros.cli.main', 'demo', *arguments]
    paths = [str(ROOT), *filter(None, [os.environ.get('PYTHONPATH')])]
    # As on a desk: without a domain of ROS, so that each demo takes one of its own.
    environment = {name: value for name, value in os.environ.items() if name != 'ROS_DOMAIN_ID'}
    environment |= {'PYTHONPATH': os.pathsep.join(paths)} | more
    return subprocess.run(
        command, capture_output=True, text=True, timeout=300, env=environment, check=False, stdin=stdin
    )


def test_demo_speaks_and_writes(model_folder: Path, tmp_path: Path) -> None:
    path = tmp_path / 'voice.wav'
    soundfile.write(path, np.random.default_rng(0).uniform(-0.3, 0.3, 44100), 22050)
    out = tmp_path / 'out'
    # Paced: when a burst is shown depends on how fast the machine is.
    options = ['-p', 'sampler.steps:=1', '--delay', '2']
    done = demo(str(path), '--model', str(model_folder), '-o', str(out), *options)
    assert done.returncode == 0, done.stdout + done.stderr + (out / 'demo.log').read_text()
    report = json.loads((out / 'latency.json').read_text())
    assert report['subscriber']['speaking_frames'] > 10
    assert report['subscriber']['doubled_frames'] == report['subscriber']['uneven_stamps'] == 0
    assert report['node']['utterances'] == '1'
    clip = load_motion(out / 'motion.npz')
    assert clip.fps == 50.0 and clip.duration > 1.0
    assert 'underflows' in done.stdout
    assert 'page: http://127.0.0.1:' in done.stdout
    sound, rate = soundfile.read(out / 'sound.wav')
    assert rate == 22050 and 1.9 < np.count_nonzero(sound) / rate < 2.1, 'the two seconds that were played'
    # The video begins half a second before the first spoken frame: there the sound begins.
    assert abs(np.flatnonzero(sound)[0] / rate - 0.5) < 0.06
    with av.open(str(out / 'face.mp4')) as film:
        assert film.streams.video[0].frames > 25 and film.streams.audio[0].duration


@pytest.mark.parametrize(
    ('option', 'value', 'word'),
    [
        ('--rate', 'nan', 'use 10 to 120'),
        ('--steps', '0', 'use 1 to 500'),
        ('--delay', '-1', 'use 0 to 5'),
        ('--seed', '-1', 'sampler.seed'),
        ('-p', 'stream.hop:=0', 'stream.hop is 0; use 1 to 25'),
        ('-p', 'stream.hopp:=2', "did you mean 'stream.hop'"),
        ('--seconds', 'nan', '--seconds'),
        ('--port', '70000', '--port 70000; use 1 to 65535'),
        ('--topic', 'a//b', "--topic 'a//b': Invalid topic name"),
    ],
)
def test_options_out_of_range_end_before_anything_is_started(
    option: str, value: str, word: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(['demo', option, value, '--no-page', '-o', str(tmp_path / 'out')]) == 1
    told = capsys.readouterr()
    assert word in told.err and len(told.err.splitlines()) == 1 and not told.out
    assert not (tmp_path / 'out').exists()


def test_a_style_that_the_model_lacks_is_told(model_folder: Path, tmp_path: Path) -> None:
    done = demo('--style', '[x', '--model', str(model_folder), '--no-page', '-o', str(tmp_path / 'out'))
    assert done.returncode == 1 and "could not start: configure failed: no style '[x'" in done.stderr


@pytest.mark.parametrize('name', ['5', 'true', '[x', 'a: b'])
def test_a_word_stays_a_word_whatever_yaml_makes_of_it(name: str, tmp_path: Path) -> None:
    with (tmp_path / 'log').open('wb') as log, ChildProcesses(log) as processes:
        assert processes.start('audio_player_node', {'file': name}).wait(60) == 2
    assert f'audio_player_node: {name} does not exist' in (tmp_path / 'log').read_text()


def test_a_node_that_ends_while_it_is_waited_for_is_told_at_once(tmp_path: Path) -> None:
    begin = time.monotonic()
    options = DemoOptions(None, parameters={'sampler.steps': 'many'})
    with (
        DemoSession(options, tmp_path / 'log') as session,
        pytest.raises(ModelError, match='ended by itself'),
    ):
        session.activate()
    assert time.monotonic() - begin < 60


def test_what_the_processes_warn_of_is_found_in_their_log(tmp_path: Path) -> None:
    log = tmp_path / 'log'
    log.write_text(
        '[INFO] [1.5] [diffposetalk]: model m\n[WARN] [1.6] [diffposetalk]: a hop of 80 ms takes 239 ms\nodd\n'
        '[ERROR] [1.7] [diffposetalk]: no\n'
    )
    assert DemoSession(DemoOptions(None), log).warnings == ['a hop of 80 ms takes 239 ms']


@pytest.mark.parametrize('case', ['sound', 'silence', 'topic'])
def test_unfit_sound_ends_in_one_line(
    case: str, model_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / 'voice.wav'
    soundfile.write(path, np.zeros(16000) if case == 'silence' else np.linspace(-0.5, 0.5, 16000), 16000)
    if case == 'sound':
        path.write_bytes(b'no sound')
    options = ['--topic', '/mic'] if case == 'topic' else []
    assert main(['demo', str(path), '--model', str(model_folder), '-o', str(tmp_path / 'out'), *options]) == 1
    word = {'sound': 'voice.wav', 'silence': 'is silent', 'topic': 'exclude each other'}
    told = capsys.readouterr().err
    assert word[case] in told and len(told.strip().splitlines()) == 1, told


def test_a_model_that_is_not_there_is_told_in_one_line(tmp_path: Path) -> None:
    done = demo('--model', str(tmp_path / 'nowhere'), '-o', str(tmp_path / 'out'))
    assert done.returncode == 1 and 'nowhere' in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1, done.stderr


def test_a_domain_that_has_an_avatar_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A second demo in the domain of the first would answer to the same name."""
    monkeypatch.setenv('ROS_DOMAIN_ID', own_domain())
    monkeypatch.setattr(demo_session, '_DISCOVERY', 60.0)  # a busy machine discovers late
    context = rclpy.Context()
    rclpy.init(context=context)
    first = rclpy.create_node('diffposetalk', context=context)
    try:
        with (
            pytest.raises(ConfigError, match='already has a node named diffposetalk.*unset ROS_DOMAIN_ID'),
            DemoSession(DemoOptions(None, shared=True), tmp_path / 'log'),
        ):
            pass
    finally:
        first.destroy_node()
        rclpy.try_shutdown(context=context)
