# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from diffposetalk_ros.errors import ConfigError
from diffposetalk_ros.model.config import ModelConfig
from diffposetalk_ros.streaming.window import Window, blend_weights, check_window, plan_window

MODEL = ModelConfig(variable_window=True)


def test_the_picture_in_the_docstring():
    assert plan_window(MODEL, 2, 1, 2, 100, 104, False) == Window(100, 103, 100, 102, 10, 3, 104)
    assert plan_window(MODEL, 2, 1, 2, 100, 103, False) is None


@pytest.mark.parametrize(('ahead', 'right', 'needed'), [(0, 0, 102), (0, 2, 104), (2, 2, 104), (3, 2, 105)])
def test_a_look_ahead_within_the_context_of_the_encoder_costs_nothing(ahead, right, needed):
    assert plan_window(MODEL, 2, ahead, right, 100, needed - 1, False) is None
    window = plan_window(MODEL, 2, ahead, right, 100, needed + 7, False)
    assert (window.stop, window.heard) == (102 + ahead, needed)


def test_without_ten_committed_frames_the_window_begins_at_zero():
    assert plan_window(MODEL, 4, 1, 2, 8, 20, False) == Window(0, 13, 8, 12, 0, 13, 14)


def test_the_last_windows_are_shorter():
    assert plan_window(MODEL, 4, 2, 2, 100, 105, True) == Window(100, 105, 100, 104, 10, 5, 105, True)
    assert plan_window(MODEL, 4, 2, 2, 104, 105, True) == Window(104, 105, 104, 105, 10, 1, 105, True)
    assert plan_window(MODEL, 4, 2, 2, 105, 105, True) is None
    # What lies before the end, and needs no more than is there, does not know of it.
    assert plan_window(MODEL, 2, 1, 2, 100, 104, True) == plan_window(MODEL, 2, 1, 2, 100, 104, False)


def test_fixed_windows_are_padded():
    assert plan_window(ModelConfig(), 2, 1, 0, 100, 103, False).length == 100


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 110), st.integers(0, 110), st.integers(0, 400))
def test_a_plan_covers_every_frame_once_and_fits_the_model(hop, ahead, total):
    try:
        check_window(MODEL, hop, ahead)
    except ConfigError:
        return
    committed = 0
    while (window := plan_window(MODEL, hop, ahead, 2, committed, total, True)) is not None:
        assert window.commit_start == committed < window.commit_stop <= window.stop <= total
        assert window.frames <= window.length <= MODEL.n_motions
        assert window.start == (committed if window.prefix else 0)
        committed = window.commit_stop
    assert committed == total


@pytest.mark.parametrize(('hop', 'ahead'), [(0, 0), (2, -1), (101, 0), (95, 6), (9, 83)])
def test_windows_the_model_cannot_hold_are_refused(hop, ahead):
    with pytest.raises(ConfigError, match=str(hop)):
        check_window(MODEL, hop, ahead)


def test_blend_weights_fall_towards_the_free_frames():
    np.testing.assert_allclose(blend_weights(3, 0.8), [0.6, 0.4, 0.2], atol=1e-6)
    assert blend_weights(0, 1.0).shape == (0,)
