# SPDX-License-Identifier: Apache-2.0
"""The node over real DDS: lifecycle, audio in, motion out, services, parameters, bad input."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

rclpy = pytest.importorskip('rclpy', reason='rclpy is not importable')
pytest.importorskip('diffposetalk_ros.msg', reason='the messages are not built')
pytest.importorskip('audio_common_msgs', reason='audio_common_msgs is not built')

from diagnostic_msgs.msg import DiagnosticArray  # noqa: E402
from diffposetalk_ros.msg import FaceMotion, FaceMotionChunk, StyleReference  # noqa: E402
from diffposetalk_ros.srv import ListStyles, SetStyle  # noqa: E402
from node_stage import KIND, RATE, Stage  # noqa: E402
from rclpy.time import Time  # noqa: E402
from std_srvs.srv import Trigger  # noqa: E402

from diffposetalk_ros.ros.messages import qos  # noqa: E402
from diffposetalk_ros.ros.messages.audio import (  # noqa: E402
    audio_to_message,
    has_portaudio_form,
    message_class,
)
from diffposetalk_ros.ros.messages.stamps import stamp_of  # noqa: E402
from diffposetalk_ros.ros.support.audio_publisher import AudioPublisher  # noqa: E402


@pytest.fixture
def stage(model_folder: Path) -> Iterator[Stage]:
    made = Stage(model_folder)
    yield made
    made.close()


@pytest.mark.parametrize('backend', ['onnx', 'torch'])
def test_speech_becomes_motion_in_time(stage: Stage, backend: str) -> None:
    if backend == 'torch':
        pytest.importorskip('torch')
    assert stage.set('model.backend', backend).successful
    stage.start()
    stage.until(lambda: stage.state() in (FaceMotion.IDLE, FaceMotion.REST))
    # After half a second in which its thread stood still, the node begins a new grid of frames; then once more.
    for _ in range(5):
        grids, begin = stage.node._schedule.restarts, len(stage.seen.frames)
        stage.speak(1.0)
        stage.until(lambda: stage.state() == FaceMotion.SPEAKING)
        stage.until(lambda: stage.state() in (FaceMotion.IDLE, FaceMotion.REST))
        if stage.node._schedule.restarts == grids:
            break
    frames, received = stage.seen.frames[begin:], stage.seen.received[begin:]
    spoken = [frame for frame in frames if frame.state == FaceMotion.SPEAKING]
    assert 49 <= len(spoken) <= 51
    assert stage.seen.missing == 0
    stamps = np.array([stamp_of(frame) for frame in frames])
    assert set(np.diff(stamps)) == {20_000_000}
    assert min(np.array(received) - stamps) >= -1_000_000
    clip = stage.seen.clip()
    assert clip.values.shape[1] == 55
    assert stage.seen.info.output_rate == 50.0
    assert len(stage.poses) > 40
    mouth = np.array([frame.expression for frame in spoken])
    assert np.isfinite(mouth).all() and mouth.std(axis=0).max() > 1e-3


def test_interrupt_brings_the_face_to_rest(stage: Stage) -> None:
    stage.start()
    stage.speak(5.0)
    stage.until(lambda: stage.state() == FaceMotion.SPEAKING)
    assert stage.call(Trigger, 'interrupt', Trigger.Request()).success
    asked = stage.client.get_clock().now().nanoseconds
    quiet = (FaceMotion.IDLE, FaceMotion.REST)
    stage.until(lambda: stage.state() in quiet and stamp_of(stage.seen.frames[-1]) > asked)
    first = next(f for f in stage.seen.frames if f.state in quiet and stamp_of(f) > asked)
    assert stamp_of(first) - asked <= 200_000_000
    stage.speak(3.0)
    stage.until(lambda: stage.state() == FaceMotion.SPEAKING)


def test_reset_forgets_and_goes_on(stage: Stage) -> None:
    stage.start()
    stage.speak(2.0)
    stage.until(lambda: stage.state() == FaceMotion.SPEAKING)
    assert stage.call(Trigger, 'reset', Trigger.Request()).success
    stage.until(lambda: stage.state() != FaceMotion.SPEAKING)
    stage.speak(3.0)
    stage.until(lambda: stage.state() == FaceMotion.SPEAKING)
    assert stage.seen.missing == 0


def test_parameters_while_active(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    stage.start()
    backend = stage.node.avatar.model.loaded.backend
    narrow = replace(backend.config, n_diff_steps=3, scale_inputs=True)
    assert stage.set('sampler.steps', 2).successful
    assert stage.set('style.name', 'lively').successful
    for name, value, words in [
        ('sampler.steps', 0, ''),
        ('stream.hop', 3, 'deactivate first'),
        ('model.path', '/x', 'before configure'),
        ('sampler.solver', 'euler', 'use one of'),
        ('style.name', 'nobody', 'nobody'),
        ('sampler.steps', 4, '4 sampling steps'),
        ('sampler.guidance_audio', 5.0, 'distilled for 1 to 3'),
        ('strength.mouth', float('nan'), ''),
        ('playout.hold', 'long', ''),
    ]:
        with monkeypatch.context() as patch:
            patch.setattr(backend, 'config', narrow)  # a distilled model of few steps
            answer = stage.set(name, value)
        assert not answer.successful, name
        assert words in answer.reason
    stage.speak(3.0)
    stage.until(lambda: stage.state() == FaceMotion.SPEAKING)


def test_the_parameter_wins_over_an_earlier_wish(stage: Stage) -> None:
    stage.start()
    wish = SetStyle.Request()
    wish.style.name = 'lively'
    assert stage.call(SetStyle, 'set_style', wish).name == 'lively'
    assert stage.set('style.name', 'neutral').successful
    assert stage.call(ListStyles, 'list_styles', ListStyles.Request()).current == 'neutral'
    for seconds in (-1, 11):
        wish.transition.sec = seconds
        answer = stage.call(SetStyle, 'set_style', wish)
        assert not answer.success and 'use 0 to 10' in answer.message


def test_sender_and_node_meet_on_their_defaults(model_folder: Path) -> None:
    stage = Stage(model_folder, **{'audio.message': 'auto'})
    try:
        sender = AudioPublisher(stage.client, RATE, 'auto', '', 10)
        assert stage.lifecycle.configure() and stage.lifecycle.activate()
        stage.until(lambda: sender.listeners)
        sender.announce(1)
        # With ros-drivers' messages, no sound is used before the format has arrived on its own topic.
        stage.until(lambda: has_portaudio_form() or stage.node._reader.told)
        noise = np.random.default_rng(0).uniform(-0.5, 0.5, RATE).astype(np.float32)
        sender.publish(noise, stage.client.get_clock().now().nanoseconds)
        stage.until(lambda: stage.state() == FaceMotion.SPEAKING)
    finally:
        stage.close()


def test_bad_audio_is_survived(stage: Stage) -> None:
    stage.start()
    empty = message_class(KIND)()
    stage.audio.publish(empty)
    for samples, rate in (([np.nan] * 320, RATE), ([0.0] * 320, 1), ([0.0] * 320, 2**31 - 1)):
        message = audio_to_message(np.zeros(320, np.float32), rate, Time().to_msg(), KIND)
        if has_portaudio_form():
            message.audio.audio_data.float32_data = samples
            message.audio.info.format = 1
        stage.audio.publish(message)
    if has_portaudio_form():
        message = audio_to_message(np.zeros(5, np.float32), RATE, Time().to_msg(), KIND)
        message.audio.info.channels = 3
        stage.audio.publish(message)
    # The rate of ros-drivers' messages is not their own, so only the empty one is bad.
    stage.until(lambda: stage.node.avatar.bad_messages >= (3 if has_portaudio_form() else 1))
    assert stage.lifecycle.state() == 'active'
    stage.until(lambda: stage.state() in (FaceMotion.IDLE, FaceMotion.REST))
    stage.speak(3.0)
    stage.until(lambda: stage.state() == FaceMotion.SPEAKING)


def test_a_second_sender_is_pointed_out(model_folder: Path) -> None:
    stage = Stage(model_folder, diagnostics__period=0.1)
    said: list[Any] = []
    try:
        stage.client.create_subscription(DiagnosticArray, '/diagnostics', said.append, 10)
        stage.start()
        stage.until(lambda: said and said[-1].status[0].message == 'no audio yet')
        second = stage.client.create_publisher(message_class(KIND), 'audio', 10)
        stage.until(lambda: said[-1].status[0].message.startswith('2 senders'))
        assert said[-1].status[0].level == b'\x01'
        stage.client.destroy_publisher(second)
        stage.until(lambda: said[-1].status[0].message == 'no audio yet')
    finally:
        stage.close()


def test_styles_by_name_embedding_and_clip(stage: Stage) -> None:
    stage.start()
    listed = stage.call(ListStyles, 'list_styles', ListStyles.Request())
    assert 'neutral' in listed.names and listed.current == 'neutral'
    other = next(name for name in listed.names if name != 'neutral')
    stage.until(lambda: stage.seen.info)
    dim = stage.seen.info.style_dim

    def set_style(**values: Any) -> Any:
        request = SetStyle.Request(style=StyleReference(**values))
        return stage.call(SetStyle, 'set_style', request)

    assert set_style(name=other).name == other
    stage.until(lambda: stage.seen.info.style == other)
    for values, words in [
        ({'name': 'nobody'}, 'nobody'),
        ({}, 'empty'),
        ({'embedding': [0.0] * (dim + 1)}, str(dim)),
        ({'embedding': [float('nan')] * dim}, 'NaN'),
        ({'embedding': [0.0] * dim, 'model_checksum': 'of another model'}, 'another model'),
        ({'motion': [0.0] * 7, 'space': 'arkit', 'rate': 25.0}, 'divide'),
        ({'motion': [0.0] * 55 * 50, 'space': 'flame', 'rate': 25.0}, 'space'),
    ]:
        answer = set_style(**values)
        assert not answer.success and words in answer.message, (values.keys(), answer.message)
        assert answer.name == other
    assert set_style(embedding=[0.1] * dim, name='mine').name == 'mine'
    assert set_style(motion=[0.1] * 55 * 50, space='arkit', rate=25.0, name='clip').name == 'clip'
    publisher = stage.client.create_publisher(StyleReference, 'style_reference', qos.STYLE)
    stage.until(lambda: publisher.get_subscription_count() > 0)
    publisher.publish(StyleReference(name='neutral'))
    stage.until(lambda: stage.seen.info.style == 'neutral')
    stage.speak(3.0)
    stage.until(lambda: stage.state() == FaceMotion.SPEAKING)


def test_same_seed_same_motion_however_cut(model_folder: Path) -> None:
    """Two runs of equal sound, cut differently: the frames of speech are equal."""
    clips = []
    for chunk in (0.02, 0.137):
        stage = Stage(model_folder, idle__enabled=False, playout__output_rate=25.0)
        try:
            stage.start()
            stage.speak(0.8, chunk)
            stage.until(lambda s=stage: s.state() == FaceMotion.SPEAKING)
            avatar = stage.node.avatar
            assert avatar is not None
            stage.until(lambda a=avatar: a.timeline.end >= 19)
            clips.append(avatar.timeline.read(0, 19))
        finally:
            stage.close()
    np.testing.assert_array_equal(*clips)


def test_sound_is_republished_at_its_delayed_time(model_folder: Path) -> None:
    stage = Stage(model_folder)
    try:
        heard: list[Any] = []
        stage.client.create_subscription(message_class(KIND), 'audio_out', heard.append, qos.AUDIO)
        stage.start()
        stage.until(lambda: stage.client.count_publishers('audio_out') > 0)
        before = stage.client.get_clock().now().nanoseconds
        stage.speak(0.2)
        stage.until(lambda: len(heard) >= 9)
        stamps = [stamp_of(message) for message in heard]
        assert min(stamps) - before >= 1_000_000_000
        assert set(np.diff(stamps)) == {20_000_000}
        assert stage.client.get_clock().now().nanoseconds >= max(stamps)
    finally:
        stage.close()


def test_synthesised_speech_is_shown_and_heard_as_soon_as_it_can_be(model_folder: Path) -> None:
    stage = Stage(model_folder, **{'playout.delay': 5.0, 'playout.min_delay': 0.05})
    try:
        heard: list[Any] = []
        stage.client.create_subscription(message_class(KIND), 'audio_out', heard.append, qos.AUDIO_OUT)
        stage.start()
        stage.until(lambda: stage.client.count_publishers('audio_out') > 0)
        sent = stage.client.get_clock().now().nanoseconds
        stage.burst(6.0)

        def shown() -> list[int]:
            return [stamp_of(frame) for frame in stage.seen.frames if frame.state == FaceMotion.SPEAKING]

        stage.until(lambda: len(heard) >= 50 and shown())
        stamps = [stamp_of(message) for message in heard]
        assert 0 <= shown()[0] - stamps[0] < 20_000_000, 'the first frame with the first sound'
        assert shown()[0] - sent < 5_000_000_000, 'not after the delay of a live source'
        assert set(np.diff(stamps)) == {20_000_000}
    finally:
        stage.close()


def test_a_slow_loudspeaker_gets_the_sound_before_the_face_is_shown(model_folder: Path) -> None:
    stage = Stage(model_folder, **{'playout.loudspeaker_delay': 0.4, 'publish.face_motion_chunk': True})
    try:
        heard: list[Any] = []
        sent: list[int] = []
        chunks: list[Any] = []

        def on_sound(message: Any, info: dict[str, int]) -> None:
            heard.append(message)
            sent.append(info['source_timestamp'])

        stage.client.create_subscription(message_class(KIND), 'audio_out', on_sound, qos.AUDIO_OUT)
        stage.client.create_subscription(FaceMotionChunk, 'face_motion_chunk', chunks.append, qos.CHUNK)
        stage.start()
        stage.until(lambda: stage.client.count_publishers('audio_out') > 0 and stage.seen.info)
        delay = stage.seen.info.playout_delay
        assert delay.sec + delay.nanosec / 1e9 == pytest.approx(1.4)
        stage.speak(1.0)

        def shown() -> list[int]:
            return [stamp_of(frame) for frame in stage.seen.frames if frame.state == FaceMotion.SPEAKING]

        stage.until(lambda: len(heard) >= 40 and shown())
        stamps = np.array([stamp_of(message) for message in heard])
        assert 0 <= shown()[0] - stamps[0] < 20_000_000, 'face and sound belong together by their stamps'
        first = next(chunk for chunk in chunks if chunk.frame_count)
        assert stamp_of(first) - stamps[0] == pytest.approx(20_000_000, abs=1_000_000), 'middle of frame 0'
        # The quickest of them: a busy machine sends some later.
        assert 0.2e9 < np.max(stamps - np.array(sent)) < 0.41e9, 'the loudspeaker gets it earlier'
    finally:
        stage.close()


def test_frames_are_told_ahead_of_the_moment_they_are_shown(model_folder: Path) -> None:
    stage = Stage(model_folder, **{'publish.face_motion_chunk': True, 'playout.delay': 3.0})
    try:
        chunks: list[Any] = []
        stage.client.create_subscription(FaceMotionChunk, 'face_motion_chunk', chunks.append, qos.CHUNK)
        stage.start()
        stage.until(lambda: stage.client.count_publishers('face_motion_chunk') > 0)
        stage.speak(2.0)
        stage.until(lambda: sum(chunk.committed_count for chunk in chunks) == 50)
        told = [chunk for chunk in chunks if chunk.frame_count]
        assert len({chunk.epoch for chunk in told}) == 1
        assert [chunk.first_frame for chunk in told] == list(
            np.cumsum([0] + [chunk.committed_count for chunk in told[:-1]])
        )
        for chunk in told:
            assert stamp_of(chunk) == pytest.approx(
                stamp_of(told[0]) + chunk.first_frame * 40_000_000, abs=5_000_000
            )
        stage.until(lambda: stage.state() == FaceMotion.SPEAKING)
        epoch = chunks[-1].epoch
        assert stage.call(Trigger, 'interrupt', Trigger.Request()).success
        stage.until(lambda: chunks[-1].epoch != epoch)
        assert chunks[-1].frame_count == 0
        assert stage.lifecycle.deactivate()
        stage.until(lambda: chunks[-1].epoch == epoch + 2)
    finally:
        stage.close()


def test_the_head_is_a_transform(model_folder: Path) -> None:
    kind = pytest.importorskip('tf2_msgs.msg', reason='tf2_msgs is not installed').TFMessage
    stage = Stage(model_folder, **{'publish.tf': True, 'frames.head': 'skull'})
    try:
        heads: list[Any] = []
        stage.client.create_subscription(kind, '/tf', heads.append, qos.TF)
        stage.start()
        stage.until(lambda: len(heads) > 30 and len(stage.seen.frames) > 30)
        turns = {stamp_of(frame): frame.head_orientation for frame in stage.seen.frames}
        (transform,) = next(head.transforms for head in heads if stamp_of(head.transforms[0]) in turns)
        assert (transform.header.frame_id, transform.child_frame_id) == ('neck', 'skull')
        assert transform.transform.rotation == turns[stamp_of(transform)]
    finally:
        stage.close()


def test_a_transform_without_tf2_is_refused(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    assert stage.set('publish.tf', True).successful
    with monkeypatch.context() as patch:
        patch.setitem(sys.modules, 'tf2_msgs.msg', None)
        assert not stage.lifecycle.configure()
    assert stage.set('publish.tf', False).successful
    assert stage.lifecycle.configure()
