# SPDX-License-Identifier: Apache-2.0
"""Talking node and viewer node as processes; a page's wishes go all the way and motion comes back."""

from __future__ import annotations

import asyncio
import gc
import os
import re
import signal
import socket
import struct
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip('rclpy', reason='rclpy is not importable')
pytest.importorskip('audio_common_msgs', reason='audio_common_msgs is not built')
aiohttp = pytest.importorskip('aiohttp')

import rclpy  # noqa: E402
from audio_forms import chunk_of  # noqa: E402
from diffposetalk_ros.msg import FaceMotion  # noqa: E402
from free_port import free_port  # noqa: E402
from page_faces import face_block, page_faces  # noqa: E402
from rclpy.executors import SingleThreadedExecutor  # noqa: E402
from rclpy.parameter import Parameter  # noqa: E402
from rclpy.qos import QoSProfile, ReliabilityPolicy  # noqa: E402
from rclpy.time import Time  # noqa: E402
from sensor_msgs.msg import PointCloud2  # noqa: E402
from std_msgs.msg import Header  # noqa: E402
from visualization_msgs.msg import MarkerArray  # noqa: E402

from diffposetalk_ros.audio.chunk import AudioFormat  # noqa: E402
from diffposetalk_ros.motion.flame.flame_mesh import FlameMesh  # noqa: E402
from diffposetalk_ros.motion.flame.flame_model import load_flame_model  # noqa: E402
from diffposetalk_ros.motion.layout import arkit_layout  # noqa: E402
from diffposetalk_ros.motion.rig import PARTS, load_rig  # noqa: E402
from diffposetalk_ros.ros.messages import qos  # noqa: E402
from diffposetalk_ros.ros.messages.audio import default_kind, message_class  # noqa: E402
from diffposetalk_ros.ros.messages.motion import frame_message  # noqa: E402
from diffposetalk_ros.ros.nodes.face_markers import FacePoints  # noqa: E402
from diffposetalk_ros.ros.nodes.viewer_node import ViewerNode  # noqa: E402
from diffposetalk_ros.ros.support.lifecycle_client import LifecycleClient  # noqa: E402

ROOT = Path(__file__).parents[3]
PATIENCE = 60.0  # s; a busy machine is slow


def start(module: str, *parameters: str) -> subprocess.Popen[bytes]:
    command = [
        sys.executable,
        '-m',
        f'diffposetalk_ros.ros.nodes.{module}',
        '--ros-args',
        '-r',
        '__ns:=/page_test',
    ]
    for parameter in parameters:
        command += ['-p', parameter]
    paths = [str(ROOT), *filter(None, [os.environ.get('PYTHONPATH')])]
    return subprocess.Popen(command, env=os.environ | {'PYTHONPATH': os.pathsep.join(paths)})


def stop(process: subprocess.Popen[bytes]) -> None:
    process.send_signal(signal.SIGINT)
    try:
        process.wait(60)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


class Stack:
    """A talking node with a viewer node on a port of its own, and a node of the test's."""

    def __init__(self, model: Path) -> None:
        self.port = free_port()
        self.talker = start('avatar_node', f'model.path:={model}', 'sampler.steps:=1', 'playout.delay:=1.0')
        self.viewer = start('viewer_node', f'port:={self.port}')
        self.context = rclpy.Context()
        rclpy.init(context=self.context)
        self.node = rclpy.create_node('watcher', namespace='/page_test', context=self.context)
        self.executor = SingleThreadedExecutor(context=self.context)
        self.executor.add_node(self.node)
        client = LifecycleClient(self.node, self.executor, 'diffposetalk')
        assert client.configure(90.0) and client.activate(30.0)

    def restart_viewer(self) -> None:
        stop(self.viewer)
        self.viewer = start('viewer_node', f'port:={self.port}')

    def spin(self, ready: Any) -> None:
        deadline = time.monotonic() + PATIENCE
        while not ready():
            assert time.monotonic() < deadline, 'not in time'
            self.executor.spin_once(timeout_sec=0.05)

    def close(self) -> None:
        stop(self.viewer)
        stop(self.talker)
        self.executor.shutdown()
        self.node.destroy_node()
        rclpy.try_shutdown(context=self.context)


