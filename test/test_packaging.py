# SPDX-License-Identifier: Apache-2.0
"""The files around the code agree with each other."""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
from graphlib import TopologicalSorter
from pathlib import Path
from xml.etree import ElementTree

import pytest

from diffposetalk_ros.util import resources

ROOT = Path(__file__).resolve().parents[1]
INTERFACES = sorted(
    path
    for folder in ('msg', 'srv', 'action')
    for path in (ROOT / folder).iterdir()
    if path.suffix == f'.{folder}'
)
NUMERIC = re.compile(r'(u?int(8|16|32|64)|float(32|64)|builtin_interfaces/(Time|Duration))\b')
UNIT = re.compile(r'\[(1|s|rad|Hz)\]|constants above')
RANGE = re.compile(r'\d to |to \d|[<>]=? ?\w|\b[Rr]anges?\b|[Bb]elow')


def _manifest(path: Path = ROOT / 'package.xml') -> ElementTree.Element:
    return ElementTree.parse(path).getroot()


def _fields(path: Path) -> list[tuple[str, str]]:
    """Fields of an interface file, each with every comment of its paragraph (up to a blank line)."""
    fields = []
    for paragraph in re.split(r'\n\s*\n', path.read_text().replace('\n---\n', '\n\n')):
        lines = [line.partition('#') for line in paragraph.splitlines()]
        comment = ' '.join(note.strip() for _, _, note in lines)
        fields += [(code.strip(), comment) for code, _, _ in lines if code.strip()]
    return [(code, comment) for code, comment in fields if not re.match(r'\S+ [A-Z_]+=', code)]


def test_setup_py_and_package_xml_name_the_same_version() -> None:
    answer = subprocess.run(
        [sys.executable, 'setup.py', '--name', '--version'],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout.split()
    manifest = _manifest()
    assert answer[-2:] == [manifest.findtext('name'), manifest.findtext('version')]


def test_changelog_knows_the_version() -> None:
    version = _manifest().findtext('version')
    changelog = (ROOT / 'CHANGELOG.rst').read_text()
    headings = re.findall(r'^(\d+\.\d+\.\d+|Forthcoming)\b.*\n-+$', changelog, re.M)
    assert headings[0] in (version, 'Forthcoming')
    assert version in headings


def test_manifest_declares_interfaces_and_licence_file() -> None:
    manifest = _manifest()
    assert manifest.findtext('member_of_group') == 'rosidl_interface_packages'
    assert manifest.findtext('export/build_type') == 'ament_cmake'
    for licence in manifest.findall('license'):
        assert (ROOT / licence.attrib['file']).is_file()


def test_catkin_accepts_every_manifest() -> None:
    catkin_package = pytest.importorskip('catkin_pkg.package')
    for path in [ROOT / 'package.xml', *ROOT.glob('interfaces/*/package.xml')]:
        catkin_package.parse_package(str(path), warnings=[])


def test_cmake_lists_every_interface_and_executable() -> None:
    cmake = (ROOT / 'CMakeLists.txt').read_text()
    listed = set(re.findall(r'^\s+((?:msg|srv|action)/\w+\.\w+)$', cmake, re.M))
    assert listed == {str(path.relative_to(ROOT)) for path in INTERFACES}
    programs = set(re.findall(r'^\s+(scripts/\w+)$', cmake, re.M))
    assert programs == {
        str(path.relative_to(ROOT))
        for path in (ROOT / 'scripts').iterdir()
        if path.read_text().startswith('#!/usr/bin/env python3')
    }


@pytest.mark.parametrize('name', ['demo', 'check', '.ci/run', 'scripts/setup'])
def test_commands_are_executable_and_valid_bash(name: str) -> None:
    path = ROOT / name
    assert os.access(path, os.X_OK)
    subprocess.run(['bash', '-n', path], check=True)


def test_scripts_start_what_exists() -> None:
    for path in (ROOT / 'scripts').iterdir():
        imported = re.search(r'^from (diffposetalk_ros[\w.]*) import main$', path.read_text(), re.M)
        if imported:
            assert os.access(path, os.X_OK), path
            assert (ROOT / (imported.group(1).replace('.', '/') + '.py')).is_file(), path


def test_rooms_import_one_way() -> None:
    package = ROOT / 'diffposetalk_ros'
    rooms: dict[str, set[str]] = {}
    for path in package.rglob('*.py'):
        room = path.relative_to(package).parts[0].removesuffix('.py')
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ImportFrom) and (node.module or '').startswith('diffposetalk_ros.'):
                rooms.setdefault(room, set()).add(str(node.module).split('.')[1])
    for room, used in rooms.items():
        used.discard(room)
    # Raises CycleError, which names the rooms that use each other.
    order = list(TopologicalSorter(rooms).static_order())
    assert order.index('audio') < order.index('streaming') < order.index('ros') < order.index('cli')


@pytest.mark.parametrize('path', INTERFACES, ids=lambda path: path.name)
def test_every_field_is_documented_with_unit_and_range(path: Path) -> None:
    assert path.read_text().startswith('# '), 'the first line says what one message is'
    for declaration, comment in _fields(path):
        assert comment.strip(), f'{declaration}: no comment'
        if NUMERIC.match(declaration):
            assert UNIT.search(comment), f'{declaration}: no unit in {comment!r}'
            assert RANGE.search(comment), f'{declaration}: no range in {comment!r}'


