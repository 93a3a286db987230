# SPDX-License-Identifier: Apache-2.0
"""A checkpoint in the official form, from import to motion, style and mesh, by the command line."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

torch = pytest.importorskip('torch')
pytest.importorskip('transformers')

from official_files import SPEECH, stats, write_checkpoints  # noqa: E402

from diffposetalk_ros.benchmark.speed.requests import window_request  # noqa: E402
from diffposetalk_ros.cli.main import main  # noqa: E402
from diffposetalk_ros.model.backend import SamplingConfig  # noqa: E402
from diffposetalk_ros.model.config import ModelConfig, StyleEncoderConfig  # noqa: E402
from diffposetalk_ros.model.loader import open_model  # noqa: E402
from diffposetalk_ros.model.networks.style_encoder import StyleEncoder  # noqa: E402
from diffposetalk_ros.motion.files.motion_file import load_motion  # noqa: E402
from diffposetalk_ros.streaming.generator import StreamConfig, StreamingGenerator  # noqa: E402


def run(*words: Any) -> int:
    return main([str(word) for word in words])


@pytest.fixture(scope='module', params=[True, False], ids=['head', 'no_head'])
def work(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp('official')
    write_checkpoints(folder, request.param)
    files = [folder / 'dn.pt', '--stats', folder / 'stats_train.npz', '--style-encoder', folder / 'se.pt']
    assert run('import-checkpoint', *files, '--out', folder / 'model') == 0
    rng = np.random.default_rng(1)
    soundfile.write(folder / 'speech.wav', 0.1 * rng.normal(size=22050 * 5), 22050)
    return folder


def generate(work: Path, out: str, *extra: Any) -> int:
    words = ['generate', work / 'speech.wav', '-o', work / out, '--model', work / 'model', '--steps', '2']
    return run(*words, *extra)


def test_a_checkpoint_without_speech_encoder_takes_one_of_transformers(
    work: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    import transformers
    from safetensors.torch import load_file

    content = torch.load(work / 'dn.pt', weights_only=False)
    speech = {k: v for k, v in content['model'].items() if k.startswith('audio_encoder.')}
    bare = {k: v for k, v in content['model'].items() if k not in speech}
    torch.save(content | {'model': bare}, work / 'bare.pt')
    words = [
        'import-checkpoint',
        work / 'bare.pt',
        '--stats',
        work / 'stats_train.npz',
        '--out',
        work / 'bare',
    ]
    capsys.readouterr()
    assert run(*words) == 1
    error = capsys.readouterr().err
    assert error.count('\n') == 1 and len(error) < 400
    assert '--speech-encoder (usually facebook/hubert-base-ls960)' in error
    hubert = transformers.HubertModel(transformers.HubertConfig(**SPEECH))
    hubert.load_state_dict({k.removeprefix('audio_encoder.'): v for k, v in speech.items()})
    hubert.save_pretrained(work / 'hubert')
    assert run(*words, '--speech-encoder', work / 'hubert') == 0
    made, expected = (load_file(work / name / 'model.safetensors') for name in ('bare', 'model'))
    assert made.keys() == expected.keys()
    assert all(torch.equal(made[name], expected[name]) for name in made)
    words[1] = work / 'dn.pt'
    assert run(*words, '--speech-encoder', work / 'hubert') == 1
    assert 'contains its own hubert; omit --speech-encoder' in capsys.readouterr().err


def test_motion_as_the_reference_writes_it(work: Path) -> None:
    shape = np.random.default_rng(2).normal(size=100).astype(np.float32)
    np.save(work / 'shape.npy', shape)
    assert generate(work, 'a.npz', '--shape', work / 'shape.npy') == 0
    numbers = stats()
    with np.load(work / 'a.npz') as file:
        exp, pose = file['exp'], file['pose']
        assert exp.shape == (125, 50) and pose.shape == (125, 6)
        # Jaw y and z are what de-normalising a zero gives; without head pose the head stays at zero.
        np.testing.assert_allclose(pose[:, 4:], np.tile(numbers['pose_mean'][4:], (125, 1)), atol=1e-6)
        head = load_motion(work / 'a.npz').layout.head_rotation is not None
        assert pose[:, :3].any() == head
        np.testing.assert_allclose(file['shape'], np.tile(shape, (125, 1)), atol=1e-5)


def test_identity_is_the_mean_where_none_is_given(work: Path) -> None:
    assert generate(work, 'b.npz') == 0
    with np.load(work / 'b.npz') as file:
        np.testing.assert_allclose(file['shape'][7], stats()['shape_mean'], atol=1e-6)


def test_live_motion_has_the_jaw_and_identity_that_no_frame_holds(work: Path) -> None:
    assert (
        run('generate', work / 'speech.wav', '-o', work / 'l.npz', '--model', work / 'model', '--live') == 0
    )
    numbers = stats()
    with np.load(work / 'l.npz') as file:
        np.testing.assert_allclose(file['pose'][7, 4:], numbers['pose_mean'][4:], atol=1e-6)
        np.testing.assert_allclose(file['shape'][7], numbers['shape_mean'], atol=1e-6)


@pytest.mark.parametrize('ending', ['csv', 'json'])
def test_other_formats(work: Path, ending: str) -> None:
    assert generate(work, f'c.{ending}') == 0
    assert load_motion(work / f'c.{ending}').layout.space == 'flame'


def test_styles_from_files_and_from_motion(work: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rng = np.random.default_rng(3)
    np.savez(work / 'clip.npz', exp=rng.normal(size=(130, 50)), pose=rng.normal(size=(130, 6)) * 0.1)
    assert run('extract-style', work / 'clip.npz', '-o', work / 's.npy', '--model', work / 'model') == 0
    style = np.load(work / 's.npy')
    assert style.shape == (16,) and style.dtype == np.float32
    np.savez(work / 's.npz', style=style)
    for name in ('s.npy', 's.npz'):
        assert generate(work, f'{name}.npz', '--style', work / name) == 0
    same = [np.load(work / f'{name}.npz')['exp'] for name in ('s.npy', 's.npz')]
    np.testing.assert_array_equal(*same)
    np.save(work / 'other.npy', np.zeros(128, np.float32))
    capsys.readouterr()
    assert generate(work, 'd.npz', '--style', work / 'other.npy') == 1
    assert '128 numbers; this model takes 16' in capsys.readouterr().err


def test_style_is_that_of_the_reference(work: Path) -> None:
    """Frames [0, 100), normalised without epsilon, through the encoder (docs/method.md, 4.1)."""
    rng = np.random.default_rng(3)
    exp, pose = rng.normal(size=(100, 50)), rng.normal(size=(100, 6)) * 0.1
    np.savez(work / 'clip100.npz', exp=exp, pose=pose)
    assert run('extract-style', work / 'clip100.npz', '-o', work / 'r.npy', '--model', work / 'model') == 0
    numbers = stats()
    columns = slice(0, 4) if load_motion_width(work) == 54 else slice(3, 4)
    motion = np.concatenate(
        [
            (exp - numbers['exp_mean']) / numbers['exp_std'],
            ((pose - numbers['pose_mean'])[:, columns]) / numbers['pose_std'][columns],
        ],
        axis=1,
    )
    encoder = StyleEncoder(StyleEncoderConfig(16, 4, 1), motion.shape[1])
    encoder.load_state_dict(torch.load(work / 'se.pt', weights_only=False)['encoder'], strict=False)
    with torch.no_grad():
        expected = encoder.eval()(torch.from_numpy(motion.astype(np.float32))[None])[0].numpy()
    np.testing.assert_allclose(np.load(work / 'r.npy'), expected, atol=1e-4)


def test_a_long_clip_gives_the_style_of_its_first_stretch_as_the_reference_does(work: Path) -> None:
    rng = np.random.default_rng(4)
    exp, pose = rng.normal(size=(330, 50)), rng.normal(size=(330, 6)) * 0.1
    # 57 / 25 s is a little less than 2.28 in binary: still frame 57.
    for name, start in (('whole', 0), ('later', 57)):
        np.savez(work / f'{name}.npz', exp=exp[start:], pose=pose[start:])
        np.savez(work / f'{name}_cut.npz', exp=exp[start : start + 100], pose=pose[start : start + 100])
    made = {}
    for name, extra in (
        ('whole', []),
        ('whole_cut', []),
        ('later_cut', []),
        ('from_57', ['--start', 57 / 25]),
    ):
        clip = work / ('whole.npz' if name == 'from_57' else f'{name}.npz')
        assert run('extract-style', clip, '-o', work / 'x.npy', '--model', work / 'model', *extra) == 0
        made[name] = np.load(work / 'x.npy')
    np.testing.assert_array_equal(made['whole'], made['whole_cut'])
    np.testing.assert_array_equal(made['from_57'], made['later_cut'])


def test_a_clip_of_804_hundredths_has_200_frames_as_the_reference_counts(work: Path) -> None:
    soundfile.write(work / '804.wav', 0.1 * np.random.default_rng(0).normal(size=128640), 16000)
    words = ['generate', work / '804.wav', '-o', work / '804.npz', '--model', work / 'model', '--steps', '1']
    assert run(*words) == 0
    with np.load(work / '804.npz') as file:
        assert len(file['exp']) == 200


def test_guidance_of_the_command_line(work: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rng = np.random.default_rng(5)
    np.save(work / 'some.npy', rng.normal(size=16).astype(np.float32))
    made = []
    for k, extra in enumerate(
        ([], ['--guidance', 'independent'], ['--guide-by', 'audio'], ['--guide-by', 'none'])
    ):
        scales = ['--style', work / 'some.npy', '--scale-audio', 1.15, '--scale-style', 3]
        assert generate(work, f'g{k}.npz', *scales, *extra) == 0
        made.append(np.load(work / f'g{k}.npz')['exp'])
    assert all(np.abs(a - b).max() > 1e-4 for i, a in enumerate(made) for b in made[:i])
    # Random weights give motion far below the usual bounds of 1 to 4.
    for k, highest in enumerate((0.01, 0.02)):
        bounds = ['--threshold-min', 0.001, '--threshold-max', highest]
        assert generate(work, f't{k}.npz', *scales, '--threshold', 0.9, *bounds) == 0
        made.append(np.load(work / f't{k}.npz')['exp'])
    assert all(np.abs(a - b).max() > 1e-4 for i, a in enumerate(made) for b in made[:i])
    for extra, word in (
        (['--guide-by', 'mood'], 'audio,style or none'),
        (['--threshold', 2], 'quantile'),
        (['--threshold', 0.9, '--threshold-min', 5], 'use 0 < minimum <= maximum'),
        (['--flexibility', 2], 'use 0 to 1'),
        (['--repetitions', 0], 'use 1 to 1000'),
    ):
        assert generate(work, 'h.npz', *extra) == 1
        assert word in capsys.readouterr().err


def test_repetitions_flexibility_and_audio_context_of_the_command_line(work: Path) -> None:
    made = {}
    for name, extra in {
        'plain': [], 'second': ['--seed', 1], 'flexible': ['--flexibility', 1], 'alone': ['--no-audio-context'],
    }.items():  # fmt: skip
        assert generate(work, f'{name}.npz', '--solver', 'ddpm', *extra) == 0
        made[name] = np.load(work / f'{name}.npz')['exp']
    assert all(np.abs(made['plain'] - made[name]).max() > 1e-4 for name in made if name != 'plain')
    assert generate(work, 'r.npz', '--solver', 'ddpm', '--repetitions', 2) == 0
    assert not (work / 'r.npz').exists()
    for number, name in enumerate(('plain', 'second')):
        np.testing.assert_array_equal(np.load(work / f'r_{number:03d}.npz')['exp'], made[name])


def load_motion_width(work: Path) -> int:
    return ModelConfig.load(work / 'model' / 'config.json').motion_dim


def test_the_live_stream_and_the_benchmark_take_it(work: Path) -> None:
    model = open_model(work / 'model')
    made = StreamingGenerator(model.backend, StreamConfig(4, 1, sampling=SamplingConfig(steps=2)))
    frames = [
        *made.push(np.random.default_rng(0).normal(0, 0.1, 640 * 15).astype(np.float32)),
        *made.finish(),
    ]
    assert sum(window.committed for window in frames) == 15
    request = window_request(model.backend.config, 2, 3)
    assert request.indicator is not None and request.indicator.sum() == 6
    assert model.backend.sample(request, SamplingConfig(steps=1)).shape == request.noise.shape


def test_styles_says_how_to_make_one(work: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run('styles', '--model', work / 'model') == 0
    captured = capsys.readouterr()
    assert not captured.out and 'extract-style' in captured.err


def test_bad_identities_and_vertices_are_named(work: Path, capsys: pytest.CaptureFixture[str]) -> None:
    np.save(work / 'short.npy', np.zeros(10))
    for extra, word in (
        (['--shape', work / 'short.npy'], '10 shape coefficients; this model takes 100'),
        (['--shape', work / 'gone.npy'], 'gone.npy'),
        (['--vertices', work / 'v.npz'], '--flame-model'),
        (['--vertices', work / 'v.txt', '--flame-model', work / 'gone.pkl'], 'suffix'),
    ):
        assert generate(work, 'e.npz', *extra) == 1
        error = capsys.readouterr().err
        assert word in error and error.count('\n') == 1
    assert not (work / 'e.npz').exists()


def test_mesh_with_the_users_flame_file(work: Path) -> None:
    pytest.importorskip('smplx')
    rng = np.random.default_rng(0)
    weights = rng.random((30, 5))
    np.savez(
        work / 'flame.npz',
        v_template=rng.normal(size=(30, 3)), f=rng.integers(0, 30, (20, 3)),
        shapedirs=rng.normal(size=(30, 3, 400)) * 0.01, posedirs=rng.normal(size=(30, 3, 36)) * 0.01,
        J_regressor=np.eye(5, 30), kintree_table=np.array([[0, 0, 1, 1, 1], [0, 1, 2, 3, 4]]),
        weights=weights / weights.sum(1, keepdims=True),
    )  # fmt: skip
    extra = ['--vertices', work / 'v.npz', '--flame-model', work / 'flame.npz']
    assert generate(work, 'f.npz', *extra) == 0
    vertices = np.load(work / 'v.npz')['vertices']
    assert vertices.shape == (125, 30, 3) and np.isfinite(vertices).all()