def test_visitors_do_not_make_the_node_collect_what_it_began_with() -> None:
    context = rclpy.Context()
    rclpy.init(context=context)
    before = len(gc.get_objects())
    node = ViewerNode(context=context, parameter_overrides=[Parameter('port', value=0)])
    try:
        assert len(gc.get_objects()) < before / 10
    finally:
        node.close()
        node.destroy_node()
        rclpy.try_shutdown(context=context)
    assert gc.get_freeze_count() == 0


def test_commands_begin_in_the_order_of_their_arrival(monkeypatch: pytest.MonkeyPatch) -> None:
    """Also those that wait together, as pieces of a microphone do while the node is busy."""
    context = rclpy.Context()
    rclpy.init(context=context)
    node = ViewerNode(context=context, parameter_overrides=[Parameter('port', value=0)])
    executor = SingleThreadedExecutor(context=context)
    begun: list[int] = []

    async def obey(command: dict[str, Any], upload: bytes) -> dict[str, Any]:
        begun.append(command['number'])
        return {'upload': upload}

    monkeypatch.setattr(node, '_obey', obey)
    try:
        early = [node._on_command({'number': i}, bytes([i])) for i in range(2)]  # before there is an executor
        executor.add_node(node)
        answers = early + [node._on_command({'number': i}, bytes([i])) for i in range(2, 7)]
        deadline = time.monotonic() + PATIENCE
        while not all(answer.done() for answer in answers) and time.monotonic() < deadline:
            executor.spin_once(timeout_sec=0.05)
        assert begun == list(range(7))
        assert [answer.result(0) for answer in answers] == [{'upload': bytes([i])} for i in range(7)]
    finally:
        executor.shutdown()
        node.close()
        node.destroy_node()
        rclpy.try_shutdown(context=context)


def test_a_page_that_is_earlier_than_the_executor_gets_its_answer() -> None:
    context = rclpy.Context()
    rclpy.init(context=context)
    node = ViewerNode(context=context, parameter_overrides=[Parameter('port', value=0)])
    executor = SingleThreadedExecutor(context=context)

    async def session() -> dict[str, Any]:
        async with aiohttp.ClientSession() as client:
            page = await connect(client, node.server.port)
            answer = asyncio.create_task(page.ask(do='report', text='early'))
            await asyncio.sleep(0.3)  # now the server has passed it on
            executor.add_node(node)
            while not answer.done():
                executor.spin_once(timeout_sec=0.01)
                await asyncio.sleep(0.01)
            return await answer

    try:
        assert asyncio.run(session())['ok']
    finally:
        executor.shutdown()
        node.close()
        node.destroy_node()
        rclpy.try_shutdown(context=context)


@pytest.fixture(scope='module')
def stack(model_folder: Path) -> Iterator[Stack]:
    stack = Stack(model_folder)
    yield stack
    stack.close()


class Page:
    """The other end of the WebSocket, as a page would be."""

    def __init__(self, client: Any, port: int, link: Any) -> None:
        self.client, self.port, self.link = client, port, link
        self.told: dict[str, Any] = {}
        self.states: set[int] = set()
        self.sound = 0.0
        self.count = 0

    async def until(self, ready: Any) -> None:
        async def read() -> None:
            while not ready():
                await asyncio.sleep(0)  # a full queue would keep every other task from running
                message = await self.link.receive()
                if message.type == aiohttp.WSMsgType.TEXT:
                    content = message.json()
                    self.told[content['type']] = content
                elif message.data[0] == 1:
                    self.states.add(message.data[1])
                else:
                    rate = struct.unpack_from('<I', message.data, 4)[0]
                    self.sound += (len(message.data) - 16) / 2 / rate

        await asyncio.wait_for(read(), PATIENCE)

    async def ask(self, upload: bytes = b'', **command: Any) -> dict[str, Any]:
        self.count += 1
        if upload:
            await self.link.send_bytes(upload)
        await self.link.send_json({**command, 'id': self.count})
        await self.until(lambda: self.told.get('answer', {}).get('id') == self.count)
        return dict(self.told['answer'])

    async def speak(self, upload: bytes) -> dict[str, Any]:
        async with self.client.post(f'http://127.0.0.1:{self.port}/speech', data=upload) as answer:
            return dict(await answer.json()) if answer.ok else {'ok': False, 'message': await answer.text()}


