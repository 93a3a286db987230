# SPDX-License-Identifier: Apache-2.0
"""Sample-rate conversion of a live stream with low delay. The result is bit-identical however the audio is cut.

It is a polyphase windowed-sinc filter. It is used instead of soxr's stream, because soxr works in its own blocks
and holds back up to 40 ms at 48 kHz (115 ms at 8 kHz), a fifth of the whole delay budget. This filter holds
back its half length, 2 ms (4 ms at 8 kHz), and at most one block of 2 ms. Files use soxr (file.py).
"""

from __future__ import annotations

from functools import lru_cache
from math import gcd

import numpy as np
from numpy.typing import NDArray

from diffposetalk_ros.audio.sample_rate import AUDIO_SAMPLE_RATE
from diffposetalk_ros.errors import AudioError

__all__ = ['StreamResampler', 'check_rate']

LOWEST_RATE, HIGHEST_RATE = 4000, 384000
_BLOCK = 32
"""Outputs computed together (2 ms at 16 kHz). Always whole blocks at fixed places, so that floating-point
sums are grouped alike whatever the message size."""
_ZERO_CROSSINGS = 32
_ROLL_OFF = 0.912
"""Cut-off relative to the lower Nyquist rate; with 32 zero crossings the stop band starts at 1."""
_KAISER_BETA = 9.0
"""About 90 dB of stop-band attenuation (Kaiser & Schafer 1980)."""
_MAX_PHASES = 4096
"""Rates with a larger denominator are rounded to the nearest of this many phases (error < -70 dB)."""


def check_rate(rate: int) -> int:
    """Return ``rate`` (Hz) if usable, raise AudioError otherwise."""
    if not LOWEST_RATE <= rate <= HIGHEST_RATE:
        raise AudioError(f'sample rate {rate} Hz; use {LOWEST_RATE} to {HIGHEST_RATE} Hz')
    return int(rate)


@lru_cache(maxsize=4)
def _filters(up: int, down: int) -> tuple[NDArray[np.float64], int]:
    """Filter of each phase (phases, taps) and the number of taps before the centre."""
    scale = min(1.0, up / down)
    half = int(np.ceil(_ZERO_CROSSINGS / scale))
    phases = min(up, _MAX_PHASES)
    taps = np.arange(-half + 1, half + 1)
    # Distance of each tap from the output's position, in input samples.
    x = (taps[None, :] - np.arange(phases)[:, None] / phases) * scale
    window = np.i0(_KAISER_BETA * np.sqrt(np.clip(1 - (x / _ZERO_CROSSINGS) ** 2, 0, 1)))
    table = np.sinc(x * _ROLL_OFF) * window * (np.abs(x) <= _ZERO_CROSSINGS)
    # Exactly unit gain at zero frequency in every phase, so that a constant signal stays constant.
    table /= table.sum(axis=1, keepdims=True)
    return table, half - 1


class StreamResampler:
    """Mono float32 at ``rate`` -> ``out_rate`` (Hz), with state kept between chunks.

    Output sample n belongs to input time n / out_rate s (no shift). Between equal rates the input passes as is.
    Raises AudioError for a ``rate`` that `check_rate` refuses.
    """

    def __init__(self, rate: int, out_rate: int = AUDIO_SAMPLE_RATE) -> None:
        self.rate = check_rate(rate)
        self.out_rate = out_rate
        divisor = gcd(self.rate, out_rate)
        self._up, self._down = out_rate // divisor, self.rate // divisor
        self._table, self._before = _filters(self._up, self._down)
        self._taps = self._table.shape[1]
        self.reset()

    def reset(self) -> None:
        """Reset the state; the next sample is the first of a new stream."""
        self._pending = np.zeros(self._before, np.float64)
        self._pending_start = -self._before
        self._received = 0
        self._produced = 0

    @property
    def delay(self) -> float:
        """Longest time in seconds by which output lags input."""
        return 0.0 if self.rate == self.out_rate else self._taps / 2 / self.rate + _BLOCK / self.out_rate

    def push(self, samples: NDArray[np.float32]) -> NDArray[np.float32]:
        """Add (n,) input samples -> the output samples that are now complete, possibly none."""
        if self.rate == self.out_rate:
            self._received += len(samples)
            return np.array(samples, dtype=np.float32)
        self._received += len(samples)
        self._pending = np.concatenate([self._pending, samples.astype(np.float64)])
        return self._drain(None)

    def flush(self) -> NDArray[np.float32]:
        """End the stream: return the rest of the output (silence is assumed to follow) and reset the state.

        The total output is ceil(received * out_rate / rate) samples.
        """
        if self.rate == self.out_rate:
            self.reset()
            return np.zeros(0, np.float32)
        total = -(-self._received * self._up // self._down)
        margin = self._taps + _BLOCK * self._down // self._up + 2
        self._pending = np.concatenate([self._pending, np.zeros(margin)])
        out = self._drain(total)
        self.reset()
        return out

    def _drain(self, total: int | None) -> NDArray[np.float32]:
        out = []
        while total is None or self._produced < total:
            index = np.arange(self._produced, self._produced + _BLOCK, dtype=np.int64) * self._down
            place = index // self._up
            phase = (index % self._up) * len(self._table) // self._up
            first = place - self._before - self._pending_start
            if first[-1] + self._taps > len(self._pending):
                break
            windows = self._pending[first[:, None] + np.arange(self._taps)]
            out.append(np.einsum('ij,ij->i', windows, self._table[phase]).astype(np.float32))
            self._produced += _BLOCK
            drop = (self._produced * self._down) // self._up - self._before - self._pending_start
            if drop > 4096:
                self._pending = self._pending[drop:]
                self._pending_start += drop
        joined = np.concatenate(out) if out else np.zeros(0, np.float32)
        if total is not None and self._produced > total:
            joined = joined[: len(joined) - (self._produced - total)]
        return joined
