# SPDX-License-Identifier: Apache-2.0
"""Every argument of every launch file, through the real launch, down to the command lines of the nodes.

The executables are programs that note how they were called and what their parameter files hold.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from launch_program import PROGRAM

pytest.importorskip('launch_ros', reason='launch and launch_ros are not installed (no wheels; ROS only)')
yaml = pytest.importorskip('yaml')

from launch import LaunchContext  # noqa: E402
from launch.launch_description_sources import PythonLaunchDescriptionSource  # noqa: E402
from launch.utilities import perform_substitutions  # noqa: E402

from diffposetalk_ros.ros.support.launch_arguments import beside  # noqa: E402

ROOT = Path(__file__).parents[2]
FILES = sorted(path.name for path in (ROOT / 'launch').glob('*.launch.py'))
RECORDER = """#!{python}
import json, os, signal, sys, time
signal.signal(signal.SIGINT, lambda number, frame: sys.exit(0))
files = [sys.argv[i + 1] for i, word in enumerate(sys.argv) if word == '--params-file']
call = dict(program=os.path.basename(sys.argv[0]), words=sys.argv[1:], files=files)
call['parameters'] = [open(name).read() for name in files]
with open(os.environ['RECORD'], 'a') as log:
    log.write(json.dumps(call) + chr(10))
