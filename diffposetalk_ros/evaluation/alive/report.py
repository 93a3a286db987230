# SPDX-License-Identifier: Apache-2.0
"""Report of `evaluate --alive`: generated faces compared with people, and how well styles are reproduced."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from diffposetalk_ros.evaluation.alive.measures import aliveness, seam_ratio
from diffposetalk_ros.model.backend import LIVE_SAMPLING, SamplingConfig
from diffposetalk_ros.model.loader import LoadedModel
from diffposetalk_ros.motion.layout import arkit_layout
from diffposetalk_ros.nonverbal.eye_measures import blink_events
from diffposetalk_ros.nonverbal.traits import TRAITS, measure_traits
from diffposetalk_ros.offline.generator import Generator
from diffposetalk_ros.streaming.generator import StreamConfig, model_stream

__all__ = [
    'BARS', 'PEOPLE', 'AliveReport', 'Bar', 'Run', 'arrivals', 'live_run', 'markdown',
    'measure_styles', 'offline_run', 'write',
]  # fmt: skip

Floats = NDArray[np.float32]
Run = Callable[[Floats, Any, int], Floats]
"""(samples (n,) at 16 kHz, style, seed) -> motion (F, 55) in the units of the layout."""

_JAW = arkit_layout().index('jawOpen')

PEOPLE: Final[dict[str, tuple[float, float]]] = {
    'blinks': (12, 53), 'blink_ms_p10': (114, 114), 'blink_ms_p50': (160, 160), 'blink_ms_p90': (233, 233),
    'blinks_partial': (0.33, 0.33), 'brow_raises': (15, 30), 'brow_inner_range': (0.09, 0.47),
    'brow_outer_range': (0.14, 0.46), 'brow_down_range': (0.02, 0.36), 'squint_sd': (0.08, 0.11),
    'gaze_changes': (58, 83), 'pitch_range': (5, 14), 'yaw_range': (6, 14), 'roll_range': (4, 12),
    'head_speed': (16, 32), 'head_autocorrelation': (0.63, 0.78), 'head_acceleration_per_speed': (16, 21),
    'head_above_2_hz': (0.047, 0.047), 'asymmetry': (0.30, 0.39), 'smile_mean': (0.085, 0.085),
    'smile_sd': (0.126, 0.126), 'stretch_sd': (0.004, 0.020), 'jaw_sd': (0.056, 0.056),
}  # fmt: skip
"""Quartiles over filmed speakers, or the mean where no quartiles were taken: 13 speakers, 185 s, tracked
with MediaPipe
Face Landmarker 1.2.3; blink durations of 207 blinks. The tracker's noise is in them."""


@dataclass(frozen=True)
class Bar:
    """A measure that has to lie between ``low`` and ``high``."""

    measure: str
    style: str
    low: float
    high: float


BARS: Final = (
    Bar('blinks', 'neutral', 14, 30),
    Bar('blinks_well_formed', 'neutral', 0.95, 1),
    Bar('blinks_partial', 'neutral', 0.15, 0.40),
    Bar('blink_ms_p50', 'neutral', 140, 200),
    Bar('blink_ms_spread', 'neutral', 80, 400),
    *(Bar(f'brow_{part}_range', 'neutral', 0.12, 0.25) for part in ('inner', 'outer')),
    *(Bar(f'brow_{part}_range', 'lively', 0.25, 0.45) for part in ('inner', 'outer')),
    Bar('brow_down_range', 'neutral', 0.03, 1),
    Bar('gaze_changes', 'neutral', 30, 80),
    Bar('gaze_changes', 'lively', 60, 120),
    Bar('on_listener', 'neutral', 0, 0.60),
    Bar('pitch_range', 'neutral', 4, 8),
    Bar('yaw_range', 'neutral', 4, 9),
    Bar('roll_range', 'neutral', 2, 6),
    Bar('pitch_range', 'lively', 8, 14),
    Bar('yaw_range', 'lively', 8, 14),
    Bar('roll_range', 'lively', 5, 11),
    Bar('head_above_2_hz', 'neutral', 0, 0.07),
    Bar('head_above_2_hz', 'lively', 0, 0.07),
    Bar('head_autocorrelation', 'neutral', 0.62, 1),
    Bar('head_acceleration_per_speed', 'neutral', 0, 24),
    Bar('asymmetry', 'neutral', 0.15, 0.40),
)
"""What a face that reads as alive has to show; from the figures of people."""


