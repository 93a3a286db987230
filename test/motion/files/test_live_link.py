# SPDX-License-Identifier: Apache-2.0
"""Live Link Face packets and CSV."""

from __future__ import annotations

import csv
import socket
import struct
from pathlib import Path

import numpy as np
import pytest

from diffposetalk_ros.cli.main import main
from diffposetalk_ros.errors import ConfigError, MotionError
from diffposetalk_ros.motion.files.live_link import (
    LIVE_LINK_NAMES,
    PACKET_NAMES,
    LiveLinkSender,
    live_link_packet,
    live_link_values,
    write_live_link_csv,
)
from diffposetalk_ros.motion.files.motion_file import load_motion, save_motion
from diffposetalk_ros.motion.layout import ARKIT_BLENDSHAPES, arkit_layout, flame_layout
from diffposetalk_ros.motion.motion_clip import MotionClip


def row(**weights: float) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
    values = np.zeros(55, np.float32)
    for name, value in weights.items():
        values[arkit_layout().index(name)] = value
    return values


def test_names_are_the_engines() -> None:
    assert len(LIVE_LINK_NAMES) == 61 == len(set(LIVE_LINK_NAMES))
    assert LIVE_LINK_NAMES[:2] == ('EyeBlinkLeft', 'EyeLookDownLeft')
    assert LIVE_LINK_NAMES[14:18] == ('JawForward', 'JawRight', 'JawLeft', 'JawOpen')
    assert LIVE_LINK_NAMES[51:55] == ('TongueOut', 'HeadYaw', 'HeadPitch', 'HeadRoll')
    assert LIVE_LINK_NAMES[-1] == 'RightEyeRoll'


def test_packet_has_the_documented_layout() -> None:
    values = np.arange(61) / 61
    packet = live_link_packet(values, 3661.51, 'Ana', 'DEV')
    assert packet[0] == 6
    assert struct.unpack_from('>i3si3s', packet, 1) == (3, b'DEV', 3, b'Ana')
    frame, rest, rate, divisor = struct.unpack_from('>ifii', packet, 15)
    assert (frame, rate, divisor) == (219690, 60, 1)
    assert rest == pytest.approx(0.6, abs=1e-4)
    assert packet[31] == 61
    received = dict(zip(PACKET_NAMES, np.frombuffer(packet, '>f4', offset=32), strict=True))
    assert np.allclose([received[name] for name in LIVE_LINK_NAMES], values)


def test_packet_has_left_before_right_where_unreal_has() -> None:
    # EARFaceBlendShape: JawLeft 15, JawRight 16, JawOpen 17, MouthLeft 21, MouthRight 22.
    assert PACKET_NAMES[14:18] == ('JawForward', 'JawLeft', 'JawRight', 'JawOpen')
    assert PACKET_NAMES[20:24] == ('MouthPucker', 'MouthLeft', 'MouthRight', 'MouthSmileLeft')
    assert sorted(PACKET_NAMES) == sorted(LIVE_LINK_NAMES)
    values = live_link_values(row(jawLeft=0.25, mouthRight=0.75)[None])[0]
    sent = np.frombuffer(live_link_packet(values, 0.0, 'a', 'b'), '>f4', offset=28)
    assert (sent[15], sent[16], sent[21], sent[22]) == (0.25, 0, 0, 0.75)


def test_weights_and_angles_keep_their_side() -> None:
    left = live_link_values(row(eyeLookOutLeft=1, headRotationY=0.3, mouthSmileLeft=0.4)[None])[0]
    at = dict(zip(LIVE_LINK_NAMES, left, strict=True))
    assert at['MouthSmileLeft'] == np.float32(0.4) and at['MouthSmileRight'] == 0
    assert at['HeadYaw'] == pytest.approx(0.3) and at['LeftEyeYaw'] > 0.4 and at['RightEyeYaw'] == 0
    down = live_link_values(row(eyeLookDownRight=1, headRotationX=0.2)[None])[0]
    at = dict(zip(LIVE_LINK_NAMES, down, strict=True))
    assert at['HeadPitch'] == pytest.approx(0.2) and at['RightEyePitch'] > 0.3
    assert live_link_values(np.zeros((2, 52))).shape == (2, 61)


