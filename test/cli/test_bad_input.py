# SPDX-License-Identifier: Apache-2.0
"""Bad input of every kind, as real files: one line, a status, no traceback, nothing half-written."""

from __future__ import annotations

import json
import os
import pickle
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from diffposetalk_ros.cli.main import main
from diffposetalk_ros.motion.files.motion_file import MotionClip, load_motion, save_motion
from diffposetalk_ros.motion.layout import arkit_layout

RATE = 16000


def noise(seconds: float = 1.0, channels: int = 1, rate: int = RATE) -> np.ndarray:
    rng = np.random.default_rng(0)
    return np.asarray(0.1 * rng.normal(size=(int(seconds * rate), channels)), np.float32)


def sound(path: Path, samples: np.ndarray, rate: int = RATE, **options: Any) -> Path:
    soundfile.write(path, samples, rate, **options)
    return path


def refused(arguments: list[Any], capsys: pytest.CaptureFixture[str], *words: str) -> str:
    """The one line on stderr of a verb that must fail."""
    assert main([str(word) for word in arguments]) == 1
    captured = capsys.readouterr()
    assert captured.err.startswith('diffposetalk ') and captured.err.count('\n') == 1, captured.err
    assert 'Traceback' not in captured.err + captured.out
    for word in words:
        assert word in captured.err
    return captured.err


def generate(audio: Path, out: Path, *extra: Any) -> list[Any]:
    return ['generate', audio, '-o', out, '--steps', '1', '--scale-audio', '1', *extra]