@dataclass
class AliveReport:
    """``styles``: way of generation -> style -> measure -> value; ``arrival``: way -> trait -> correlation of the
    requested and the measured trait; ``settings``: name -> value; ``people``: the same correlations for styles of
    tracked people, if tracks were given."""

    settings: dict[str, str]
    styles: dict[str, dict[str, dict[str, float]]] = field(default_factory=dict)
    arrival: dict[str, dict[str, float]] = field(default_factory=dict)
    people: dict[str, float] = field(default_factory=dict)


def offline_run(generator: Generator, sampling: SamplingConfig | None = None) -> Run:
    """Whole clips, as `diffposetalk generate` makes them."""

    def run(samples: Floats, style: Any, seed: int) -> Floats:
        return generator.generate(samples, style, seed, sampling or SamplingConfig()).values

    return run


def live_run(model: LoadedModel, config: StreamConfig | None = None) -> Run:
    """Hop by hop, as the live node generates."""
    base = config or StreamConfig(sampling=LIVE_SAMPLING)

    def run(samples: Floats, style: Any, seed: int) -> Floats:
        chosen = StreamConfig(
            base.hop, base.look_ahead, base.blend, seed, base.stream, base.context, base.right, base.sampling
        )
        stream = model_stream(model, chosen, model.style(style))
        made = stream.push(samples) + stream.finish()
        return model.denormalise(np.concatenate([frames.motion[: frames.committed] for frames in made]))

    return run


def measure_styles(
    run: Run, clips: Sequence[Floats], styles: Sequence[str], seeds: Sequence[int], hop: int = 0
) -> dict[str, dict[str, float]]:
    """Means over clips and seeds, weighted by length. ``hop``: frames of a hop; from 2 on, its seams are measured."""
    out = {}
    for style in styles:
        found, seams, blinks = [], [], []
        for seed in seeds:
            for clip in clips:
                motion = run(clip, style, seed)
                found.append(aliveness(motion, 25.0))
                blinks += [blink for blink in blink_events(motion, 25.0) if blink.well_formed]
                if hop > 1:
                    at = range(hop, len(motion), hop)
                    seams.append((seam_ratio(motion[:, 52:55], at), seam_ratio(motion[:, 14:42], at)))
        weights = np.array([one['seconds'] for one in found])
        mean = {}
        for name in found[0]:
            values = np.array([one[name] for one in found])
            known = np.isfinite(values)
            mean[name] = float((values * weights)[known].sum() / max(weights[known].sum(), 1e-9))
        # A clip holds a handful of blinks: quantiles are those of all of them.
        lengths = [1000 * blink.duration for blink in blinks] or [float('nan')]
        for quantile in (10, 50, 90):
            mean[f'blink_ms_p{quantile}'] = float(np.quantile(lengths, quantile / 100))
        mean['blink_ms_spread'] = mean['blink_ms_p90'] - mean['blink_ms_p10']
        mean['blinks_partial'] = (
            float(np.mean([blink.partial for blink in blinks])) if blinks else float('nan')
        )
        if hop > 1:
            mean['seam_head'], mean['seam_mouth'] = (float(x) for x in np.mean(seams, axis=0))
        out[style] = mean
    return out


