# SPDX-License-Identifier: Apache-2.0
"""A style from the visitor's camera, in a real browser before a video of our own head."""

from __future__ import annotations

import io
import json
import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip('aiohttp')

from face_videos import speaking_motion, write_y4m  # noqa: E402

from diffposetalk_ros.benchmark.page.browser import CHROMIUM, Browser  # noqa: E402
from diffposetalk_ros.benchmark.page.talking_source import TalkingSource  # noqa: E402
from diffposetalk_ros.errors import ModelError  # noqa: E402
from diffposetalk_ros.motion.files.motion_file import load_motion  # noqa: E402
from diffposetalk_ros.motion.layout import ARKIT_BLENDSHAPES  # noqa: E402
from diffposetalk_ros.tracking.landmarks import face_features, frontal, nearest_rotation  # noqa: E402
from diffposetalk_ros.tracking.page_tracker import find_page_tracker  # noqa: E402

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason='no Chromium on this machine (apt install chromium)')

NUMBERS = 77
READY = "viewer.state !== null && !document.getElementById('camera').disabled"


@pytest.fixture(scope='module')
def tracker() -> dict[str, Path]:
    try:
        return find_page_tracker()
    except ModelError as error:
        pytest.skip(str(error))


@pytest.fixture(scope='module')
def motion() -> np.ndarray:
    """Forth and back: the camera repeats the video, and a jump at its end would be a cut."""
    forth = speaking_motion(250)
    return np.concatenate([forth, forth[::-1]])


@pytest.fixture(scope='module')
def video(tmp_path_factory: pytest.TempPathFactory, motion: np.ndarray) -> Path:
    from diffposetalk_ros.viewer.render import render_frames

    path = tmp_path_factory.mktemp('camera') / 'head.y4m'
    forth = list(render_frames(motion[:250], (320, 256)))
    write_y4m(path, forth + forth[::-1])
    return path


@pytest.fixture(scope='module')
def visitor(video: Path) -> Iterator[Browser]:
    browser = Browser((480, 360), camera=video)
    yield browser
    browser.close()


@pytest.fixture(scope='module')
def browser() -> Iterator[Browser]:
    browser = Browser((480, 360))
    yield browser
    browser.close()


def test_the_distances_are_those_of_the_tracking_room(browser: Browser) -> None:
    random = np.random.default_rng(0)
    points = random.uniform(0.2, 0.8, (478, 3))
    rotation = nearest_rotation(random.normal(size=(3, 3)))
    matrix = np.eye(4)
    matrix[:3, :3], matrix[:3, 3] = 3.0 * rotation, (1, 2, 3)
    source = TalkingSource()
    try:
        browser.open(source.server.address)
        landmarks = json.dumps([dict(zip('xyz', point, strict=True)) for point in points.tolist()])
        found = browser.run(
            "import('./face_reading.js').then(({ features, frontal }) => "
            f'features(frontal({landmarks}, {json.dumps(matrix.T.ravel().tolist())}, 640, 480)))'
        )
    finally:
        browser.call('Page.navigate', url='about:blank')
        source.close()
    np.testing.assert_allclose(found, face_features(frontal(points, rotation, (640, 480))), atol=1e-9)


