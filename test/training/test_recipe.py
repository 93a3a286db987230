# SPDX-License-Identifier: Apache-2.0
"""All stages on a corpus of seconds, with a network of a few thousand parameters."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip('torch')
pytest.importorskip('accelerate')
pytest.importorskip('tensorboard')

from diffposetalk_ros.errors import ConfigError  # noqa: E402
from diffposetalk_ros.model.backend import SamplingConfig  # noqa: E402
from diffposetalk_ros.model.config import LogMelConfig, StyleEncoderConfig  # noqa: E402
from diffposetalk_ros.model.store import load_model  # noqa: E402
from diffposetalk_ros.offline.generator import Generator  # noqa: E402
from diffposetalk_ros.training import named_styles  # noqa: E402
from diffposetalk_ros.training.recipe import EMBEDDED, Recipe, run_recipe, run_style_stage  # noqa: E402
from diffposetalk_ros.training.run import RunConfig  # noqa: E402

RUN = RunConfig(steps=2, batch=2, save_every=1)
TINY = Recipe(
    takes=3, audio=RUN, style=RUN, denoiser=RUN, nonverbal=RUN, nonverbal_clips=2,
    model=replace(
        EMBEDDED, feature_dim=16, n_heads=2, n_layers=1, style_dim=8, logmel=LogMelConfig(64, 8, 12),
        style_encoder=StyleEncoderConfig(8, 2, 1, 2, position='per_frame'),
    ),
)  # fmt: skip


STYLES = {'neutral', 'smiling'}
AUDIO = np.random.default_rng(0).normal(size=16000).astype(np.float32) * 0.1


@dataclass(frozen=True)
class Trained:
    """A corpus, and the folder in which the style stage alone and then the whole recipe were run."""

    corpus: Path
    folder: Path
    style_before: bytes

    @property
    def model(self) -> Path:
        return self.folder / 'model'

    @property
    def work(self) -> Path:
        return self.folder / 'work'


@pytest.fixture(scope='module', autouse=True)
def few_styles() -> Iterator[None]:
    few = {name: value for name, value in named_styles.NAMED_STYLES.items() if name in STYLES}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(named_styles, '_CLIPS', 1)
        patch.setattr(named_styles, 'NAMED_STYLES', few)
        yield


@pytest.fixture(scope='module')
def trained(tiny_corpus: Path, tmp_path_factory: pytest.TempPathFactory, few_styles: None) -> Trained:
    folder = tmp_path_factory.mktemp('recipe')
    run_style_stage(tiny_corpus, folder / 'work', TINY)
    before = (folder / 'work' / 'style.ckpt').read_bytes()
    run_recipe(tiny_corpus, folder / 'work', folder / 'model', TINY)
    return Trained(tiny_corpus, folder, before)


def test_the_recipe_takes_a_finished_stage_as_it_is(trained: Trained) -> None:
    assert (trained.work / 'style.ckpt').read_bytes() == trained.style_before


def test_the_model_speaks_in_its_styles(trained: Trained) -> None:
    assert all(path.stat().st_mode & 0o444 == 0o444 for path in trained.model.iterdir())
    generator = Generator(trained.model, 'torch')
    assert set(generator.model.styles) == STYLES
    assert generator.generate(AUDIO, 'neutral', sampling=SamplingConfig(steps=2)).values.shape == (25, 55)


@pytest.mark.parametrize(('takes', 'word'), [(1, 'one batch needs 2'), (4, 'holds 3 takes, not 4')])
def test_another_number_of_takes_is_refused(trained: Trained, takes: int, word: str) -> None:
    with pytest.raises(ConfigError, match=word):
        run_style_stage(trained.corpus, trained.work, replace(TINY, takes=takes))


def test_a_regressor_shares_the_first_stages_and_ignores_the_seed(trained: Trained) -> None:
    regressor = replace(TINY, model=replace(TINY.model, deterministic=True))
    run_recipe(trained.corpus, trained.work, trained.folder / 'regressor', regressor)
    once = SamplingConfig(steps=1, scale_audio=1.0, scale_style=1.0)
    generator = Generator(trained.folder / 'regressor', 'torch')
    one, two = (generator.generate(AUDIO, 'neutral', seed=s, sampling=once).values for s in (1, 2))
    # Head, eyes and brows are drawn by the nonverbal network; articulation is regressed.
    articulation = [17, 18, 19, 20]
    assert np.array_equal(one[:, articulation], two[:, articulation])


def test_going_on_moves_the_networks_and_keeps_what_styles_mean(trained: Trained) -> None:
    further = trained.folder / 'further'
    start = replace(TINY, start=trained.model)
    run_recipe(trained.corpus, trained.folder / 'again', further, start)
    for name in ('style_encoder.safetensors', 'styles.safetensors', 'stats.json'):
        assert (further / name).read_bytes() == (trained.model / name).read_bytes()
    old, new = (load_model(folder).model.state_dict() for folder in (trained.model, further))
    for part in ('audio_encoder.', 'denoising_net.'):
        moved = max((old[key] - new[key]).abs().max() for key in old if key.startswith(part))
        assert 0 < moved < 0.1, 'a step or two away from where it started'
    with pytest.raises(ConfigError, match='leave --start out'):
        run_recipe(
            trained.corpus, trained.folder / 'other', trained.folder / 'x', replace(start, model=EMBEDDED)
        )


def test_an_audio_encoder_may_grow_but_not_shrink(trained: Trained) -> None:
    longer = replace(TINY.model.logmel, dilations=(*TINY.model.logmel.dilations, 2))
    grown = replace(TINY, start=trained.model, model=replace(TINY.model, logmel=longer))
    run_recipe(trained.corpus, trained.folder / 'longer', trained.folder / 'grown', grown)
    encoder = load_model(trained.folder / 'grown').model.audio_encoder
    assert len(encoder.blocks) == len(longer.dilations)
    back = replace(TINY, start=trained.folder / 'grown')
    with pytest.raises(ConfigError, match='leave --start out'):
        run_recipe(trained.corpus, trained.folder / 'other', trained.folder / 'x', back)


def test_a_model_becomes_a_regressor(trained: Trained) -> None:
    short = replace(TINY, start=trained.model, model=replace(TINY.model, deterministic=True))
    run_recipe(trained.corpus, trained.folder / 'short work', trained.folder / 'short', short)
    assert load_model(trained.folder / 'short').model.config.deterministic
