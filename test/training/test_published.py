# SPDX-License-Identifier: Apache-2.0
"""The published training by its verbs, on a data set of four clips."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip('torch')
pytest.importorskip('lmdb')
pytest.importorskip('transformers')
pytest.importorskip('accelerate')
pytest.importorskip('tensorboard')

from lmdb_data import write_lmdb  # noqa: E402

from diffposetalk_ros.cli.main import main  # noqa: E402
from diffposetalk_ros.model.config import LogMelConfig, ModelConfig, StyleEncoderConfig  # noqa: E402
from diffposetalk_ros.model.networks.diffposetalk import DiffPoseTalkModel  # noqa: E402
from diffposetalk_ros.model.store import load_model  # noqa: E402
from diffposetalk_ros.training.train_pairs import freeze_speech_encoder  # noqa: E402

SPEECH = {
    'hidden_size': 16, 'num_hidden_layers': 3, 'num_attention_heads': 1, 'intermediate_size': 8,
    'conv_dim': [8] * 7, 'num_conv_pos_embeddings': 16, 'num_conv_pos_embedding_groups': 4,
}  # fmt: skip
TINY = ModelConfig(
    feature_dim=16, n_heads=2, n_layers=1, mlp_ratio=1, style_dim=8, audio_encoder_config=SPEECH,
    style_encoder=StyleEncoderConfig(8, 2, 1, 1),
)  # fmt: skip
CONFIGS = {
    'hubert': TINY,
    'wav2vec2_no_head_replicate': replace(
        TINY, audio_encoder='wav2vec2', head_pose=False, pad_mode='replicate', use_indicator=False
    ),
    'logmel': replace(TINY, audio_encoder='logmel', audio_encoder_config={}, logmel=LogMelConfig(64, 8, 12)),
    'noise_target_no_style': replace(TINY, target='noise', style_dim=0, guiding_conditions=('audio',)),
    'independent_wide': replace(TINY, cfg_mode='independent', align_mask_width=3, learnable_pe=False),
}


@pytest.fixture(scope='module')
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp('data') / 'lmdb'
    write_lmdb(folder)
    return folder


def run(*words: Any) -> int:
    return main([str(word) for word in words])


def stages(data: Path, folder: Path, config: ModelConfig, *extra: Any) -> int:
    folder.mkdir(exist_ok=True)
    (folder / 'config.json').write_text(config.to_json())
    common = ['--lmdb', data, '--config', folder / 'config.json', '--work', folder / 'work', '--batch', '2']
    if config.style_dim:
        assert run('train-style', *common, '--steps', '2') == 0
    return run('train-denoiser', *common, '--steps', '3', '--out', folder / 'model', *extra)


@pytest.mark.parametrize('name', CONFIGS)
def test_both_stages_write_a_model_that_runs(data: Path, tmp_path: Path, name: str) -> None:
    config = CONFIGS[name]
    assert stages(data, tmp_path, config, '--no-vertices', *(['--context'] if name == 'hubert' else [])) == 0
    stored = load_model(tmp_path / 'model')
    assert stored.model.config.audio_encoder == config.audio_encoder
    assert (stored.style_encoder is None) == (config.style_dim == 0)

    import soundfile

    soundfile.write(tmp_path / 'a.wav', 0.1 * np.random.default_rng(0).normal(size=32000), 16000)
    words = [tmp_path / 'a.wav', '-o', tmp_path / 'a.npz', '--model', tmp_path / 'model', '--steps', 2]
    assert run('generate', *words) == 0
    with np.load(tmp_path / 'a.npz') as file:
        assert file['exp'].shape == (50, 50) and np.isfinite(file['exp']).all()


def test_a_run_goes_on_and_logs(data: Path, tmp_path: Path) -> None:
    assert stages(data, tmp_path, TINY, '--no-vertices') == 0
    before = torch.load(tmp_path / 'work' / 'denoiser.ckpt', weights_only=True)
    assert before['step'] == 3
    common = [
        '--lmdb',
        data,
        '--config',
        tmp_path / 'config.json',
        '--work',
        tmp_path / 'work',
        '--batch',
        '2',
    ]
    again = ['train-denoiser', *common, '--out', tmp_path / 'model', '--no-vertices', '--steps', '5']
    assert run(*again) == 0
    assert torch.load(tmp_path / 'work' / 'denoiser.ckpt', weights_only=True)['step'] == 5
    written = json.loads((tmp_path / 'work' / 'denoiser.json').read_text())
    assert written['schedule'] == 'Warmup' and written['weight_decay'] == 0
    assert list((tmp_path / 'work' / 'logs' / 'denoiser').glob('events*'))


def test_what_stays_fixed(data: Path, tmp_path: Path) -> None:
    """docs/method.md, 9.5, and the style encoder; everything else moves."""
    assert stages(data, tmp_path, TINY, '--no-vertices') == 0
    torch.manual_seed(0)
    fresh = DiffPoseTalkModel(TINY).state_dict()
    trained = load_model(tmp_path / 'model').model.state_dict()
    frozen = ('feature_extractor', 'feature_projection', 'encoder.layers.0.', 'encoder.layers.1.')
    for name, value in trained.items():
        fixed = any(name.startswith('audio_encoder.' + part) for part in frozen) or 'sched' in name
        if fixed:
            assert torch.equal(value, fresh[name]), name
    assert not torch.equal(trained['audio_encoder.encoder.layers.2.layer_norm.weight'],
                           fresh['audio_encoder.encoder.layers.2.layer_norm.weight'])  # fmt: skip
    assert not torch.equal(trained['denoising_net.PE'], fresh['denoising_net.PE'])

    other = DiffPoseTalkModel(replace(TINY, audio_encoder='wav2vec2'))
    freeze_speech_encoder(other)
    still = {n.split('.')[0] for n, p in other.audio_encoder.named_parameters() if not p.requires_grad}
    assert still == {'feature_extractor'}


def test_geometric_losses_with_a_flame_file(data: Path, tmp_path: Path) -> None:
    pytest.importorskip('smplx')
    rng = np.random.default_rng(0)
    weights = rng.random((30, 5))
    np.savez(
        tmp_path / 'flame.npz',
        v_template=rng.normal(size=(30, 3)), f=rng.integers(0, 30, (20, 3)),
        shapedirs=rng.normal(size=(30, 3, 400)) * 0.001, posedirs=rng.normal(size=(30, 3, 36)) * 0.001,
        J_regressor=np.eye(5, 30), kintree_table=np.array([[0, 0, 1, 1, 1], [0, 1, 2, 3, 4]]),
        weights=weights / weights.sum(1, keepdims=True),
    )  # fmt: skip
    assert stages(data, tmp_path / 'run', TINY, '--flame-model', tmp_path / 'flame.npz') == 0
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(tmp_path / 'run' / 'work' / 'logs' / 'denoiser'))
    events.Reload()
    assert {'loss/vert', 'loss/vel', 'loss/smooth', 'loss/head_trans'} <= set(events.Tags()['scalars'])


def test_pretrained_speech_encoder(data: Path, tmp_path: Path) -> None:
    import transformers

    torch.manual_seed(3)
    encoder = transformers.HubertModel(transformers.HubertConfig(**SPEECH))
    encoder.save_pretrained(tmp_path / 'hubert')
    plain = replace(TINY, audio_encoder_config={})
    assert (
        stages(data, tmp_path / 'run', plain, '--no-vertices', '--speech-encoder', tmp_path / 'hubert') == 0
    )
    trained = load_model(tmp_path / 'run' / 'model').model
    assert trained.config.audio_encoder_config['hidden_size'] == 16
    name = 'feature_projection.projection.weight'
    torch.testing.assert_close(trained.audio_encoder.state_dict()[name], encoder.state_dict()[name])
    # The folder it wrote can be gone on with.
    common = ['--lmdb', data, '--work', tmp_path / 'more', '--batch', '2', '--steps', '1']
    assert run('train-style', *common, '--config', tmp_path / 'run' / 'model' / 'config.json') == 0
    more = ['train-denoiser', *common, '--start', tmp_path / 'run' / 'model', '--out', tmp_path / 'model2']
    assert run(*more, '--no-vertices') == 0


@pytest.mark.parametrize(
    ('extra', 'word'),
    [
        ([], '--flame-model'),
        (['--no-vertices'], 'train-style'),
        (['--no-vertices', '--split', 'gone.txt'], 'gone.txt'),
        (['--no-vertices', '--stats', 'gone.npz'], 'gone.npz'),
        (['--no-vertices', '--speech-encoder', 'gone'], 'gone'),
        (['--no-vertices', '--batch', '0'], '--batch 0'),
        (['--no-vertices', '--config', 'gone.json'], 'gone.json'),
    ],
)
def test_missing_pieces_are_named(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], extra: list[str], word: str
) -> None:
    (tmp_path / 'config.json').write_text(TINY.to_json())
    common = ['--lmdb', data, '--config', tmp_path / 'config.json', '--work', tmp_path / 'work']
    assert run('train-denoiser', *common, '--out', tmp_path / 'model', *extra) == 1
    error = capsys.readouterr().err
    assert word in error and error.count('\n') == 1
    assert not (tmp_path / 'model').exists()
