# SPDX-License-Identifier: Apache-2.0
"""The files for RViz and Foxglove, as far as they can be judged without either program (docs/viewer.md: with them).

That the topics exist with these types is tested where the nodes run (test/ros/test_viewer_node.py).
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from diffposetalk_ros.motion.layout import ARKIT_BLENDSHAPES

CONFIG = Path(__file__).parents[2] / 'config'
MESSAGE = (CONFIG.parent / 'msg' / 'FaceMotion.msg').read_text()
# Classes of rviz_common and rviz_default_plugins (plugins_description.xml) and properties of their displays.
DISPLAYS = {
    'rviz_default_plugins/Grid': {'Cell Size', 'Plane Cell Count', 'Reference Frame', 'Offset'},
    'rviz_default_plugins/MarkerArray': {'Topic'},
    'rviz_default_plugins/PointCloud2': {'Topic', 'Style', 'Size (Pixels)', 'Color Transformer', 'Axis'},
    'rviz_default_plugins/Pose': {'Topic', 'Shape', 'Axes Length', 'Axes Radius'},
}
TOPIC = {'Value', 'Depth', 'Reliability Policy', 'Durability Policy'}
# Panels of Foxglove by the type in their id.
PANELS = {'3D', 'Plot', 'StateTransitions', 'DiagnosticSummary'}


def rviz() -> dict[str, Any]:
    yaml = pytest.importorskip('yaml')
    return dict(yaml.safe_load((CONFIG / 'face.rviz').read_text()))


def foxglove() -> dict[str, Any]:
    return dict(json.loads((CONFIG / 'foxglove_layout.json').read_text()))


def test_rviz_displays_are_known_and_so_are_their_properties() -> None:
    manager = rviz()['Visualization Manager']
    for display in manager['Displays']:
        assert set(display) <= DISPLAYS[display['Class']] | {'Class', 'Name', 'Enabled', 'Value'}, display
        assert set(display.get('Topic', TOPIC)) == TOPIC
    assert manager['Global Options']['Fixed Frame'] == 'neck'
    window = rviz()['Window Geometry']
    # RViz 2 reads these into a variable it has not set; without them a dock may be hidden.
    assert window['Hide Left Dock'] is False and window['Hide Right Dock'] is False
    view = manager['Views']['Current']
    assert view['Class'] == 'rviz_default_plugins/Orbit' and view['Yaw'] == 0, (
        'the camera is at +x, before the face'
    )


def test_foxglove_panels_are_placed_and_known() -> None:
    layout = foxglove()
    placed: list[str] = []

    def walk(node: Any) -> None:
        if isinstance(node, str):
            placed.append(node)
            return
        assert node['direction'] in ('row', 'column') and 0 < node['splitPercentage'] < 100
        walk(node['first'])
        walk(node['second'])

    walk(layout['layout'])
    assert sorted(placed) == sorted(layout['configById'])
    assert {name.partition('!')[0] for name in placed} == PANELS
    camera = layout['configById']['3D!face']['cameraState']
    assert camera['thetaOffset'] == -90, 'the camera is at +x, before the face'


def test_foxglove_curves_are_the_channels_they_are_called() -> None:
    for panel in foxglove()['configById'].values():
        for path in panel.get('paths', ()):
            found = re.fullmatch(r'/face_motion\.(\w+)(?:\[(\d+)\])?', path['value'])
            assert found, path
            assert re.search(rf'^\S+ {found[1]}$', MESSAGE, re.MULTILINE), f'FaceMotion has no {found[1]}'
            if found[2]:
                assert path['label'] == ARKIT_BLENDSHAPES[int(found[2])]


def test_states_have_names() -> None:
    # Foxglove names the values of a field by the constants of its type that stand right before it.
    assert re.search(r'(^uint8 [A-Z]+=\d.*\n){5}(^#.*\n)*^uint8 state$', MESSAGE, re.MULTILINE)
    (paths,) = (
        panel['paths'] for name, panel in foxglove()['configById'].items() if name.startswith('State')
    )
    assert [path['value'] for path in paths] == ['/face_motion.state']
