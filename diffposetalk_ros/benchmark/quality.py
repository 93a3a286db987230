# SPDX-License-Identifier: Apache-2.0
"""Quality and time of fewer steps, in one table from one run."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from diffposetalk_ros.benchmark.speed.requests import window_request
from diffposetalk_ros.benchmark.table import Cell, Table
from diffposetalk_ros.benchmark.timing import timed
from diffposetalk_ros.evaluation import metrics
from diffposetalk_ros.evaluation.comparison import Contender, Floats, masked_vertices, perform, score
from diffposetalk_ros.evaluation.contenders import parse_sampler
from diffposetalk_ros.evaluation.reference import clip_seed, reference_motion
from diffposetalk_ros.evaluation.speech_sets import SpeechClip
from diffposetalk_ros.evaluation.style_scores import style_scores
from diffposetalk_ros.model.backend import SamplingConfig
from diffposetalk_ros.motion.rig import Rig
from diffposetalk_ros.offline.generator import Generator
from diffposetalk_ros.training.animator import named_style

__all__ = ['Quality', 'QualitySettings', 'measure_quality', 'quality_table', 'worst_loss']

_HOP = 2


@dataclass(frozen=True)
class QualitySettings:
    """``samplers``: see `parse_sampler`; ``reference``: steps of the ancestral sampler they are compared with.
    ``styles``: how many the generated motion has to be found among."""

    samplers: tuple[str, ...] = (
        'ddim:1', 'ddim:2', 'ddim:2:quadratic', 'ddim:4', 'ddim:4:quadratic', 'ddim:8',
        'dpmpp_2m:2', 'dpmpp_2m:4', 'dpmpp_2m:8',
    )  # fmt: skip
    reference: int = 500
    styles: int = 20
    style: str = 'neutral'
    seed: int = 0


@dataclass(frozen=True)
class Quality:
    """``hop``: median ms to denoise a live hop; closure recall and precision [1]; ``lve`` and ``fdd``
    [mm] against the training animator, whose own upper face moves by ``dynamics`` (FDD of a still face)
    [mm]; ``found``: share of styles found again [1]."""

    hop: float
    closures: int
    recall: float
    precision: float
    lve: float
    fdd: float
    dynamics: float
    found: float


def measure_quality(
    generator: Generator,
    clips: Sequence[SpeechClip],
    rig: Rig,
    sampling: SamplingConfig,
    settings: QualitySettings,
    draw: int = 0,
) -> Quality:
    """One setting of the sampler on all clips; ``draw`` chooses other noise for the same comparison."""
    backend = generator.model.backend
    look = named_style(settings.style)

    def motion(clip: SpeechClip, seed: int) -> Floats:
        return generator.generate(
            clip.samples, settings.style, clip_seed(clip, seed + draw) % 2**31, sampling
        ).values

    references = [reference_motion(clip, look, settings.seed) for clip in clips]
    takes = perform(Contender('', motion), clips, references, settings.seed)
    scores = score(takes, rig, shifts=0)
    found = style_scores(
        generator, clips, sampling, settings.styles, settings.styles, settings.seed
    ).generated
    request = window_request(backend.config, 1, _HOP)
    hop = timed(lambda: backend.sample(request, sampling), 0.4)
    closures = scores.closures
    return Quality(
        hop.p50, closures.bilabials, closures.recall, closures.precision, scores.lve, scores.fdd,
        _dynamics(references, rig), found,
    )  # fmt: skip


def _dynamics(references: Sequence[Floats], rig: Rig) -> float:
    """FDD [mm] of a motionless face, mean over the clips."""
    rest = rig.neutral[rig.masks['upper_face']]
    values = []
    for motion in references:
        vertices = masked_vertices(rig, 'upper_face', motion)
        still = np.broadcast_to(rest, vertices.shape)
        values.append(metrics.upper_face_dynamics_deviation(still, vertices, rest))
    return float(np.mean(values))


def worst_loss(made: Quality, reference: Quality) -> tuple[float, str]:
    """Largest relative loss against the reference, and its measure; below 0 nothing was lost.

    FDD is a difference near 0: what it loses counts in units of the upper face's own dynamics.
    """
    losses = {
        'recall': _lost(made.recall, reference.recall),
        'precision': _lost(made.precision, reference.precision),
        'LVE': made.lve / reference.lve - 1,
        'FDD': (abs(made.fdd) - abs(reference.fdd)) / reference.dynamics,
        'style': _lost(made.found, reference.found),
    }
    name = max(losses, key=lambda key: losses[key])
    return losses[name], name


def _lost(made: float, reference: float) -> float:
    return 1 - made / reference if reference > 0 else 0.0


def quality_table(
    generator: Generator,
    clips: Sequence[SpeechClip],
    rig: Rig,
    scales: tuple[float, float],
    settings: QualitySettings,
    progress: Callable[[str, Quality], None] = lambda name, made: None,
) -> Table:
    """Every sampler compared with the ancestral one, with guidance ``scales`` on speech and style.

    A second run of the ancestral sampler with other noise shows the effect of chance.
    """
    rows: list[tuple[Cell, ...]] = []
    base = SamplingConfig('ddpm', settings.reference, *scales)
    reference = measure_quality(generator, clips, rig, base, settings)
    for name, sampling, draw in _runs(base, settings):
        made = reference
        if (sampling, draw) != (base, 0):
            made = measure_quality(generator, clips, rig, sampling, settings, draw)
        progress(name, made)
        loss, of = worst_loss(made, reference)
        figures = (made.recall, made.precision, made.lve, made.fdd, made.found)
        lost = None if made is reference else f'{100 * loss:+.1f} {of}'
        rows.append((name, made.hop, *(round(value, 3) for value in figures), lost))
    seconds = sum(clip.duration for clip in clips)
    sets = sorted({clip.split for clip in clips})
    closures = reference.closures
    note = (
        f'{len(clips)} clips ({", ".join(sets)}), {seconds:.0f} s, {closures} closures to find; '
        f'{settings.styles} styles. Hop: denoising {_HOP} frames, median. LVE, FDD: against the training '
        'animator, as in docs/evaluation.md. Worst loss: the measure that lost most against '
        f'{settings.reference} ancestral steps, FDD in units of the dynamics of the '
        f"animator's upper face ({reference.dynamics:.2f} mm). One closure of recall is "
        f'{100 / max(closures, 1):.1f} %; the row with another seed shows how much is chance.'
    )
    columns = (
        'sampler', 'hop [ms]', 'closure recall', 'precision', 'LVE [mm]', 'FDD [mm]', 'style found',
        'worst loss [%]',
    )  # fmt: skip
    return Table(f'Guidance scales {scales[0]:g} and {scales[1]:g}', note, columns, tuple(rows))


def _runs(base: SamplingConfig, settings: QualitySettings) -> Iterator[tuple[str, SamplingConfig, int]]:
    """(name, sampling, draw of the noise), the reference first."""
    yield f'ddpm {base.steps}', base, 0
    yield f'ddpm {base.steps}, other seed', base, 1
    for name in settings.samplers:
        yield name.replace(':', ' '), parse_sampler(name, base), 0