def test_ten_seconds_before_the_camera_make_a_style_and_no_picture_leaves(
    visitor: Browser, tracker: dict[str, Path], motion: np.ndarray, tmp_path: Path
) -> None:
    source = TalkingSource(tracker=tracker)
    try:
        visitor.open(source.server.address)
        visitor.wait(READY)
        # Both would compete for the processor, which draws them here; a visitor's browser has a GPU.
        visitor.run("viewer.head.draw = () => {}; document.getElementById('self').style.display = 'none'")
        visitor.run("document.getElementById('camera').click()")
        visitor.wait('viewer.studio.target', 60)
        visitor.wait("!document.getElementById('take').disabled")
        # A mirror: what moves on the visitor's left moves on the left of the picture.
        swapped = visitor.run(
            "import('./studio.js').then(({ mirrored }) => mirrored([...Array(55).keys()], viewer.rig.channels))"
        )
        left, right = (ARKIT_BLENDSHAPES.index(f'mouthSmile{side}') for side in ('Left', 'Right'))
        assert (swapped[left], swapped[right], swapped[0] >= 0) == (right, left, True)
        assert swapped[52:] == [52, -53, -54]
        for _ in range(3):  # a busy machine gets another chance
            visitor.run("document.getElementById('take').click()")
            visitor.wait("!document.getElementById('taken').hidden")
            visitor.wait(
                "document.getElementById('taken').hidden && document.getElementById('style-told').textContent",
                120,
            )
            visitor.wait('viewer.studio.clip || !viewer.studio.recording')
            told = visitor.wait(
                "!document.getElementById('style-told').textContent.startsWith('Read')"
                " && document.getElementById('style-told').textContent"
            )
            # A picture that comes half a second late ends the stretch that a style is taken from.
            late = any(len(values) < 200 for values, _ in source.styles_taken[-1:])
            if 'pictures a second are too few' not in told and not late:
                break
        else:
            busy = 'too few' in told or os.getloadavg()[0] > (os.cpu_count() or 1)
            assert busy, (
                f'takes of {[len(values) for values, _ in source.styles_taken]} pictures on an idle machine'
            )
            pytest.skip(f'this machine is too busy: {told}')
        assert told.startswith('This is how you speak.')
        assert visitor.wait('viewer.state === 2'), 'the head shows what it has learned'
        text = visitor.run(
            "import('./style_file.js').then(({ motionFile }) => motionFile(viewer.studio.clip, viewer.rig.channels))"
        )
        visitor.run("document.getElementById('camera').click()")
        assert visitor.wait('!viewer.studio.camera.on')
    finally:
        visitor.call('Page.navigate', url='about:blank')
        source.close()
    # What went out: numbers of a face, each message far smaller than any picture, and to nobody else.
    faces = [message for message in visitor.sent if message[0] == 4]
    assert len(faces) > 100 and {len(message) for message in visitor.sent} <= {16 + 4, 16 + 4 * NUMBERS}
    assert all(
        request.startswith(f'GET {source.server.address}') or request.startswith(('GET about:', 'GET blob:'))
        for request in visitor.requests
    ), visitor.requests
    # The clip shows the drawn motion, at some moment of the video that repeats.
    values, fps = source.styles_taken[-1]
    assert fps == 25 and 200 <= len(values) <= 260
    _assert_same(values, motion)
    (tmp_path / 'me.json').write_text(text)
    np.testing.assert_allclose(load_motion(tmp_path / 'me.json').values, values, atol=1e-4)


def _assert_same(values: np.ndarray, motion: np.ndarray) -> None:
    names = ('jawOpen', 'mouthSmileLeft', 'eyeBlinkLeft', 'eyeBlinkRight', 'eyeLookOutLeft', 'eyeLookInLeft')
    columns = [*(ARKIT_BLENDSHAPES.index(name) for name in names), 52, 53, 54]
    count = min(len(values), len(motion))

    def correlations(shift: int) -> np.ndarray:
        drawn = np.roll(motion, -shift, axis=0)[:count, columns]
        return np.array(
            [np.corrcoef(drawn[:, k], values[:count, columns[k]])[0, 1] for k in range(len(columns))]
        )

    best = max((correlations(shift) for shift in range(len(motion))), key=lambda found: found.mean())
    print(dict(zip([*names, 'x', 'y', 'z'], best.round(2).tolist(), strict=True)))
    assert (best >= 0.8).all(), best


@pytest.mark.parametrize('suffix', ['json', 'npy'])
def test_style_files_are_loaded(browser: Browser, suffix: str) -> None:
    random = np.random.default_rng(1)
    if suffix == 'npy':
        wanted, rate = random.normal(size=168).astype(np.float32), 0.0
        stream = io.BytesIO()
        np.save(stream, wanted)
        content = stream.getvalue()
    else:
        wanted, rate = random.uniform(0, 1, (30, 55)).astype(np.float32), 25.0
        head = ['headRotationX', 'headRotationY', 'headRotationZ']
        order = random.permutation(55)  # columns may stand in any order
        names = [[*ARKIT_BLENDSHAPES, *head][i] for i in order]
        file = {'space': 'arkit', 'fps': 25, 'channels': names, 'values': wanted[:, order].tolist()}
        content = json.dumps(file).encode()
    source = TalkingSource()
    try:
        browser.open(source.server.address)
        browser.run(
            f'viewer.studio.load(new File([new Uint8Array({list(content)})], "my style.{suffix}")).then(() => 0)'
        )
        ((numbers, told),) = source.styles_taken
        np.testing.assert_allclose(numbers, wanted.ravel())
        assert told == rate and source.commands[-1]['do'] in ('sample', 'load_style')
        assert any(command.get('name') == 'my style' for command in source.commands)
        for bad in ('[]', '{', '{"space": "arkit", "fps": 25, "channels": [], "values": []}', ''):
            browser.run(f"viewer.studio.load(new File(['{bad}'], 'bad.{suffix}')).then(() => 0)")
            assert 'it is not' in browser.run("document.getElementById('notices').textContent") or (
                'missing' in browser.run("document.getElementById('notices').textContent")
            )
        assert len(source.styles_taken) == 1
    finally:
        browser.call('Page.navigate', url='about:blank')
        source.close()


