# SPDX-License-Identifier: Apache-2.0
"""Trade-off of hop k and look-ahead L of a stream between delay, lip sync, seams and computing time."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from diffposetalk_ros.benchmark.table import Table
from diffposetalk_ros.evaluation import metrics
from diffposetalk_ros.evaluation.comparison import Take, masked_vertices, score
from diffposetalk_ros.evaluation.reference import clip_frames, reference_motion
from diffposetalk_ros.evaluation.speech_sets import SpeechClip
from diffposetalk_ros.model.backend import FloatArray, SamplingConfig
from diffposetalk_ros.model.loader import LoadedModel
from diffposetalk_ros.model.mel_context import logmel_context
from diffposetalk_ros.motion.rig import Rig
from diffposetalk_ros.streaming.generator import StreamConfig, model_stream
from diffposetalk_ros.training.animator import named_style

__all__ = ['HopScore', 'hop_table', 'measure_hop', 'stream_clips']


@dataclass(frozen=True)
class HopScore:
    """``delay``: ms from the end of a frame's sound until its window can begin, at most; lip closure
    recall and precision [1]; correlation of the visemes [1] and LVE [mm] as in the evaluation; ``seam``: speed
    of the lips where a window begins, relative to elsewhere [1] (NaN for k = 1: every frame begins one);
    ``load``: processor time of one second of speech [s]."""

    hop: int
    look_ahead: int
    delay: float
    recall: float
    precision: float
    visemes: float
    lve: float
    seam: float
    load: float


def stream_clips(
    model: LoadedModel, clips: Sequence[SpeechClip], config: StreamConfig, style: str
) -> list[FloatArray]:
    """Motion (T, D) of every clip, as the live stream generates it."""
    stream, motion = model_stream(model, config, model.style(style)), []
    for clip in clips:
        stream.reset()
        made = stream.push(clip.samples) + stream.finish()
        motion.append(model.denormalise(np.concatenate([f.motion[: f.committed] for f in made])))
    return motion


def measure_hop(
    model: LoadedModel,
    clips: Sequence[SpeechClip],
    rig: Rig,
    config: StreamConfig,
    style: str = 'neutral',
) -> HopScore:
    """Stream the clips with one hop and look-ahead and compare with the training animator."""
    look = named_style(style)
    takes, seams = [], []
    begin = time.process_time()
    streamed = stream_clips(model, clips, config, style)
    load = (time.process_time() - begin) / sum(clip.duration for clip in clips)
    for clip, motion in zip(clips, streamed, strict=True):
        reference = reference_motion(clip, look)
        frames = min(len(motion), len(reference), clip_frames(clip))
        takes.append(Take(clip, motion[:frames], reference[:frames], 0.0))
        if 1 < config.hop < frames // 2:
            vertices = masked_vertices(rig, 'lips', motion[:frames])
            seams.append(metrics.seam_velocity_ratio(vertices, range(config.hop, frames, config.hop)))
    scores = score(takes, rig, shifts=0)
    network = model.backend.config
    right = logmel_context(network.logmel)[1] / 4 if network.logmel else config.right
    delay = 1e3 / network.fps * (config.hop - 1 + max(right, config.look_ahead))
    closures = scores.closures
    seam = float(np.mean(seams)) if seams else float('nan')
    visemes = float(np.mean(scores.visemes))
    return HopScore(
        config.hop,
        config.look_ahead,
        delay,
        closures.recall,
        closures.precision,
        visemes,
        scores.lve,
        seam,
        load,
    )


def hop_table(
    model: LoadedModel,
    clips: Sequence[SpeechClip],
    rig: Rig,
    sampling: SamplingConfig,
    hops: Sequence[int],
    look_aheads: Sequence[int],
    progress: Callable[[HopScore], None] = lambda made: None,
) -> Table:
    """All pairs of hop and look-ahead."""
    rows = []
    for hop in hops:
        for ahead in look_aheads:
            made = measure_hop(model, clips, rig, StreamConfig(hop, ahead, sampling=sampling))
            progress(made)
            seam = None if np.isnan(made.seam) else round(made.seam, 3)
            lip = [round(value, 3) for value in (made.recall, made.precision, made.visemes, made.lve)]
            rows.append((hop, ahead, round(made.delay), *lip, seam, round(100 * made.load, 1)))
    seconds = sum(clip.duration for clip in clips)
    note = (
        f'{len(clips)} clips, {seconds:.0f} s of real speech; {sampling.solver}, {sampling.steps} steps, '
        f"{sampling.spacing} spacing, guidance {sampling.scale_audio:g}. Delay: from the end of a frame's sound "
        'until its window can begin, at most; computing, messages and playout come on top. Closures, viseme r, LVE: '
        'against the training animator, as in docs/evaluation.md. Seam: speed of the lips over window borders '
        'relative to elsewhere; with k = 1 every frame is a border. Processor: of one core, for generating alone.'
    )
    columns = (
        'k', 'L', 'delay [ms]', 'closure recall', 'precision', 'viseme r', 'LVE [mm]', 'seam', 'processor [%]',
    )  # fmt: skip
    return Table('Hop k and look-ahead L of the live stream', note, columns, tuple(rows))
