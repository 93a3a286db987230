# SPDX-License-Identifier: Apache-2.0
"""Chart of a motion clip: sound, lip opening with closures, chosen channels, head angles."""

from __future__ import annotations

import io
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from diffposetalk_ros.errors import ConfigError
from diffposetalk_ros.motion.motion_clip import MotionClip
from diffposetalk_ros.util.output_file import write_atomically

__all__ = ['closures', 'plot_motion']

Floats = NDArray[np.float32]

_CLOSED_MM = 1.0
_MOST = 8
# The palette of Okabe and Ito, readable with colour-blind eyes.
_COLOURS = ('#0072b2', '#d55e00', '#009e73', '#cc79a7', '#e69f00', '#56b4e9', '#7f7f00', '#000000')


def plot_motion(
    clip: MotionClip,
    path: str | Path,
    audio: str | Path | None = None,
    channels: Sequence[str] = (),
) -> None:
    """Write the chart as PNG, panels on one time axis in seconds.

    ``channels``: names to draw (default: the eight expression channels that move most). Phonemes are
    drawn when ``clip.meta['phonemes']`` lists (start s, end s, name). Raises ConfigError for an
    unknown channel or a suffix other than .png, MotionError when the file cannot be written,
    AudioError for unreadable sound.
    """
    path = Path(path)
    if path.suffix.lower() != '.png':
        raise ConfigError(f'{path}: a chart is written as .png, not {path.suffix!r}')
    columns = [clip.layout.index(name) for name in channels] or _liveliest(clip)
    samples = None if audio is None else _read(audio)
    arkit = clip.layout.space == 'arkit'
    rows = [('sound', 1.3)] * (samples is not None) + [('lips', 1.0)] * arkit + [('channels', 1.6)]
    rows += [('head', 1.1)] * (clip.layout.head_rotation is not None)

    figure: Any = import_module('matplotlib.figure').Figure((13, 2.3 * len(rows) + 0.6), layout='constrained')
    axes = figure.subplots(
        len(rows), 1, sharex=True, squeeze=False, height_ratios=[height for _, height in rows]
    )[:, 0]
    time = np.arange(len(clip.values)) / clip.fps
    for axis, (kind, _) in zip(axes, rows, strict=True):
        if kind == 'sound' and samples is not None:
            _draw_sound(axis, samples, clip.duration)
        elif kind == 'lips':
            _draw_lips(axis, clip, time)
        elif kind == 'channels':
            _draw_lines(axis, time, clip.values[:, columns], [clip.layout.names[c] for c in columns])
            axis.set_ylabel('weight')
        else:
            names = ('X (nod, down +)', 'Y (turn, left +)', 'Z (tilt)')
            _draw_lines(axis, time, np.degrees(clip.values[:, clip.layout.head_rotation]), names)
            axis.set_ylabel('head [deg]')
        axis.margins(x=0)
    _draw_phonemes(axes[0], clip)
    axes[0].set_xlim(0, max(clip.duration, time[-1]))
    axes[-1].set_xlabel('time [s]')
    stream = io.BytesIO()
    figure.savefig(stream, format='png', dpi=110)
    write_atomically(path, stream.getvalue())


def closures(opening: Floats, fps: float, limit: float = _CLOSED_MM) -> list[tuple[float, float]]:
    """Spans (start s, end s) in which a lip opening (T,) in mm stays at or below ``limit``."""
    shut = np.concatenate([[False], np.asarray(opening) <= limit, [False]]).astype(int)
    edges = np.flatnonzero(np.diff(shut))
    return [(float(a / fps), float(b / fps)) for a, b in zip(edges[::2], edges[1::2], strict=True)]


def _liveliest(clip: MotionClip) -> list[int]:
    spread = clip.values[:, clip.layout.expression].std(axis=0)
    return [int(c) for c in np.argsort(-spread, kind='stable')[:_MOST]]


def _read(audio: str | Path) -> Floats:
    from diffposetalk_ros.audio.formats.file import read_audio

    return read_audio(audio)


def _draw_sound(axis: Any, samples: Floats, duration: float) -> None:
    from diffposetalk_ros.audio.logmel import mel_power

    # 15 ms of silence before and a full hop behind: mel_power wants its history.
    shown = samples[: int(duration * 16000)]
    padded = np.concatenate([np.zeros(240, np.float32), shown, np.zeros(-len(shown) % 160, np.float32)])
    level = 10 * np.log10(mel_power(padded) + 1e-8)
    length = len(level) / 100.0
    top = float(level.max(initial=-80.0))
    axis.imshow(
        level.T, origin='lower', aspect='auto', cmap='magma', extent=(0, length, 0, 64), vmin=top - 70
    )
    axis.set_ylabel('mel band')


def _draw_lips(axis: Any, clip: MotionClip, time: NDArray[np.float64]) -> None:
    from diffposetalk_ros.motion.rig import load_rig

    opening = load_rig().lip_opening(clip.values[:, :52])
    for start, end in closures(opening, clip.fps):
        axis.axvspan(start, end, color='#56b4e9', alpha=0.25, linewidth=0)
    axis.plot(time, opening, color=_COLOURS[0], linewidth=1.2)
    axis.axhline(_CLOSED_MM, color='0.4', linewidth=0.6, linestyle='--')
    axis.set_ylabel('lip opening [mm]')
    axis.grid(alpha=0.25)


def _draw_lines(axis: Any, time: NDArray[np.float64], values: Floats, names: Sequence[str]) -> None:
    for i, name in enumerate(names):
        style = ('-', '--', ':')[i // len(_COLOURS) % 3]
        colour = _COLOURS[i % len(_COLOURS)]
        axis.plot(time, values[:, i], style, label=name, color=colour, linewidth=1.2)
    axis.legend(loc='upper left', bbox_to_anchor=(1.0, 1.0), fontsize=8, frameon=False)
    axis.grid(alpha=0.25)


def _draw_phonemes(axis: Any, clip: MotionClip) -> None:
    height = axis.get_xaxis_transform()
    for start, end, name in clip.meta.get('phonemes', ()):
        if float(start) < clip.duration:
            middle = (float(start) + min(float(end), clip.duration)) / 2
            axis.axvline(float(start), color='0.5', linewidth=0.4)
            axis.text(middle, 1.02, str(name), transform=height, ha='center', va='bottom', fontsize=7)
