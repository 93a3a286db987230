# SPDX-License-Identifier: Apache-2.0
"""Prosody that drives head and brows: loudness, pitch, accents and phrases."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.fft import irfft, rfft
from scipy.ndimage import gaussian_filter1d
from scipy.signal import find_peaks

from diffposetalk_ros.training.animator.coarticulation import Floats, pause_spans
from diffposetalk_ros.training.animator.visemes import Phone

__all__ = ['Prosody', 'energy_envelope', 'pitch_contour', 'prosody']

_RATE: Final = 16000  # Hz of the samples
_TICK: Final = 160  # samples per tick: 10 ms
_PITCH_HOP: Final = 640  # samples between pitch estimates: 40 ms
_PITCH_LOW, _PITCH_HIGH = 70.0, 400.0  # Hz
_DECIMATION: Final = 4


@dataclass(frozen=True)
class Prosody:
    """Prosody of a clip.

    times (frames,) s; speaking (frames,) 1 in speech, 0 in pauses, smooth; loudness (frames,) 0..1;
    pitch (frames,) -1..1 around the speaker's middle; accents: (time s, strength 0..1);
    pauses: (start s, end s).
    """

    times: Floats
    speaking: Floats
    loudness: Floats
    pitch: Floats
    accents: tuple[tuple[float, float], ...]
    pauses: tuple[tuple[float, float], ...]


def energy_envelope(samples: NDArray[np.float32]) -> Floats:
    """Loudness every 10 ms, 0..1: a range of 35 dB up to the level of the loud parts, smoothed over 40 ms.

    samples (n,) float32 at 16 kHz; shape (n // 160,). All 0 for silence.
    """
    ticks = len(samples) // _TICK
    blocks = np.asarray(samples[: ticks * _TICK], np.float32).reshape(ticks, _TICK)
    power = np.einsum('ij,ij->i', blocks, blocks) / np.float32(_TICK)
    if ticks < 2 or float(power.max()) < 1e-9:
        return np.zeros(ticks, np.float32)
    decibels = 10 * np.log10(power + np.float32(1e-10))
    top = np.partition(decibels, -max(1, ticks // 20))[-max(1, ticks // 20)]
    loudness = np.clip((decibels - top) / 35 + 1, 0, 1)
    return np.asarray(gaussian_filter1d(loudness, 4.0, truncate=3.0), np.float32)


def pitch_contour(samples: NDArray[np.float32]) -> Floats:
    """Pitch every 40 ms in octaves around the clip's median, 0 where unvoiced.

    Autocorrelation of 64 ms at 4 kHz. samples (n,) at 16 kHz; shape (n // 640,). Only the shape of
    the contour matters here, so octave errors are clipped, not corrected.
    """
    points = len(samples) // _PITCH_HOP
    if points < 1:
        return np.zeros(points, np.float32)
    usable = len(samples) // _DECIMATION * _DECIMATION
    slow = np.asarray(samples[:usable], np.float32).reshape(-1, _DECIMATION).mean(axis=1)
    width, hop = 256, _PITCH_HOP // _DECIMATION
    slow = np.pad(slow, (width // 2, width))
    windows = np.lib.stride_tricks.sliding_window_view(slow, width)[hop // 2 :: hop][:points]
    spectrum = rfft(windows * np.hanning(width).astype(np.float32), n=2 * width, axis=1)
    correlation = irfft(spectrum.real**2 + spectrum.imag**2, axis=1)
    rate = _RATE / _DECIMATION
    low, high = int(rate / _PITCH_HIGH), int(rate / _PITCH_LOW)
    lag = correlation[:, low:high].argmax(axis=1)
    power = correlation[:, 0]
    voiced = (correlation[np.arange(points), low + lag] > 0.35 * power) & (power > 0.02 * power.max() + 1e-9)
    if not voiced.any():
        return np.zeros(points, np.float32)
    octaves = np.log2(rate / (low + lag))
    octaves = np.clip(octaves - np.median(octaves[voiced]), -0.7, 0.7)
    # Weighted smoothing bridges unvoiced gaps.
    weight = gaussian_filter1d(voiced.astype(np.float32), 1.5)
    return np.asarray(gaussian_filter1d(np.where(voiced, octaves, 0.0), 1.5) / (weight + 0.05), np.float32)


def prosody(samples: NDArray[np.float32], phones: Sequence[Phone], times: Floats) -> Prosody:
    """Analyse a clip: samples (n,) at 16 kHz, its phonemes, and the frame times (s) wanted."""
    duration = float(times[-1]) if len(times) else 0.0
    loudness = energy_envelope(samples)
    octaves = pitch_contour(samples)
    if len(loudness) == 0 or len(octaves) == 0:
        loudness, octaves = np.zeros(1, np.float32), np.zeros(1, np.float32)
    ticks = np.asarray((np.arange(len(loudness)) + 0.5) * (_TICK / _RATE), np.float32)
    raised = np.interp(ticks, (np.arange(len(octaves)) + 0.5) * (_PITCH_HOP / _RATE), octaves)
    pauses = tuple(pause_spans(phones, duration))
    silent = np.zeros(len(times), np.float32)
    for start, end in pauses:
        silent[(times >= start) & (times <= end)] = 1
    speaking = 1 - gaussian_filter1d(silent, 2.0, mode='nearest') if len(times) else silent
    salience = gaussian_filter1d(loudness * (1 + 0.9 * raised), 3.0)
    peaks, _ = find_peaks(salience, distance=28, prominence=0.06)
    return Prosody(
        times=times,
        speaking=np.asarray(speaking, np.float32),
        loudness=np.interp(times, ticks, loudness).astype(np.float32),
        pitch=np.clip(np.interp(times, ticks, raised) / 0.5, -1, 1).astype(np.float32),
        accents=tuple(_strengths(ticks, salience, peaks, phones)),
        pauses=pauses,
    )


def _strengths(
    ticks: Floats, salience: Floats, peaks: NDArray[np.intp], phones: Sequence[Phone]
) -> list[tuple[float, float]]:
    """Accents that stand out in the clip: the higher peaks, only those during speech."""
    if len(peaks) == 0 or not phones:
        return []
    heights = salience[peaks]
    low, high = float(np.quantile(heights, 0.3)), float(heights.max())
    strength = np.clip((heights - low) / (high - low + 1e-6), 0, 1)
    first, last = phones[0][0], phones[-1][1]
    return [
        (float(ticks[peak]), float(0.3 + 0.7 * value))
        for peak, value in zip(peaks, strength, strict=True)
        if value > 0 and first <= ticks[peak] <= last
    ]
