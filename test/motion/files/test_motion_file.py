# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy.spatial.transform import Rotation

from diffposetalk_ros.errors import MotionError
from diffposetalk_ros.motion.files.face_json import encode_audio2face
from diffposetalk_ros.motion.files.motion_file import load_face, load_motion, save_motion
from diffposetalk_ros.motion.layout import MotionLayout, arkit_layout, flame_layout, layout_for
from diffposetalk_ros.motion.motion_clip import MotionClip

ARKIT, FLAME = arkit_layout(), flame_layout()


def _clip(space: str = 'arkit', head: bool = True, frames: int = 7) -> MotionClip:
    layout = layout_for(space, head)
    values = np.random.default_rng(3).uniform(0, 1, (frames, layout.width)).astype(np.float32)
    return MotionClip(values, 25.0, layout, {'style': 'calm'})


@pytest.mark.parametrize('suffix', ['.npz', '.csv', '.json'])
@pytest.mark.parametrize('space', ['arkit', 'flame'])
@pytest.mark.parametrize('head', [True, False])
def test_a_file_gives_back_the_clip(tmp_path: Path, suffix: str, space: str, head: bool) -> None:
    clip = _clip(space, head)
    save_motion(tmp_path / f'm{suffix}', clip)
    back = load_motion(tmp_path / f'm{suffix}')
    np.testing.assert_array_equal(back.values, clip.values)
    assert (back.layout, back.fps) == (clip.layout, 25.0)
    assert [p.name for p in tmp_path.iterdir()] == [f'm{suffix}']
    if suffix != '.csv':
        assert back.meta == clip.meta


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    values=hnp.arrays(
        np.float32,
        st.tuples(st.integers(1, 4), st.just(55)),
        elements=st.floats(allow_nan=False, allow_infinity=False, width=32),
    ),
    fps=st.floats(1, 1000),
    suffix=st.sampled_from(['.npz', '.csv', '.json']),
)
def test_any_finite_values_survive(tmp_path: Path, values: np.ndarray, fps: float, suffix: str) -> None:
    save_motion(tmp_path / f'm{suffix}', MotionClip(values, fps, ARKIT))
    back = load_motion(tmp_path / f'm{suffix}')
    np.testing.assert_array_equal(back.values, values)
    assert back.fps == fps


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    suffix=st.sampled_from(['.npz', '.csv', '.json']),
    place=st.floats(0, 1),
    junk=st.binary(max_size=6),
    cut=st.booleans(),
)
def test_damaged_files_never_crash(tmp_path: Path, suffix: str, place: float, junk: bytes, cut: bool) -> None:
    path = tmp_path / f'm{suffix}'
    save_motion(path, _clip(frames=2))
    data = path.read_bytes()
    at = int(place * len(data))
    path.write_bytes(data[:at] + junk + (b'' if cut else data[at + len(junk) :]))
    try:
        clip = load_motion(path)
    except MotionError as error:
        assert '\n' not in str(error)
    else:
        assert np.isfinite(clip.values).all()


