# SPDX-License-Identifier: Apache-2.0
"""Messages in, motion out: equal sound gives equal bits, whatever messages carry it."""

from __future__ import annotations

import array
from types import SimpleNamespace

import numpy as np
import pytest
from analytic_backend import AnalyticBackend  # noqa: E402
from audio_forms import PORTAUDIO, chunk_of, header, portaudio_message  # noqa: E402
from hypothesis import given, settings
from hypothesis import strategies as st

from diffposetalk_ros.audio.chunk import AudioFormat
from diffposetalk_ros.audio.ring_buffer import AudioRingBuffer
from diffposetalk_ros.avatar.audio_intake import AudioIntake
from diffposetalk_ros.model.backend import SamplingConfig
from diffposetalk_ros.streaming.generator import StreamConfig, StreamingGenerator

NS = 1_000_000_000
START = 1_000 * NS
BACKEND = AnalyticBackend()
# Eight bits fill every one of these formats exactly.
GSTREAMER = {'S8': 'i1', 'U8': 'u1', 'S16LE': '<i2', 'S16BE': '>i2', 'S24LE': '<i4', 'S32LE': '<i4'}
GSTREAMER |= {'S32BE': '>i4', 'F32LE': '<f4', 'F32BE': '>f4', 'F64LE': '<f8'}
FORMATS = [*GSTREAMER, *PORTAUDIO]


class Listener:
    """What an avatar does with messages, without its threads."""

    def __init__(self, stream: int = 0) -> None:
        self._ring = AudioRingBuffer(20.0)
        self.intake = AudioIntake(self._ring, self._ring.reset, 1.0)
        config = StreamConfig(2, 1, stream=stream, sampling=SamplingConfig(steps=1))
        self._generator = StreamingGenerator(BACKEND, config)
        self._epoch, self._cursor = -1, 0
        self.motion: list[np.ndarray] = []

    def hear(self, message: object, sound_format: AudioFormat, now: int) -> None:
        self.intake.push(chunk_of(message, sound_format), now)
        assert not self.intake.poll(now)
        self.generate()

    def generate(self) -> None:
        chunk = self._ring.read_new(self._epoch, self._cursor)
        if chunk.epoch != self._epoch:
            self._generator.reset()
            self._epoch, self.motion = chunk.epoch, []
        self._cursor = chunk.start + len(chunk.samples)
        windows = self._generator.push(chunk.samples)
        if chunk.closed:
            windows += self._generator.finish()
        self.motion += [window.motion[: window.committed] for window in windows]

    def finish(self) -> np.ndarray:
        self.intake.end()
        self.generate()
        return np.concatenate(self.motion)


def speech(rate: int) -> np.ndarray:
    """1.1 s of sound in eight bits, in no format with the byte R, after which a reader waits for the rest of RIFF."""
    rng = np.random.default_rng(rate)
    loudness = np.repeat(rng.uniform(10, 100, 11), rate // 10)
    values = (rng.uniform(-1, 1, rate * 11 // 10) * loudness).astype('i1')
    letter = ord('R')
    return np.where((values == letter) | (values == letter - 128), values - 1, values).astype('i1')


def encode(values: np.ndarray, name: str | int, channels: int, rate: int, stamp: int):
    """The message (of whichever package) and the format told beside it."""
    values = np.repeat(values, channels).astype('f8')
    dtype = np.dtype(PORTAUDIO[name][1] if isinstance(name, int) else GSTREAMER[name])
    if dtype.kind == 'f':
        pcm = (values / 128).astype(dtype)
    elif dtype.kind == 'u':
        pcm = (values + 128).astype(dtype)
    else:
        pcm = (values * 2.0 ** (8 * dtype.itemsize - 8)).astype(dtype)
    if isinstance(name, int):
        message = portaudio_message(name, array.array(PORTAUDIO[name][1], pcm.tobytes()), channels, rate)
    else:
        data = pcm.tobytes()
        if name == 'S24LE':
            data = pcm.view('u1').reshape(-1, 4)[:, 1:].tobytes()
        message = SimpleNamespace(audio=SimpleNamespace(data=array.array('B', data)))
    message.header = header(*divmod(stamp, NS))
    told = AudioFormat(rate, channels, name) if isinstance(name, str) else AudioFormat()
    return message, told


@pytest.mark.parametrize('rate', [8000, 16000, 44100, 48000])
@settings(max_examples=12, deadline=None)
@given(data=st.data())
def test_equal_sound_gives_equal_motion_whatever_messages_carry_it(rate: int, data) -> None:
    sound = speech(rate)
    whole = Listener()
    whole.hear(*encode(sound, 'S16LE', 1, rate, START), START)
    reference = whole.finish()
    assert len(reference) == 27

    cuts = data.draw(st.sets(st.integers(1, len(sound) - 1), max_size=12), label='cuts')
    stamped = data.draw(st.booleans(), label='stamped')
    burst = data.draw(st.booleans(), label='burst')
    if not burst:
        # A message as long as a sentence is heard when it has arrived; no live source sends so long ones.
        cuts |= set(range(2 * rate // 5, len(sound), 2 * rate // 5))
    cuts = sorted(cuts)
    mine, other = Listener(), Listener(1)
    for begin, end in zip([0, *cuts], [*cuts, len(sound)], strict=True):
        name = data.draw(st.sampled_from(FORMATS), label='format')
        channels = data.draw(st.sampled_from([1, 2, 6]), label='channels')
        stamp = START + begin * NS // rate if stamped else 0
        now = START if burst else START + end * NS // rate
        mine.hear(*encode(sound[begin:end], name, channels, rate, stamp), now)
        other.hear(*encode(sound[: end // 2 + 1], 'S8', 1, 16000, now), now)
        if data.draw(st.booleans(), label='another stream is reset'):
            other.intake.abandon()
    np.testing.assert_array_equal(mine.finish(), reference)


def test_messages_of_one_sample() -> None:
    sound = speech(16000)[:4000]
    whole, single = Listener(), Listener()
    whole.hear(*encode(sound, 'S16LE', 1, 16000, START), START)
    for i, sample in enumerate(sound):
        at = START + i * NS // 16000
        single.hear(*encode(sample[None], 'S16LE', 1, 16000, at), at)
    np.testing.assert_array_equal(single.finish(), whole.finish())
