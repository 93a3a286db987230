# SPDX-License-Identifier: Apache-2.0
"""Coded sound, message by message, is the sound that went in."""

from __future__ import annotations

import numpy as np
import pytest

from diffposetalk_ros.audio.formats.coded_stream import CodedStream
from diffposetalk_ros.errors import AudioError

av = pytest.importorskip('av', reason='PyAV is not installed')

RATE = 48000
TIMES = np.arange(RATE) / RATE
VOICE = (0.3 * np.sin(2 * np.pi * (150 + 200 * TIMES) * TIMES)).astype(np.float32)


def packets(codec: str, channels: int) -> list[bytes]:
    """A second of a rising tone; with two channels the second is silent."""
    encoder = av.CodecContext.create(codec, 'w')
    encoder.sample_rate, encoder.layout = RATE, 'mono' if channels == 1 else 'stereo'
    encoder.format = encoder.codec.audio_formats[0]
    sound = np.zeros((channels, RATE), np.float32)
    sound[0] = VOICE
    frame = av.AudioFrame.from_ndarray(sound, format='fltp', layout=encoder.layout.name)
    frame.sample_rate = RATE
    encoder.open()
    resampler = av.AudioResampler(encoder.format, encoder.layout, RATE, encoder.frame_size)
    made = [*resampler.resample(frame), *resampler.resample(None), None]
    return [bytes(packet) for part in made for packet in encoder.encode(part)]


def correlation(heard: np.ndarray) -> float:
    shift = int(np.argmax(np.correlate(heard, VOICE[12000:36000], 'valid'))) - 12000
    part = heard[12000 + shift : 36000 + shift]
    return float(np.corrcoef(part, VOICE[12000:36000])[0, 1])


@pytest.mark.parametrize('channels', [1, 2])
@pytest.mark.parametrize(('codec', 'coding'), [('libopus', 'opus'), ('libmp3lame', 'mp3')])
def test_packets_give_back_the_sound(codec: str, coding: str, channels: int) -> None:
    stream = CodedStream(coding, channel=1 if channels == 2 else 0)
    parts, rates = [], set()
    for data in packets(codec, channels):
        sound, rate = stream.push(data)
        parts.append(sound.samples)
        rates |= {rate} if len(sound.samples) else set()
    heard = np.concatenate(parts)
    assert rates == {RATE} and abs(len(heard) - RATE) < 4000 and stream.damaged == 0
    assert correlation(heard) > 0.98


def test_a_channel_that_is_silent_is_silent() -> None:
    stream = CodedStream('mp3', channel=2)
    heard = np.concatenate([stream.push(data)[0].samples for data in packets('libmp3lame', 2)])
    assert np.abs(heard).max() < 0.02


def test_damage_is_counted_and_the_next_packets_are_heard() -> None:
    stream = CodedStream('mp3')
    data = b''.join(packets('libmp3lame', 1))
    rng = np.random.default_rng(0)
    damaged = data[:4000] + rng.integers(0, 256, 900).astype('u1').tobytes() + data[4900:]
    heard = [stream.push(damaged[at : at + 500])[0].samples for at in range(0, len(damaged), 500)]
    assert sum(map(len, heard)) > 0.7 * RATE
    assert np.isfinite(np.concatenate(heard)).all()


@pytest.mark.parametrize(('data', 'name'), [(b'OggS' + bytes(40), 'Ogg'), (b'RIFF' + bytes(40), 'WAV')])
def test_a_container_is_called_by_its_name(data: bytes, name: str) -> None:
    with pytest.raises(AudioError, match=f'the sound is {name}; send plain opus'):
        CodedStream('opus').push(data)


def test_another_coding_is_refused() -> None:
    with pytest.raises(AudioError, match="'speex' is not decoded here; send mp3, opus or raw samples"):
        CodedStream('speex')
