# SPDX-License-Identifier: Apache-2.0
"""Pictures of a video file or a camera with their times, upright and in 8-bit RGB, decoded by PyAV."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from diffposetalk_ros.audio.sample_rate import AUDIO_SAMPLE_RATE
from diffposetalk_ros.errors import VideoError, reason_of
from diffposetalk_ros.util.extras import install_command

__all__ = ['VideoFrame', 'VideoReader', 'is_camera', 'read_sound']

Image = NDArray[np.uint8]

_MAX_SIDE = 1280
"""Pixels; larger pictures are made smaller while they are decoded, for a face is cut out at 256."""
_EVEN = 0.7
"""Shortest time between two pictures, in periods of ``max_fps``."""
_PIXEL_SHAPES = (0.25, 4.0)
"""Width over height of a pixel; files that ask for more are taken to be damaged."""
_CAMERA_FORMAT = {'linux': 'v4l2', 'darwin': 'avfoundation', 'win32': 'dshow'}


@dataclass(frozen=True, eq=False)
class VideoFrame:
    """One picture: ``time`` in seconds from the beginning of the video, ``image`` (height, width, 3) RGB."""

    time: float
    image: Image


def is_camera(source: str) -> bool:
    """Whether ``source`` names a camera: a number, or a device such as /dev/video0."""
    return source.isdigit() or source.startswith('/dev/')


class VideoReader:
    """The pictures of a video between ``start`` and ``start + seconds``, at most ``max_fps`` of them a second.

    ``source`` is a file, or a camera by number or device. Times come from the file, so a variable frame
    rate is kept; pictures whose time does not increase are left out and counted in ``dropped``. Rotation
    metadata of phones and pixels that are not square are applied. ``damaged`` counts packets that cannot be
    decoded.

    Raises VideoError for what cannot be opened or holds no pictures.
    """

    def __init__(
        self, source: str | Path, start: float = 0.0, seconds: float | None = None, max_fps: float = 31.0
    ) -> None:
        if not (0 <= start < float('inf') and (seconds is None or seconds > 0) and max_fps > 0):
            raise VideoError(f'start {start:g} s, length {seconds} s; use 0 or more, and more than 0')
        self.source = str(source)
        self._start, self._seconds, self._period = start, seconds, 1.0 / max_fps
        self.dropped = 0
        self.damaged = 0
        self._container = _open(self.source)
        videos = [s for s in self._container.streams.video if not _is_cover(s)]
        if not videos:
            self._container.close()
            raise VideoError(f'{self.source} holds no moving picture; name a video')
        self._stream: Any = videos[0]
        self._stream.thread_type = 'AUTO'
        # PyAV 19 does not tell it once the file is closed.
        self.duration = self._duration()
        """Length of the part that is read in seconds, as far as the file tells it."""

    def _duration(self) -> float | None:
        stream, container = self._stream, self._container
        if stream.duration is not None and stream.time_base is not None:
            whole = float(stream.duration * stream.time_base)
        elif container.duration is not None:
            whole = container.duration / 1e6
        else:
            return self._seconds
        rest = max(0.0, whole - self._start)
        return rest if self._seconds is None else min(rest, self._seconds)

    def __iter__(self) -> Iterator[VideoFrame]:
        """Decode. Raises VideoError when nothing at all can be decoded."""
        first: float | None = None
        last = -1.0
        due = -float('inf')
        frames = 0
        pixel = _pixel_shape(self._stream)
        for frame in self._decoded():
            frames += 1
            time = frame.time
            if time is None:
                time = frames / float(self._stream.average_rate or 25)
            first = time if first is None else first
            time = float(time - first)
            if time <= last:
                self.dropped += 1
                continue
            if time < self._start or time < due - 1e-4:
                continue
            if self._seconds is not None and time >= self._start + self._seconds:
                return
            last = time
            # A picture that comes early does not put the next one off: 32 a second are not thinned to 16.
            due = max(due + self._period, time + _EVEN * self._period)
            yield VideoFrame(time, _upright(frame, pixel))
        if frames == 0:
            raise VideoError(f'{self.source} holds no picture that can be decoded; record or copy it again')

    def close(self) -> None:
        """Give file or camera back."""
        self._container.close()

    def __enter__(self) -> VideoReader:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _decoded(self) -> Iterator[Any]:
        import av

        packets = self._container.demux(self._stream)
        while True:
            try:
                packet = next(packets)
            except StopIteration:
                return
            except av.error.FFmpegError as error:
                if self.damaged == 0 and is_camera(self.source):
                    raise VideoError(
                        f'{self.source} gives no picture ({reason_of(error)}); is it in use?'
                    ) from error
                self.damaged += 1
                return
            try:
                yield from packet.decode()
            except av.error.FFmpegError:
                self.damaged += 1


def read_sound(
    source: str | Path, start: float = 0.0, seconds: float | None = None
) -> NDArray[np.float32] | None:
    """Sound (n,) of a video, mono at 16 kHz, between ``start`` and ``start + seconds``; None without a track."""
    import av

    with _open(str(source)) as container:
        if not container.streams.audio:
            return None
        resampler = av.AudioResampler(format='flt', layout='mono', rate=AUDIO_SAMPLE_RATE)
        blocks: list[NDArray[np.float32]] = []
        wanted = None if seconds is None else round((start + seconds) * AUDIO_SAMPLE_RATE)
        count = 0
        try:
            for frame in container.decode(audio=0):
                for part in resampler.resample(frame):
                    blocks.append(np.asarray(part.to_ndarray().reshape(-1), np.float32))
                    count += len(blocks[-1])
                if wanted is not None and count >= wanted:
                    break
        except av.error.FFmpegError:
            pass  # use what could be decoded; the pictures show whether the file is damaged
    sound = np.concatenate(blocks) if blocks else np.zeros(0, np.float32)
    return np.asarray(sound[round(start * AUDIO_SAMPLE_RATE) : wanted], np.float32)


def _open(source: str) -> Any:
    try:
        import av
    except ModuleNotFoundError as error:
        raise VideoError(
            f'reading video needs PyAV, which is not installed; {install_command("track")}'
        ) from error
    camera = is_camera(source)
    if not camera:
        _check_file(Path(source))
    try:
        if not camera:
            return av.open(source)
        system = 'linux' if sys.platform.startswith('linux') else sys.platform
        device = f'/dev/video{source}' if source.isdigit() and system == 'linux' else source
        return av.open(device, format=_CAMERA_FORMAT.get(system))
    except (av.error.FFmpegError, OSError, ValueError) as error:
        hint = (
            'connect it, close programs that use it, or join the group video'
            if camera
            else 'use a file that ffmpeg reads, such as mp4, mov, mkv or webm'
        )
        kind = 'camera' if camera else 'video'
        raise VideoError(f'{kind} {source} cannot be opened ({_reason(error)}); {hint}') from error


def _reason(error: BaseException) -> str:
    return str(getattr(error, 'strerror', None) or reason_of(error))


def _check_file(path: Path) -> None:
    try:
        if path.is_dir():
            raise VideoError(f'{path} is a folder; name a video')
        size = path.stat().st_size
    except OSError as error:
        raise VideoError(f'{path} cannot be read ({error.strerror}); check the path') from None
    if size == 0:
        raise VideoError(f'{path} is empty (0 bytes); record or copy it again')


def _is_cover(stream: Any) -> bool:
    """Whether a video stream is the picture of an album."""
    return bool(int(getattr(stream, 'disposition', 0) or 0) & 0x400)


def _pixel_shape(stream: Any) -> float:
    """Width over height of a pixel as shown; 1 where the file does not tell it."""
    shape = float(stream.sample_aspect_ratio or stream.codec_context.sample_aspect_ratio or 1)
    return shape if _PIXEL_SHAPES[0] <= shape <= _PIXEL_SHAPES[1] else 1.0


def _upright(frame: Any, pixel: float) -> Image:
    """A decoded frame as RGB (height, width, 3), turned as the file asks, its longer side at most _MAX_SIDE.

    ``pixel``: see `_pixel_shape`.
    """
    shown = (frame.width * max(1.0, pixel), frame.height * max(1.0, 1 / pixel))
    shrink = max(1.0, max(shown) / _MAX_SIDE)
    width, height = (max(2, round(side / shrink)) for side in shown)
    image = frame.reformat(width, height, format='rgb24').to_ndarray()
    turns = round((frame.rotation or 0) / 90) % 4
    return np.ascontiguousarray(np.rot90(image, turns))
