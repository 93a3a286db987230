# SPDX-License-Identifier: Apache-2.0
"""A session recorded over DDS, replayed to another node: the same motion, bit for bit."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip('rclpy', reason='rclpy is not importable')
pytest.importorskip('mcap_ros2', reason='mcap-ros2-support is not installed')
from diffposetalk_ros.msg import FaceMotionChunk  # noqa: E402
from node_stage import KIND, Stage  # noqa: E402
from rclpy.parameter import Parameter  # noqa: E402

from diffposetalk_ros.errors import MotionError  # noqa: E402
from diffposetalk_ros.ros.messages import qos  # noqa: E402
from diffposetalk_ros.ros.nodes.audio_replay_node import AudioReplayNode, main  # noqa: E402
from diffposetalk_ros.ros.recording.motion_bag import read_motion_bag, read_sound_bag  # noqa: E402
from diffposetalk_ros.ros.recording.motion_collector import MotionCollector  # noqa: E402

FRAMES = 40


def session(model_folder: Path, say: Any, **values: Any) -> np.ndarray:
    """The first frames of speech, as the generator made them; ``say(stage)`` publishes the sound."""
    stage = Stage(model_folder, **{'publish.face_motion_chunk': True, 'playout.delay': 3.0}, **values)
    try:
        chunks: list[Any] = []
        stage.client.create_subscription(FaceMotionChunk, 'face_motion_chunk', chunks.append, qos.CHUNK)
        stage.start()
        stage.until(lambda: stage.client.count_publishers('face_motion_chunk') > 0 and stage.seen.frames)
        after = say(stage)
        stage.until(lambda: sum(chunk.committed_count for chunk in chunks) >= FRAMES)
        if after is not None:
            after()
        rows: dict[int, np.ndarray] = {}
        for chunk in chunks:
            values = np.array(chunk.expression).reshape(chunk.frame_count, -1) if chunk.frame_count else ()
            rows |= {chunk.first_frame + k: values[k] for k in range(chunk.committed_count)}
        return np.stack([rows[i] for i in range(FRAMES)])
    finally:
        stage.close()


def test_a_recorded_session_replayed_gives_the_same_motion(model_folder: Path, tmp_path: Path) -> None:
    bag = tmp_path / 'take.mcap'

    def speak(stage: Stage) -> Any:
        collector = MotionCollector(stage.client, sound=KIND)
        stage.until(lambda: stage.audio.get_subscription_count() == 2 and collector.info)
        stage.speak(2.0, 0.05)

        def save() -> None:
            stage.until(lambda: len(collector.frames) > 1 and len(collector.sound) == 40)
            collector.save(bag)

        return save

    def replay(stage: Stage) -> None:
        overrides = [Parameter('file', value=str(bag))]
        player = AudioReplayNode(context=stage.context, parameter_overrides=overrides)
        stage.executor.add_node(player)
        stage.until(lambda: player.done)

    first = session(model_folder, speak)
    assert len(read_sound_bag(bag)) == 40 and len(read_motion_bag(bag).values) > 1
    with pytest.raises(MotionError, match='the bag has /audio'):
        read_sound_bag(bag, '/microphone')
    np.testing.assert_array_equal(session(model_folder, replay), first)
    assert np.abs(session(model_folder, replay, **{'sampler.seed': 1}) - first).max() > 1e-3


def test_a_pipe_is_refused_and_not_waited_for(tmp_path: Path) -> None:
    (tmp_path / 'folder').mkdir()
    for pipe in (tmp_path / 'a.mcap', tmp_path / 'folder' / 'a.mcap'):
        os.mkfifo(pipe)
    for path in (tmp_path / 'a.mcap', tmp_path / 'folder'):
        with pytest.raises(MotionError, match=r'a\.mcap: .*file'):
            read_sound_bag(path)


@pytest.mark.parametrize(
    ('arguments', 'words'), [([], 'no bag'), (['-p', 'file:=/no.mcap'], 'cannot be read')]
)
def test_what_cannot_be_replayed_is_said_in_a_line(arguments: list[str], words: str, capsys: Any) -> None:
    assert main(['audio_replay_node', '--ros-args', *arguments]) == 2
    error = capsys.readouterr().err
    assert words in error and len(error.strip().splitlines()) == 1
