# SPDX-License-Identifier: Apache-2.0
"""Causal log-mel features: the front end of the light streaming audio encoder.

Mel frame j uses the 25 ms of audio that end with sample 160 (j + 1), so the four mel frames of a
40 ms motion frame are complete as soon as the motion frame's own audio is.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from diffposetalk_ros.errors import AudioError

__all__ = [
    'HOP',
    'MEL_PER_FRAME',
    'LogMelStream',
    'mel_filterbank',
    'mel_power',
    'normalise',
    'normalised_log_mel',
]

HOP = 160
"""Samples between mel frames: 10 ms at 16 kHz."""
MEL_PER_FRAME = 4
"""Mel frames in a motion frame of 40 ms."""
_WINDOW = 400
_FFT = 512
_HANN = np.hanning(_WINDOW + 1)[:-1].astype(np.float32)
_LOWEST_HZ, _HIGHEST_HZ = 40.0, 7600.0
_FLOOR = 1e-6
"""Added to the mel power before the logarithm: about the noise of 16-bit audio."""

# The running mean starts from this prior, which counts as _PRIOR_FRAMES frames of speech, and decays with a
# time constant of 3 s. Weighting by loudness keeps pauses from pulling it towards the noise floor.
_PRIOR_MEAN = -5.0
_PRIOR_FRAMES = 30.0
_DECAY = float(np.exp(-0.01 / 3.0))
_SCALE = 0.4


def _hz_to_mel(hz: NDArray[np.float64]) -> NDArray[np.float64]:
    return 2595.0 * np.log10(1.0 + hz / 700.0)


@lru_cache(maxsize=4)
def mel_filterbank(n_mels: int) -> NDArray[np.float64]:
    """Triangular filters (n_mels, 257), equally spaced on the mel scale (O'Shaughnessy), unit peak."""
    low, high = _hz_to_mel(np.array([_LOWEST_HZ, _HIGHEST_HZ]))
    edges = 700.0 * (10.0 ** (np.linspace(low, high, n_mels + 2) / 2595.0) - 1.0)
    bins = np.arange(_FFT // 2 + 1) * 16000.0 / _FFT
    rising = (bins - edges[:-2, None]) / (edges[1:-1] - edges[:-2])[:, None]
    falling = (edges[2:, None] - bins) / (edges[2:] - edges[1:-1])[:, None]
    bank: NDArray[np.float64] = np.maximum(0.0, np.minimum(rising, falling))
    # A low filter narrower than a bin would be empty, so it gets its nearest bin.
    for row in np.flatnonzero(bank.sum(axis=1) == 0):
        bank[row, int(round(edges[row + 1] * _FFT / 16000.0))] = 1.0
    return bank


def mel_power(samples: NDArray[np.float32], n_mels: int = 64) -> NDArray[np.float32]:
    """Mel power of audio that is preceded by its history.

    Args:
        samples: 240 samples of history, then 160 T samples, 16 kHz, in [-1, 1].
        n_mels: number of bands.

    Returns:
        (T, n_mels) power, float32. Raises AudioError without a whole window.
    """
    if len(samples) < _WINDOW:
        raise AudioError(f'{len(samples)} samples; a mel frame needs {_WINDOW}')
    # NumPy's functions for strides take as long as the transform of the few frames of a live stream.
    samples = np.ascontiguousarray(samples)
    shape, step = ((len(samples) - _WINDOW) // HOP + 1, _WINDOW), samples.itemsize
    frames = np.ndarray(shape, samples.dtype, samples, strides=(HOP * step, step))
    spectrum = np.fft.rfft(frames * _HANN, _FFT)
    power = spectrum.real**2 + spectrum.imag**2
    mel: NDArray[np.float32] = (power @ mel_filterbank(n_mels).T / _WINDOW).astype(np.float32)
    return mel


def normalise(
    power: NDArray[np.float32], state: NDArray[np.float64] | None = None
) -> tuple[NDArray[np.float32], NDArray[np.float64]]:
    """Log mel power minus a slow causal mean per band, which removes level and channel.

    Args:
        power: (T, n_mels) mel power.
        state: state returned by the previous call, or None at the start of a stream.

    Returns:
        (T, n_mels) normalised log mel, about zero mean and unit scale, and the new state.
    """
    log = np.log(power.astype(np.float64) + _FLOOR)
    # Weight of a frame by its loudness: 0 at the noise floor, 1 well above it.
    level = np.log(power.mean(axis=1, dtype=np.float64) + _FLOOR)
    weight = 1.0 / (1.0 + np.exp(-(level + 8.5) * 1.5))
    if state is None:
        state = np.zeros((1, log.shape[1] + 1))
    drive = np.concatenate([log * weight[:, None], weight[:, None]], axis=1)
    sums = np.empty_like(drive)
    # A plain loop over frames, because importing a filter takes a second, longer than minutes of frames.
    carry = state[0]
    for index, row in enumerate(drive):
        sums[index] = row + carry
        carry = _DECAY * sums[index]
    state = carry[None]
    mean = (sums[:, :-1] + _PRIOR_FRAMES * _PRIOR_MEAN) / (sums[:, -1:] + _PRIOR_FRAMES)
    return ((log - mean) * _SCALE).astype(np.float32), state


def normalised_log_mel(samples: NDArray[np.float32], n_mels: int = 64) -> NDArray[np.float32]:
    """Whole clip (n,) -> (n // 160, n_mels), equal to `LogMelStream` over the same audio."""
    stream = LogMelStream(n_mels)
    return stream.push(samples[: len(samples) // HOP * HOP])


class LogMelStream:
    """Normalised log mel of a stream; the result does not depend on how the audio is cut."""

    def __init__(self, n_mels: int = 64) -> None:
        self._n_mels = n_mels
        self.reset()

    def reset(self) -> None:
        """Reset the state: the next sample is the first of a new stream."""
        self._history = np.zeros(_WINDOW - HOP, np.float32)
        self._state: NDArray[np.float64] | None = None

    def push(self, samples: NDArray[np.float32]) -> NDArray[np.float32]:
        """Add 160 T samples -> (T, n_mels). Raises AudioError when T is not whole."""
        if len(samples) % HOP:
            raise AudioError(f'{len(samples)} samples are not a multiple of {HOP}')
        if not len(samples):
            return np.zeros((0, self._n_mels), np.float32)
        joined = np.concatenate([self._history, samples.astype(np.float32, copy=False)])
        self._history = joined[-len(self._history) :]
        out, self._state = normalise(mel_power(joined, self._n_mels), self._state)
        return out