def test_without_pictures_of_a_track_the_video_is_read(
    visitor: Browser, tracker: dict[str, Path], motion: np.ndarray
) -> None:
    """Firefox and Safari have no MediaStreamTrackProcessor."""
    source = TalkingSource(tracker=tracker)
    try:
        visitor.open(source.server.address)
        visitor.wait(READY)
        assert visitor.run('delete window.MediaStreamTrackProcessor')
        visitor.run("viewer.head.draw = () => {}; document.getElementById('camera').click()")
        visitor.wait('viewer.studio.target', 60)
        smile = [ARKIT_BLENDSHAPES.index(f'mouthSmile{side}') for side in ('Left', 'Right')]
        low, high = np.quantile(motion[:, smile].mean(1), [0.4, 0.6])
        for side in (f'< {low}', f'> {high}'):  # the visitor's smile comes and goes
            visitor.wait(
                f'(viewer.studio.target?.[{smile[0]}] + viewer.studio.target?.[{smile[1]}]) / 2 {side}', 60
            )
        visitor.run("document.getElementById('camera').click()")
        assert visitor.wait('!viewer.studio.camera.on')
    finally:
        visitor.call('Page.navigate', url='about:blank')
        source.close()


def test_a_slow_camera_is_told_and_the_head_waits_for_it(
    tracker: dict[str, Path], motion: np.ndarray, tmp_path: Path
) -> None:
    from diffposetalk_ros.viewer.render import render_frames

    write_y4m(tmp_path / 'slow.y4m', render_frames(motion[:20], (640, 512)), fps=10)
    visitor = Browser((480, 360), camera=tmp_path / 'slow.y4m')
    source = TalkingSource(tracker=tracker)
    try:
        visitor.open(source.server.address)
        visitor.wait(READY)
        assert not visitor.run('viewer.studio.slow')
        visitor.run("document.getElementById('camera').click()")
        told = visitor.wait(
            "document.getElementById('seen-why').textContent.startsWith('Only')"
            " && document.getElementById('seen-why').textContent",
            60,
        )
        assert int(told.split()[1]) <= 11 and told.endswith('More light or fewer open programs help.')
        assert 0 < visitor.run("document.getElementById('seen').value") <= 0.35
        assert visitor.run('viewer.studio.slow')
        visitor.run("document.getElementById('camera').click()")
        assert not visitor.run('viewer.studio.slow')
    finally:
        visitor.close()
        source.close()


def test_without_permission_the_page_says_what_to_do(tracker: dict[str, Path], tmp_path: Path) -> None:
    write_y4m(tmp_path / 'grey.y4m', np.full((2, 48, 64, 3), 128, np.uint8))
    visitor = Browser((480, 360), camera=tmp_path / 'grey.y4m', allowed=False)
    source = TalkingSource(tracker=tracker)
    try:
        visitor.open(source.server.address)
        visitor.wait(READY)
        visitor.run("document.getElementById('camera').click()")
        visitor.wait("document.getElementById('notices').textContent.includes('allow it in the address bar')")
        assert visitor.run("document.getElementById('studio').hidden")
        assert not visitor.problems
    finally:
        visitor.close()
        source.close()


def test_where_the_tracker_is_missing_the_page_says_how_to_get_it(browser: Browser) -> None:
    source = TalkingSource()
    try:
        browser.open(source.server.address)
        told = browser.wait(
            "!document.getElementById('camera-why').hidden && viewer.panel.setup.sample"
            " && document.getElementById('camera-why').textContent"
        )
        assert told == 'no tracker is installed' and browser.run("document.getElementById('camera').disabled")
    finally:
        browser.call('Page.navigate', url='about:blank')
        source.close()
