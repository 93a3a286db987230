# SPDX-License-Identifier: Apache-2.0
"""Reference motion: the training animator, driven by the phones of the speech.

No face was filmed for this speech. The animator knows the words, which the model does not, and it is the
teacher of the embedded model. It is therefore the best that the model can reach, not the truth about
human faces.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from diffposetalk_ros.audio.sample_rate import AUDIO_SAMPLE_RATE
from diffposetalk_ros.evaluation.speech_sets import SpeechClip
from diffposetalk_ros.nonverbal.smile import spread_as_smile
from diffposetalk_ros.training.animator import animate
from diffposetalk_ros.training.corpus.alignment import PAUSE, Phone

if TYPE_CHECKING:
    from diffposetalk_ros.training.animator import StyleParameters

__all__ = ['FPS', 'clip_frames', 'clip_seed', 'joined_speech', 'reference_motion']

Floats = NDArray[np.float32]

FPS = 25.0
"""Frames per second of reference motion."""

_LEVEL = 0.1  # RMS of each clip in joined speech


def clip_frames(clip: SpeechClip) -> int:
    """Whole motion frames in a clip."""
    return int(clip.duration * FPS + 1e-6)


def clip_seed(clip: SpeechClip, seed: int) -> int:
    """A seed for each clip, the same in every run."""
    return zlib.crc32(f'{seed}/{clip.id}'.encode())


def reference_motion(clip: SpeechClip, style: StyleParameters, seed: int = 0) -> Floats:
    """Animated motion (T, 55) of a clip in a style; head, brows, blinks and gaze are one draw of the seed.

    A smile that comes and goes moves the lips as well, by a millimetre, and no speech determines it: lips are
    compared with articulation alone.
    """
    rng = np.random.default_rng(clip_seed(clip, seed))
    steady = replace(style, smile_motion=0.0, lopsidedness=0.0)
    return spread_as_smile(animate(clip.phones, clip.samples, steady, clip_frames(clip), rng, FPS))


def joined_speech(clips: Sequence[SpeechClip], seconds: float, rng: np.random.Generator) -> SpeechClip:
    """Randomly drawn clips at equal level, joined with pauses of 0.1 to 0.7 s, cut to ``seconds``."""
    pieces: list[Floats] = []
    phones: list[Phone] = []
    clock = 0.0
    while clock < seconds:
        pause = np.zeros(int(rng.uniform(0.1, 0.7) * AUDIO_SAMPLE_RATE), np.float32)
        clip = clips[int(rng.integers(len(clips)))]
        gain = _LEVEL / max(float(np.sqrt(np.mean(clip.samples**2))), 1e-4)
        pieces += [pause, (gain * clip.samples).astype(np.float32)]
        start = clock + len(pause) / AUDIO_SAMPLE_RATE
        phones += [(clock, start, PAUSE), *((a + start, b + start, p) for a, b, p in clip.phones)]
        clock = start + clip.duration
    kept = [(a, min(b, seconds), p) for a, b, p in phones if a < seconds]
    samples = np.concatenate(pieces)[: int(seconds * AUDIO_SAMPLE_RATE)]
    return SpeechClip('joined', 'several', 'joined', samples, '', tuple(kept))
