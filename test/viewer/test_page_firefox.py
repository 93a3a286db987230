# SPDX-License-Identifier: Apache-2.0
"""The page in Firefox: it draws, sounds and obeys, and its console has no complaint."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

pytest.importorskip('aiohttp')

from firefox import FIREFOX, XVFB, Firefox  # noqa: E402

from diffposetalk_ros.benchmark.page.talking_source import TalkingSource  # noqa: E402

pytestmark = pytest.mark.skipif(
    FIREFOX is None or XVFB is None,
    reason='no Firefox with Xvfb on this machine (apt install firefox-esr xvfb)',
)


@pytest.fixture(scope='module')
def browser() -> Iterator[Firefox]:
    browser = Firefox()
    yield browser
    browser.close()


@pytest.fixture
def source(browser: Firefox) -> Iterator[TalkingSource]:
    source = TalkingSource()
    browser.problems.clear()
    browser.open(source.server.address)
    yield source
    browser.leave()
    source.close()
    assert not browser.problems


def test_the_head_speaks(browser: Firefox, source: TalkingSource) -> None:
    browser.wait('viewer.state === 1')
    source.talking.set()
    browser.wait('viewer.state === 2 && viewer.rig.opening > 8')
    # Skin in the middle, the background in a corner. A WebGL canvas can be read only right after it is drawn.
    middle, corner = browser.run("""(() => {
      const face = document.getElementById('face');
      const pen = Object.assign(document.createElement('canvas'), { width: face.width, height: face.height });
      viewer.head.draw(viewer.row, viewer.row.subarray(52, 55));
      pen.getContext('2d').drawImage(face, 0, 0);
      const colour = (x, y) => [...pen.getContext('2d').getImageData(x, y, 1, 1).data];
      return [colour(face.width / 2, face.height / 2), colour(2, 2)];
    })()""")
    assert middle[0] > middle[2] + 30, middle
    assert corner[2] >= corner[0], corner


def test_after_a_click_it_sounds_or_says_why_not(browser: Firefox, source: TalkingSource) -> None:
    assert not browser.run('viewer.sound.running'), 'before a click, Firefox lets no page sound'
    browser.wait("!document.getElementById('listen').hidden")
    browser.click('listen')
    told = "document.getElementById('notices').textContent"
    browser.wait(f"viewer.sound.running || {told}.includes('plays no sound')")
    if browser.run('viewer.sound.running'):
        assert not browser.run(told)
        source.talking.set()
        browser.wait('viewer.sound.pieces > 20')
    else:  # a machine without a sound device
        assert not browser.run("document.getElementById('listen').hidden")


def test_the_panel_commands(browser: Firefox, source: TalkingSource) -> None:
    browser.wait("document.getElementById('style-a').value === 'calm'")
    browser.click('sample')
    browser.wait('viewer.state === 2')
    browser.click('interrupt')
    browser.wait('viewer.state === 1')
    assert [command['do'] for command in source.commands] == ['sample', 'interrupt']
