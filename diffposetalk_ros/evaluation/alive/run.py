# SPDX-License-Identifier: Apache-2.0
"""The measurement of `evaluate --alive`: styles compared with people, and how well traits are reproduced."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from diffposetalk_ros.evaluation.alive.people import people_found, read_tracks
from diffposetalk_ros.evaluation.alive.realism import told_apart
from diffposetalk_ros.evaluation.alive.report import (
    AliveReport,
    Floats,
    arrivals,
    live_run,
    measure_styles,
    offline_run,
)
from diffposetalk_ros.evaluation.reference import joined_speech
from diffposetalk_ros.evaluation.report import machine
from diffposetalk_ros.evaluation.speech_sets import SpeechClip
from diffposetalk_ros.model.loader import LoadedModel
from diffposetalk_ros.nonverbal.smile import spread_as_smile
from diffposetalk_ros.offline.generator import Generator
from diffposetalk_ros.streaming.generator import StreamConfig
from diffposetalk_ros.training.animator import animate, sample_style

__all__ = ['measure_alive']

_STYLES = ('neutral', 'lively', 'still', 'nodding', 'large_head', 'frequent_blinks', 'sleepy')
_SOURCE_SECONDS = 30
_CLIP_SECONDS = 12.0


def measure_alive(
    generator: Generator,
    clips: Sequence[SpeechClip],
    seeds: Sequence[int],
    random_styles: int,
    tracks: Path | None,
    say: Callable[[str], None],
) -> AliveReport:
    """Measure a model on speech with known phones.

    Args:
        generator: the model.
        clips: speech; joined to stretches of 12 s.
        seeds: every stretch is generated with each.
        random_styles: number of random styles for the correlation of traits; 0 omits it.
        tracks: folder of people's tracks, or None.
        say: called with a line about the current step.
    """
    rng = np.random.default_rng(0)
    speech = [joined_speech(clips, _CLIP_SECONDS, rng).samples for _ in range(6)]
    ways = {
        'Offline (diffposetalk generate)': (offline_run(generator), 0),
        'Live (the hops of the node)': (live_run(generator.model), StreamConfig.hop),
    }
    report = AliveReport(
        {
            'model': generator.model.folder.name,
            'machine': machine(),
            'speech': f'{len(speech)} stretches of {_CLIP_SECONDS:g} s, seeds {", ".join(map(str, seeds))}',
        }
    )
    for way, (run, frames) in ways.items():
        say(f'{way}: styles')
        report.styles[way] = measure_styles(run, speech, _STYLES, seeds, frames)
    if random_styles:
        sources: list[Floats] = []
        for index in range(random_styles):
            source = joined_speech(clips, _SOURCE_SECONDS, rng)
            frames = _SOURCE_SECONDS * 25
            style, draw = sample_style(rng), np.random.default_rng(index)
            sources.append(spread_as_smile(animate(source.phones, source.samples, style, frames, draw)))
        report.settings['random styles'] = (
            f'{random_styles}, taken from {_SOURCE_SECONDS} s of animation each'
        )
        for way, (run, _) in ways.items():
            say(f'{way}: what arrives of {random_styles} styles')
            report.arrival[way] = arrivals(run, speech[:4], sources, generator.model)
    if tracks is not None:
        named = read_tracks(tracks)
        people = list(named.values())
        say(f'styles of {len(people)} tracks of people')
        run = offline_run(generator)
        report.people = arrivals(run, speech[:4], people, generator.model)
        found = people_found(generator.model, named)
        report.people |= {f'{measure}, top-1': share for measure, share in found.items()}
        report.settings['tracks of people'] = str(len(people))
        say('whether generated faces can be told from people')
        plain = Generator(_without_nonverbal(generator.model))
        for name, made in (('', generator), (', the denoiser alone', plain)):
            report.people[f'told from people, AUC (0.5: guessing){name}'] = told_apart(
                people, [_beside(made, person, speech, index) for index, person in enumerate(people)]
            )
    return report


def _without_nonverbal(model: LoadedModel) -> LoadedModel:
    """The model without its nonverbal network: the denoiser drives all channels."""
    width = model.backend.config.style_dim
    return replace(
        model, nonverbal=None, styles={name: style[:width] for name, style in model.styles.items()}
    )


def _beside(generator: Generator, person: Floats, speech: Sequence[Floats], index: int) -> Floats:
    """Generated motion as long as a person's, in the style of that person."""
    samples = speech[index % len(speech)][: len(person) * 640]
    return generator.generate(samples, generator.model.style_of(person), index).values
