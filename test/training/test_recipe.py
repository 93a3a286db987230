# SPDX-License-Identifier: Apache-2.0
"""All stages on a corpus of seconds, with a network of a few thousand parameters."""

from __future__ import annotations

from dataclasses import replace
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
from diffposetalk_ros.training.recipe import EMBEDDED, Recipe, run_recipe, run_style_stage  # noqa: E402
from diffposetalk_ros.training.run import RunConfig  # noqa: E402

RUN = RunConfig(steps=2, batch=2, save_every=1)
TINY = Recipe(
    takes=3, audio=RUN, style=RUN, denoiser=RUN,
    model=replace(
        EMBEDDED, feature_dim=16, n_heads=2, n_layers=1, style_dim=8, logmel=LogMelConfig(64, 8, 12),
        style_encoder=StyleEncoderConfig(8, 2, 1, 2, position='per_frame'),
    ),
)  # fmt: skip


def test_stages_alone_and_together(
    tiny_corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr('diffposetalk_ros.training.named_styles._CLIPS', 1)
    styles = {'neutral', 'smiling'}
    from diffposetalk_ros.training import named_styles

    few = {name: value for name, value in named_styles.NAMED_STYLES.items() if name in styles}
    monkeypatch.setattr(named_styles, 'NAMED_STYLES', few)

    run_style_stage(tiny_corpus, tmp_path / 'work', TINY)
    before = (tmp_path / 'work' / 'style.ckpt').read_bytes()
    run_recipe(tiny_corpus, tmp_path / 'work', tmp_path / 'model', TINY)
    assert (tmp_path / 'work' / 'style.ckpt').read_bytes() == before
    assert all(path.stat().st_mode & 0o444 == 0o444 for path in (tmp_path / 'model').iterdir())
    generator = Generator(tmp_path / 'model', 'torch')
    assert set(generator.model.styles) == styles
    audio = np.random.default_rng(0).normal(size=16000).astype(np.float32) * 0.1
    assert generator.generate(audio, 'neutral', sampling=SamplingConfig(steps=2)).values.shape == (25, 55)

    for takes, word in ((1, 'a batch alone takes 2'), (4, 'holds 3 takes, not 4')):
        with pytest.raises(ConfigError, match=word):
            run_style_stage(tiny_corpus, tmp_path / 'work', replace(TINY, takes=takes))

    # The regressor: same corpus, same size, same first stages.
    regressor = replace(TINY, model=replace(TINY.model, deterministic=True))
    run_recipe(tiny_corpus, tmp_path / 'work', tmp_path / 'regressor', regressor)
    once = SamplingConfig(steps=1, scale_audio=1.0, scale_style=1.0)
    generator = Generator(tmp_path / 'regressor', 'torch')
    one, two = (generator.generate(audio, 'neutral', seed=s, sampling=once).values for s in (1, 2))
    assert np.array_equal(one, two)

    # Going on from the model: denoiser and audio encoder learn, what styles mean stays.
    go_on = replace(TINY, start=tmp_path / 'model')
    run_recipe(tiny_corpus, tmp_path / 'again', tmp_path / 'further', go_on)
    for name in ('style_encoder.safetensors', 'styles.safetensors', 'stats.json'):
        assert (tmp_path / 'further' / name).read_bytes() == (tmp_path / 'model' / name).read_bytes()
    old, new = (load_model(tmp_path / name).model.state_dict() for name in ('model', 'further'))
    for part in ('audio_encoder.', 'denoising_net.'):
        moved = max((old[key] - new[key]).abs().max() for key in old if key.startswith(part))
        assert 0 < moved < 0.1, 'a step or two away from where it started'
    with pytest.raises(ConfigError, match='leave --start away'):
        run_recipe(tiny_corpus, tmp_path / 'other', tmp_path / 'x', replace(go_on, model=EMBEDDED))

    # An audio encoder may grow on the way.
    longer = replace(TINY.model.logmel, dilations=(*TINY.model.logmel.dilations, 2))
    grown = replace(go_on, model=replace(TINY.model, logmel=longer))
    run_recipe(tiny_corpus, tmp_path / 'longer', tmp_path / 'grown', grown)
    encoder = load_model(tmp_path / 'grown').model.audio_encoder
    assert len(encoder.blocks) == len(longer.dilations)
    with pytest.raises(ConfigError, match='leave --start away'):
        run_recipe(tiny_corpus, tmp_path / 'other', tmp_path / 'x', replace(go_on, start=tmp_path / 'grown'))

    short = replace(go_on, model=replace(TINY.model, deterministic=True))
    run_recipe(tiny_corpus, tmp_path / 'again', tmp_path / 'short', short)
    assert load_model(tmp_path / 'short').model.config.deterministic