async def connect(client: Any, port: int) -> Page:
    deadline = time.monotonic() + 2 * PATIENCE
    while time.monotonic() < deadline:
        try:
            return Page(client, port, await client.ws_connect(f'http://127.0.0.1:{port}/socket'))
        except aiohttp.ClientError:
            await asyncio.sleep(0.1)
    raise AssertionError('no page')


def test_wishes_reach_the_node_and_speech_comes_back(stack: Stack) -> None:
    noise = np.random.default_rng(0).integers(-8000, 8000, 16000).astype('<i2')
    speech = struct.pack('<BBHId', 3, 0, 0, 16000, 0.0) + noise.tobytes()

    async def session() -> None:
        async with aiohttp.ClientSession() as client:
            page = await connect(client, stack.port)
            await page.until(lambda: {'info', 'styles', 'parameters', 'setup'} <= set(page.told))
            assert page.told['info']['space'] == 'arkit'
            names = page.told['styles']['names']
            assert 'lively' in names

            answer = await page.ask(do='style', name='lively')
            assert answer['ok'] and answer['style'] == 'lively'
            blend = 'lively*0.50+neutral*0.50'
            assert (await page.ask(do='style', name=blend))['style'] == blend
            answer = await page.ask(do='style', name='unheard_of')
            assert not answer['ok'] and 'unheard_of' in answer['message']
            # Whether a file exists is nothing a page may find out.
            answers = [await page.ask(do='style', name=name) for name in (__file__, f'{__file__}.none')]
            assert [answer['ok'] for answer in answers] == [False, False]
            words = [re.sub(r"no style '[^']*'", '', answer['message']) for answer in answers]
            assert words[0] == words[1]

            assert (await page.ask(do='report', text='TypeError\n\x1b[31m' + 'x' * 5000))['ok']

            assert (await page.ask(do='parameter', name='strength.mouth', value=1.5))['ok']
            values = {item['name']: item['value'] for item in page.told['parameters']['list']}
            assert values['strength.mouth'] == 1.5 and values['sampler.steps'] == 1
            for name, value in (('strength.mouth', 9), ('model.path', 1), ('sampler.steps', 'many')):
                assert not (await page.ask(do='parameter', name=name, value=value))['ok']
            assert not (await page.ask(do='record', seconds=1))['ok']  # no tracker
            assert not (await page.ask(do='sample'))['ok']  # none was given
            assert not (await page.speak(b'noise'))['ok']

            answer = await page.speak(speech)
            assert answer == {'ok': True, 'seconds': 1.0}
            await page.until(lambda: 2 in page.states and page.sound > 0.9)
            assert (await page.speak(speech))['ok']
            assert (await page.ask(do='interrupt'))['ok']
            await page.until(lambda: 'interrupt' in page.told)

    asyncio.run(session())


