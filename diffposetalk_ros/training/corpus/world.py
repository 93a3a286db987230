# SPDX-License-Identifier: Apache-2.0
"""Makes new speakers from recorded ones: the WORLD vocoder changes pitch and vocal tract length, not timing."""

from __future__ import annotations

from types import ModuleType

import numpy as np
import numpy.typing as npt

from diffposetalk_ros.training.corpus.speech import CorpusError


def load_world() -> ModuleType:
    """Import pyworld; CorpusError says how to install it."""
    try:
        import pyworld
    except ImportError as error:
        raise CorpusError(
            f'voice copies need pyworld ({error}); run: pip install pyworld "setuptools<81"'
        ) from error
    return pyworld  # type: ignore[no-any-return]


def convert_voice(
    samples: npt.NDArray[np.float32], rate: int, pitch_hz: float, formant: float
) -> npt.NDArray[np.float32]:
    """Convert speech [n] at `rate` Hz to a voice of median pitch `pitch_hz` and formants times `formant`.

    Returns float32 [n]. Events keep their times, since WORLD analyses and synthesises on one 5 ms grid.
    Source: Morise et al. 2016, "WORLD: a vocoder-based high-quality speech synthesis system".
    """
    world = load_world()
    sound = samples.astype(np.float64)
    coarse, times = world.dio(sound, rate)
    f0 = world.stonemask(sound, coarse, times, rate)
    envelope = world.cheaptrick(sound, f0, times, rate)
    aperiodicity = world.d4c(sound, f0, times, rate)

    bins = np.arange(envelope.shape[1])
    source = np.minimum(bins / formant, bins[-1])
    below = np.minimum(source.astype(np.int64), bins[-1] - 1)
    part = source - below
    # Interpolate the logarithm, because the envelope spans 100 dB.
    levels = np.log(envelope)
    warped = np.ascontiguousarray(np.exp(levels[:, below] * (1 - part) + levels[:, below + 1] * part))

    voiced = f0[f0 > 0]
    shifted = f0 * (pitch_hz / float(np.median(voiced)) if voiced.size else 1.0)
    made = world.synthesize(shifted, warped, aperiodicity, rate)
    out = np.zeros(len(samples), np.float32)
    count = min(len(out), len(made))
    out[:count] = made[:count]
    return out
