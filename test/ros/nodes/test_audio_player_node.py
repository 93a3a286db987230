# SPDX-License-Identifier: Apache-2.0
"""A sound file over real DDS and back."""

from __future__ import annotations

import os
import struct
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

rclpy = pytest.importorskip('rclpy', reason='rclpy is not importable')
pytest.importorskip('audio_common_msgs', reason='audio_common_msgs is not built')

from audio_forms import chunk_of  # noqa: E402
from rclpy.executors import SingleThreadedExecutor  # noqa: E402
from rclpy.parameter import Parameter  # noqa: E402

from diffposetalk_ros.audio.chunk import AudioFormat  # noqa: E402
from diffposetalk_ros.audio.formats.file import read_native  # noqa: E402
from diffposetalk_ros.errors import AudioError, DiffPoseTalkError  # noqa: E402
from diffposetalk_ros.ros.messages import qos  # noqa: E402
from diffposetalk_ros.ros.messages.audio import message_class, stamped_kind  # noqa: E402
from diffposetalk_ros.ros.nodes.audio_player_node import AudioPlayerNode, load_sound  # noqa: E402

RATE = 8000


@pytest.fixture
def context() -> Iterator[Any]:
    context = rclpy.Context()
    rclpy.init(context=context)
    yield context
    rclpy.try_shutdown(context=context)


def player(context: Any, path: Path, **values: Any) -> AudioPlayerNode:
    values |= {'file': str(path), 'raw_rate': RATE}
    overrides = [Parameter(name, value=value) for name, value in values.items()]
    return AudioPlayerNode(context=context, parameter_overrides=overrides)


@pytest.mark.parametrize('burst', [False, True])
def test_every_sample_arrives_with_its_time(context: Any, tmp_path: Path, burst: bool) -> None:
    pcm = (np.random.default_rng(0).uniform(-0.9, 0.9, RATE // 4) * 32767).astype('<i2')
    path = tmp_path / 'sound.raw'
    path.write_bytes(pcm.tobytes())
    listener = rclpy.create_node('listener', context=context)
    kind = stamped_kind()
    received: list[Any] = []
    listener.create_subscription(message_class(kind), 'audio', received.append, qos.AUDIO)
    node = player(context, path, burst=burst, chunk=0.02, message=kind)
    executor = SingleThreadedExecutor(context=context)
    executor.add_node(listener)
    executor.add_node(node)
    begin = time.monotonic()
    while len(received) < 13 and time.monotonic() - begin < 60:
        executor.spin_once(timeout_sec=0.1)
    chunks = [chunk_of(message, AudioFormat(RATE)) for message in received]
    sound = np.concatenate([chunk.sound.samples for chunk in chunks])
    np.testing.assert_array_equal(sound, pcm.astype(np.float32) / 32768)
    stamps = np.array([chunk.stamp for chunk in chunks], np.int64)
    assert (np.diff(stamps) == 20_000_000).all()
    assert node.done
    executor.shutdown()
    listener.destroy_node()
    node.destroy_node()


@pytest.mark.parametrize(
    'values', [{'chunk': 0.0}, {'raw_rate': 0}, {'file': '/no/such/file.wav', 'raw_rate': 0}]
)
def test_user_errors_are_one_line(context: Any, tmp_path: Path, values: dict[str, Any]) -> None:
    path = tmp_path / 'sound.raw'
    path.write_bytes(b'not a sound file')
    overrides = {'file': str(path), 'raw_rate': RATE} | values
    with pytest.raises(DiffPoseTalkError) as caught:
        AudioPlayerNode(
            context=context, parameter_overrides=[Parameter(n, value=v) for n, v in overrides.items()]
        )
    assert '\n' not in str(caught.value)


@pytest.mark.parametrize('kind', ['nan', 'cut', 'missing'])
def test_a_damaged_file_is_refused_as_generate_does(kind: str, tmp_path: Path) -> None:
    path = tmp_path / 'sound.wav'
    samples = np.full(RATE, 0.1, np.float32)
    if kind == 'nan':
        samples[RATE // 2] = np.nan
    if kind != 'missing':
        soundfile.write(path, samples, RATE, subtype='FLOAT')
    if kind == 'cut':
        path.write_bytes(path.read_bytes()[:RATE])
    words = {'nan': 'first at 0.500 s', 'cut': 'is cut off', 'missing': 'does not exist'}
    with pytest.raises(AudioError, match=words[kind]):
        read_native(path)


def _wav(pcm: np.ndarray, size: int) -> bytes:
    fmt = struct.pack('<HHIIHH', 1, 1, RATE, 2 * RATE, 2, 16)
    return (
        b'RIFF\xff\xff\xff\xffWAVEfmt '
        + struct.pack('<I', 16)
        + fmt
        + b'data'
        + struct.pack('<I', size)
        + pcm.tobytes()
    )


@pytest.mark.parametrize('raw_rate', [0, 48000])
def test_a_wav_through_a_pipe_tells_its_own_rate(tmp_path: Path, raw_rate: int) -> None:
    pcm = np.arange(-500, 500, dtype='<i2')
    os.mkfifo(tmp_path / 'pipe')
    writer = threading.Thread(target=(tmp_path / 'pipe').write_bytes, args=(_wav(pcm, 0xFFFFFFFF),))
    writer.start()
    samples, rate = load_sound(str(tmp_path / 'pipe'), raw_rate)
    writer.join()
    assert rate == RATE
    np.testing.assert_array_equal(samples, pcm.astype('f4') / 32768)
