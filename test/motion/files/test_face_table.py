# SPDX-License-Identifier: Apache-2.0
"""Ten seconds of a face as other programs write them stay ten seconds with the same curve, or are refused."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from diffposetalk_ros.errors import MotionError
from diffposetalk_ros.motion.files.face_table import arkit_name
from diffposetalk_ros.motion.files.live_link import LIVE_LINK_NAMES
from diffposetalk_ros.motion.files.motion_file import load_motion
from diffposetalk_ros.motion.layout import ARKIT_BLENDSHAPES

JAW = ARKIT_BLENDSHAPES.index('jawOpen')
SECONDS = 10.0


def curve(times: np.ndarray) -> np.ndarray:
    return 0.3 + 0.3 * np.sin(2 * np.pi * times)


@cache
def jaw_of(names: tuple[str, ...]) -> str:
    return next(name for name in names if arkit_name(name) == 'jawOpen')


def weights(time: float, names: tuple[str, ...]) -> dict[str, float]:
    values = dict.fromkeys(names, 0.0)
    values[jaw_of(names)] = float(curve(np.array(time)))
    return values


def timecode(time: float, base: int, start: float = 45_007.3, digits: int = 3) -> str:
    # Rounded as a whole: 29.9997 frames of 30 are the first frame of the next second.
    frames = round((time + start) * base + 1e-6, 3)
    clock, frame = divmod(frames, base)
    clock, frame = int(clock), frame if digits else float(int(frame + 1e-6))
    label = f'{frame:06.3f}' if digits else f'{int(frame):02d}'
    return f'{clock // 3600:02d}:{clock // 60 % 60:02d}:{clock % 60:02d}:{label}'


def table(rows: list[dict[str, Any]]) -> str:
    names = list(rows[0])
    return '\n'.join([','.join(names), *(','.join(str(row[name]) for name in names) for row in rows)]) + '\n'


def live_link(rate: float, base: int, digits: int = 3, start: float = 45_007.3) -> str:
    times = np.arange(round(SECONDS * rate)) / rate
    return table(
        [
            {'Timecode': timecode(t, base, start, digits), 'BlendShapeCount': 61}
            | weights(t, LIVE_LINK_NAMES)
            for t in times
        ]
    )


def numbered(column: str, rate: float, scale: float, spell: Callable[[str], str] = str) -> str:
    names = tuple(spell(name) for name in ARKIT_BLENDSHAPES)
    times = np.arange(round(SECONDS * rate)) / rate
    return table([{column: f'{t * scale:.6g}'} | weights(t, names) for t in times])


def mediapipe(rate: float) -> str:
    names = ('_neutral', *ARKIT_BLENDSHAPES[:-1])
    times = np.arange(round(SECONDS * rate)) / rate
    return table([{'timestamp_ms': round(1000 * t)} | weights(t, names) for t in times])


def with_holes(text: str, lost: range) -> str:
    lines = text.splitlines()
    return '\n'.join(line for i, line in enumerate(lines) if i == 0 or i - 1 not in lost)


def faceless(text: str, rows: range, tail: str) -> str:
    lines = text.splitlines()
    for i in rows:
        lines[i + 1] = f'{lines[i + 1].split(",")[0]},0{tail}'
    return '\n'.join(lines)


def upper(name: str) -> str:
    return name.upper()


def snake(name: str) -> str:
    return ''.join('_' + c.lower() if c.isupper() else c for c in name)


def constants(name: str) -> str:
    """Apple's own constants: eyeBlink_L; jawLeft stays."""
    if name in ('jawLeft', 'jawRight', 'mouthLeft', 'mouthRight'):
        return name
    return name.replace('Left', '_L').replace('Right', '_R')


TABLES: dict[str, str] = {
    '60 rows on a base of 60': live_link(60, 60),
    '30 rows on a base of 60': live_link(30, 60),
    '24 rows on a base of 60, no subframes': live_link(24, 60, 0),
    '25 rows on a base of 25': live_link(25, 25, 0),
    '60 rows on a base of 30, labels twice': live_link(60, 30, 0),
    '50 rows on a base of 60': live_link(50, 60),
    'past midnight': live_link(30, 30, 0, 86_395.0),
    'a hole of half a second': with_holes(live_link(60, 60), range(200, 230)),
    'holes here and there': with_holes(live_link(30, 30), range(17, 290, 7)),
    'no face, short rows': faceless(live_link(60, 60), range(120, 150), ''),
    'no face, empty cells': faceless(live_link(60, 60), range(120, 150), ',' * 61),
    'Audio2Face': numbered('timeCode', 30, 1.0, lambda name: f'blendShapes.{name[0].upper()}{name[1:]}'),
    'capitals': numbered('TIME', 60, 1.0, upper),
    'snakes, ms': numbered('time_ms', 25, 1000.0, snake),
    "Apple's constants": numbered('timestamp', 60, 1.0, constants),
    'microseconds': numbered('timestamp', 30, 1e6),
    'MediaPipe': mediapipe(30),
    'BOM and Windows line ends': '\ufeff' + live_link(60, 60).replace('\n', '\r\n'),
    'blank lines, spaces': live_link(30, 30).replace(',', ' , ').replace('\n', '\n\n'),
}


