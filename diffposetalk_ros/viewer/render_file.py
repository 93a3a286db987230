# SPDX-License-Identifier: Apache-2.0
"""Motion clips to files: MP4 with sound, GIF, PNG contact sheet. A file appears whole or not at all."""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import chain, islice
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from diffposetalk_ros.errors import ConfigError, MotionError
from diffposetalk_ros.motion.closure_snap import DEFAULT_SNAP, snap_closures
from diffposetalk_ros.motion.motion_clip import MotionClip
from diffposetalk_ros.motion.resampling import at_rate
from diffposetalk_ros.motion.rig import DEFAULT_FACE, load_rig
from diffposetalk_ros.util.extras import install_command
from diffposetalk_ros.util.output_file import (
    cannot_write,
    check_not_input,
    check_output,
    whole_file,
    write_atomically,
)
from diffposetalk_ros.viewer.light import Theme
from diffposetalk_ros.viewer.render import clip_sheet, contact_sheet, render_frames
from diffposetalk_ros.viewer.render_scene import Image

__all__ = ['RenderOptions', 'render_to_file', 'write_image', 'write_mp4']

# Bytes of pictures that are held to find a GIF's colours.
_HELD = 64_000_000

# Colour space of HD video, stored in the file for the player.
_HD = 'colorprim=bt709:transfer=bt709:colormatrix=bt709'


@dataclass(frozen=True)
class RenderOptions:
    """``size`` (width, height) pixels; ``fps`` of the file (None: of the motion); processes to draw;
    ``snap``: lip openings up to so many mm are shown as contact (see `motion.closure_snap`);
    ``face``: a name of `motion.rig.FACES`; ``theme``: other colours than the face's own."""

    size: tuple[int, int] = (1280, 720)
    fps: float | None = None
    workers: int = 1
    theme: Theme | None = None
    snap: float = DEFAULT_SNAP
    face: str = DEFAULT_FACE


def render_to_file(
    clips: Sequence[MotionClip],
    path: str | Path,
    audio: str | Path | None = None,
    labels: Sequence[str] = (),
    options: RenderOptions = RenderOptions(),  # noqa: B008 (frozen)
) -> int:
    """Write .mp4 (sound by ``audio``), .gif or .png; several clips stand side by side.

    Returns the number of frames drawn per clip. The picture ends with the longest clip, and the sound
    with the picture. Raises MotionError for FLAME motion, AudioError for unreadable sound, and ConfigError for a path
    that cannot be written or is that of the sound, for a wrong suffix or size, and if PyAV is missing.
    """
    path = Path(path)
    suffix = path.suffix.lower()
    check_output(path, ('.mp4', '.gif', '.png'))
    check_not_input(path, [audio])
    if not clips:
        raise MotionError('no clip to render; name at least one motion file')
    for clip in clips:
        if clip.layout.space != 'arkit':
            raise MotionError(
                f'{clip.layout.space} motion cannot be shown on this head, which takes ARKit channels; '
                'render motion of an arkit model'
            )
    if audio is not None and suffix != '.mp4':
        raise ConfigError(f'{path.name} has no sound track; leave out the audio or write .mp4')
    clips = [
        replace(clip, values=snap_closures(load_rig(options.face), clip.values, options.snap))
        for clip in clips
    ]
    if suffix == '.png':
        sheets = [clip_sheet(clip, options.size, face=options.face) for clip in clips]
        sheet = sheets[0] if len(clips) == 1 else contact_sheet(_equal(sheets), labels, len(clips))
        write_image(path, sheet)
        return min(24, len(clips[0].values))
    rate = clips[0].fps if options.fps is None else options.fps
    frames = _side_by_side(clips, labels, rate, options)
    if suffix == '.gif':
        return _write_gif(path, frames, rate)
    width, height = options.size
    if width % 2 or height % 2:
        raise ConfigError(f'size {width}x{height} is odd; MP4 needs even width and height')
    return write_mp4(path, frames, rate, options.size, audio, max(clip.duration for clip in clips))


def write_image(path: str | Path, image: Image) -> None:
    """Write a picture (height, width, 3) uint8 as PNG."""
    from PIL import Image as Pillow

    stream = io.BytesIO()
    Pillow.fromarray(image).save(stream, 'PNG', optimize=True)
    write_atomically(Path(path), stream.getvalue())


def _equal(sheets: Sequence[Image]) -> list[Image]:
    """Sheets of one height: shorter ones continue in white."""
    height = max(len(sheet) for sheet in sheets)
    return [np.pad(s, ((0, height - len(s)), (0, 0), (0, 0)), constant_values=250) for s in sheets]