life = float(os.environ['LIFE'])
time.sleep({{'diffposetalk_node': life, 'audio_player_node': 60 * life}}.get(call['program'], 0))
"""
OTHERS = {
    'controller_manager': 'spawner',
    'robot_state_publisher': 'robot_state_publisher',
    'ros_gz_bridge': 'parameter_bridge',
    'ros_gz_sim': 'create',
}
# A value for each argument that is not its default.
VALUES = {
    'namespace': 'stage', 'name': 'head', 'model': '/models/other', 'style': '5', 'audio': '/mic/audio',
    'audio_info': '/mic/format', 'face_motion': 'face', 'use_sim_time': 'true', 'autostart': 'false',
    'respawn': 'false', 'log_level': 'debug', 'loop': 'true', 'burst': 'true', 'viewer': 'true', 'port': '8123',
    'world': 'stage.sdf', 'gui': 'false', 'namespace_1': 'left', 'namespace_2': 'right', 'style_1': 'calm',
    'style_2': 'lively', 'urdf': '/robots/head.urdf', 'map_file': '/robots/map.yaml', 'file': '/sounds/one.wav',
}  # fmt: skip


@pytest.fixture
def prefix(tmp_path: Path) -> Path:
    """An ament prefix of this package and of those that the launch files use."""
    made = tmp_path / 'prefix'
    programs = {'diffposetalk_ros': [path.name for path in (ROOT / 'scripts').iterdir() if path.suffix == '']}
    programs |= {package: [program] for package, program in OTHERS.items()}
    index = made / 'share' / 'ament_index' / 'resource_index' / 'packages'
    index.mkdir(parents=True)
    for package, names in programs.items():
        (index / package).touch()
        folder = made / 'lib' / package
        folder.mkdir(parents=True)
        for name in names:
            (folder / name).write_text(RECORDER.format(python=sys.executable))
            (folder / name).chmod(0o755)
    (made / 'share' / 'diffposetalk_ros').symlink_to(ROOT)
    simulator = made / 'share' / 'ros_gz_sim' / 'launch' / 'gz_sim.launch.py'
    simulator.parent.mkdir(parents=True)
    simulator.write_text(
        'from launch import LaunchDescription\n'
        'from launch.actions import ExecuteProcess\n'
        'from launch.substitutions import LaunchConfiguration\n'
        'def generate_launch_description():\n'
        f'    return LaunchDescription([ExecuteProcess(cmd=["{made}/lib/ros_gz_sim/create", "gz_args",'
        ' LaunchConfiguration("gz_args")])])\n'
    )
    return made


def run(
    prefix: Path, file: str, arguments: dict[str, str], life: float = 0.0, interrupt: int = 0
) -> list[dict[str, Any]]:
    """The calls of a launch that ends by itself, or after some restarts where it would go on.

    ``interrupt``: it is ended with Ctrl-C when that many programs have started.
    """
    record = prefix / 'record'
    record.unlink(missing_ok=True)
    environment = os.environ | {
        'AMENT_PREFIX_PATH': f'{prefix}{os.pathsep}{os.environ.get("AMENT_PREFIX_PATH", "")}',
        'PATH': f'{Path(sys.executable).parent}{os.pathsep}{os.environ["PATH"]}',
        'ROS_LOG_DIR': str(prefix), 'RECORD': str(record), 'LIFE': str(life),
    }  # fmt: skip
    words = [f'{key}:={value}' for key, value in arguments.items()]
    with (prefix / 'log').open('wb') as log:
        process = subprocess.Popen(
            [sys.executable, '-c', PROGRAM, str(ROOT / 'launch' / file), *words],
            env=environment, stdout=log, stderr=log, start_new_session=True,
        )  # fmt: skip
        deadline = time.monotonic() + 180.0
        while process.poll() is None and time.monotonic() < deadline:
            time.sleep(0.1)
            calls = record.read_text() if record.exists() else ''
            restarted = calls.count('"diffposetalk_node"') >= 2 and arguments.get('respawn') == 'true'
            if restarted or 0 < interrupt <= calls.count('\n'):
                os.killpg(process.pid, signal.SIGINT)  # as a terminal does
                break
        assert process.wait(60) == 0, (prefix / 'log').read_text()
    return [json.loads(line) for line in record.read_text().splitlines()]


def text_of(calls: list[dict[str, Any]], program: str, namespace: str = '') -> str:
    """Words and parameters of the calls of a program, of those in a namespace if one is given."""
    chosen = [
        ' '.join([*call['words'], *(str(yaml.safe_load(text)) for text in call['parameters'])])
        for call in calls
        if call['program'] == program and namespace in ' '.join(call['words'])
    ]
    assert chosen, f'{program} was not started'
    return ' '.join(chosen)


def offered(file: str) -> list[str]:
    """What `ros2 launch FILE --show-args` prints."""
    source = PythonLaunchDescriptionSource(str(ROOT / 'launch' / file))
    description = source.try_get_launch_description_without_context()
    assert description is not None
    context = LaunchContext()
    for argument in description.get_launch_arguments():
        assert argument.description and argument.default_value is not None, argument.name
        perform_substitutions(context, argument.default_value) if argument.name in VALUES else None
    return [argument.name for argument in description.get_launch_arguments()]


@pytest.fixture
def index(prefix: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    before = os.environ.get('AMENT_PREFIX_PATH', '')
    monkeypatch.setenv('AMENT_PREFIX_PATH', f'{prefix}{os.pathsep}{before}')
    return prefix


@pytest.mark.parametrize('file', FILES)
def test_every_argument_reaches_its_nodes(index: Path, file: str, tmp_path: Path) -> None:
    params = tmp_path / 'values.yaml'
    params.write_text('/**:\n  ros__parameters:\n    sampler: {steps: 3}\n')
    names = offered(file)
    arguments = {name: str(params) if name == 'params_file' else VALUES[name] for name in names}
    calls = run(index, file, arguments)
    avatar = text_of(calls, 'diffposetalk_node')
    fixed = file in ('mujoco.launch.py', 'gazebo.launch.py')
    two = file == 'two_avatars.launch.py'
    assert ('--autostart' in avatar) == fixed, 'autostart:=false, and fixed where it is not offered'
    assert f"'use_sim_time': True" in avatar  # noqa: F541
    assert '-r audio:=/mic/audio' in avatar and '-r audio_info:=/mic/format' in avatar
    assert '-r face_motion:=face' in avatar and '--log-level debug' in avatar
    assert f'--params-file {params}' in avatar
    assert "'model.path': '/models/other'" in avatar
    assert ('__node:=diffposetalk' if fixed else '__node:=head') in avatar
    if two:
        assert "'style.name': 'calm'" in text_of(calls, 'diffposetalk_node', '__ns:=/left')
        assert "'style.name': 'lively'" in text_of(calls, 'diffposetalk_node', '__ns:=/right')
    else:
        assert "'style.name': '5'" in avatar, 'a style that looks like a number stays a name'
    others = {call['program'] for call in calls} & {'audio_player_node', 'viewer_node', 'joint_command_node'}
    for program in others:
        text = text_of(calls, program)
        assert '--log-level debug' in text and "'use_sim_time': True" in text, program
        if program != 'joint_command_node':
            assert '-r audio:=/mic/audio' in text and '-r audio_info:=/mic/format' in text, program
        if program != 'audio_player_node':
            assert '-r face_motion:=face' in text, program
    for name, program, fragment in (
        ('file', 'audio_player_node', "'file': '/sounds/one.wav'"),
        ('file', 'viewer_node', "'sample': '/sounds/one.wav'"),
        ('loop', 'audio_player_node', "'loop': True"),
        ('burst', 'audio_player_node', "'burst': True"),
        ('port', 'viewer_node', "'port': 8123"),
        ('name', 'viewer_node', "'node': 'head'"),
        ('map_file', 'joint_command_node', "'map_file': '/robots/map.yaml'"),
        ('urdf', 'mujoco_node', "'urdf': '/robots/head.urdf'"),
        ('world', 'create', 'gz_args -r -s --headless-rendering stage.sdf'),
    ):
        if name in names and (name != 'name' or program in others):
            assert fragment in text_of(calls, program), name
    if 'namespace' in names:
        for program in {'diffposetalk_node', 'mujoco_node'} & {call['program'] for call in calls} | others:
            assert '__ns:=/stage' in text_of(calls, program), program


@pytest.mark.parametrize('file', FILES)
def test_defaults_assume_nothing(index: Path, file: str) -> None:
    calls = run(index, file, {})
    avatar = text_of(calls, 'diffposetalk_node')
    assert '--autostart' in avatar and '-r audio_info:=audio_info' in avatar
    assert 'model.path' not in avatar.split('--params-file')[-1], 'an empty argument sets no parameter'


@pytest.mark.parametrize(
    ('audio', 'info'),
    [
        ('audio', 'audio_info'),
        ('/audio/audio', '/audio/audio_info'),
        ('robot/mic', 'robot/audio_info'),
        ('/voice', '/audio_info'),
    ],
)
def test_the_format_is_looked_for_beside_the_sound(index: Path, audio: str, info: str) -> None:
    assert beside(audio, 'audio_info') == info
    if audio == '/audio/audio':
        calls = run(index, 'demo.launch.py', {'audio': audio})
        for program in ('diffposetalk_node', 'audio_player_node', 'viewer_node'):
            assert f'-r audio_info:={info}' in text_of(calls, program), program


def test_respawn_starts_a_node_that_ended_again(index: Path) -> None:
    calls = run(index, 'avatar.launch.py', {'respawn': 'true'})
    starts = [call for call in calls if call['program'] == 'diffposetalk_node']
    assert len(starts) >= 2 and all('--autostart' in call['words'] for call in starts)


def test_the_demo_ends_with_its_avatar(index: Path) -> None:
    run(index, 'demo.launch.py', {'viewer': 'false'}, life=2.0)  # the player would go on for two minutes
    log = (index / 'log').read_text()
    assert 'diffposetalk_node-1] was required: shutting down' in log
    assert log.index('was required') < log.index('[audio_player_node-2]: process has finished')


def test_ctrl_c_is_no_error_if_the_avatar_ends_first(index: Path) -> None:
    slow = 'lambda number, frame: (time.sleep(3), sys.exit(0))'
    page = index / 'lib' / 'diffposetalk_ros' / 'viewer_node'
    page.write_text(page.read_text().replace('lambda number, frame: sys.exit(0)', slow) + 'time.sleep(60)\n')
    run(index, 'demo.launch.py', {}, life=60.0, interrupt=3)
    log = (index / 'log').read_text()
    assert log.index('[diffposetalk_node-1]: process has') < log.index('[viewer_node-3]: process has')


def test_the_page_can_be_left_out(index: Path) -> None:
    calls = run(index, 'demo.launch.py', {'viewer': 'false'})
    assert 'viewer_node' not in {call['program'] for call in calls}
