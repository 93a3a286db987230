# SPDX-License-Identifier: Apache-2.0
"""Phone times for English engines that give none: pocketsphinx aligns the speech with its text.

`warping` does this for other languages.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import soxr

from diffposetalk_ros.audio.formats.pcm import to_int16
from diffposetalk_ros.errors import AudioError
from diffposetalk_ros.training.corpus.alignment import align
from diffposetalk_ros.training.corpus.speech import CORPUS_RATE, Phone, Speech

__all__ = ['timed_speech']


def timed_speech(sound: npt.NDArray[np.float32], rate: int, text: str) -> Speech | None:
    """Speech at CORPUS_RATE of mono ``sound`` [n] in [-1, 1] at ``rate`` Hz that says ``text``.

    The median error of the times is 10 ms (`training/corpus/alignment.py`). None if the alignment fails.
    """
    samples = soxr.resample(sound, rate, CORPUS_RATE)
    try:
        phones = align(samples, text)
    except AudioError:
        return None
    return Speech(to_int16(samples), CORPUS_RATE, tuple(Phone(*phone) for phone in phones))