def test_microphone_of_a_page_is_published_as_it_comes(stack: Stack) -> None:
    kind = message_class(default_kind())
    heard: list[Any] = []
    sound = np.random.default_rng(0).integers(-8000, 8000, 16000).astype('<i2')

    def piece(stamp: float, count: int = 320) -> bytes:
        return struct.pack('<BBHId', 3, 0, 0, 16000, 1e3 * stamp) + sound[:count].tobytes()

    def chunks() -> list[Any]:
        return [chunk_of(message, AudioFormat(16000, 1)) for message in heard]

    async def session() -> None:
        async with aiohttp.ClientSession() as client:
            page = await connect(client, stack.port)
            await page.until(lambda: 'setup' in page.told)
            subscription = stack.node.create_subscription(kind, 'audio', heard.append, qos.AUDIO)
            begin = said = time.time()
            deadline = time.monotonic() + PATIENCE
            while 2 not in page.states or sum(len(chunk.sound.samples) for chunk in chunks()) < 16000:
                assert time.monotonic() < deadline, 'the face does not speak'
                count = min(
                    16000, int(16000 * (time.time() - said))
                )  # without a gap, however slow the machine is
                if count >= 160:
                    assert (await page.ask(piece(said, count), do='hear', page='mine'))['ok']
                    said += count / 16000
                stack.executor.spin_once(timeout_sec=0.005)
                await asyncio.sleep(0.01)
            stamps = [chunk.stamp for chunk in chunks()]
            if any(stamps):
                newest = (stamps[-1] or 0) / 1e9
                assert begin - 0.1 < newest < time.time()

            async def while_mine_is_on(ask: Any) -> str:
                """Why ``ask`` is refused within the second, which on a busy machine may be over: then again."""
                for _ in range(20):
                    mine = await page.ask(piece(time.time()), do='hear', page='mine')
                    answer = await ask()
                    if mine['ok'] and not answer['ok']:
                        return str(answer['message'])
                    await asyncio.sleep(0 if mine['ok'] else 1.5)
                raise AssertionError('it is not refused')

            told = await while_mine_is_on(lambda: page.ask(piece(time.time()), do='hear', page='yours'))
            assert 'another page' in told
            for upload, word in ((b'noise', 'not a block'), (piece(float('nan')), 'the time nan')):
                answer = await page.ask(upload, do='hear', page='mine')
                assert not answer['ok'] and word in answer['message']
            speech = struct.pack('<BBHId', 3, 0, 0, 16000, 0.0) + sound[:320].tobytes()
            assert 'microphone' in await while_mine_is_on(lambda: page.speak(speech))
            until = time.monotonic() + PATIENCE
            while not (await page.speak(speech))['ok']:  # a second of silence, and it is free
                assert time.monotonic() < until
                await asyncio.sleep(0.1)
            stack.node.destroy_subscription(subscription)

    asyncio.run(session())
    stack.spin(lambda: not stack.node.count_publishers('/page_test/audio'))


def test_a_face_before_the_camera_of_a_page_becomes_the_style(stack: Stack) -> None:
    numbers = page_faces(150)

    async def session() -> None:
        async with aiohttp.ClientSession() as client:
            page = await connect(client, stack.port)
            await page.until(lambda: {'setup', 'styles'} <= set(page.told))
            reason = page.told['setup']['camera']
            assert not reason or 'diffposetalk track --install-' in reason
            assert not (await page.ask(do='own_style', page='mine'))['ok']
            begin = time.time()
            for i, face in enumerate(numbers):
                answer = await page.ask(face_block(face, begin + i / 25), do='face', page='mine')
                assert answer['ok'] and len(answer['row']) == 55
            nobody = await page.ask(face_block(numbers[0, :1], begin + 6), do='face', page='mine')
            assert nobody['ok'] and nobody['row'] is None
            assert (
                'another page'
                in (await page.ask(face_block(face, begin), do='face', page='yours'))['message']
            )
            assert 'do not describe a face' in (await page.ask(b'picture', do='face', page='mine'))['message']
            answer = await page.ask(do='own_style', page='mine', seconds=10)
            assert answer['ok'] and answer['style'] == 'camera' and '6.0 s at 25 fps' in answer['summary']
            rows = np.array(answer['clip']['values'])
            assert rows.shape == (150, 55) and page.told['styles']['current'] == 'camera'

            def style(values: np.ndarray, rate: float) -> bytes:
                return struct.pack('<BBHId', 5, 0, 0, 0, rate) + values.astype('<f4').tobytes()

            answer = await page.ask(style(rows, 25.0), do='load_style', name='me')
            assert answer['ok'] and answer['style'] == 'me'
            for upload, word in (
                (style(rows[0, :-1], 25.0), 'rows of 55'),
                (style(rows[:10], 25.0), '0.40 s'),
                (style(rows[0], 0.0), 'this model takes'),
                (b'', 'not a style'),
            ):
                answer = await page.ask(upload, do='load_style', name='bad')
                assert not answer['ok'] and word in answer['message'], answer
            assert page.told['styles']['current'] == 'me'
            assert (await page.ask(do='style', name='neutral'))['ok']

    asyncio.run(session())


