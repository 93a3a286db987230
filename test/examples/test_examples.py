# SPDX-License-Identifier: Apache-2.0
"""Every example runs as its first lines tell."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import diffposetalk_ros as dpt
from diffposetalk_ros.audio.formats.file import read_audio

ROOT = Path(__file__).resolve().parents[2]
EXAMPLES = ROOT / 'examples'


def run(name: str, *words: object, folder: Path) -> str:
    done = subprocess.run(
        [sys.executable, str(EXAMPLES / name), *map(str, words)],
        cwd=folder, capture_output=True, text=True, timeout=240, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope='module')
def speech(tmp_path_factory: pytest.TempPathFactory) -> Path:
    import soundfile

    path = tmp_path_factory.mktemp('speech') / 'speech.wav'
    soundfile.write(path, read_audio(dpt.demo_clip())[: 16000 * 4], 16000)
    return path


def test_every_example_has_a_test() -> None:
    tested = set(re.findall(r"run\(\s*'(\w+\.py)'", Path(__file__).read_text()))
    assert tested == {path.name for path in EXAMPLES.glob('*.py')}


def test_offline(tmp_path: Path, speech: Path) -> None:
    told = run('offline.py', speech, 'motion.npz', 'smiling', folder=tmp_path)
    assert 'smiling' in told.splitlines()[0] and told.splitlines()[1].startswith('4.00 s, 55 channels')
    assert len(dpt.load_motion(tmp_path / 'motion.npz').values) == 100


def test_streaming(tmp_path: Path, speech: Path) -> None:
    lines = run('streaming.py', speech, folder=tmp_path).splitlines()
    found = [re.match(r'heard +([\d.]+) s, frame +(\d+): jaw ([\d.]+)', line) for line in lines]
    heard, frames = zip(*[(float(match[1]), int(match[2])) for match in found if match], strict=True)
    assert frames == tuple(range(100))
    # A frame ends 40 ms after it begins and waits for one hop, one frame of look-ahead and 80 ms of the encoder.
    delays = np.array(heard) - (np.array(frames) + 1) / 25
    assert delays.min() >= 0 and delays[:-4].max() < 0.25


def test_style_from_clip(tmp_path: Path, speech: Path) -> None:
    model = dpt.load_model()
    take = dpt.generate(model, dpt.demo_clip(), 'smiling')
    dpt.save_motion(tmp_path / 'take.csv', dpt.at_rate(take, 60))
    told = run('style_from_clip.py', 'take.csv', speech, 'motion.npz', folder=tmp_path)
    full, half = (float(value) for value in re.findall(r'smile ([\d.]+)', told))
    neutral = dpt.generate(model, speech).values[:, take.layout.index('mouthSmileLeft')].mean()
    assert full > half > neutral
    assert np.load(tmp_path / 'style.npy').shape == next(iter(model.styles.values())).shape
    assert (tmp_path / 'motion.npz').is_file()


def test_official_checkpoint(tmp_path: Path, speech: Path) -> None:
    pytest.importorskip('transformers')
    from official_files import write_checkpoints

    write_checkpoints(tmp_path, head=True)
    told = run('official_checkpoint.py', 'dn.pt', 'stats_train.npz', 'se.pt', speech, folder=tmp_path)
    assert 'exp (100, 50) pose (100, 6) shape (100,)' in told
    assert 'style (16,)' in told


def test_ros_client(tmp_path: Path) -> None:
    pytest.importorskip('rclpy', reason='rclpy is not importable')
    pytest.importorskip('diffposetalk_ros.msg', reason='the messages are not built')
    pytest.importorskip('audio_common_msgs', reason='audio_common_msgs is not built')
    from node_stage import Stage

    from diffposetalk_ros.util.resources import find_model

    stage = Stage(find_model('embedded'))
    try:
        stage.start()
        told = run('ros_client.py', 'lively', '4', folder=tmp_path)
    finally:
        stage.close()
    assert 'style: lively' in told and re.search(r'frame \d+: jaw 0\.\d\d, state', told)
    assert int(re.findall(r'(\d+) frames$', told)[0]) > 25