@pytest.mark.parametrize('name', TABLES)
def test_ten_seconds_are_ten_seconds_with_the_same_curve(name: str, tmp_path: Path) -> None:
    (tmp_path / 'take.csv').write_text(TABLES[name], newline='')
    clip = load_motion(tmp_path / 'take.csv')
    assert clip.duration == pytest.approx(SECONDS, abs=0.1)
    times = np.arange(len(clip.values)) / clip.fps
    jaw = clip.values[:, JAW]
    keep = np.ones(len(jaw), bool)
    if 'face' in name or 'hole of' in name:  # what was bridged is not known
        keep = (times < 1.9) | ((times > 2.6) & (times < 3.2)) | (times > 3.9)
    assert np.abs(jaw - curve(times))[keep].max() < 0.03
    others = np.delete(clip.values, JAW, axis=1)
    assert not others.any()
    told = ' '.join(clip.meta.get('notes', []))
    assert ('no face' in told) == (name.startswith('no face'))
    assert ('missing in the times' in told) == ('hole' in name)
    assert ('stay 0: tongueOut' in told) == (name == 'MediaPipe')


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    rate=st.sampled_from([24, 25, 30, 60]), base=st.sampled_from([30, 60, 120]), start=st.floats(0, 80_000),
    lost=st.sets(st.integers(1, 70), max_size=8), kind=st.sampled_from(['timecode', 's', 'ms']),
)  # fmt: skip
def test_any_take_has_the_length_of_its_times(tmp_path, rate, base, start, lost, kind) -> None:
    second = [int(start + i / rate) for i in range(3 * rate)]
    ends = [i for i in range(3 * rate - 1) if second[i] != second[i + 1]]
    # The base of a timecode shows only where seconds change.
    assume(kind != 'timecode' or sum(i in lost or i + 1 in lost for i in ends) <= 1)
    times = np.array([i / rate for i in range(3 * rate) if i not in lost])
    labels = {
        'timecode': [timecode(t, base, start) for t in times],
        's': [f'{t + start:.6f}' for t in times],
        'ms': [f'{1000 * (t + start):.0f}' for t in times],
    }[kind]
    column = {'timecode': 'Timecode', 's': 'seconds', 'ms': 'time_ms'}[kind]
    rows = [{column: label} | weights(t, ARKIT_BLENDSHAPES) for label, t in zip(labels, times, strict=True)]
    (tmp_path / 'take.csv').write_text(table(rows))
    clip = load_motion(tmp_path / 'take.csv')
    assert clip.fps == pytest.approx(rate, rel=2e-3)
    assert len(clip.values) == 3 * rate
    jaw = clip.values[:, JAW]
    assert np.abs(jaw - curve(np.arange(len(jaw)) / rate))[[0, 1, -1]].max() < 0.05


@pytest.mark.parametrize(
    ('text', 'words'),
    [
        (faceless(live_link(30, 30), range(300), ''), 'none of the 300 rows holds a face'),
        (
            live_link(30, 30).replace(',BlendShapeCount', ',fps').replace(',61,', ',60,'),
            'says 60 .* times 30',
        ),
        (table([{'Timecode': f'00:00:01:{i:02d}', 'a': 1, 'b': 2} for i in range(9)]), 'columns are missing'),
        (with_holes(live_link(30, 30), range(1, 299)), 'does not state its frame rate|span|rows a second'),
        (table([{'jawOpen': 0.1, 'JawOpen': 0.2} | weights(0, ARKIT_BLENDSHAPES)] * 3), 'more than once'),
    ],
)
def test_contradictions_are_refused_in_a_line(tmp_path: Path, text: str, words: str) -> None:
    (tmp_path / 'take.csv').write_text(text)
    with pytest.raises(MotionError, match=words) as caught:
        load_motion(tmp_path / 'take.csv')
    assert '\n' not in str(caught.value)


def test_the_rate_of_the_caller_wins(tmp_path: Path) -> None:
    (tmp_path / 'take.csv').write_text(live_link(30, 60))
    clip = load_motion(tmp_path / 'take.csv', fps=25)
    assert (clip.fps, len(clip.values)) == (25, 300)


