# SPDX-License-Identifier: Apache-2.0
from dataclasses import replace

import numpy as np
import pytest

from diffposetalk_ros.errors import AudioError, ModelError, StyleError
from diffposetalk_ros.model.backend import SamplingConfig, WindowRequest
from diffposetalk_ros.offline.generator import Generator
from diffposetalk_ros.util.resources import find_model

FAST = SamplingConfig(steps=2, scale_audio=1.0, scale_style=1.0)


@pytest.fixture(scope='module')
def generator() -> Generator:
    return Generator()


def _speechlike(seconds: float) -> np.ndarray:
    rng = np.random.default_rng(0)
    samples = int(16000 * seconds)
    envelope = np.abs(np.sin(2 * np.pi * 2.5 * np.arange(samples) / 16000))
    return (0.1 * envelope * rng.normal(size=samples)).astype(np.float32)


@pytest.mark.parametrize(('samples', 'frames'), [(640, 1), (64000, 100), (64100, 100), (148800, 232)])
def test_frames_follow_the_sound(generator: Generator, samples: int, frames: int) -> None:
    clip = generator.generate(_speechlike(10)[:samples], sampling=FAST)
    assert clip.values.shape == (frames, 55)
    weights = clip.values[:, :52]
    assert weights.min() >= 0.0 and weights.max() <= 1.0


def test_same_seed_same_motion_other_seed_other_motion(generator: Generator) -> None:
    audio = _speechlike(2)
    first, again = (generator.generate(audio, 'neutral', seed=3, sampling=FAST) for _ in range(2))
    other = generator.generate(audio, 'neutral', seed=4, sampling=FAST)
    assert np.array_equal(first.values, again.values)
    assert not np.array_equal(first.values, other.values)


def test_blocks_of_any_size_give_the_same_motion(generator: Generator) -> None:
    audio = _speechlike(5.3)
    whole = generator.generate(audio, sampling=FAST)
    cut = generator.generate(iter(np.array_split(audio, [1, 500, 3000, 3001, 60000])), sampling=FAST)
    np.testing.assert_allclose(cut.values, whole.values, atol=1e-4)


def test_smile_smiles_more_than_neutral(generator: Generator) -> None:
    audio = _speechlike(6)
    smile = generator.config.layout.index('mouthSmileLeft')
    neutral, smiling = (
        generator.generate(audio, name, sampling=SamplingConfig(steps=4, scale_audio=1.0, scale_style=1.0))
        for name in ('neutral', 'smiling')
    )
    assert smiling.values[:, smile].mean() > neutral.values[:, smile].mean() + 0.1


def test_bad_input_is_named(generator: Generator) -> None:
    with pytest.raises(AudioError, match='640'):
        generator.generate(np.zeros(639, np.float32))
    with pytest.raises(StyleError, match='neutral'):
        generator.generate(_speechlike(1), 'no-such-style')
    with pytest.raises(StyleError, match='3 numbers'):
        generator.generate(_speechlike(1), np.zeros(3, np.float32))
    with pytest.raises(ModelError, match='nowhere'):
        find_model('nowhere')


def test_unknown_styles_suggest_near_names(generator: Generator) -> None:
    for wanted, near in (('smilling', "did you mean 'smiling'"), ('lively*0.5+smilng', "no style 'smilng'")):
        with pytest.raises(StyleError, match=near):
            generator.model.style(wanted)


@pytest.mark.parametrize('name', ['x' * 5000, '~nobody-of-that-name', '+' * 3000, '\0'])
def test_what_is_neither_a_style_nor_a_file_is_refused_in_a_short_line(
    generator: Generator, name: str
) -> None:
    with pytest.raises(StyleError, match='not a file') as caught:
        generator.model.style(name)
    assert len(str(caught.value)) < 500


def test_weights_that_give_no_motion_are_named(generator: Generator) -> None:
    class Broken:
        config = generator.config
        encode_mel = staticmethod(generator.model.backend.encode_mel)

        def sample(self, request: WindowRequest, sampling: SamplingConfig) -> np.ndarray:
            return np.full(request.noise.shape, np.nan, np.float32)

    broken = Generator(replace(generator.model, backend=Broken()))
    with pytest.raises(ModelError, match='NaN or infinite motion for frames 0..24; .* copy'):
        broken.generate(_speechlike(1), sampling=FAST)


def test_neutral_is_the_null_style_where_no_style_has_that_name(generator: Generator) -> None:
    bare = replace(generator.model, styles={})
    assert bare.style('neutral') is None
    with pytest.raises(StyleError, match='none'):
        bare.style('smiling')