def test_sender_reaches_a_receiver_and_survives_without_one() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as receiver:
        receiver.bind(('127.0.0.1', 0))
        receiver.settimeout(5)
        sender = LiveLinkSender('127.0.0.1', receiver.getsockname()[1])
        sender.send(row(jawOpen=0.5), 1_000_000_000)
        packet = receiver.recv(2000)
    values = np.frombuffer(packet[-244:], '>f4')
    assert values[ARKIT_BLENDSHAPES.index('jawOpen')] == 0.5
    for _ in range(3):
        sender.send(row(jawOpen=0.5), 2_000_000_000)
    sender.close()


def test_csv_reads_as_the_apps(tmp_path: Path) -> None:
    values = np.tile(row(jawOpen=0.25), (50, 1))
    assert write_live_link_csv(tmp_path / 'take.csv', MotionClip(values, 25.0, arkit_layout())) == 120
    rows = list(csv.DictReader((tmp_path / 'take.csv').open()))
    assert list(rows[0]) == ['Timecode', 'BlendShapeCount', *LIVE_LINK_NAMES]
    assert len(rows) == 120 and rows[0]['BlendShapeCount'] == '61' and rows[0]['JawOpen'] == '0.25'
    assert rows[0]['Timecode'] == '00:00:00:00.000' and rows[61]['Timecode'] == '00:00:01:01.000'


def test_verb_writes_a_take_that_reads_back(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    values = np.tile(row(jawLeft=0.5, headRotationY=0.2), (50, 1))
    save_motion(tmp_path / 'm.npz', MotionClip(values, 25.0, arkit_layout()))
    motion, take = str(tmp_path / 'm.npz'), tmp_path / 'take.csv'
    assert main(['convert', motion, '-o', str(take), '--live-link']) == 0
    back = load_motion(take)
    assert back.fps == 60 and len(back.values) == 120
    assert back.values[:, arkit_layout().index('jawLeft')] == pytest.approx(0.5)
    np.testing.assert_allclose(back.values[:, 52:], np.tile([0, 0.2, 0], (120, 1)), atol=1e-6)
    assert main(['convert', motion, '-o', str(tmp_path / 'take.json'), '--live-link']) == 1
    assert 'writes a .csv' in capsys.readouterr().err


def test_wrong_input_is_named(tmp_path: Path) -> None:
    with pytest.raises(MotionError, match=r'\(3, 7\)'):
        live_link_values(np.zeros((3, 7)))
    with pytest.raises(MotionError):
        live_link_packet(np.zeros(52), 0.0, 'a', 'b')
    with pytest.raises(ConfigError, match='port 0'):
        LiveLinkSender('127.0.0.1', 0)
    with pytest.raises(ConfigError, match='not known'):
        LiveLinkSender('no.such.host.example')
    with pytest.raises(MotionError, match='flame'):
        write_live_link_csv(tmp_path / 'x.csv', MotionClip(np.zeros((2, 54)), 25.0, flame_layout()))


def test_a_take_of_a_turning_head_comes_back(tmp_path: Path) -> None:
    times = np.arange(120) / 60
    values = np.tile(row(), (120, 1))
    values[:, 52:] = 0.6 * np.sin(2 * np.pi * times[:, None] * [0.5, 0.8, 1.1] + [0, 1, 2])
    write_live_link_csv(tmp_path / 'take.csv', MotionClip(values, 60.0, arkit_layout()))
    np.testing.assert_allclose(load_motion(tmp_path / 'take.csv').values, values, atol=2e-6)


def test_a_take_of_the_app_makes_a_style(tmp_path: Path) -> None:
    values = np.tile(row(mouthSmileLeft=0.4, headRotationY=0.1), (200, 1))
    values[:, arkit_layout().index('jawOpen')] = 0.3 + 0.3 * np.sin(np.arange(200))
    save_motion(tmp_path / 'm.npz', MotionClip(values, 25.0, arkit_layout()))
    take = str(tmp_path / 'take.csv')
    assert main(['convert', str(tmp_path / 'm.npz'), '-o', take, '--live-link']) == 0
    assert main(['extract-style', take, '-o', str(tmp_path / 'mine.npy')]) == 0
    assert np.isfinite(np.load(tmp_path / 'mine.npy')).all()