def _side_by_side(
    clips: Sequence[MotionClip], labels: Sequence[str], rate: float, options: RenderOptions
) -> Iterator[Image]:
    width, height = options.size
    clips = [at_rate(clip, rate) for clip in clips]
    if len(clips) == 1:
        return render_frames(clips[0].values, options.size, options.theme, options.workers, options.face)
    longest = max(len(clip.values) for clip in clips)
    edges = np.linspace(0, width, len(clips) + 1).round().astype(int)
    streams = []
    for clip, cell in zip(clips, np.diff(edges), strict=True):
        values = np.pad(clip.values, ((0, longest - len(clip.values)), (0, 0)), mode='edge')
        streams.append(render_frames(values, (int(cell), height), options.theme, face=options.face))
    names = [_caption(label, int(cell)) for label, cell in zip(labels, np.diff(edges), strict=True)]
    return (_joined(images, names) for images in zip(*streams, strict=True))


def _caption(text: str, width: int) -> NDArray[np.float32]:
    """Opacity (24, width, 1) of a line of text."""
    from PIL import Image as Pillow
    from PIL import ImageDraw, ImageFont

    strip = Pillow.new('L', (width, 24), 0)
    ImageDraw.Draw(strip).text((width / 2, 12), text, 255, ImageFont.load_default(16), anchor='mm')
    return np.asarray(strip, np.float32)[..., None] / 255.0


def _joined(images: Sequence[Image], captions: Sequence[NDArray[np.float32]]) -> Image:
    for image, caption in zip(images, captions, strict=True):
        top = image[4 : 4 + len(caption)]
        top[...] = (top * (1 - caption[: len(top)])).astype(np.uint8)
    return np.concatenate(images, axis=1)


def _write_gif(path: Path, frames: Iterator[Image], rate: float) -> int:
    from PIL import Image as Pillow

    # One palette for all frames, so that colours do not flicker and equal areas compress well. The first frame
    # alone may lack what only an open mouth shows.
    first = next(frames)
    held = [first, *islice(frames, min(250, max(8, _HELD // first.nbytes)))]
    some = np.concatenate([frame[::2, ::2] for frame in held[:: -(-len(held) // 12)]])
    palette = Pillow.fromarray(some).quantize(255, kmeans=3)
    pictures = [
        Pillow.fromarray(frame).quantize(palette=palette, dither=Pillow.Dither.NONE)
        for frame in chain(held, frames)
    ]
    stream = io.BytesIO()
    # GIF times are in 1/100 s and players slow down below 2.
    pause = max(20, round(100 / rate) * 10)
    pictures[0].save(stream, 'GIF', save_all=True, append_images=pictures[1:], duration=pause, loop=0)
    write_atomically(path, stream.getvalue())
    return len(pictures)


def write_mp4(
    path: Path,
    frames: Iterator[Image],
    rate: float,
    size: tuple[int, int],
    audio: str | Path | None,
    duration: float,
) -> int:
    """Write pictures (height, width, 3) at ``rate`` with at most ``duration`` seconds of sound; returns
    their number. Raises ConfigError without PyAV, MotionError when the file cannot be written."""
    try:
        import av
    except ImportError as error:
        raise ConfigError(
            f'MP4 needs PyAV, which is not installed; {install_command("render")}, or write .gif'
        ) from error

    sound, sound_rate = (None, 0) if audio is None else _read_sound(Path(audio), duration)
    count = 0
    try:
        with whole_file(path) as part, av.open(str(part), 'w', 'mp4', {'movflags': '+faststart'}) as file:
            exact = Fraction(rate).limit_denominator(1001)
            video: Any = file.add_stream('libx264', rate=exact)
            video.width, video.height = size
            video.pix_fmt = 'yuv420p'
            video.options = {'preset': 'veryfast', 'crf': '20', 'x264-params': _HD}
            track: Any = None if sound is None else file.add_stream('aac', rate=sound_rate, layout='mono')
            if track is not None and sound is not None:
                _mux_sound(file, track, sound, sound_rate)
            for image in frames:
                frame = av.VideoFrame.from_ndarray(image, format='rgb24')
                frame = frame.reformat(format='yuv420p', dst_colorspace='ITU709', dst_color_range='MPEG')
                frame.pts, frame.time_base = count, 1 / exact
                file.mux(video.encode(frame))
                count += 1
            file.mux(video.encode(None))
    except (OSError, av.error.FFmpegError) as error:
        raise MotionError(cannot_write(path, error)) from error
    return count


def _mux_sound(file: Any, track: Any, sound: NDArray[np.float32], rate: int) -> None:
    import av

    for start in range(0, len(sound), 1024):
        block = np.ascontiguousarray(sound[None, start : start + 1024])
        frame = av.AudioFrame.from_ndarray(block, format='fltp', layout='mono')
        frame.sample_rate, frame.pts, frame.time_base = rate, start, Fraction(1, rate)
        file.mux(track.encode(frame))
    file.mux(track.encode(None))


def _read_sound(path: Path, duration: float) -> tuple[NDArray[np.float32], int]:
    """Mono sound (n,) of at most ``duration`` seconds and a sample rate AAC knows (Hz)."""
    from diffposetalk_ros.audio.formats.file import read_audio, read_native

    sound, rate = read_native(path, duration)
    if rate in (16000, 22050, 24000, 32000, 44100, 48000):
        return sound, rate
    return read_audio(path)[: round(duration * 16000)], 16000
