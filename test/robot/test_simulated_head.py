# SPDX-License-Identifier: Apache-2.0
"""The example robot in MuJoCo: joints, servo lag, refusals."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest

pytest.importorskip('mujoco')

from diffposetalk_ros.errors import ConfigError  # noqa: E402
from diffposetalk_ros.robot.closed_loop import map_order  # noqa: E402
from diffposetalk_ros.robot.joint_map_file import load_joint_map  # noqa: E402
from diffposetalk_ros.robot.simulated_head import SimulatedHead  # noqa: E402

ROOT = Path(__file__).parents[2]
URDF = ROOT / 'urdf' / 'avatar_head.urdf'


def test_map_and_robot_agree_on_joints_and_limits() -> None:
    example, head = load_joint_map(ROOT / 'config' / 'joint_map.yaml'), SimulatedHead(URDF)
    assert sorted(map_order(example, head)) == list(range(len(example.names)))
    limits = {
        j.get('name'): (float(j.find('limit').get('lower')), float(j.find('limit').get('upper')))
        for j in ElementTree.parse(URDF).getroot().findall('joint')
        if j.find('limit') is not None
    }
    for joint in example.joints:
        lower, upper = limits[joint.name]
        assert lower <= joint.limits[0] and joint.limits[1] <= upper, joint.name


def test_servos_hear_late_and_follow_smoothly() -> None:
    head = SimulatedHead(URDF)
    jaw = head.names.index('jaw')
    command = np.zeros(len(head.names))
    command[jaw] = 0.3
    head.command(command)
    path = []
    for _ in range(400):
        head.step(0.001)
        path.append(head.positions)
    positions = np.array(path)
    assert np.abs(positions[28, jaw]) < 1e-3  # 30 ms dead time
    reached = int(np.argmax(positions[:, jaw] > 0.3 * (1 - np.exp(-1))))
    assert 70 <= reached <= 100  # dead time 30 ms, filter 40 ms, position loop 13 ms
    assert positions[:, jaw].max() < 0.31
    np.testing.assert_allclose(positions[-1], command, atol=2e-3)


def test_a_command_is_kept_as_it_was_given() -> None:
    head = SimulatedHead(URDF)
    command = np.zeros(len(head.names))
    head.command(command)
    command += 0.3  # not given
    head.step(0.3)
    np.testing.assert_allclose(head.positions, 0.0, atol=1e-3)


_PICTURE = """
import sys
from pathlib import Path
from diffposetalk_ros.errors import ConfigError
from diffposetalk_ros.robot.simulated_head import SimulatedHead
try:
    picture = SimulatedHead(Path(sys.argv[1])).render(160, 120)
except ConfigError as error:
    sys.exit(str(error))
print(picture.shape, picture.std() > 10)
"""


def test_a_picture_of_the_head() -> None:
    """In a process of its own, as in mujoco_node: OpenGL drivers may end a process that holds much else."""
    done = subprocess.run(
        [sys.executable, '-c', _PICTURE, str(URDF)], capture_output=True, text=True, timeout=120
    )
    if 'MuJoCo cannot render here' in done.stderr:
        pytest.skip(done.stderr.strip().splitlines()[-1])
    assert (done.returncode, done.stdout.strip()) == (0, '(120, 160, 3) True'), done.stderr


@pytest.mark.parametrize(
    ('text', 'words'),
    [
        ('<robot', 'cannot read'),
        ('<sdf/>', 'is not a URDF'),
        (
            '<!DOCTYPE r [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;">]><robot name="&b;"/>',
            'declares a document type',
        ),
        ('<!DOCTYPE r SYSTEM "/etc/passwd"><robot name="r"/>', 'declares a document type'),
        ('<robot name="r"><link name="a"/></robot>', 'no movable joint'),
        (
            '<robot name="r"><link name="a"/><joint name="j" type="revolute"><parent link="a"/>'
            '<child link="b"/><limit lower="0" upper="1" effort="1" velocity="1"/></joint></robot>',
            'MuJoCo cannot load',
        ),
    ],
)
def test_unusable_files_are_refused_in_one_line(tmp_path: Path, text: str, words: str) -> None:
    path = tmp_path / 'robot.urdf'
    path.write_text(text)
    with pytest.raises(ConfigError, match=words) as caught:
        SimulatedHead(path)
    assert '\n' not in str(caught.value)


def test_the_plain_urdf_is_what_xacro_makes() -> None:
    xacro = pytest.importorskip('xacro')
    document = xacro.process_file(str(ROOT / 'urdf' / 'avatar_head.urdf.xacro'))
    made = ElementTree.fromstring(document.toxml())
    kept = ElementTree.parse(URDF).getroot()
    assert ElementTree.canonicalize(ElementTree.tostring(made), strip_text=True) == ElementTree.canonicalize(
        ElementTree.tostring(kept), strip_text=True
    )


def test_gazebo_form_names_plugin_and_controllers() -> None:
    xacro = pytest.importorskip('xacro')
    mappings = {'hardware': 'gazebo', 'controllers': '/some/where.yaml'}
    root = ElementTree.fromstring(
        xacro.process_file(str(ROOT / 'urdf' / 'avatar_head.urdf.xacro'), mappings=mappings).toxml()
    )
    assert root.findtext('ros2_control/hardware/plugin') == 'gz_ros2_control/GazeboSimSystem'
    assert root.find('gazebo/plugin').get('filename') == 'gz_ros2_control-system'
    assert root.findtext('gazebo/plugin/parameters') == '/some/where.yaml'
