# SPDX-License-Identifier: Apache-2.0
"""The demo as somebody at a desk meets it: a terminal, a page that opens late, a pipe, Ctrl-C, a second demo."""

from __future__ import annotations

import asyncio
import os
import pty
import re
import signal
import socket
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

pytest.importorskip('rclpy', reason='rclpy is not importable')
pytest.importorskip('audio_common_msgs', reason='audio_common_msgs is not built')
psutil = pytest.importorskip('psutil')
aiohttp = pytest.importorskip('aiohttp')

from free_port import free_port  # noqa: E402
from own_domain import own_domain  # noqa: E402

from diffposetalk_ros.cli.live.demo import _run, remove_old_results  # noqa: E402

ROOT = Path(__file__).parents[3]
SPEAKING = 2
"""This state of the face, and those after it, come from speech."""


class Demo:
    """A demo in a terminal of its own, in a ROS domain that is set."""

    def __init__(self, folder: Path, *words: str, stdin: int | None = None) -> None:
        self.domain = own_domain()
        paths = [str(ROOT), *filter(None, [os.environ.get('PYTHONPATH')])]
        environment = os.environ | {
            'PYTHONPATH': os.pathsep.join(paths),
            'ROS_DOMAIN_ID': self.domain,
            'XDG_RUNTIME_DIR': str(folder),
        }
        terminal, inner = pty.openpty()
        command = [
            sys.executable,
            '-m',
            'diffposetalk_ros.cli',
            'demo',
            *words,
            '--no-video',
            '-o',
            str(folder),
        ]
        self.process = subprocess.Popen(
            command,
            stdin=inner if stdin is None else stdin,
            stdout=inner,
            stderr=inner,
            env=environment,
            start_new_session=True,
        )
        os.close(inner)
        self.text = ''
        self._terminal = terminal
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        while True:
            try:
                data = os.read(self._terminal, 4096)
            except OSError:  # the other side has closed it
                return
            if not data:
                return
            self.text += data.decode(errors='replace').replace('\r\n', '\n')

    def until(self, word: str, seconds: float = 200.0) -> str:
        deadline = time.monotonic() + seconds
        while word not in self.text:
            assert self.process.poll() is None or word in self.text, self.text
            assert time.monotonic() < deadline, self.text
            time.sleep(0.05)
        return self.text

    def wait(self, seconds: float = 200.0) -> int:
        status = self.process.wait(seconds)
        self._reader.join(60)
        return status

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
            try:
                self.process.wait(60)
            except subprocess.TimeoutExpired:
                self.process.kill()
        os.close(self._terminal)


def placeholder_wav(path: Path, seconds: float = 1.5) -> Path:
    """A WAV as a synthesiser writes it into a pipe: it does not know its length yet."""
    noise = np.random.default_rng(0).integers(-9000, 9000, round(16000 * seconds)).astype('<i2')
    fmt = struct.pack('<4sIHHIIHH', b'fmt ', 16, 1, 1, 16000, 32000, 2, 16)
    head = b'RIFF' + struct.pack('<I', 0x7FFFF024) + b'WAVE' + fmt + b'data' + struct.pack('<I', 0x7FFFF000)
    path.write_bytes(head + noise.tobytes())
    return path


@pytest.fixture
def port() -> int:
    return free_port()


@pytest.fixture
def demos() -> Iterator[list[Demo]]:
    started: list[Demo] = []
    yield started
    for demo in started:
        demo.close()


def spoken(port: int, seconds: float = 180.0) -> bool:
    """Whether a page on this port sees the face speak."""

    async def look() -> bool:
        async with (
            aiohttp.ClientSession() as client,
            client.ws_connect(f'http://127.0.0.1:{port}/socket') as link,
        ):
            async for message in link:
                if (
                    message.type == aiohttp.WSMsgType.BINARY
                    and message.data[0] == 1
                    and message.data[1] >= SPEAKING
                ):
                    return True
        return False

    return asyncio.run(asyncio.wait_for(look(), seconds))