def test_files_of_a_model_folder_are_named_in_one_place() -> None:
    names = {value for name, value in vars(resources).items() if name in resources.__all__ and name.isupper()}
    names -= {resources.DEFAULT_MODEL}
    assert {path.name for path in resources.find_model().iterdir() if path.suffix == '.safetensors'} < names
    others = []
    for path in (ROOT / 'diffposetalk_ros').rglob('*.py'):
        found = {
            node.value for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Constant)
        }
        if (names | {'.onnx'}) & {value for value in found if isinstance(value, str)}:
            others.append(path.relative_to(ROOT / 'diffposetalk_ros').as_posix())
    assert others == ['util/resources.py']


def test_colcon_does_not_crawl_the_fallback_interfaces() -> None:
    assert (ROOT / 'interfaces' / 'COLCON_IGNORE').exists()


def test_top_level_module_imports_nothing_heavy() -> None:
    program = (
        'import sys, pkgutil; before = set(sys.modules); import diffposetalk_ros; '
        'print(*sorted(set(sys.modules) - before))'
    )
    answer = subprocess.run(
        [sys.executable, '-c', program], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert answer.stdout.split() == ['diffposetalk_ros']


def test_messages_do_not_load_the_library() -> None:
    pytest.importorskip('diffposetalk_ros.msg', reason='the messages are not built')
    program = (
        'import sys; from diffposetalk_ros import msg; from diffposetalk_ros.msg import FaceMotion; '
        'print(*{"diffposetalk_ros.api", "scipy", "onnxruntime"} & set(sys.modules))'
    )
    done = subprocess.run([sys.executable, '-c', program], capture_output=True, text=True, check=True)
    assert not done.stdout.split()


def test_every_source_file_names_its_licence() -> None:
    sources = [
        p
        for folder in ('diffposetalk_ros', 'examples', 'test', 'launch')
        for p in (ROOT / folder).rglob('*.py')
    ]
    sources += [ROOT / 'setup.py', ROOT / 'CMakeLists.txt', *(ROOT / 'scripts').iterdir()]
    missing = [
        str(path.relative_to(ROOT))
        for path in sources
        if path.is_file()
        and path.stat().st_size
        and 'SPDX-License-Identifier: Apache-2.0' not in path.read_text()[:200]
    ]
    assert not missing


def test_an_installation_carries_what_the_code_looks_for() -> None:
    code = ''.join(path.read_text() for path in ROOT.glob('diffposetalk_ros/**/*.py'))
    wanted = {*re.findall(r"find_shared\('([^']+)'", code)}
    assert wanted and all((ROOT / name).is_file() for name in wanted)
    shipped = re.search(r'for folder in \((.*)\)', (ROOT / 'setup.py').read_text())
    assert shipped is not None
    folders = {*re.findall(r"'([^']+)'", shipped[1])}
    assert {str(Path(name).parent) for name in wanted} | {'models/demo'} <= folders


def test_a_wheel_holds_every_file_of_the_package(tmp_path: Path) -> None:
    command = [
        sys.executable,
        'setup.py',
        '-q',
        'egg_info',
        '-e',
        str(tmp_path),
        'build_py',
        '-d',
        str(tmp_path),
    ]
    subprocess.run(command, cwd=ROOT, capture_output=True, check=True)
    package = ROOT / 'diffposetalk_ros'
    files = {
        path.relative_to(ROOT)
        for path in package.rglob('*')
        if path.is_file() and '__pycache__' not in path.parts and path.suffix != '.pyc'
    }
    assert not {str(path) for path in files if not (tmp_path / path).is_file()}


def test_the_source_archive_holds_what_setup_py_reads() -> None:
    named = (ROOT / 'MANIFEST.in').read_text().split()
    read = {
        'package.xml',
        *re.findall(r"'((?:models|config|urdf))(?:/\w+)?'", (ROOT / 'setup.py').read_text()),
    }
    assert read <= set(named)


ROS_PACKAGES = {
    'ament_index_python', 'audio_common_msgs', 'builtin_interfaces', 'diagnostic_msgs', 'geometry_msgs', 'hri_msgs',
    'launch',
    'lifecycle_msgs', 'rcl_interfaces', 'rclpy', 'rosgraph_msgs', 'sensor_msgs', 'std_msgs', 'std_srvs', 'tf2_msgs',
    'trajectory_msgs', 'visualization_msgs',
}  # fmt: skip
OUR_MESSAGES = ('diffposetalk_ros.msg', 'diffposetalk_ros.srv', 'diffposetalk_ros.action')


def _imported(path: Path) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            found.add(str(node.module))
    return found


def test_only_the_rooms_of_ros_import_it() -> None:
    package = ROOT / 'diffposetalk_ros'
    strangers, without = [], []
    for path in package.rglob('*.py'):
        names = _imported(path)
        uses_ros = any(name.split('.')[0] in ROS_PACKAGES or name in OUR_MESSAGES for name in names)
        room = path.relative_to(package).parts
        if uses_ros and room[0] not in ('ros', 'cli') and room[:2] != ('benchmark', 'ros'):
            strangers.append(str(path.relative_to(package)))
        if room[0] == 'ros' and not uses_ros and path.name != '__init__.py':
            without.append(str(path.relative_to(package)))
    assert not strangers
    assert not without


def test_no_folder_is_a_drawer() -> None:
    package = ROOT / 'diffposetalk_ros'
    folders = [
        package,
        *(path for path in package.rglob('*') if path.is_dir() and path.name != '__pycache__'),
    ]
    crowded = {
        str(folder.relative_to(ROOT)): len(files)
        for folder in folders
        if len(files := [path for path in folder.glob('*.py') if not path.name.startswith('__')]) > 16
    }
    assert not crowded
