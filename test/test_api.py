# SPDX-License-Identifier: Apache-2.0
"""The library without ROS, as a user's program sees it."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import diffposetalk_ros as dpt
from diffposetalk_ros import api
from diffposetalk_ros.audio.formats.file import read_audio
from diffposetalk_ros.avatar.parameters import config_from
from diffposetalk_ros.cli.main import main

ROOT = Path(__file__).parents[1]
FAST = dpt.SamplingConfig(steps=2, scale_audio=1.0)


@pytest.fixture(scope='module')
def model() -> dpt.LoadedModel:
    return dpt.load_model()


@pytest.fixture(scope='module')
def speech() -> np.ndarray:
    return read_audio(dpt.demo_clip())[: 16000 * 3]


def test_the_package_shows_the_names_of_the_api() -> None:
    assert sorted(dpt.__all__) == sorted(api.__all__)
    assert set(dpt.__all__) <= set(dir(dpt))
    assert all(getattr(dpt, name) is getattr(api, name) for name in api.__all__)
    assert dpt.__version__ in (ROOT / 'package.xml').read_text()
    with pytest.raises(AttributeError, match='no_such_name'):
        _ = dpt.no_such_name


def test_a_type_checker_knows_the_names_and_their_types(tmp_path: Path) -> None:
    pytest.importorskip('mypy')
    program = tmp_path / 'program.py'
    program.write_text(
        'import diffposetalk_ros as dpt\n'
        'motion: dpt.MotionClip = dpt.generate(dpt.load_model(), "a.wav")\n'
        'wrong: int = motion.values\n'
        'dpt.generat\n'
    )
    package = Path(dpt.__file__).parents[1]
    done = subprocess.run(
        [sys.executable, '-m', 'mypy', '--strict', '--config-file=', '--ignore-missing-imports',
         '--follow-imports=silent', f'--cache-dir={tmp_path}', str(program)],
        capture_output=True, text=True, env={**os.environ, 'MYPYPATH': str(package)}, check=False,
    )  # fmt: skip
    assert [line.split(':')[1] for line in done.stdout.splitlines() if ': error:' in line] == ['3', '4']


def test_a_model_is_printed_in_a_line(model: dpt.LoadedModel) -> None:
    line = repr(model)
    assert line.startswith('LoadedModel(embedded: arkit at 25 frames/s, ') and '22 styles' in line
    assert '\n' not in line


def test_the_library_imports_neither_ros_nor_torch() -> None:
    program = (
        'import sys, diffposetalk_ros as dpt; m = dpt.load_model(); dpt.generate(m, dpt.demo_clip(), '
        'sampling=dpt.SamplingConfig(steps=1)); print(*{"torch", "rclpy", "aiohttp"} & set(sys.modules))'
    )
    done = subprocess.run([sys.executable, '-c', program], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []


def test_a_file_gives_the_motion_of_the_command_line(model: dpt.LoadedModel, tmp_path: Path) -> None:
    assert main(['generate', str(dpt.demo_clip()), '--style', 'smiling', '-o', str(tmp_path / 'm.npz')]) == 0
    motion = dpt.generate(model, dpt.demo_clip(), 'smiling')
    assert motion.values.shape[1] == dpt.arkit_layout().width and motion.fps == 25
    np.testing.assert_array_equal(motion.values, dpt.load_motion(tmp_path / 'm.npz').values)


def test_a_sound_file_in_memory_is_read(model: dpt.LoadedModel) -> None:
    memory = io.BytesIO(dpt.demo_clip().read_bytes())
    np.testing.assert_array_equal(
        dpt.generate(model, memory, sampling=FAST).values,
        dpt.generate(model, dpt.demo_clip(), sampling=FAST).values,
    )


def test_an_array_at_another_rate_gives_nearly_the_same_motion(
    model: dpt.LoadedModel, speech: np.ndarray
) -> None:
    # Linear interpolation to 32 kHz leaves the band below 8 kHz nearly as it was.
    doubled = np.interp(np.arange(2 * len(speech)) / 2, np.arange(len(speech)), speech).astype(np.float32)
    own = dpt.generate(model, speech, sampling=FAST)
    other = dpt.generate(model, doubled, sample_rate=32000, sampling=FAST)
    assert len(own.values) == len(other.values) == 75
    jaw = own.layout.index('jawOpen')
    assert np.corrcoef(own.values[:, jaw], other.values[:, jaw])[0, 1] > 0.95


@pytest.mark.parametrize(
    ('audio', 'told'),
    [
        (np.zeros((16000, 2), np.float32), r'\(16000, 2\).*mono'),
        (np.zeros(16000, np.int16), 'int16.*32768'),
        (np.full(16000, np.nan, np.float32), 'NaN'),
        (np.full(16000, 12000, np.float32), '12000.*32768'),
        (Path('nowhere.wav'), 'nowhere.wav'),
    ],
)
def test_audio_that_cannot_be_used_is_named(model: dpt.LoadedModel, audio: dpt.Audio, told: str) -> None:
    with pytest.raises(dpt.AudioError, match=told):
        dpt.generate(model, audio)


def test_numbers_that_cannot_be_used_are_named_and_not_blamed_on_the_model(
    model: dpt.LoadedModel, speech: np.ndarray, tmp_path: Path
) -> None:
    size = model.backend.config.n_motions, model.backend.config.motion_dim
    with pytest.raises(dpt.ConfigError, match='seed -1; use 0 or more'):
        dpt.generate(model, speech, seed=-1)
    with pytest.raises(dpt.ConfigError, match='seed -1; use 0 or more'):
        dpt.open_stream(model, seed=-1)
    for name in ('scale_audio', 'scale_style'):
        with pytest.raises(dpt.ConfigError, match=f'{name} nan; use a finite number'):
            dpt.generate(model, speech, sampling=dpt.SamplingConfig(**{name: float('nan')}))
    with pytest.raises(dpt.ConfigError, match='the noise contains NaN'):
        dpt.generate(model, speech, noise=np.full(size, np.nan))
    with pytest.raises(dpt.StyleError, match='s.npy: the style contains NaN'):
        dpt.save_style(tmp_path / 's.npy', np.full(model.style_width, np.nan))
    assert not list(tmp_path.iterdir())


def test_given_noise_replaces_the_seed(model: dpt.LoadedModel, speech: np.ndarray) -> None:
    length, width = 100, model.backend.config.motion_dim
    start = np.random.default_rng(5).standard_normal((length, width), np.float32)
    by_seed = dpt.generate(model, speech, seed=5, sampling=FAST)
    by_array = dpt.generate(model, speech, seed=5, sampling=FAST, noise=start)
    np.testing.assert_array_equal(by_seed.values, by_array.values)
    # The seed still moves head and eyes; the mouth is the denoiser's alone.
    other = dpt.generate(model, speech, seed=77, sampling=FAST, noise=start)
    jaw, head = by_seed.layout.index('jawOpen'), by_seed.layout.head_rotation
    np.testing.assert_array_equal(by_seed.values[:, jaw], other.values[:, jaw])
    assert np.abs(by_seed.values[:, head] - other.values[:, head]).max() > 0.01
    with pytest.raises(dpt.ConfigError, match=r'noise of shape \(3,\)'):
        dpt.generate(model, speech, noise=np.zeros(3, np.float32))


def test_all_noise_of_a_clip_can_be_given(model: dpt.LoadedModel, speech: np.ndarray) -> None:
    asked: list[tuple[int, int]] = []

    class Recorded(dpt.SeededNoise):
        def step(self, window: int, t: int, frames: int) -> np.ndarray:
            asked.append((window, t))
            return super().step(window, t, frames)

    ancestral = dpt.SamplingConfig('ddpm', 4, scale_audio=1.0)
    audio = np.tile(speech, 2)
    noise = Recorded(9, 100, model.backend.config.motion_dim)
    given = dpt.generate(model, audio, seed=9, sampling=ancestral, noise=noise)
    np.testing.assert_array_equal(given.values, dpt.generate(model, audio, seed=9, sampling=ancestral).values)
    # Two windows; the last step of each takes no noise.
    assert asked == [(window, t) for window in (0, 1) for t in (500, 375, 250)]


def test_a_stream_gives_the_same_frames_however_it_is_cut(model: dpt.LoadedModel, speech: np.ndarray) -> None:
    whole, cut = (dpt.open_stream(model, 'lively', seed=2) for _ in range(2))
    first = np.concatenate([whole.push(speech), whole.finish()])
    pieces = [cut.push(piece) for piece in np.array_split(speech, 37)]
    second = np.concatenate([*pieces, cut.finish()])
    assert first.shape == (75, whole.layout.width) and whole.fps == 25
    np.testing.assert_array_equal(first, second)
    assert any(len(piece) for piece in pieces[:10]), 'frames come while audio still arrives'


def test_a_stream_begins_again_and_changes_its_style(model: dpt.LoadedModel, speech: np.ndarray) -> None:
    stream = dpt.open_stream(model, 'neutral')
    first = np.concatenate([stream.push(speech), stream.finish()])
    with pytest.raises(dpt.AudioError, match='ended'):
        stream.push(speech)
    stream.reset()
    again = np.concatenate([stream.push(speech), stream.finish()])
    assert again.shape == first.shape
    jaw, head = stream.layout.index('jawOpen'), stream.layout.head_rotation
    np.testing.assert_array_equal(first[:, jaw], again[:, jaw])
    assert np.abs(first[:, head] - again[:, head]).max() > 0.01, 'the head does not repeat its movements'
    blink = stream.layout.index('eyeBlinkLeft')
    assert np.abs(first[:, blink] - again[:, blink]).max() > 0.1, 'nor does it blink at the same moments'
    stream.reset()
    stream.set_style('smiling')
    smiling = np.concatenate([stream.push(speech), stream.finish()])
    smile = stream.layout.index('mouthSmileLeft')
    assert smiling[:, smile].mean() > first[:, smile].mean() + 0.1
    with pytest.raises(dpt.StyleError, match='smilling'):
        stream.set_style('smilling')


def test_a_stream_reads_a_style_file_once(
    model: dpt.LoadedModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / 'mine.npy'
    dpt.save_style(path, model.styles['smiling'])
    asked: list[object] = []
    load = np.load
    monkeypatch.setattr(np, 'load', lambda file, **options: asked.append(file) or load(file, **options))
    dpt.open_stream(model, str(path))
    assert asked == [path]


def test_a_stream_begins_with_the_settings_of_the_node(model: dpt.LoadedModel, speech: np.ndarray) -> None:
    node = config_from({})
    live = dpt.SamplingConfig(
        node.sampler_solver,
        node.sampler_steps,
        node.sampler_guidance_audio,
        node.sampler_guidance_style,
        spacing=node.sampler_spacing,
    )
    default = dpt.open_stream(model)
    explicit = dpt.open_stream(
        model, hop=node.stream_hop, look_ahead=node.stream_look_ahead, seed=node.sampler_seed, sampling=live
    )
    np.testing.assert_array_equal(default.push(speech), explicit.push(speech))


def test_the_frames_of_a_stream_become_a_file(
    model: dpt.LoadedModel, speech: np.ndarray, tmp_path: Path
) -> None:
    stream = dpt.open_stream(model)
    frames = [*stream.push(speech), *stream.finish()]
    clip = dpt.MotionClip(frames, stream.fps, stream.layout)
    assert repr(clip) == 'MotionClip(75 frames of 55 arkit channels, 25 frames/s)'
    dpt.save_motion(tmp_path / 'take.csv', clip)
    np.testing.assert_array_equal(dpt.load_motion(tmp_path / 'take.csv').values, np.array(frames))


def test_a_stream_takes_audio_at_its_own_rate(model: dpt.LoadedModel, speech: np.ndarray) -> None:
    stream = dpt.open_stream(model, sample_rate=48000)
    frames = np.concatenate([stream.push(np.repeat(speech, 3)), stream.finish()])
    assert len(frames) == 75


def test_a_style_is_taken_from_motion_in_memory(
    model: dpt.LoadedModel, speech: np.ndarray, tmp_path: Path
) -> None:
    shown = dpt.generate(model, np.tile(speech, 3), 'smiling')
    style = dpt.extract_style(model, shown)
    names = [name for name in model.styles if model.styles[name] is not None]
    nearest = max(names, key=lambda name: float(np.corrcoef(style, model.styles[name])[0, 1]))
    assert nearest == 'smiling'
    dpt.save_style(tmp_path / 'mine.npy', style)
    by_file = dpt.generate(model, speech, str(tmp_path / 'mine.npy'), sampling=FAST)
    np.testing.assert_array_equal(by_file.values, dpt.generate(model, speech, style, sampling=FAST).values)
    by_path = dpt.generate(model, speech, tmp_path / 'mine.npy', sampling=FAST)
    np.testing.assert_array_equal(by_path.values, by_file.values)
    (tmp_path / 'smiling').mkdir()
    with pytest.raises(dpt.StyleError, match=r'smiling.: not a file'):
        dpt.open_stream(model, tmp_path / 'smiling')
    with pytest.raises(dpt.StyleError, match='no head rotation'):
        dpt.extract_style(model, dpt.MotionClip(shown.values[:, :52], 25, dpt.arkit_layout(False)))
    faster = dpt.extract_style(model, dpt.at_rate(shown, 60), start=1, seconds=4)
    assert np.corrcoef(style, faster)[0, 1] > 0.9
    with pytest.raises(dpt.StyleError, match='at least 1 s'):
        dpt.extract_style(model, shown, start=8.5)


def test_flame_coefficients_go_in_and_out_of_memory(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    exp, pose = rng.normal(size=(30, 50)).astype('f4'), rng.normal(0, 0.1, (30, 6)).astype('f4')
    pose[:, 4:] = 0.01, -0.02
    shape = rng.normal(size=100).astype('f4')
    clip = dpt.flame_clip(exp, pose, shape)
    assert clip.layout == dpt.flame_layout() and clip.fps == 25
    for got, wanted in zip(dpt.flame_arrays(clip), (exp, pose, shape), strict=True):
        np.testing.assert_array_equal(got, wanted)
    dpt.save_motion(tmp_path / 'flame.npz', clip)
    with np.load(tmp_path / 'flame.npz') as file:
        np.testing.assert_array_equal(file['pose'], pose)
    headless = dpt.flame_clip(exp, pose, head_pose=False)
    assert headless.layout.width == 51
    assert not dpt.flame_arrays(headless).pose[:, :3].any() and dpt.flame_arrays(headless).shape is None
    with pytest.raises(dpt.MotionError, match='30 frames and pose 20'):
        dpt.flame_clip(exp, pose[:20])
    weights = dpt.MotionClip(np.zeros((5, 55), 'f4'), 25.0, dpt.arkit_layout())
    with pytest.raises(dpt.MotionError, match='arkit'):
        dpt.flame_arrays(weights)


@pytest.mark.parametrize('head', [True, False], ids=['head', 'no_head'])
def test_an_official_style_encoder_opens_alone(tmp_path: Path, head: bool) -> None:
    pytest.importorskip('transformers')
    from official_files import write_checkpoints

    write_checkpoints(tmp_path, head)
    encoder = dpt.load_style_encoder(tmp_path / 'se.pt', tmp_path / 'stats_train.npz')
    rng = np.random.default_rng(3)
    pose = np.concatenate([rng.normal(0, 0.1, (100, 4)), np.zeros((100, 2))], axis=1)
    motion = dpt.flame_clip(rng.normal(0, 0.3, (100, 50)), pose)  # a head that the encoder may not know
    style = dpt.extract_style(encoder, motion)
    files = [str(tmp_path / name) for name in ('dn.pt', 'stats_train.npz', 'se.pt', 'model')]
    words = [
        'import-checkpoint',
        files[0],
        '--stats',
        files[1],
        '--style-encoder',
        files[2],
        '--out',
        files[3],
    ]
    assert main(words) == 0
    whole = dpt.load_model(files[3], backend='torch')
    np.testing.assert_allclose(dpt.extract_style(whole, motion), style, atol=1e-6)
    with pytest.raises(dpt.CheckpointError, match='no style encoder|encoder'):
        dpt.load_style_encoder(files[0], files[1])
    identity = rng.normal(size=100).astype('f4')
    spoken = dpt.generate(whole, rng.normal(0, 0.1, 16000).astype('f4'), None, shape=identity, sampling=FAST)
    np.testing.assert_allclose(dpt.flame_arrays(spoken).shape, identity, atol=1e-5)


def test_without_torch_a_style_encoder_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, 'torch', None)
    with pytest.raises(dpt.ModelError, match=r'torch is not installed; .* pip install -e "\.\[torch\]"'):
        dpt.load_style_encoder('se.pt', 'stats_train.npz')