def test_it_waits_to_be_seen_on_a_port_it_really_has_and_ends_with_a_child(
    model_folder: Path, tmp_path: Path, port: int, demos: list[Demo]
) -> None:
    voice = placeholder_wav(tmp_path / 'voice.wav')
    words = ('--model', str(model_folder), '--steps', '1', '--port', str(port), '--keep-running')
    with socket.socket() as other:  # of another demo, say
        other.bind(('127.0.0.1', port))
        other.listen()
        demo = Demo(tmp_path / 'out', str(voice), *words)
        demos.append(demo)
        demo.until('begins when somebody opens the page')
    assert f'export ROS_DOMAIN_ID={demo.domain}' in demo.text, 'the domain that was set'
    assert f'port {port} is taken' in demo.text
    found = re.search(r'page: http://127\.0\.0\.1:(\d+)/', demo.text)
    assert found and int(found[1]) != port
    assert 'frames' not in demo.text, 'nobody has looked yet'
    assert spoken(int(found[1]))

    # A process that dies ends the demo, with its name and the reason.
    children = psutil.Process(demo.process.pid).children(recursive=True)
    (page,) = [child for child in children if 'viewer_node' in ' '.join(child.cmdline())]
    page.kill()
    assert demo.wait() == 1
    assert 'viewer was ended by a signal (Killed)' in demo.text and 'Traceback' not in demo.text


def test_sound_from_a_pipe_is_spoken_and_the_port_taken_again_at_once(
    model_folder: Path, tmp_path: Path, port: int, demos: list[Demo]
) -> None:
    voice = placeholder_wav(tmp_path / 'voice.wav')
    for turn in range(2):
        with (
            voice.open('rb') as pipe,
            subprocess.Popen(['cat'], stdin=pipe, stdout=subprocess.PIPE) as synthesiser,
        ):
            assert synthesiser.stdout is not None
            words = ('-', '--model', str(model_folder), '--steps', '1', '--port', str(port))
            demo = Demo(tmp_path / str(turn), *words, stdin=synthesiser.stdout.fileno())
            demos.append(demo)
            demo.until('begins when somebody opens the page')
            assert 'standard input: 1.5 s' in demo.text
            assert f'page: http://127.0.0.1:{port}/' in demo.text and 'is taken' not in demo.text
            assert spoken(port)
            demo.until('the page stays open')
            demo.process.send_signal(signal.SIGINT)
            assert demo.wait() == 0, demo.text


def test_ctrl_c_before_the_first_frame_gets_a_clear_word(tmp_path: Path, demos: list[Demo]) -> None:
    demo = Demo(tmp_path / 'out', '--no-page')
    demos.append(demo)
    demo.until('hello.flac: ')
    time.sleep(1.0)
    demo.process.send_signal(signal.SIGINT)
    assert demo.wait() == 130
    assert 'stopped before the first frame' in demo.text or 'interrupted' in demo.text
    assert 'Traceback' not in demo.text


def test_nothing_in_a_pipe_and_no_pipe_are_told(tmp_path: Path, demos: list[Demo]) -> None:
    typed = Demo(tmp_path / 'typed', '-')
    with Path(os.devnull).open('rb') as nothing:
        empty = Demo(tmp_path / 'empty', '-', stdin=nothing.fileno())
    demos += [typed, empty]
    assert typed.wait() == 1 and 'nothing is piped into -' in typed.text
    assert empty.wait() == 1 and 'no sound arrived on' in empty.text


def test_new_results_replace_those_of_the_run_before_but_not_what_was_spoken(tmp_path: Path) -> None:
    for name in ('face.mp4', 'sound.wav', 'motion.csv', 'notes.txt'):
        (tmp_path / name).write_text(name)
    remove_old_results(tmp_path, tmp_path / 'sound.wav')
    assert sorted(path.name for path in tmp_path.iterdir()) == ['notes.txt', 'sound.wav']
    remove_old_results(tmp_path, None)
    assert [path.name for path in tmp_path.iterdir()] == ['notes.txt']


@pytest.mark.parametrize('interrupted', [True, False])
def test_an_interrupt_that_rclpy_turned_into_an_error_is_one(
    interrupted: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    class Session:
        def __init__(self) -> None:
            self.interrupted = interrupted
            self.collector = SimpleNamespace(frames=[])

        def activate(self) -> None:
            raise RuntimeError('Unable to convert call argument')

    with nullcontext() if interrupted else pytest.raises(RuntimeError):
        assert _run(Session(), SimpleNamespace(no_page=True), 1.0, False) == 130  # type: ignore[arg-type]
        assert 'nothing was written' in capsys.readouterr().out