def test_original_flame_file_with_shape(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    exp, pose = rng.normal(size=(9, 50)), rng.normal(size=(9, 6))
    shape = np.tile(rng.normal(size=100), (9, 1))
    np.savez_compressed(tmp_path / 'f.npz', exp=exp, pose=pose, shape=shape)
    clip = load_motion(tmp_path / 'f.npz')
    assert clip.layout.space == 'flame'
    assert clip.fps == 25
    np.testing.assert_allclose(clip.values, np.concatenate([exp, pose[:, :4]], axis=1), rtol=1e-6)
    save_motion(tmp_path / 'g.npz', clip)
    with np.load(tmp_path / 'g.npz') as file:
        np.testing.assert_allclose(file['shape'], shape, rtol=1e-6)
        assert file['pose'].shape == (9, 6)


def test_live_link_face_columns(tmp_path: Path) -> None:
    names = [name[0].upper() + name[1:] for name in ARKIT.names[:52]]
    lines = ['Timecode,BlendshapeCount,' + ','.join(names) + ',HeadYaw,HeadPitch,HeadRoll']
    lines += [f'10:00:{i // 60:02d}:{i % 60:02d}.120,61,' + ','.join(['0.5'] * 55) for i in range(70)]
    (tmp_path / 'live.csv').write_text('\n'.join(lines))
    clip = load_motion(tmp_path / 'live.csv')
    assert clip.fps == 60
    assert clip.values.shape == (70, 55)
    turned = Rotation.from_euler('YXZ', [0.5, 0.5, 0.5]).as_rotvec()
    np.testing.assert_allclose(clip.values[:, 52:], np.tile(turned, (70, 1)), atol=1e-6)
    (tmp_path / 'short.csv').write_text('\n'.join(lines[:5]))
    with pytest.raises(MotionError, match='frame rate'):
        load_motion(tmp_path / 'short.csv')
    assert load_motion(tmp_path / 'short.csv', fps=30).fps == 30


def _json(tmp_path: Path, **change: object) -> Path:
    content = {'space': 'arkit', 'fps': 25, 'channels': list(ARKIT.names), 'values': [[0.0] * 55] * 3}
    (tmp_path / 'm.json').write_text(json.dumps({**content, **change}))
    return tmp_path / 'm.json'


@pytest.mark.parametrize(
    ('change', 'word'),
    [
        ({'space': 'vrm'}, 'vrm'),
        ({'values': []}, '0 frames'),
        ({'values': [[float('nan')] * 55]}, 'finite'),
        ({'values': [[0.0] * 55, [0.0]]}, 'm.json: frame 1 has 1 numbers, but there are 55 names'),
        ({'values': [[0.0] * 54]}, 'frame 0 has 54 numbers, but there are 55 names'),
        ({'values': [[0.0] * 55, None]}, 'frame 1 is null instead of a list of numbers'),
        ({'values': [[0.0, None] + [0.0] * 53]}, 'frame 0, eyeLookDownLeft: null is not a number'),
        ({'values': 5}, '5 instead of a list of frames'),
        ({'channels': 5}, '"channels" is no list'),
        ({'channels': list(ARKIT.names[1:]), 'values': [[0.0] * 54]}, 'eyeBlinkLeft'),
        ({'channels': [*ARKIT.names, 'smirk'], 'values': [[0.0] * 56]}, 'smirk'),
        ({'channels': [*ARKIT.names, 'jawOpen'], 'values': [[0.0] * 56]}, 'more than once'),
        ({'fps': 0}, 'frame rate'),
        ({'fps': 'fast'}, 'm.json'),
        ({'meta': 5}, 'meta is a int'),
        ({'values': [[1e39] * 55]}, 'finite'),
        ({'values': [['0.1'] * 55]}, 'frame 0, eyeBlinkLeft: "0.1" is not a number'),
    ],
)
def test_bad_files_are_named(tmp_path: Path, change: dict[str, object], word: str) -> None:
    with pytest.raises(MotionError, match=word):
        load_motion(_json(tmp_path, **change))


@pytest.mark.parametrize('encoding', ['utf-8', 'utf-8-sig', 'utf-16'])
@pytest.mark.parametrize('suffix', ['csv', 'json'])
def test_the_first_bytes_tell_the_encoding(tmp_path: Path, suffix: str, encoding: str) -> None:
    path = tmp_path / f'm.{suffix}'
    save_motion(path, MotionClip(np.full((3, 55), 0.25), 25, ARKIT))
    path.write_text(path.read_text(), encoding=encoding)
    clip = load_motion(path)
    assert clip.fps == 25 and clip.layout == ARKIT
    np.testing.assert_array_equal(clip.values, np.full((3, 55), 0.25))


@pytest.mark.parametrize('encoding', ['utf-16-le', 'utf-32', 'cp1252'])
def test_a_table_in_another_encoding_says_how_to_save_it(tmp_path: Path, encoding: str) -> None:
    path = tmp_path / 'm.csv'
    save_motion(path, MotionClip(np.zeros((3, 55)), 25, ARKIT))
    path.write_text('Gefühl,' + path.read_text(), encoding=encoding)
    with pytest.raises(MotionError, match='neither UTF-8 nor UTF-16; save it again as .CSV UTF-8'):
        load_motion(path)


def test_unreadable_files_are_refused(tmp_path: Path) -> None:
    for name in ('m.npz', 'm.csv', 'm.json'):
        (tmp_path / name).write_bytes(b'')
        with pytest.raises(MotionError, match=name):
            load_motion(tmp_path / name)
        (tmp_path / name).write_bytes(b'\x00\xff garbage\n1,2')
        with pytest.raises(MotionError, match=name):
            load_motion(tmp_path / name)
    (tmp_path / 'l.json').write_text('[1, 2]')
    (tmp_path / 'h.csv').write_text(','.join(ARKIT.names))
    for name in ('l.json', 'h.csv', 'none.npz', 'm.bvh'):
        with pytest.raises(MotionError, match=name):
            load_motion(tmp_path / name)


@pytest.mark.filterwarnings('error')
@pytest.mark.parametrize('kind', ['complex', 'beyond_float32'])
def test_numbers_that_float32_cannot_hold_are_refused(kind: str) -> None:
    values = np.full((2, 55), 1j) if kind == 'complex' else np.full((2, 55), 1e39)
    with pytest.raises(MotionError, match='real numbers' if kind == 'complex' else 'finite'):
        MotionClip(values, 25, ARKIT)


def _table(tmp_path: Path, change: Callable[[list[list[str]]], str]) -> Path:
    save_motion(tmp_path / 'm.csv', _clip())
    rows = [line.split(',') for line in (tmp_path / 'm.csv').read_text().splitlines()]
    (tmp_path / 'm.csv').write_text(change(rows))
    return tmp_path / 'm.csv'


def _joined(rows: list[list[str]], separator: str = ',') -> str:
    return '\n'.join(separator.join(row) for row in rows)


def _with_word(rows: list[list[str]]) -> str:
    rows[3][rows[0].index('jawOpen')] = 'wide'
    return _joined(rows)


TABLES = {
    'semicolons': (lambda rows: _joined(rows, ';'), 'separated by semicolons; save it with commas'),
    'tabulators': (lambda rows: _joined(rows, '\t'), 'separated by tabulators'),
    'word': (_with_word, "line 4, column jawOpen: 'wide' is not a number"),
    'backwards': (
        lambda rows: _joined([rows[0], *rows[:0:-1]]),
        'line 3: Timecode 00:00:00:05.* sort the rows',
    ),
}


@pytest.mark.parametrize('kind', TABLES)
def test_a_table_says_where_it_is_wrong(kind: str, tmp_path: Path) -> None:
    change, words = TABLES[kind]
    with pytest.raises(MotionError, match=words):
        load_motion(_table(tmp_path, change))


@pytest.mark.parametrize(
    ('layout', 'column', 'value', 'words'),
    [
        (
            ARKIT,
            'jawOpen',
            45.0,
            r'm\.npz: frame 2, channel jawOpen is 45; it goes from 0 to 1; divide per cent',
        ),
        (ARKIT, 'mouthClose', -1e30, 'mouthClose is -1e.30'),
        (ARKIT, 'headRotationY', 20.0, 'headRotationY is 20; it goes from -3.14 to 3.14 rad, not degrees'),
        (FLAME, 'exp03', 1e9, 'exp03 is 1e.09; it goes from -10 to 10 .1 values'),
    ],
)
def test_values_no_face_has_are_not_shown(
    tmp_path: Path, layout: MotionLayout, column: str, value: float, words: str
) -> None:
    values = np.zeros((4, layout.width), np.float32)
    values[2, layout.index(column)] = value
    save_motion(tmp_path / 'm.npz', MotionClip(values, 25, layout))
    with pytest.raises(MotionError, match=words):
        load_face(tmp_path / 'm.npz')


def test_a_tracker_may_overshoot(tmp_path: Path) -> None:
    values = np.tile(np.float32([-0.4, 1.6]), (55, 2)).T.copy()
    save_motion(tmp_path / 'm.csv', MotionClip(values, 60, ARKIT))
    np.testing.assert_array_equal(load_face(tmp_path / 'm.csv').values, values)


def test_a_take_may_go_on_past_midnight(tmp_path: Path) -> None:
    def late(rows: list[list[str]]) -> str:
        for i, row in enumerate(rows[1:]):
            row[0] = f'23:59:59:{20 + i}.000' if i < 5 else f'00:00:00:{i - 5:02d}.000'
        return _joined(rows)

    assert len(load_motion(_table(tmp_path, late)).values) == len(_clip().values)


def test_a_pickle_is_not_run(tmp_path: Path) -> None:
    np.savez(tmp_path / 'p.npz', values=np.array([{'a': 1}], dtype=object))
    with pytest.raises(MotionError, match='p.npz'):
        load_motion(tmp_path / 'p.npz')


def test_a_failed_write_leaves_the_old_file(tmp_path: Path) -> None:
    save_motion(tmp_path / 'm.json', _clip())
    old = (tmp_path / 'm.json').read_bytes()
    bad = MotionClip(_clip().values, 25, ARKIT, {'x': object()})
    with pytest.raises(MotionError, match='meta'):
        save_motion(tmp_path / 'm.json', bad)
    assert (tmp_path / 'm.json').read_bytes() == old
    with pytest.raises(MotionError, match='cannot be written'):
        save_motion(tmp_path / 'none' / 'm.json', _clip())


def test_the_longest_name_a_folder_takes_can_be_written(tmp_path: Path) -> None:
    path = tmp_path / ('x' * 251 + '.npz')
    save_motion(path, _clip())
    assert [file.name for file in tmp_path.iterdir()] == [path.name]


def test_interrupted_in_the_middle_of_writing_nothing_is_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(_: int) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr('os.fsync', interrupt)
    with pytest.raises(KeyboardInterrupt):
        save_motion(tmp_path / 'a.npz', _clip())
    assert not list(tmp_path.iterdir())


def test_a_file_numpy_did_not_write_is_called_that_and_never_to_be_trusted(tmp_path):
    (tmp_path / 'a.npz').write_bytes(b'garbage')
    with pytest.raises(MotionError, match='not written by NumPy') as caught:
        load_motion(tmp_path / 'a.npz')
    assert 'pickle' not in str(caught.value)


def test_a_header_that_promises_more_than_memory_holds_is_refused(tmp_path):
    save_motion(tmp_path / 'a.npz', MotionClip(np.zeros((2, 55)), 25, ARKIT))
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(
        header, {'descr': '<f4', 'fortran_order': False, 'shape': (1 << 50, 55)}
    )
    with zipfile.ZipFile(tmp_path / 'a.npz') as old, zipfile.ZipFile(tmp_path / 'b.npz', 'w') as new:
        for name in old.namelist():
            new.writestr(name, header.getvalue() if name == 'values.npy' else old.read(name))
    with pytest.raises(MotionError, match='b.npz: not a readable .npz'):
        load_motion(tmp_path / 'b.npz')


@pytest.mark.filterwarnings('error')
@pytest.mark.parametrize('rate', [0.0, -1.0, float('nan'), float('inf'), 1e9])
@pytest.mark.parametrize('form', ['npz', 'csv', 'json', 'audio2face', 'frames'])
def test_a_rate_that_no_motion_has_is_named(tmp_path: Path, rate: float, form: str) -> None:
    clip = MotionClip(np.full((9, 55), 0.5), 25, ARKIT)
    if form == 'audio2face':
        path = tmp_path / 'm.json'
        path.write_bytes(encode_audio2face(clip))
    elif form == 'frames':
        path = tmp_path / 'm.json'
        path.write_text(json.dumps([{'time': i / 25} | dict.fromkeys(ARKIT.names, 0.5) for i in range(9)]))
    else:
        path = tmp_path / f'm.{form}'
        save_motion(path, clip)
    assert load_motion(path).fps == load_motion(path, 25.0).fps == 25.0
    with pytest.raises(MotionError, match=f'{path.name}: frame rate {rate} is out of range'):
        load_motion(path, rate)
    if form in ('npz', 'frames'):
        return
    if form == 'csv':
        lines = path.read_text().splitlines()
        assert lines[0].endswith(',fps')
        path.write_text('\n'.join([lines[0], *(f'{line.rpartition(",")[0]},{rate}' for line in lines[1:])]))
    else:
        name = 'exportFps' if form == 'audio2face' else 'fps'
        path.write_text(json.dumps(json.loads(path.read_text()) | {name: rate}))
    with pytest.raises(MotionError, match=f'frame rate {rate} is out of range'):
        load_motion(path)


def test_an_archive_marked_as_encrypted_is_not_readable(tmp_path):
    np.savez(tmp_path / 'a.npz', values=np.zeros(3))
    data = bytearray((tmp_path / 'a.npz').read_bytes())
    for mark, flags in ((b'PK\x03\x04', 6), (b'PK\x01\x02', 8)):
        data[data.index(mark) + flags] |= 1
    (tmp_path / 'a.npz').write_bytes(data)
    with pytest.raises(MotionError, match='encrypted'):
        load_motion(tmp_path / 'a.npz')