def test_points_and_mesh_reach_rviz(stack: Stack) -> None:
    clouds: list[Any] = []
    meshes: list[Any] = []
    stack.node.create_subscription(PointCloud2, 'face_points', clouds.append, QoSProfile(depth=1))
    stack.node.create_subscription(MarkerArray, 'face_mesh', meshes.append, QoSProfile(depth=1))
    stack.spin(lambda: clouds and meshes)
    cloud, marker = clouds[0], meshes[0].markers[0]
    points = np.frombuffer(bytes(cloud.data), '<f4').reshape(cloud.height * cloud.width, 3)
    assert cloud.header.frame_id == 'page_test/neck' and 2000 < len(points) < 6000
    assert 0.05 < points[:, 0].max() < 0.2, 'forward is x, in metres'
    assert len(marker.points) == len(marker.colors) and marker.points[0].x != 0.0


def test_topics_of_rviz_and_foxglove_exist_with_their_types(stack: Stack) -> None:
    expected = {
        'face_mesh': 'visualization_msgs/msg/MarkerArray',
        'face_points': 'sensor_msgs/msg/PointCloud2',
        'head_pose': 'geometry_msgs/msg/PoseStamped',
        'face_motion': 'diffposetalk_ros/msg/FaceMotion',
    }
    config = ROOT / 'config'
    text = (config / 'face.rviz').read_text() + (config / 'foxglove_layout.json').read_text()
    named = set(re.findall(r'(?:Value: |")/([a-z_]+)', text)) - {'diagnostics'}
    assert named == set(expected)

    def known() -> dict[str, list[str]]:
        return dict(stack.node.get_topic_names_and_types())

    stack.spin(lambda: all(f'/page_test/{name}' in known() for name in expected))
    assert {name: known()[f'/page_test/{name}'] for name in expected} == {n: [t] for n, t in expected.items()}
    # RViz asks for reliable meshes and best effort for the rest; publishers must offer as much.
    (mesh,) = stack.node.get_publishers_info_by_topic('/page_test/face_mesh')
    assert mesh.qos_profile.reliability == ReliabilityPolicy.RELIABLE


def test_flame_vertices_reach_rviz(stack: Stack, tmp_path: Path) -> None:
    from flame_files import write_flame

    mesh = FlameMesh(load_flame_model(write_flame(tmp_path / 'generic_model.pkl')))
    node = rclpy.create_node('flame', namespace='/flame_test', context=stack.context)
    stack.executor.add_node(node)
    shown = FacePoints(node, 120.0, mesh)
    clouds: list[Any] = []
    markers: list[Any] = []
    node.create_subscription(PointCloud2, 'face_points', clouds.append, QoSProfile(depth=1))
    node.create_subscription(MarkerArray, 'face_mesh', markers.append, QoSProfile(depth=1))
    row = np.zeros(54, np.float32)
    row[3] = 2.0

    def ready() -> bool:
        header = Header(stamp=node.get_clock().now().to_msg(), frame_id='neck')
        shown.show(row, 'flame', header)
        return bool(clouds and markers)

    stack.spin(ready)
    points = np.frombuffer(bytes(clouds[0].data), '<f4').reshape(-1, 3)
    np.testing.assert_allclose(points, mesh.points(row)[:, [2, 0, 1]], atol=1e-6)
    corner = markers[0].markers[0].points[0]
    np.testing.assert_allclose((corner.x, corner.y, corner.z), points[mesh.faces[0, 0]], atol=1e-6)
    stack.executor.remove_node(node)
    node.destroy_node()