def test_columns_of_others_are_ignored_and_said(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    rows = [
        {'time': t / 30, 'emotion': 'joy', 'Tracking': 1} | weights(t / 30, ARKIT_BLENDSHAPES)
        for t in range(90)
    ]
    (tmp_path / 'take.csv').write_text(table(rows))
    clip = load_motion(tmp_path / 'take.csv')
    assert clip.meta['ignored_columns'] == ['emotion', 'Tracking'] and len(clip.values) == 90
    assert 'emotion, Tracking' in caplog.text


def test_a_last_line_that_is_cut_off_is_left_out_and_said(tmp_path: Path) -> None:
    text = live_link(30, 30)
    (tmp_path / 'take.csv').write_text(text[: len(text) - 100])
    clip = load_motion(tmp_path / 'take.csv')
    assert len(clip.values) == 299 and 'cut off' in clip.meta['notes'][0]


def audio2face(rate: float) -> Any:
    times = np.arange(round(SECONDS * rate)) / rate
    rows = [list(weights(t, ARKIT_BLENDSHAPES).values()) for t in times]
    return {
        'exportFps': rate,
        'numPoses': 52,
        'numFrames': len(rows),
        'facsNames': ARKIT_BLENDSHAPES,
        'weightMat': rows,
    }


def lam(rate: float) -> Any:
    times = np.arange(round(SECONDS * rate)) / rate
    frames = [
        {'weights': list(weights(t, ARKIT_BLENDSHAPES).values()), 'time': t, 'rotation': []} for t in times
    ]
    meta = {'fps': rate, 'frame_count': len(frames), 'blendshape_names': ARKIT_BLENDSHAPES}
    return {'names': ARKIT_BLENDSHAPES, 'metadata': meta, 'frames': frames}


def mediapipe_json(rate: float, listed: bool) -> Any:
    frames = []
    for t in np.arange(round(SECONDS * rate)) / rate:
        scores = weights(t, ('_neutral', *ARKIT_BLENDSHAPES[:-1]))
        if listed:
            categories = [{'categoryName': name, 'score': score} for name, score in scores.items()]
            faces = [] if 2.0 <= t < 2.5 else [{'categories': categories}]
            frames.append({'timestamp_ms': round(1000 * t), 'faceBlendshapes': faces})
        else:
            frames.append({'time': t, 'blendshapes': scores})
    return frames


@pytest.mark.parametrize(
    ('content', 'notes'),
    [
        (audio2face(60), ''), (audio2face(30), ''), (lam(30), ''), (mediapipe_json(30, False), 'tongueOut'),
        (mediapipe_json(30, True), 'hold no face'),
    ],
)  # fmt: skip
def test_json_of_others(tmp_path: Path, content: Any, notes: str) -> None:
    (tmp_path / 'take.json').write_text('\ufeff' + json.dumps(content), encoding='utf-8')
    clip = load_motion(tmp_path / 'take.json')
    times = np.arange(len(clip.values)) / clip.fps
    assert clip.duration == pytest.approx(SECONDS, abs=0.1)
    keep = (times < 1.9) | (times > 2.6)
    assert np.abs(clip.values[:, JAW] - curve(times))[keep].max() < 0.03
    assert notes in ' '.join(clip.meta.get('notes', []))


@settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.recursive(
        st.none() | st.booleans() | st.floats() | st.text(max_size=8),
        lambda inner: (
            st.lists(inner, max_size=4)
            | st.dictionaries(
                st.sampled_from(
                    [
                        'frames',
                        'weights',
                        'facsNames',
                        'weightMat',
                        'names',
                        'metadata',
                        'fps',
                        'jawOpen',
                        'time',
                    ]
                ),
                inner,
                max_size=5,
            )
        ),
        max_leaves=20,
    )
)
def test_any_json_is_read_or_refused_in_a_line(tmp_path: Path, content: Any) -> None:
    (tmp_path / 'take.json').write_text(json.dumps(content))
    try:
        clip = load_motion(tmp_path / 'take.json')
    except MotionError as error:
        assert '\n' not in str(error)
    else:
        assert np.isfinite(clip.values).all()


@settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(place=st.floats(0, 1), junk=st.text(max_size=6), cut=st.booleans())
def test_damaged_tables_are_read_or_refused_in_a_line(
    tmp_path: Path, place: float, junk: str, cut: bool
) -> None:
    text = io.StringIO(live_link(30, 60)).getvalue()[:40_000]
    at = int(place * len(text))
    (tmp_path / 'take.csv').write_text(
        text[:at] + junk + ('' if cut else text[at + len(junk) :]), encoding='utf-8'
    )
    try:
        clip = load_motion(tmp_path / 'take.csv')
    except MotionError as error:
        assert '\n' not in str(error)
    else:
        assert np.isfinite(clip.values).all() and clip.duration < 100
