# SPDX-License-Identifier: Apache-2.0
"""What runs before the first word, and what is said of a machine that cannot keep up."""

from __future__ import annotations

import re
import time
from collections.abc import Callable

import numpy as np
import pytest
from analytic_backend import AnalyticBackend, model_config  # noqa: E402

from diffposetalk_ros.model.backend import FloatArray, SamplingConfig, WindowRequest  # noqa: E402
from diffposetalk_ros.streaming.generator import StreamConfig  # noqa: E402
from diffposetalk_ros.streaming.warm_up import too_slow, warm_up  # noqa: E402


class Clocked(AnalyticBackend):
    """Takes a known time for everything, on a clock of its own."""

    now = 0.0

    def encode_mel(self, mel: FloatArray) -> FloatArray:
        self.now += 0.01
        return super().encode_mel(mel)

    def encode_audio(self, samples: FloatArray, frames: int) -> FloatArray:
        self.now += 0.001 * frames  # a window that grows costs more
        return super().encode_audio(samples, frames)

    def sample(self, request: WindowRequest, sampling: SamplingConfig) -> FloatArray:
        self.now += 0.03
        return super().sample(request, sampling)


@pytest.fixture
def clocked(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Clocked]:
    def make(encoder: str) -> Clocked:
        backend = Clocked(model_config(encoder, variable=encoder == 'logmel'))
        monkeypatch.setattr(time, 'perf_counter', lambda: backend.now)
        return backend

    return make


def test_a_hop_is_hearing_and_denoising_in_steady_state(clocked) -> None:
    assert warm_up(clocked('logmel'), StreamConfig(), None) == pytest.approx(0.01 + 0.03)
    hubert = clocked('hubert')
    assert warm_up(hubert, StreamConfig(context=60), None) == pytest.approx(0.06 + 0.03)
    assert all(np.isfinite(window.audio).all() for window in hubert.windows)


def test_a_machine_that_keeps_up_is_not_spoken_of() -> None:
    backend = AnalyticBackend(model_config('hubert', variable=False))
    assert too_slow(0.064, backend, StreamConfig(hop=2)) == ''
    assert too_slow(0.3, backend, StreamConfig(hop=10)) == ''


def test_what_would_fit_is_named_and_does_fit() -> None:
    backend = AnalyticBackend(model_config('hubert', variable=False))
    for seconds in (0.065, 0.1, 0.239, 0.5, 0.59):
        text = too_slow(seconds, backend, StreamConfig(hop=2))
        assert text.startswith(
            f'a hop of 80 ms takes {1e3 * seconds:.0f} ms (NumPy), too slow for live speech: set'
        )
        found = re.search(r'stream.hop to (\d+) and playout.delay to ([\d.]+),', text)
        assert found
        hop, delay = int(found[1]), float(found[2])
        assert too_slow(seconds, backend, StreamConfig(hop=hop)) == ''
        # The first frame of a hop waits for the rest of it, for the look-ahead and for the networks.
        assert delay > (hop + 1 - 0.5) * 0.04 + seconds


@pytest.mark.parametrize(
    ('encoder', 'config', 'ahead'),
    [('logmel', StreamConfig(look_ahead=0), 2), ('hubert', StreamConfig(look_ahead=0, right=5), 5)],
)
def test_the_delay_that_is_named_waits_for_all_the_sound_that_a_frame_needs(encoder, config, ahead) -> None:
    text = too_slow(0.1, AnalyticBackend(model_config(encoder, variable=False)), config)
    found = re.search(r'stream.hop to (\d+) and playout.delay to ([\d.]+),', text)
    assert found and float(found[2]) > (int(found[1]) + ahead - 0.5) * 0.04 + 0.1


def test_where_no_hop_would_fit_none_is_named() -> None:
    backend = AnalyticBackend(model_config('hubert', variable=False))
    text = too_slow(0.7, backend, StreamConfig(hop=2))
    assert 'stream.hop' not in text and 'lower sampler.steps, or use a GPU (docs/gpu.md)' in text
    # A longer hop costs more where the window grows with it: by how much is not known.
    assert 'stream.hop' not in too_slow(0.2, AnalyticBackend(), StreamConfig(hop=2))
