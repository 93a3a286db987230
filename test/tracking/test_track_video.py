# SPDX-License-Identifier: Apache-2.0
"""Our own head, drawn with known weights, tracked by the real network and mapped back."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from face_tracks import column
from face_videos import write_video

from diffposetalk_ros.errors import VideoError
from diffposetalk_ros.tracking.track_video import TrackedVideo, track_video


@pytest.fixture(scope='session')
def tracked(head_video: Path, face_model: Path) -> TrackedVideo:
    return track_video(head_video, model=face_model)


@pytest.mark.parametrize(
    'channel',
    ['jawOpen', 'mouthPucker', 'mouthSmileLeft', 'browDownLeft', 'eyeBlinkLeft', 'eyeBlinkRight',
     'eyeLookOutLeft', 'eyeLookInLeft'],
)  # fmt: skip
def test_main_channels_come_back(tracked: TrackedVideo, head_motion: np.ndarray, channel: str) -> None:
    seen, drawn = tracked.motion.values[:, column(channel)], head_motion[:, column(channel)]
    count = min(len(seen), len(drawn))
    assert np.corrcoef(seen[:count], drawn[:count])[0, 1] >= 0.8


def test_brows_come_back_where_the_head_is_still(face_model: Path, tmp_path: Path) -> None:
    """A turning head seems to move the brows, for the tracker's depth is flat: so without it here."""
    from diffposetalk_ros.viewer.render import render_frames

    raised = np.clip(np.sin(np.arange(125) / 8), 0, 1) * 0.7
    motion = np.zeros((125, 55), np.float32)
    motion[:, column('browInnerUp')] = motion[:, column('browOuterUpLeft')] = raised
    motion[:, column('browOuterUpRight')] = raised
    write_video(tmp_path / 'brows.mp4', render_frames(motion, (400, 320)), np.arange(125) / 25)
    seen = track_video(tmp_path / 'brows.mp4', model=face_model).motion.values
    for channel in ('browInnerUp', 'browOuterUpLeft', 'browOuterUpRight'):
        assert np.corrcoef(seen[:125, column(channel)], raised[: len(seen)])[0, 1] >= 0.8


def test_the_head_comes_back_within_two_degrees_an_axis(
    tracked: TrackedVideo, head_motion: np.ndarray
) -> None:
    count = min(len(tracked.motion.values), len(head_motion))
    error = np.degrees(tracked.motion.values[:count, 52:] - head_motion[:count, 52:])
    assert np.abs(error).mean(axis=0).max() < 2.0
    for axis in range(52, 55):
        assert np.corrcoef(tracked.motion.values[:count, axis], head_motion[:count, axis])[0, 1] > 0.95


def test_the_clip_is_judged_and_taken(tracked: TrackedVideo) -> None:
    assert tracked.quality.face == 1.0 and tracked.known.all()
    assert tracked.quality.refusals() == []
    assert tracked.take().duration == pytest.approx(10.0, abs=0.1)


def test_pictures_without_a_face_are_told(face_model: Path, tmp_path: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 255, (50, 120, 160, 3), np.uint8)
    write_video(tmp_path / 'noise.mp4', noise, np.arange(50) / 25)
    with pytest.raises(VideoError, match='no face is found'):
        track_video(tmp_path / 'noise.mp4', model=face_model)


def test_two_heads_side_by_side_are_counted(face_model: Path, head_video: Path, tmp_path: Path) -> None:
    from diffposetalk_ros.tracking.video_reader import VideoReader

    with VideoReader(head_video, seconds=4.5) as video:
        images = [np.concatenate([f.image, f.image], axis=1) for f in video]
    write_video(tmp_path / 'two.mp4', images, np.arange(len(images)) / 25)
    quality = track_video(tmp_path / 'two.mp4', model=face_model).quality
    assert quality.others > 0.9 and 'crop' in quality.refusals()[0]


def test_a_frozen_picture_is_no_person(face_model: Path, head_video: Path, tmp_path: Path) -> None:
    from diffposetalk_ros.tracking.video_reader import VideoReader

    with VideoReader(head_video, seconds=0.1) as video:
        image = next(iter(video)).image
    write_video(tmp_path / 'still.mp4', [image] * 125, np.arange(125) / 25)
    with pytest.raises(VideoError, match='a picture, not a person'):
        track_video(tmp_path / 'still.mp4', model=face_model).take()
    write_video(tmp_path / 'one.mp4', [image], [0.0])
    with pytest.raises(VideoError, match='single picture'):
        track_video(tmp_path / 'one.mp4', model=face_model)


