# SPDX-License-Identifier: Apache-2.0
"""NumPy and torch pad alike."""

import numpy as np
import pytest

from diffposetalk_ros.errors import AudioError
from diffposetalk_ros.model.speech_padding import pad_speech


@pytest.mark.parametrize('length', [320, 640, 641, 680, 683, 719, 720, 959])
def test_equals_the_torch_padding(length: int) -> None:
    torch = pytest.importorskip('torch')
    from diffposetalk_ros.model.networks.speech_encoder import pad_audio

    samples = np.random.default_rng(0).standard_normal((2, length)).astype(np.float32)
    padded = pad_speech(samples)
    np.testing.assert_array_equal(padded, pad_audio(torch.from_numpy(samples)).numpy())


def test_too_short() -> None:
    with pytest.raises(AudioError, match='319'):
        pad_speech(np.zeros((1, 319), np.float32))
