# SPDX-License-Identifier: Apache-2.0
"""Measure several sources of motion on the same speech against the same reference."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from diffposetalk_ros.evaluation import metrics
from diffposetalk_ros.evaluation.lip_sync import ClosureConfig, ClosureScore, closure_score
from diffposetalk_ros.evaluation.reference import FPS
from diffposetalk_ros.evaluation.speech_sets import SpeechClip
from diffposetalk_ros.evaluation.viseme_correlation import (
    trusted_frames,
    viseme_correlation,
    visemes_of_motion,
)
from diffposetalk_ros.motion.layout import arkit_layout
from diffposetalk_ros.motion.rig import Rig
from diffposetalk_ros.training.animator import viseme_targets

__all__ = [
    'PART', 'Contender', 'Scores', 'Take', 'compare', 'diversity_of', 'evenly', 'masked_vertices', 'perform', 'score',
]  # fmt: skip

Floats = NDArray[np.float32]

PART = ', part'
"""Suffix of a table over the clips that slow contenders generated too."""

THRESHOLDS = (0.5, 1.0, 1.5, 2.0, 3.0)
"""Closure thresholds (mm) of the sweep; the tables use that of ClosureConfig."""

_LAYOUT = arkit_layout()


@dataclass(frozen=True)
class Contender:
    """A source of motion: ``motion(clip, seed)`` -> ARKit motion (T, 55) at 25 fps.

    A ``slow`` one generates only some of the clips, several at once; its ``motion`` is then called from
    several threads.
    """

    name: str
    motion: Callable[[SpeechClip, int], Floats]
    slow: bool = False


@dataclass(frozen=True)
class Take:
    """Motion a contender made for a clip, and the seconds it took."""

    clip: SpeechClip
    motion: Floats
    reference: Floats
    seconds: float


@dataclass(frozen=True)
class Scores:
    """All measures of one contender on one set; see metrics.DEFINITIONS for the units."""

    clips: int
    audio_s: float
    compute_s: float
    closures: ClosureScore
    visemes: NDArray[np.float64]
    lve: float
    fdd: float
    mod: float
    beats: float
    jaw: float
    seam: float
    sweep: dict[float, ClosureScore] = field(default_factory=dict)


def perform(
    contender: Contender,
    clips: Sequence[SpeechClip],
    references: Sequence[Floats],
    seed: int,
    progress: Callable[[], None] = lambda: None,
    jobs: int = 1,
) -> list[Take]:
    """Generate the motion of every clip; motion and reference are cut to equal length.

    A slow contender generates ``jobs`` clips at a time, which changes only the time.
    """

    def answer(clip: SpeechClip, reference: Floats) -> Take:
        started = time.perf_counter()
        motion = contender.motion(clip, seed)
        seconds = time.perf_counter() - started
        frames = min(len(motion), len(reference))
        return Take(clip, motion[:frames], reference[:frames], seconds)

    takes = []
    with ThreadPoolExecutor(jobs if contender.slow else 1) as pool:
        for take in pool.map(answer, clips, references):
            takes.append(take)
            progress()
    return takes


def score(takes: Sequence[Take], rig: Rig, window: int = 100, shifts: int = 50) -> Scores:
    """Measure the takes of one set. Every frame has the same weight; ``window`` frames lie between seams.

    Lip measures use only trusted spans; seam is NaN where no clip is longer than a window.
    """
    sums = dict.fromkeys(('lve', 'fdd', 'mod'), 0.0)
    frames, beats, beat_count, seams = 0, 0.0, 0, []
    found, truth, sweep = [], [], dict.fromkeys(THRESHOLDS, ClosureScore())
    closures = ClosureScore()
    for take in takes:
        clip, count = take.clip, len(take.motion)
        kept = trusted_frames(count, FPS, clip.spans)
        opening, should = (np.maximum(rig.lip_opening(m[:, :52]), 0) for m in (take.motion, take.reference))
        closures += closure_score(opening, clip.phones, FPS, clip.spans, ClosureConfig(shifts=shifts))
        for limit in THRESHOLDS:
            config = ClosureConfig(threshold=limit, shifts=0)
            sweep[limit] += closure_score(opening, clip.phones, FPS, clip.spans, config)
        found.append(visemes_of_motion(take.motion, _LAYOUT)[kept])
        truth.append(viseme_targets(clip.phones, count)[kept])
        lips, lips_ref = (masked_vertices(rig, 'lips', m) for m in (take.motion, take.reference))
        weight = int(kept.sum())
        if weight:
            sums['lve'] += weight * metrics.lip_vertex_error(lips[kept], lips_ref[kept])
            sums['mod'] += weight * metrics.mouth_opening_difference(opening[kept], should[kept])
            sums['fdd'] += weight * metrics.upper_face_dynamics_deviation(
                masked_vertices(rig, 'upper_face', take.motion),
                masked_vertices(rig, 'upper_face', take.reference),
                rig.neutral[rig.masks['upper_face']],
            )
            frames += weight
        made_beats, true_beats = (metrics.head_beats(m[:, 52:55], FPS) for m in (take.motion, take.reference))
        beats += len(made_beats) * metrics.beat_alignment(made_beats, true_beats)
        beat_count += len(made_beats)
        if count > window + 1:
            seams.append(metrics.seam_velocity_ratio(lips, range(window, count, window)))
    r = viseme_correlation(found, truth)
    share = {name: value / max(frames, 1) for name, value in sums.items()}
    return Scores(
        len(takes), sum(t.clip.duration for t in takes), sum(t.seconds for t in takes), closures, r,
        share['lve'], share['fdd'], share['mod'], beats / beat_count if beat_count else 0.0,
        _jaw_correlation(takes), float(np.mean(seams)) if seams else float('nan'), sweep,
    )  # fmt: skip


def masked_vertices(rig: Rig, mask: str, motion: Floats) -> Floats:
    """Vertices (T, M, 3) mm of a mask with the head held still."""
    chosen = rig.masks[mask]
    moved = motion[:, :52] @ rig.displacements[:, chosen].reshape(52, -1)
    return np.asarray(rig.neutral[chosen] + moved.reshape(len(motion), -1, 3), np.float32)


def _jaw_correlation(takes: Sequence[Take]) -> float:
    jaw = _LAYOUT.index('jawOpen')
    made, wanted = (
        np.concatenate([getattr(t, name)[:, jaw] for t in takes]) for name in ('motion', 'reference')
    )
    spread = float(made.std() * wanted.std())
    return float(((made - made.mean()) * (wanted - wanted.mean())).mean() / spread) if spread > 1e-9 else 0.0


def evenly(clips: Sequence[SpeechClip], limit: int | None) -> list[SpeechClip]:
    """At most ``limit`` clips, spread evenly over the list; all of them for None."""
    if limit is None or len(clips) <= limit:
        return list(clips)
    return [clips[i * len(clips) // limit] for i in range(limit)]


def compare(
    contenders: Sequence[Contender],
    sets: dict[str, list[SpeechClip]],
    reference: Callable[[SpeechClip], Floats],
    rig: Rig,
    seed: int = 0,
    slow_clips: int | None = None,
    progress: Callable[[], None] = lambda: None,
    jobs: int = 1,
) -> dict[str, dict[str, Scores]]:
    """Scores by set, then by contender.

    ``reference(clip)`` is the motion that distances are measured to. Slow contenders generate
    ``slow_clips`` clips of a set; if the set has more, a second table ('SET, part') compares all
    contenders on these clips. ``progress`` is called after each clip; ``jobs``
    as in `perform`.
    """
    results: dict[str, dict[str, Scores]] = {}
    for name, clips in sets.items():
        part = evenly(clips, slow_clips)
        whole = len(part) == len(clips)
        takes = {}
        for c in contenders:
            chosen = part if c.slow else clips
            takes[c.name] = perform(c, chosen, [reference(clip) for clip in chosen], seed, progress, jobs)
        results[name] = {c.name: score(takes[c.name], rig) for c in contenders if whole or not c.slow}
        if not whole and any(c.slow for c in contenders):
            ids = {clip.id for clip in part}
            results[name + PART] = {
                c: score([take for take in made if take.clip.id in ids], rig) for c, made in takes.items()
            }
    return results


def diversity_of(
    contender: Contender, clips: Sequence[SpeechClip], rig: Rig, seed: int = 0, samples: int = 3
) -> float:
    """Mean over clips of the mean distance (mm) between motions of the same speech with different seeds."""
    values = []
    for clip in clips:
        made = [masked_vertices(rig, 'lips', contender.motion(clip, seed + k)) for k in range(samples)]
        values.append(metrics.diversity(made))
    return float(np.mean(values)) if values else 0.0
