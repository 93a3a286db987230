# SPDX-License-Identifier: Apache-2.0
"""The microphone node: through the real PortAudio where it is installed, and what it says where not."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

rclpy = pytest.importorskip('rclpy', reason='rclpy is not importable')
pytest.importorskip('audio_common_msgs', reason='audio_common_msgs is not built')

from audio_forms import chunk_of  # noqa: E402
from rclpy.executors import SingleThreadedExecutor  # noqa: E402

from diffposetalk_ros.audio.chunk import AudioFormat  # noqa: E402
from diffposetalk_ros.ros.messages import qos  # noqa: E402
from diffposetalk_ros.ros.messages.audio import message_class, stamped_kind  # noqa: E402
from diffposetalk_ros.ros.nodes.microphone_node import capture_delay  # noqa: E402

NODE = [sys.executable, '-m', 'diffposetalk_ros.ros.nodes.microphone_node']
# An ALSA device that records a file, in real time because the dummy below it keeps time.
ALSA = """
pcm.!default {{ type file format raw file /dev/null infile "{sound}" slave.pcm "null" }}
ctl.!default {{ type hw card 0 }}
"""


def has_portaudio() -> bool:
    try:
        import sounddevice  # noqa: F401
    except (ImportError, OSError):
        return False
    return True


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*NODE, *arguments], capture_output=True, text=True, timeout=240, check=False)


def test_what_is_missing_is_one_line() -> None:
    done = run('--ros-args', '-p', 'device:=no such microphone')
    assert done.returncode == 2, done.stdout + done.stderr
    last = done.stderr.strip().splitlines()[-1]  # ALSA adds lines of its own
    assert last.startswith('microphone_node: ') and 'Traceback' not in done.stderr
    assert any(way_out in last for way_out in ('pip install', 'apt install', '--list names the devices'))


def test_devices_are_listed_or_missed() -> None:
    done = run('--list')
    if done.returncode == 0:
        assert 'channels' in done.stdout
    else:
        assert done.returncode == 2 and 'Traceback' not in done.stderr
        assert done.stderr.strip().splitlines()[-1].startswith('microphone_node: ')


@pytest.mark.parametrize('value', ['chunk:=5.0', 'channel:=-1', 'rate:=-8000'])
def test_bad_parameters_are_refused(value: str) -> None:
    done = run('--ros-args', '-p', value)
    assert done.returncode == 2 and 'use 0.001 to 1 s' in done.stderr


@pytest.mark.parametrize(
    ('first', 'now', 'age'), [(1.0, 1.05, 0.05), (0.0, 0.0, 0.02), (5.0, 1.0, 0.02), (1.0, 9.0, 0.02)]
)
def test_age_of_a_block(first: float, now: float, age: float) -> None:
    assert capture_delay(320, 16000, first, now) == pytest.approx(age)


@pytest.mark.skipif(not has_portaudio(), reason='sounddevice or PortAudio is not installed')
def test_sound_arrives(tmp_path: Path) -> None:
    sound = (np.random.default_rng(0).uniform(-0.5, 0.5, 64000) * 32767).astype('<i2')
    (tmp_path / 'sound.raw').write_bytes(sound.tobytes())
    config = tmp_path / 'asound.conf'
    config.write_text(ALSA.format(sound=tmp_path / 'sound.raw'))
    context = rclpy.Context()
    rclpy.init(context=context)
    listener = rclpy.create_node('listener', context=context)
    executor = SingleThreadedExecutor(context=context)
    executor.add_node(listener)
    received: list[Any] = []
    kind = stamped_kind()
    listener.create_subscription(message_class(kind), 'audio', received.append, qos.AUDIO)
    process = subprocess.Popen(
        [*NODE, '--ros-args', '-p', 'channel:=1', '-p', f'message:={kind}'],
        env=os.environ | {'ALSA_CONFIG_PATH': f'/usr/share/alsa/alsa.conf:{config}'},
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        deadline = time.monotonic() + 60
        while len(received) < 20 and process.poll() is None and time.monotonic() < deadline:
            executor.spin_once(timeout_sec=0.1)
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=240)
    finally:
        process.kill()
        executor.shutdown()
        listener.destroy_node()
        rclpy.try_shutdown(context=context)
    if not received and 'cannot be opened' in errors:
        pytest.skip(f'no ALSA device can be made here: {errors}')
    assert process.returncode == 0, errors
    chunks = [chunk_of(message, AudioFormat(16000)) for message in received]
    assert all(len(chunk.sound.samples) == 320 and chunk.stamp for chunk in chunks)
    assert len(chunks) >= 20
