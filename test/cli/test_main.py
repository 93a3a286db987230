# SPDX-License-Identifier: Apache-2.0
"""The command line as a user meets it: real files in, real files out, one line when it goes wrong."""

import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile

from diffposetalk_ros import cli
from diffposetalk_ros.cli.main import main
from diffposetalk_ros.model.loader import open_model
from diffposetalk_ros.motion.files.motion_file import load_motion


@pytest.fixture(scope='module')
def speech(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp('speech') / 'speech.wav'
    rng = np.random.default_rng(0)
    soundfile.write(path, 0.1 * rng.normal(size=(44100 * 2, 2)), 44100)
    return path


def test_help_lists_every_verb(capsys: pytest.CaptureFixture[str]) -> None:
    modules = {path.stem for path in Path(cli.__file__).parent.glob('*/*.py') if _is_verb(path)}
    assert main([]) == 0
    listed = re.findall(r'^  ([a-z-]+) {2,}\S', capsys.readouterr().out, re.M)
    assert {verb.replace('-', '_') for verb in listed} == modules
    assert len(listed) == len(set(listed))


def test_it_tells_its_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(['--version']) == 0
    manifest = (Path(__file__).parents[2] / 'package.xml').read_text()
    assert f'<version>{capsys.readouterr().out.split()[1]}</version>' in manifest


def _is_verb(path: Path) -> bool:
    source = path.read_text()
    return 'def add_arguments(' in source and 'def run(' in source


@pytest.mark.parametrize('verb', ['generate', 'styles', 'extract-style', 'render', 'plot', 'corpus'])
def test_every_verb_explains_itself(verb: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        main([verb, '--help'])
    assert stop.value.code == 0
    assert 'usage: diffposetalk' in capsys.readouterr().out


@pytest.mark.parametrize('words', [['--help'], ['styles'], ['generate', '--help']])
def test_a_reader_that_has_had_enough_is_no_error(words: list[str]) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    command = [sys.executable, '-m', 'diffposetalk_ros.cli', *words]
    buffered = {name: value for name, value in os.environ.items() if name != 'PYTHONUNBUFFERED'}
    try:
        done = subprocess.run(
            command, stdout=writer, stderr=subprocess.PIPE, env=buffered, timeout=240, check=False
        )
    finally:
        os.close(writer)
    assert (done.returncode, done.stderr) == (141, b'')


def test_help_that_cannot_be_written_is_an_error_in_a_line() -> None:
    command = [sys.executable, '-m', 'diffposetalk_ros.cli', '--help']
    with Path('/dev/full').open('w') as full:
        done = subprocess.run(
            command, stdout=full, stderr=subprocess.PIPE, text=True, timeout=240, check=False
        )
    assert (done.returncode, done.stderr) == (1, 'diffposetalk: No space left on device\n')


@pytest.mark.parametrize(('encoding', 'shown'), [('ascii', r'm\xfc.npz'), ('utf-8', 'mü.npz')])
def test_a_name_that_the_terminal_cannot_show_is_written(
    speech: Path, tmp_path: Path, encoding: str, shown: str
) -> None:
    done = subprocess.run(
        [sys.executable, '-m', 'diffposetalk_ros.cli', 'generate', str(speech), '-o', 'mü.npz', '--steps', '1'],
        capture_output=True, cwd=tmp_path, env={**os.environ, 'PYTHONIOENCODING': encoding}, timeout=240, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, b'')
    assert done.stdout.decode().startswith(f'{shown}: 50 frames') and (tmp_path / 'mü.npz').exists()


def test_misspelt_verb_gets_a_suggestion(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(['generat']) == 2
    assert "did you mean 'generate'" in capsys.readouterr().err


@pytest.mark.parametrize('ending', ['npz', 'csv', 'json'])
def test_generate_writes_every_format(speech: Path, tmp_path: Path, ending: str) -> None:
    out = tmp_path / f'motion.{ending}'
    assert main(['generate', str(speech), '-o', str(out), '--steps', '2', '--style', 'smiling']) == 0
    clip = load_motion(out)
    assert clip.values.shape == (50, 55) and clip.fps == 25


def test_generate_at_another_rate(speech: Path, tmp_path: Path) -> None:
    out = tmp_path / 'motion.csv'
    assert main(['generate', str(speech), '-o', str(out), '--steps', '1', '--fps', '60']) == 0
    assert len(load_motion(out).values) == 120


def test_style_round_trip(speech: Path, tmp_path: Path) -> None:
    motion, style, again = (tmp_path / name for name in ('a.npz', 'style.npy', 'b.npz'))
    assert main(['generate', str(speech), '-o', str(motion), '--style', 'smiling', '--steps', '4']) == 0
    assert main(['extract-style', str(motion), '-o', str(style)]) == 0
    assert np.load(style).shape == (open_model('embedded').style_width,)
    assert main(['generate', str(speech), '-o', str(again), '--style', str(style), '--steps', '2']) == 0


def test_styles_lists_at_least_ten_and_neutral(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(['styles']) == 0
    names = capsys.readouterr().out.split()
    assert 'neutral' in names and len(names) >= 11


@pytest.mark.parametrize(
    ('content', 'word'),
    [
        (b'', 'empty'),
        (b'this is not sound at all', 'sound file'),
        (b'RIFF\x24\x00\x00\x00WAVEfmt ', 'sound file'),
    ],
)
def test_bad_sound_files(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], content: bytes, word: str
) -> None:
    path, out = tmp_path / 'bad.wav', tmp_path / 'out.npz'
    path.write_bytes(content)
    assert main(['generate', str(path), '-o', str(out)]) == 1
    error = capsys.readouterr().err
    assert word in error and 'Traceback' not in error and error.count('\n') == 1
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize(
    ('extra', 'word'),
    [
        (['--style', 'sarcastic'], 'neutral'),
        (['--model', 'nowhere'], 'nowhere'),
        (['--steps', '0'], '1 to 500'),
        (['--fps', '1e9'], '10 to 120'),
        (['--scale-audio', 'nan'], '0 to 10'),
    ],
)
def test_bad_options_name_the_value(
    speech: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], extra: list[str], word: str
) -> None:
    assert main(['generate', str(speech), '-o', str(tmp_path / 'out.npz'), '--steps', '1', *extra]) == 1
    assert word in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_unwritable_output(speech: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(['generate', str(speech), '-o', '/nowhere/at/all.npz', '--steps', '1']) == 1
    assert '/nowhere' in capsys.readouterr().err
