# SPDX-License-Identifier: Apache-2.0
"""Any content of the messages beside the sound: refused in a line, or used; and a storm of all over DDS."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

pytest.importorskip('rclpy', reason='rclpy is not importable')
from diffposetalk_ros.msg import FaceMotion, StyleReference  # noqa: E402
from node_stage import KIND, Stage  # noqa: E402
from rclpy.time import Time  # noqa: E402

from diffposetalk_ros.avatar.avatar import Avatar  # noqa: E402
from diffposetalk_ros.avatar.parameters import config_from  # noqa: E402
from diffposetalk_ros.errors import AudioError, StyleError  # noqa: E402
from diffposetalk_ros.ros.messages import qos  # noqa: E402
from diffposetalk_ros.ros.messages.audio import audio_to_message, format_from_info, message_class  # noqa: E402
from diffposetalk_ros.ros.messages.style import style_reference  # noqa: E402

FLOAT32 = st.floats(width=32)
ROWS = st.integers(0, 60)
STYLE = st.fixed_dictionaries(
    {},
    optional={
        'name': st.one_of(
            st.sampled_from(['neutral', 'lively*0.5', 'neutral+lively*nan', '/', '\0']), st.text()
        ),
        'space': st.sampled_from(['arkit', 'flame', '', 'ARKit']),
        'rate': st.one_of(st.sampled_from([25.0, 50.0, 1.0, 0.0, -25.0]), FLOAT32),
        'channel_names': st.lists(st.sampled_from(['jawOpen', 'headRotationX', '']), max_size=4),
        'motion': st.one_of(
            st.builds(lambda rows, value: [value] * (rows * 55), ROWS, FLOAT32),
            st.lists(FLOAT32, max_size=80),
        ),
        'embedding': st.builds(
            lambda size, value: [value] * size, st.sampled_from([0, 1, 16, 128, 1024]), FLOAT32
        ),
        'model_checksum': st.sampled_from(['', '0' * 64]),
    },
)


@pytest.fixture(scope='module')
def avatar(model_folder: Path) -> Avatar:
    return Avatar(config_from({'model.path': str(model_folder), 'sampler.steps': 1}), print)


@settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(values=STYLE, transition=st.one_of(st.just(0.0), st.integers(-(2**31), 2**31 - 1).map(float)))
def test_any_style_is_followed_or_refused_in_a_line(avatar: Avatar, values: dict, transition: float) -> None:
    before = avatar.style.name
    try:
        avatar.set_style(style_reference(StyleReference(**values)), transition)
    except StyleError as error:
        assert '\n' not in str(error)
        assert avatar.style.name == before
    for now in (0, 10**9, 10**18):
        _, vector = avatar.style.advance(now)
        assert vector is not None and np.isfinite(vector).all()


@settings(max_examples=80, deadline=None)
@given(
    rate=st.one_of(st.just(16000), st.integers(0, 2**32 - 1)),
    channels=st.integers(0, 255),
    sample_format=st.one_of(st.sampled_from(['S16LE', 'F32LE', 's16le', '']), st.text(max_size=8)),
    coding_format=st.one_of(st.sampled_from(['wave', 'WAVE', 'mp3', '']), st.text(max_size=8)),
)
def test_any_format_told_is_used_or_refused_in_a_line(rate, channels, sample_format, coding_format) -> None:
    info = SimpleNamespace(
        sample_rate=rate, channels=channels, sample_format=sample_format, coding_format=coding_format
    )
    try:
        told = format_from_info(info)
    except AudioError as error:
        assert len(str(error).splitlines()) == 1
    else:
        assert told.rate == rate and told.channels == channels


def test_a_storm_on_all_topics_passes(model_folder: Path) -> None:
    stage = Stage(model_folder)
    try:
        stage.start()
        second = stage.client.create_publisher(message_class(KIND), 'audio', 1000)
        styles = stage.client.create_publisher(StyleReference, 'style_reference', qos.STYLE)
        stage.until(lambda: stage.audio.get_subscription_count() and styles.get_subscription_count())
        rng = np.random.default_rng(11)
        for _ in range(200):
            size = int(rng.choice([0, 1, 7, 320, 20000]))
            rate = int(rng.choice([0, 4000, 16000, 44100, 2**31 - 1]))
            # Absurd, far away, none, or nearly right.
            second_of = [0, 2**31 - 1, stage.client.get_clock().now().nanoseconds // 10**9]
            stamp = Time(nanoseconds=int(rng.choice(second_of)) * 10**9 + int(rng.integers(10**9))).to_msg()
            values = rng.uniform(-2, 2, size).astype(np.float32)
            (stage.audio, second)[rng.integers(2)].publish(audio_to_message(values, rate, stamp, KIND))
            if rng.random() < 0.1:
                motion = np.full(
                    int(rng.choice([3, 55, 55 * 30])), rng.choice([0.1, np.nan, 1e30]), np.float32
                )
                reference = StyleReference(space='arkit', rate=25.0, motion=motion.tolist())
                styles.publish(reference)
        stage.client.destroy_publisher(second)
        quiet = (FaceMotion.IDLE, FaceMotion.REST)
        stage.until(lambda: stage.seen.frames and stage.state() in quiet, 60.0)
        assert stage.lifecycle.state() == 'active'
        stage.speak(3.0)
        stage.until(lambda: stage.state() == FaceMotion.SPEAKING, 60.0)
        assert all(np.isfinite(frame.expression).all() for frame in stage.seen.frames)
        assert stage.seen.missing == 0
    finally:
        stage.close()