_SPY = """
#define _GNU_SOURCE
#include <dlfcn.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
static void tell(const char *what) {
  FILE *file = fopen(getenv("SPY_LOG"), "a");
  if (file) { fprintf(file, "%s\\n", what); fclose(file); }
}
int connect(int s, const struct sockaddr *a, socklen_t n) {
  tell("connect");
  return ((int (*)(int, const struct sockaddr *, socklen_t))dlsym(RTLD_NEXT, "connect"))(s, a, n);
}
ssize_t sendto(int s, const void *b, size_t n, int f, const struct sockaddr *a, socklen_t m) {
  if (a) tell("sendto");
  return ((ssize_t (*)(int, const void *, size_t, int, const struct sockaddr *, socklen_t))
    dlsym(RTLD_NEXT, "sendto"))(s, b, n, f, a, m);
}
int getaddrinfo(const char *h, const char *p, const struct addrinfo *i, struct addrinfo **r) {
  tell("getaddrinfo");
  return ((int (*)(const char *, const char *, const struct addrinfo *, struct addrinfo **))
    dlsym(RTLD_NEXT, "getaddrinfo"))(h, p, i, r);
}
"""


@pytest.fixture(scope='module')
def spy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A library that, preloaded, notes every call that could reach the network, of C code too."""
    compiler = shutil.which('gcc') or shutil.which('cc')
    if compiler is None or not sys.platform.startswith('linux'):
        pytest.skip('no C compiler to watch the calls of the library with')
    folder = tmp_path_factory.mktemp('spy')
    (folder / 'spy.c').write_text(_SPY)
    library = folder / 'spy.so'
    subprocess.run(
        [compiler, '-shared', '-fPIC', '-o', str(library), str(folder / 'spy.c'), '-ldl'], check=True
    )
    return library


def _calls(spy: Path, log: Path, code: str) -> list[str]:
    import os

    environment = os.environ | {'LD_PRELOAD': str(spy), 'SPY_LOG': str(log)}
    log.touch()
    subprocess.run([sys.executable, '-c', code], check=True, env=environment, capture_output=True)
    return log.read_text().split()


def test_tracking_opens_no_connection(spy: Path, head_video: Path, face_model: Path, tmp_path: Path) -> None:
    """Newer versions of the library look up an address a few seconds after the first picture."""
    knocks = (
        "import socket; s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.connect(('127.0.0.1', 9))"
    )
    assert 'connect' in _calls(spy, tmp_path / 'positive', knocks)
    track = (
        'import time; from diffposetalk_ros.tracking.track_video import track_video; '
        f'track_video({str(head_video)!r}, seconds=2, model={str(face_model)!r}); time.sleep(8)'
    )
    assert _calls(spy, tmp_path / 'tracking', track) == []


def test_the_library_cannot_reach_a_network(face_model: Path) -> None:
    """Its binary imports no function that opens a connection or looks up a name."""
    import mediapipe

    if shutil.which('nm') is None:
        pytest.skip('no nm to list what a library imports')
    libraries = list(Path(mediapipe.__file__).parent.rglob('*.so'))
    assert libraries
    for library in libraries:
        symbols = subprocess.run(
            ['nm', '-D', str(library)], capture_output=True, text=True, check=True
        ).stdout
        imported = {line.split()[-1].partition('@')[0] for line in symbols.splitlines() if ' U ' in line}
        assert not imported & {'connect', 'getaddrinfo', 'gethostbyname', 'sendto', 'sendmsg'}, library


def test_a_version_that_reports_is_refused(face_model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import importlib.metadata

    from diffposetalk_ros.tracking.face_tracker import FaceTracker

    version = importlib.metadata.version
    monkeypatch.setattr(
        importlib.metadata, 'version', lambda name: '1.2.3' if name == 'mediapipe' else version(name)
    )
    with pytest.raises(VideoError, match='mediapipe 1.2.3 is not one of the versions'):
        FaceTracker(face_model)