def test_the_mesh_keeps_its_rate_and_brings_its_light(stack: Stack) -> None:
    node = rclpy.create_node('rates', namespace='/rate_test', context=stack.context)
    stack.executor.add_node(node)
    shown = FacePoints(node, 10.0)
    meshes: list[Any] = []
    node.create_subscription(MarkerArray, 'face_mesh', meshes.append, QoSProfile(depth=20))
    stack.spin(lambda: shown._mesh.get_subscription_count() > 0)
    # 50 frames a second, of which five make a tenth, with stamps that were rounded.
    stamps = [1_795_000_000 * 10**9 + index * 20_000_000 - index % 2 for index in range(26)]
    for stamp in stamps:
        header = Header(stamp=Time(nanoseconds=stamp).to_msg(), frame_id='neck')
        shown.show(np.zeros(55, np.float32), 'arkit', header)
    stack.spin(lambda: len(meshes) >= 6)
    sent = [Time.from_msg(mesh.markers[0].header.stamp).nanoseconds for mesh in meshes]
    assert sent == stamps[::5]
    rig = load_rig()
    skin = rig.part == PARTS.index('skin')
    bright = np.array([[c.r + c.g + c.b for c in meshes[0].markers[0].colors]]).reshape(-1, 3).mean(axis=1)
    height = rig.neutral[rig.faces, 1].mean(axis=1)
    # Light comes from above: the forehead is brighter than what faces down.
    assert bright[skin & (height > 40)].mean() > 1.15 * bright[skin & (height < -90)].mean()
    stack.executor.remove_node(node)
    node.destroy_node()


def test_rviz_shows_the_head_that_was_chosen(stack: Stack) -> None:
    node = rclpy.create_node('heads', namespace='/head_test', context=stack.context)
    stack.executor.add_node(node)
    meshes: dict[str, list[Any]] = {'robin': [], 'maya': []}
    for face, seen in meshes.items():
        shown = FacePoints(node, 10.0, rig=load_rig(face))
        subscription = node.create_subscription(MarkerArray, 'face_mesh', seen.append, QoSProfile(depth=2))
        stack.spin(lambda shown=shown: shown._mesh.get_subscription_count() > 0)
        shown.show(np.zeros(55, np.float32), 'arkit', Header(stamp=node.get_clock().now().to_msg()))
        stack.spin(lambda seen=seen: bool(seen))
        node.destroy_subscription(subscription)
        node.destroy_publisher(shown._mesh)
        node.destroy_publisher(shown._cloud)
    light = {}
    for face, seen in meshes.items():
        marker = seen[0].markers[0]
        assert len(marker.points) == 3 * len(load_rig(face).faces)
        skin = np.repeat(load_rig(face).part == PARTS.index('skin'), 3)
        light[face] = np.array([c.r + c.g + c.b for c in marker.colors])[skin].mean()
    assert light['maya'] < 0.75 * light['robin']
    stack.executor.remove_node(node)
    node.destroy_node()


def test_style_from_a_tracked_face(stack: Stack) -> None:
    tracker = stack.node.create_publisher(FaceMotion, 'tracked_face', QoSProfile(depth=10))
    ended = False

    async def publish() -> None:
        generator = np.random.default_rng(1)
        for index in range(10_000):
            if ended:
                return
            row = np.zeros(55, np.float32)
            row[:52] = generator.uniform(0, 0.3, 52)
            stamp = stack.node.get_clock().now().to_msg()
            message = frame_message(row, arkit_layout(), stamp=stamp, frame_id='neck', index=index, state=0)
            tracker.publish(message)
            await asyncio.sleep(0.033)

    async def session() -> None:
        nonlocal ended
        async with aiohttp.ClientSession() as client:
            page = await connect(client, stack.port)
            publishing = asyncio.create_task(publish())
            await page.until(lambda: page.told.get('tracker', {}).get('present'))
            answer = await page.ask(do='record', seconds=4)
            ended = True
            await publishing
            assert answer['ok'] and answer['style'] == 'recorded', answer

    asyncio.run(session())


