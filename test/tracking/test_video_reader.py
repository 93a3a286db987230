# SPDX-License-Identifier: Apache-2.0
"""Videos as people have them: other rates, turned, deep colours, damaged, or no videos at all."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
from face_videos import write_video

from diffposetalk_ros.errors import VideoError
from diffposetalk_ros.tracking.video_reader import VideoReader, is_camera, read_sound

pytest.importorskip('av', reason='PyAV is not installed')

GREY = np.full((48, 64, 3), 128, np.uint8)


def _images(count: int, shape: tuple[int, int] = (48, 64)) -> list[np.ndarray]:
    """Pictures that get brighter, with a red left edge."""
    images = []
    for i in range(count):
        image = np.full((*shape, 3), 255 * i // count, np.uint8)
        image[:, : shape[1] // 4] = (255, 0, 0)
        images.append(image)
    return images


def _read(path: Path, **options: float) -> tuple[np.ndarray, list[np.ndarray], VideoReader]:
    with VideoReader(path, **options) as video:
        frames = list(video)
    return np.array([f.time for f in frames]), [f.image for f in frames], video


def test_times_of_a_variable_frame_rate_are_kept(tmp_path: Path) -> None:
    times = np.cumsum(np.where(np.arange(30) % 3, 0.04, 0.1)) - 0.1
    write_video(tmp_path / 'v.mp4', _images(30), times)
    seen, images, video = _read(tmp_path / 'v.mp4')
    assert seen == pytest.approx(times, abs=2e-3)
    assert (video.dropped, video.damaged) == (0, 0)
    assert images[0].shape == (48, 64, 3) and images[-1][24, 40].mean() > 200


def test_sixty_pictures_a_second_are_thinned_to_thirty(tmp_path: Path) -> None:
    write_video(tmp_path / 'v.mp4', _images(60), np.arange(60) / 60)
    times, _, _ = _read(tmp_path / 'v.mp4')
    assert np.diff(times) == pytest.approx(1 / 30, abs=1e-3)


@pytest.mark.parametrize(('fps', 'fewest'), [(32, 30), (35, 26), (40, 26), (50, 25), (120, 30)])
def test_a_rate_above_thirty_is_thinned_to_25_or_more(tmp_path: Path, fps: int, fewest: int) -> None:
    write_video(tmp_path / 'v.mp4', _images(2 * fps), np.arange(2 * fps) / fps)
    times, _, _ = _read(tmp_path / 'v.mp4')
    assert 2 * fewest - 1 <= len(times) <= 63 and np.diff(times).max() < 2.1 / min(fps, 50)


@pytest.mark.parametrize(('pixel', 'shape'), [((4, 3), (48, 85)), ((1, 2), (96, 64)), ((1, 1000), (48, 64))])
def test_pixels_that_are_not_square_become_square(
    tmp_path: Path, pixel: tuple[int, int], shape: tuple[int, int]
) -> None:
    write_video(tmp_path / 'v.mp4', _images(3), np.arange(3) / 25, pixel=pixel)
    assert _read(tmp_path / 'v.mp4')[1][0].shape == (*shape, 3)


def test_a_part_of_a_video(tmp_path: Path) -> None:
    write_video(tmp_path / 'v.mp4', _images(50), np.arange(50) / 25)
    times, _, video = _read(tmp_path / 'v.mp4', start=0.5, seconds=1.0)
    assert times[0] == pytest.approx(0.5, abs=0.04) and len(times) == 25
    assert video.duration == 1.0


def test_ten_bits_a_colour_come_as_eight(tmp_path: Path) -> None:
    write_video(tmp_path / 'v.mp4', _images(10), np.arange(10) / 25, pix_fmt='yuv420p10le')
    _, images, _ = _read(tmp_path / 'v.mp4')
    assert images[5].dtype == np.uint8 and abs(int(images[5][24, 40, 0]) - 127) < 8


def test_large_pictures_are_made_smaller(tmp_path: Path) -> None:
    write_video(tmp_path / 'v.mp4', _images(2, (1080, 1920)), (0.0, 0.04))
    assert _read(tmp_path / 'v.mp4')[1][0].shape == (720, 1280, 3)


@pytest.mark.skipif(shutil.which('ffmpeg') is None, reason='no ffmpeg to write a rotation with')
def test_a_phone_held_upright_is_turned_upright(tmp_path: Path) -> None:
    write_video(tmp_path / 'v.mp4', _images(5), np.arange(5) / 25)
    turned = tmp_path / 'turned.mp4'
    ffmpeg = ['ffmpeg', '-y', '-loglevel', 'error', '-i']
    write = ['-c', 'copy', '-metadata:s:v:0', 'rotate=90', str(turned)]
    subprocess.run([*ffmpeg, str(tmp_path / 'v.mp4'), *write], check=True)
    with VideoReader(turned) as video:
        image = next(iter(video)).image
    if image.shape[0] < image.shape[1]:
        pytest.skip('this ffmpeg writes no rotation')
    red = image[..., 0] > 180
    raw = ['-frames:v', '1', '-f', 'rawvideo', '-pix_fmt', 'rgb24', '-']
    as_shown = subprocess.run([*ffmpeg, str(turned), *raw], capture_output=True, check=True).stdout
    player = np.frombuffer(as_shown, np.uint8).reshape(image.shape)
    assert (red == (player[..., 0] > 180)).mean() > 0.95


def test_what_is_no_video_is_told(tmp_path: Path) -> None:
    (tmp_path / 'empty.mp4').touch()
    (tmp_path / 'text.mp4').write_text('no video')
    for name, reason in (
        ('nothing.mp4', 'cannot be read'),
        ('empty.mp4', '0 bytes'),
        ('text.mp4', 'cannot be opened'),
    ):
        with pytest.raises(VideoError, match=reason):
            VideoReader(tmp_path / name)
    with pytest.raises(VideoError, match='is a folder'):
        VideoReader(tmp_path)
    with pytest.raises(VideoError, match='use 0 or more'):
        VideoReader(tmp_path / 'text.mp4', seconds=-1.0)


def test_sound_without_pictures_is_told(tmp_path: Path) -> None:
    import soundfile

    soundfile.write(tmp_path / 'sound.wav', np.zeros(16000), 16000)
    with pytest.raises(VideoError, match='no moving picture'):
        VideoReader(tmp_path / 'sound.wav')
    sound = read_sound(tmp_path / 'sound.wav', seconds=0.5)
    assert sound is not None and len(sound) == 8000


def test_a_video_that_is_cut_off_gives_what_it_holds(tmp_path: Path) -> None:
    write_video(tmp_path / 'v.mkv', _images(50, (240, 320)), np.arange(50) / 25)
    data = (tmp_path / 'v.mkv').read_bytes()
    (tmp_path / 'cut.mkv').write_bytes(data[: len(data) // 2])
    times, _, _ = _read(tmp_path / 'cut.mkv')
    assert 5 < len(times) < 50


def test_a_camera_that_is_not_there_is_told() -> None:
    assert is_camera('0') and is_camera('/dev/video9') and not is_camera('me.mp4')
    with pytest.raises(VideoError, match=r'camera /dev/video97 cannot be opened.*connect it'):
        VideoReader('/dev/video97')