def _truncated(path: Path) -> None:
    data = sound(path, noise()).read_bytes()
    path.write_bytes(data[: len(data) // 2])


def _truncated_flac(path: Path) -> None:
    whole = sound(path.with_suffix('.flac'), noise(3.0)).read_bytes()
    path.with_suffix('.flac').unlink()
    path.write_bytes(whole[: len(whole) // 2])


BAD_SOUND = {
    'zero_bytes': (lambda p: p.write_bytes(b''), 'empty'),
    'no_samples': (lambda p: sound(p, noise(0.0)), 'no samples'),
    'shorter_than_a_frame': (lambda p: sound(p, noise(0.03)), 'bad.wav lasts 30 ms; give at least 40'),
    'silent': (lambda p: sound(p, noise() * 0), 'silent'),
    'nan': (lambda p: sound(p, np.where(np.arange(RATE) == 900, np.nan, 0.1), subtype='FLOAT'), 'NaN'),
    'infinite': (lambda p: sound(p, np.where(np.arange(RATE) == 9, np.inf, 0.1), subtype='FLOAT'), 'infinite'),
    'truncated': (_truncated, 'cut off'),
    'truncated_flac': (_truncated_flac, 'bad.wav'),
    'text': (lambda p: p.write_text('not a sound\n' * 99), 'sound file'),
    'binary': (lambda p: p.write_bytes(bytes(range(256)) * 64), 'sound file'),
    'folder': (lambda p: p.mkdir(), 'folder'),
    'missing': (lambda p: None, 'does not exist'),
}  # fmt: skip


@pytest.mark.parametrize('kind', BAD_SOUND)
def test_bad_sound(kind: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], caplog: Any) -> None:
    make, word = BAD_SOUND[kind]
    path, out = tmp_path / 'bad.wav', tmp_path / 'out'
    out.mkdir()
    make(path)
    refused(generate(path, out / 'motion.npz'), capsys, word, 'bad.wav')
    assert not list(out.iterdir())


@pytest.mark.parametrize(
    ('rate', 'channels', 'options'),
    [(8000, 1, {'subtype': 'PCM_U8'}), (192000, 1, {}), (48000, 6, {}), (44100, 2, {'subtype': 'FLOAT'})],
)
def test_unusual_sound_works(rate: int, channels: int, options: dict[str, str], tmp_path: Path) -> None:
    path = sound(tmp_path / 'a.wav', noise(1.0, channels, rate), rate, **options)
    assert main([str(word) for word in generate(path, tmp_path / 'a.npz')]) == 0
    assert len(load_motion(tmp_path / 'a.npz').values) == 25


def test_clipped_sound_works_with_a_word(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = sound(tmp_path / 'a.wav', np.clip(noise() * 100, -1, 1))
    assert main([str(word) for word in generate(path, tmp_path / 'a.npz')]) == 0
    assert 'clipped' in caplog.text and 'lower level' in caplog.text


def test_silence_on_demand(tmp_path: Path) -> None:
    path = sound(tmp_path / 'a.wav', noise() * 0)
    assert main([str(word) for word in generate(path, tmp_path / 'a.npz', '--allow-silence')]) == 0


def _npz(path: Path, **arrays: Any) -> None:
    with path.open('wb') as file:
        np.savez(file, **arrays)


def _pickled(path: Path) -> None:
    with path.open('wb') as file:
        np.save(file, np.array([{'a': 1}], object), allow_pickle=True)


def _huge(path: Path) -> None:
    """A header that promises four terabytes."""
    header = b"{'descr': '<f4', 'fortran_order': False, 'shape': (999999999999,), }"
    path.write_bytes(b'\x93NUMPY\x01\x00v\x00' + header.ljust(118))


def _bomb(path: Path) -> None:
    """A few kilobytes that unpack to 20 MB."""
    with zipfile.ZipFile(path, 'w', zipfile.ZIP_DEFLATED) as file:
        file.writestr('style.npy', bytes(20 << 20))


BAD_STYLE = {
    'shorter': (lambda p: np.save(p, np.zeros(64, np.float32)), '64 numbers'),
    'nan': (lambda p: np.save(p, np.full(169, np.nan, np.float32)), 'NaN'),
    'text': (lambda p: p.write_text('smile'), 'not a style file'),
    'empty': (lambda p: p.write_bytes(b''), 'not a style file'),
    'pickle': (_pickled, 'not a style file'),
    'npz_of_something_else': (lambda p: _npz(p, a=np.zeros(3)), 'key style'),
    'huge_header': (_huge, 'more data than'),
    'zip_bomb': (_bomb, 'MB'),
    'huge_numbers': (lambda p: np.save(p, np.full(169, 1e30)), 'beyond'),
    'words': (lambda p: np.save(p, np.array(['a'] * 169)), 'instead of numbers'),
    'half_a_zip': (lambda p: p.write_bytes(b'PK\x03\x04' + bytes(30)), 'not a style file'),
    'missing': (lambda p: None, 'neutral'),
}  # fmt: skip


@pytest.mark.parametrize('kind', BAD_STYLE)
def test_bad_style(kind: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    make, word = BAD_STYLE[kind]
    path = tmp_path / 'style.npy'
    make(path)
    audio = sound(tmp_path / 'a.wav', noise())
    refused(generate(audio, tmp_path / 'a.npz', '--style', path), capsys, word)
    assert not (tmp_path / 'a.npz').exists()


def test_style_in_npz_works(tmp_path: Path) -> None:
    _npz(tmp_path / 'style.npz', style=np.zeros(169, np.float32))
    audio = sound(tmp_path / 'a.wav', noise())
    words = generate(audio, tmp_path / 'a.npz', '--style', tmp_path / 'style.npz')
    assert main([str(word) for word in words]) == 0


@pytest.fixture
def outputs(tmp_path: Path) -> dict[str, tuple[Path, str]]:
    (tmp_path / 'folder.npz').mkdir()
    (tmp_path / 'file').write_text('')
    return {
        'folder': (tmp_path / 'folder.npz', 'is a folder'),
        'suffix': (tmp_path / 'a.txt', '.txt'),
        'no_suffix': (tmp_path / 'a', 'suffix'),
        'no_folder': (tmp_path / 'gone' / 'a.npz', 'no folder'),
        'below_a_file': (tmp_path / 'file' / 'a.npz', 'no folder'),
        # Not writable for anybody, root included.
        'read_only': (Path('/proc/a.npz'), 'cannot be written'),
        'too_long': (tmp_path / ('a' * 300 + '.npz'), 'too long'),
    }


@pytest.mark.parametrize(
    'kind', ['folder', 'suffix', 'no_suffix', 'no_folder', 'below_a_file', 'read_only', 'too_long']
)
def test_unwritable_output_fails_before_anything_is_read(
    kind: str, outputs: dict[str, tuple[Path, str]], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out, word = outputs[kind]
    refused(generate(tmp_path / 'never read.wav', out), capsys, word)
    style = out.with_suffix('.npy') if out.suffix == '.npz' and kind != 'folder' else out
    refused(['extract-style', tmp_path / 'never read.npz', '-o', style], capsys)


@pytest.mark.parametrize(
    'words',
    [
        ['convert', 'take.csv', '-o', './take.csv', '--format', 'head'],
        ['convert', 'take.csv', '-o', 'link.csv'],
        ['render', 'take.csv', '--audio', 'me.mp4', '-o', 'me.mp4'],
        ['track', 'me.mp4', '-o', 'motion.npz', '--preview', 'me.mp4'],
        ['simulate-robot', 'me.mp4', '-o', 'me.mp4'],
    ],
)
def test_a_file_that_is_read_is_not_overwritten(
    words: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    save_motion('take.csv', MotionClip(np.zeros((9, 55)), 25.0, arkit_layout()))
    Path('link.csv').hardlink_to('take.csv')
    Path('me.mp4').write_bytes(b'the only copy')
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    refused(words, capsys, 'would be lost; name another file to write')
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


@pytest.mark.skipif(os.geteuid() == 0, reason='root may write anywhere')
def test_read_only_folder(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / 'locked').mkdir(mode=0o555)
    refused(generate(tmp_path / 'a.wav', tmp_path / 'locked' / 'a.npz'), capsys, 'may write')


def test_disk_that_fills_up_leaves_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    audio = sound(tmp_path / 'a.wav', noise())

    def full(_: int) -> None:
        raise OSError(28, 'No space left on device')

    monkeypatch.setattr(os, 'fsync', full)
    refused(generate(audio, tmp_path / 'a.npz'), capsys, 'No space left')
    assert list(tmp_path.iterdir()) == [audio]


class Hostile:
    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> Any:
        return os.system, (f'touch {self.path}',)


@pytest.mark.parametrize('kind', ['empty', 'text', 'hostile', 'missing'])
def test_bad_checkpoint(kind: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip('torch')
    path, trap = tmp_path / 'iter.pt', tmp_path / 'trap'
    if kind == 'hostile':
        path.write_bytes(pickle.dumps(Hostile(trap)))
    elif kind != 'missing':
        path.write_bytes({'empty': b'', 'text': b'weights'}[kind])
    widths = {'shape': 100, 'exp': 50, 'pose': 6}
    stats = {f'{k}_{p}': np.ones(w, np.float32) for k, w in widths.items() for p in ('mean', 'std')}
    _npz(tmp_path / 'stats.npz', **stats)
    words = ['import-checkpoint', path, '--stats', tmp_path / 'stats.npz', '--out', tmp_path / 'model']
    refused(words, capsys, 'iter.pt')
    assert not trap.exists() and not (tmp_path / 'model').exists()


BAD_MODEL = {
    'no_weights': (lambda d: (d / 'model.safetensors').unlink(), 'model.safetensors'),
    'cut_weights': (lambda d: _cut(d / 'model.safetensors'), 'damaged'),
    'foreign_weights': (lambda d: _copy(d / 'style_encoder.safetensors', d / 'model.safetensors'), 'missing'),
    'bad_config': (lambda d: (d / 'config.json').write_text('{"space": '), 'not JSON'),
    'bad_stats': (lambda d: (d / 'stats.json').write_text('[]'), 'stats.json'),
    'flat_stats': (lambda d: (d / 'stats.json').write_text(json.dumps({'mean': [0] * 55, 'std': [0] * 55})), 'of 0'),
    'bad_styles': (lambda d: _cut(d / 'styles.safetensors'), 'styles.safetensors'),
}  # fmt: skip


def _cut(path: Path) -> None:
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 2])


def _copy(source: Path, target: Path) -> None:
    target.write_bytes(source.read_bytes())


@pytest.mark.parametrize('kind', BAD_MODEL)
def test_damaged_model_folder(kind: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip('torch')
    from diffposetalk_ros.util.resources import find_model

    folder = tmp_path / 'model'
    folder.mkdir()
    for path in find_model('embedded').iterdir():
        if path.suffix in ('.json', '.safetensors'):
            _copy(path, folder / path.name)
    make, word = BAD_MODEL[kind]
    make(folder)
    audio = sound(tmp_path / 'a.wav', noise())
    refused(generate(audio, tmp_path / 'a.npz', '--model', folder, '--backend', 'torch'), capsys, word)
    assert not (tmp_path / 'a.npz').exists()


OPTIONS = [
    (['--seed', '-1'], '0 to 4294967295'),
    (['--seed', '99999999999999999999'], '0 to 4294967295'),
    (['--steps', '-3'], '1 to 500'),
    (['--scale-audio', 'nan'], '0 to 10'),
    (['--scale-style', 'inf'], '0 to 10'),
    (['--fps', 'nan'], '10 to 120'),
    (['--style', 'smilling'], "did you mean 'smiling'"),
    (['--style', 'lively*x'], 'lively*0.7+smiling*0.3'),
    (['--style', 'lively*1e40'], 'lower the weights'),
    (['--style', 'lively*nan+smiling'], 'lower the weights'),
    (['--device', 'bogus'], "'bogus'"),
    (['--shape', 'a.npy'], 'no identity'),
]


@pytest.mark.parametrize(('extra', 'word'), OPTIONS)
@pytest.mark.filterwarnings('error::RuntimeWarning')
def test_bad_options(extra: list[str], word: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    audio = sound(tmp_path / 'a.wav', noise())
    refused(generate(audio, tmp_path / 'a.npz', *extra), capsys, word)
    assert list(tmp_path.iterdir()) == [audio]


@pytest.mark.parametrize('extra', [['--steps', 'x'], ['--solver', 'euler'], ['--nonsense']])
def test_options_that_cannot_be_parsed(extra: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        main(['generate', 'a.wav', '-o', 'a.npz', *extra])
    assert stop.value.code == 2
    error = capsys.readouterr().err
    assert error.count('\n') == 1 and '--help' in error


@pytest.mark.parametrize(
    'extra', [['--start', 'nan'], ['--start', '-1'], ['--seconds', 'nan'], ['--start', 'inf']]
)
def test_bad_stretch_of_a_style(extra: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    refused(['extract-style', 'a.npz', '-o', tmp_path / 's.npy', *extra], capsys, '--start')


@pytest.mark.parametrize(
    ('words', 'expected'),
    [
        (['train', '--corpus', 'gone', '--out', 'm', '--seed', '-1'], '--seed'),
        (['train', '--corpus', 'gone', '--out', 'm', '--takes', '-1'], '--takes'),
        (['train-style', '--corpus', 'gone', '--batch', '0'], '--batch'),
        (['corpus', '--out', 'c', '--seed', '-1'], '--seed'),
        (['styles', '--model', 'nowhere'], 'nowhere'),
        (['export', '--model', 'nowhere'], 'nowhere'),
        (['plot', 'gone.npz', '-o', 'a.png'], 'gone.npz'),
        (['render', 'gone.npz', '-o', 'a.png'], 'gone.npz'),
        (['extract-style', 'gone.npz', '-o', 'a.npy'], 'gone.npz'),
        (['train', '--corpus', 'gone', '--work', 'work', '--out', 'model'], 'gone'),
        (['train-style', '--corpus', 'gone', '--work', 'work'], 'gone'),
        (['train-style', '--lmdb', 'gone', '--work', 'work'], 'gone'),
        (['train-denoiser', '--corpus', 'gone', '--work', 'work', '--out', 'model'], 'train-style'),
        (['train-denoiser', '--lmdb', 'gone', '--no-vertices', '--work', 'work', '--out', 'model'], 'gone'),
        (['train', '--corpus', 'gone', '--work', 'work', '--out', '/proc/model'], '/proc/model'),
        (['corpus', '--out', '/proc/corpus', '--hours', '0.1'], '/proc/corpus'),
        (['evaluate', '--sets', 'nothing', '--out', 'a.md'], 'nothing'),
        (['evaluate', '--out', '/proc/a/b.md'], '/proc/a'),
    ],
)
def test_every_verb_ends_in_one_line(
    words: list[str], expected: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: Any
) -> None:
    pytest.importorskip('torch')
    monkeypatch.chdir(tmp_path)
    refused(words, capsys, expected)


@pytest.mark.parametrize('options', [['--model', 'embedded'], ['--full']])
def test_bench_of_a_device_measures_one_configuration(
    options: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    refused(['bench', '--device', 'cpu', *options], capsys, 'omit --model and --full')