def test_page_in_a_browser_survives_a_restart(stack: Stack) -> None:
    from diffposetalk_ros.benchmark.page.browser import CHROMIUM, Browser

    if CHROMIUM is None:
        pytest.skip('no Chromium on this machine (apt install chromium)')
    browser = Browser((480, 360))
    try:
        browser.open(f'http://127.0.0.1:{stack.port}/')
        browser.wait("viewer.state !== null && document.getElementById('style-a').options.length > 1")
        assert not browser.problems
        stack.restart_viewer()
        browser.wait('!viewer.link.connected')
        browser.wait('viewer.link.connected && viewer.state !== null', 120)
    finally:
        browser.close()


def test_the_token_is_in_a_file_of_the_owner_and_in_no_log(tmp_path: Path) -> None:
    planted = tmp_path / 'elsewhere'
    path = tmp_path / 'private' / 'page.address'
    path.parent.mkdir()
    path.symlink_to(planted)
    with socket.socket() as holder:
        holder.bind(('0.0.0.0', 0))
        holder.listen()
        port = holder.getsockname()[1]
        command = [sys.executable, '-m', 'diffposetalk_ros.ros.nodes.viewer_node', '--ros-args']
        for parameter in ('host:=0.0.0.0', f'port:={port}', 'port_attempts:=20', f'address_file:={path}'):
            command += ['-p', parameter]
        paths = [str(ROOT), *filter(None, [os.environ.get('PYTHONPATH')])]
        environment = os.environ | {
            'PYTHONPATH': os.pathsep.join(paths),
            'ROS_LOG_DIR': str(tmp_path / 'log'),
        }
        process = subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.PIPE, env=environment)
        assert process.stderr is not None
        told = b''
        while b'page: ' not in told:
            line = process.stderr.readline()
            assert line, told
            told += line
        address = path.read_text().strip()
        mode = path.stat().st_mode & 0o777
        process.send_signal(signal.SIGINT)
        told += b''.join(process.communicate(timeout=240))
    found = re.fullmatch(r'http://0\.0\.0\.0:(\d+)/\?token=(\S{16,})', address)
    assert found and port < int(found[1]) < port + 20, 'the port that was really bound'
    assert mode == 0o600 and not planted.exists()
    logs = told.decode() + ''.join(log.read_text() for log in (tmp_path / 'log').glob('*'))
    assert str(path) in logs and found[2] not in logs
    assert not path.exists(), 'it ends with the page'


def test_user_errors_end_in_one_line(tmp_path: Path) -> None:
    with socket.socket() as holder:
        holder.bind(('127.0.0.1', 0))
        holder.listen()
        port = holder.getsockname()[1]
        wrong = {
            f'port:={port}': 'in use',
            f'sample:={tmp_path}/none.wav': 'none.wav',
            f'flame_model:={tmp_path}': 'generic_model.pkl',
            'closure_snap:=7.0': 'use 0 to 3',
            'face:=nobody': 'robin, maya',
        }
        # One process for all: most of the time is its imports.
        script = (
            'import sys\n'
            'from diffposetalk_ros.ros.nodes.viewer_node import main\n'
            f'for parameter in {list(wrong)}:\n'
            "    code = main(['--ros-args', '-p', parameter])\n"
            "    print(f'--- {code}', file=sys.stderr, flush=True)\n"
        )
        command = [sys.executable, '-c', script]
        done = subprocess.run(command, capture_output=True, text=True, timeout=240, check=False, cwd=ROOT)
    told = done.stderr.split('--- 2\n')
    assert done.returncode == 0 and len(told) == len(wrong) + 1, done.stderr
    for text, word in zip(told, wrong.values(), strict=False):
        assert word in text and len(text.strip().splitlines()) == 1, text