def arrivals(
    run: Run, clips: Sequence[Floats], sources: Sequence[Floats], model: LoadedModel, seed: int = 0
) -> dict[str, float]:
    """How well speech generated in the styles of motion clips reproduces their traits: trait -> correlation.

    ``sources`` (F, 55) at 25 frames/s, in styles of their own.
    """
    asked, shown = [], []
    for index, source in enumerate(sources):
        style = model.style_of(source)
        motion = np.concatenate([run(clip, style, seed + index) for clip in clips])
        asked.append(_facts(source))
        shown.append(_facts(motion))
    return {
        name: float(np.corrcoef([one[name] for one in asked], [one[name] for one in shown])[0, 1])
        for name in asked[0]
    }


def _facts(motion: Floats) -> dict[str, float]:
    measured = aliveness(motion, 25.0)
    traits = measure_traits(motion, 25.0)
    found = {'jaw_level': float(motion[:, _JAW].mean())}
    found |= {
        name: measured[name]
        for name in (
            'pitch_range', 'yaw_range', 'roll_range', 'nod_rms', 'head_speed', 'gaze_sd', 'gaze_changes', 'jaw_sd',
        )
    }  # fmt: skip
    levels = [name for name in TRAITS if name.endswith('_level')]
    spreads = ['brow_inner_spread', 'brow_outer_spread', 'smile_spread', 'squint_spread']
    return found | {name: traits[name] for name in (*levels, *spreads, 'blink_rate')}


def _value(value: float) -> str:
    return f'{value:.0f}' if abs(value) >= 20 else f'{value:.2f}'


def _people(name: str) -> str:
    span = PEOPLE.get(name)
    if span is None:
        return ''
    return _value(span[0]) if span[0] == span[1] else f'{_value(span[0])} to {_value(span[1])}'


def markdown(report: AliveReport) -> str:
    """The report as a page."""
    lines = ['# Head, brows, eyes and smile: measurements', '']
    lines += [
        'Written by `diffposetalk evaluate --alive`. People: quartiles over filmed speakers. [alive.md](alive.md)',
        'has the definitions and the limits of the tracker.',
        '',
    ]
    lines += [f'- {name}: {value}' for name, value in report.settings.items()] + ['']
    for way, styles in report.styles.items():
        lines += [f'## {way}', '']
        lines += ['| measure | people | ' + ' | '.join(styles) + ' |', '|---|---|' + '--:|' * len(styles)]
        for name in next(iter(styles.values())):
            row = ' | '.join(_value(values.get(name, float('nan'))) for values in styles.values())
            lines.append(f'| {name} | {_people(name)} | {row} |')
        lines.append('')
        missed = [
            f'{bar.measure} of {bar.style}: {_value(styles[bar.style][bar.measure])}, wanted '
            f'{_value(bar.low)} to {_value(bar.high)}'
            for bar in BARS
            if bar.style in styles and not bar.low <= styles[bar.style][bar.measure] <= bar.high
        ]
        lines += ['Out of range: ' + ('; '.join(missed) if missed else 'nothing') + '.', '']
    if report.arrival:
        ways = list(report.arrival)
        lines += ['## Traits of a style that are reproduced', '', 'Correlation over random styles.', '']
        lines += ['| trait | ' + ' | '.join(ways) + ' |', '|---|' + '--:|' * len(ways)]
        for name in report.arrival[ways[0]]:
            lines.append(
                f'| {name} | ' + ' | '.join(f'{report.arrival[way][name]:.2f}' for way in ways) + ' |'
            )
        lines.append('')
    if report.people:
        lines += ['## Styles taken from tracks of people', '', '| trait | correlation |', '|---|--:|']
        lines += [f'| {name} | {value:.2f} |' for name, value in report.people.items()] + ['']
    return '\n'.join(lines)


def write(report: AliveReport, out: Path) -> list[Path]:
    """Write the page and, beside it, the numbers as JSON."""
    out.write_text(markdown(report), encoding='utf-8')
    numbers: Mapping[str, Any] = vars(report)
    path = out.with_suffix('.json')
    path.write_text(json.dumps(numbers, indent=1, default=str) + '\n', encoding='utf-8')
    return [out, path]
