# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from diffposetalk_ros.cli.main import main
from diffposetalk_ros.errors import AudioError, ConfigError, MotionError
from diffposetalk_ros.motion.files.motion_file import save_motion
from diffposetalk_ros.motion.layout import arkit_layout, flame_layout
from diffposetalk_ros.motion.motion_clip import MotionClip
from diffposetalk_ros.viewer.render import render_frames
from diffposetalk_ros.viewer.render_file import RenderOptions, render_to_file

SMALL = RenderOptions(size=(96, 64))


def _clip(frames: int = 10) -> MotionClip:
    values = np.zeros((frames, 55), np.float32)
    values[:, arkit_layout().index('jawOpen')] = np.linspace(0, 1, frames)
    return MotionClip(values, 25, arkit_layout())


def _wav(path: Path, seconds: float = 1.0, rate: int = 22050) -> Path:
    soundfile = pytest.importorskip('soundfile', reason='no soundfile to write the test sound')
    time = np.arange(int(seconds * rate)) / rate
    soundfile.write(path, 0.3 * np.sin(2 * np.pi * 440 * time), rate)
    return path


@pytest.mark.parametrize('rate', [22050, 11025])
def test_mp4_has_picture_and_sound(tmp_path: Path, rate: int) -> None:
    av = pytest.importorskip('av', reason='PyAV is not installed')
    out = tmp_path / 'o.mp4'
    assert render_to_file([_clip(20)], out, _wav(tmp_path / 's.wav', rate=rate), options=SMALL) == 20
    with av.open(str(out)) as file:
        pictures = [frame.to_ndarray(format='rgb24') for frame in file.decode(video=0)]
        assert len(pictures) == 20
        assert file.streams.video[0].average_rate == 25
    assert np.abs(pictures[0].astype(int) - pictures[-1]).max() > 60
    with av.open(str(out)) as file:
        sound = np.concatenate([frame.to_ndarray()[0] for frame in file.decode(audio=0)])
        heard = file.streams.audio[0].rate
    assert abs(len(sound) / heard - 0.8) < 0.1
    drawn = next(render_frames(_clip(20).values, SMALL.size)).astype(int)
    assert np.abs(pictures[0] - drawn).mean() < 4, 'colours are those of HD video, and said to be'
    spectrum = np.abs(np.fft.rfft(sound))
    assert spectrum.argmax() * heard / len(sound) == pytest.approx(440, abs=5)
    assert not list(tmp_path.glob('.*'))


def test_a_gif_that_begins_with_closed_lips_shows_the_mouth_in_its_colours(tmp_path: Path) -> None:
    clip, options = MotionClip(0.6 * _clip(8).values, 25, arkit_layout()), RenderOptions(size=(250, 250))
    render_to_file([clip], tmp_path / 'o.gif', options=options)
    closed, *_, opened = (image.astype(int) for image in render_frames(clip.values, options.size))
    with Image.open(tmp_path / 'o.gif') as picture:
        picture.seek(7)
        shown = np.asarray(picture.convert('RGB')).astype(int)
    inside = np.abs(opened - closed).max(axis=2) > 60
    assert inside.sum() > 400
    assert np.percentile(np.abs(shown - opened)[inside], 95) < 13, 'colours of the first picture alone: 15'


def test_gif_and_png(tmp_path: Path) -> None:
    assert render_to_file([_clip()], tmp_path / 'o.gif', options=SMALL) == 10
    with Image.open(tmp_path / 'o.gif') as picture:
        assert picture.n_frames == 10
        assert picture.size == (96, 64)
        assert picture.info['duration'] == 40
    render_to_file([_clip()], tmp_path / 'o.png', options=RenderOptions(size=(300, 200)))
    with Image.open(tmp_path / 'o.png') as picture:
        assert picture.size[0] == 300


def test_clips_stand_side_by_side(tmp_path: Path) -> None:
    options = RenderOptions(size=(128, 48))
    count = render_to_file([_clip(4), _clip(8)], tmp_path / 'o.gif', labels=['a', 'b'], options=options)
    assert count == 8


def test_another_rate_is_resampled_in_time(tmp_path: Path) -> None:
    options = RenderOptions(size=(32, 32), fps=50.0)
    assert render_to_file([_clip(10)], tmp_path / 'o.gif', options=options) == 20
    for rate in (0.5, 0.0):
        with pytest.raises(ConfigError, match='rate'):
            render_to_file([_clip(10)], tmp_path / 'o.gif', options=RenderOptions(size=(32, 32), fps=rate))


def test_bad_requests_are_refused_and_leave_nothing(tmp_path: Path) -> None:
    flame = MotionClip(np.zeros((2, 54), np.float32), 25, flame_layout())
    wav = _wav(tmp_path / 's.wav')
    cases: list[tuple[type[Exception], str, MotionClip, str, Path | None, tuple[int, int]]] = [
        (MotionError, 'flame', flame, 'o.mp4', None, (96, 64)),
        (ConfigError, 'avi', _clip(), 'o.avi', None, (96, 64)),
        (ConfigError, 'odd', _clip(), 'o.mp4', None, (97, 64)),
        (ConfigError, 'sound', _clip(), 'o.gif', wav, (96, 64)),
        (ConfigError, 'folder', _clip(), 'none/o.gif', None, (96, 64)),
        (ConfigError, 'is a folder', _clip(), '.', None, (96, 64)),
        (AudioError, 'none.wav', _clip(), 'o.mp4', tmp_path / 'none.wav', (96, 64)),
    ]
    for kind, word, clip, name, audio, size in cases:
        with pytest.raises(kind, match=word):
            render_to_file([clip], tmp_path / name, audio, options=RenderOptions(size=size))
    assert [p.name for p in tmp_path.iterdir()] == ['s.wav']


def test_without_pyav_the_way_out_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, 'av', None)
    with pytest.raises(ConfigError, match='render'):
        render_to_file([_clip()], tmp_path / 'o.mp4', options=SMALL)


def test_the_verb(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    save_motion(tmp_path / 'm.csv', _clip(3))
    out = str(tmp_path / 'o.gif')
    assert main(['render', str(tmp_path / 'm.csv'), '-o', out, '--size', '64x48', '--workers', '1']) == 0
    assert 'o.gif: 3 frames' in capsys.readouterr().out
    for wrong in (['--size', 'big'], ['--workers', '0'], ['--channels']):
        assert main(['render', str(tmp_path / 'm.csv'), '-o', out, *wrong]) == 1
    assert main(['render', '-o', out]) == 1
    errors = capsys.readouterr().err
    assert 'Traceback' not in errors
    assert len(errors.splitlines()) == 4
