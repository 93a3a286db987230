# SPDX-License-Identifier: Apache-2.0
"""The adapter over plain objects with the fields of both packages; test_node.py sends real messages."""

from __future__ import annotations

import array
import struct
from types import SimpleNamespace

import numpy as np
import pytest
from audio_forms import PORTAUDIO, chunk_of, header, portaudio_message  # noqa: E402
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from diffposetalk_ros.audio.chunk import AudioFormat
from diffposetalk_ros.errors import AudioError
from diffposetalk_ros.ros.messages.audio import AudioReader, format_from_info

SIGNAL = np.array([0.0, 0.5, -0.5, 0.25, -1.0, 0.75], np.float64)
GSTREAMER = {'S8': 'i1', 'U8': 'u1', 'S16LE': '<i2', 'S16BE': '>i2', 'S32LE': '<i4', 'S32BE': '>i4'}
GSTREAMER |= {'F32LE': '<f4', 'F32BE': '>f4', 'F64LE': '<f8'}


def quantised(dtype: np.dtype, channels: int) -> NDArray[np.generic]:
    values = np.repeat(SIGNAL, channels)
    if dtype.kind == 'f':
        return values.astype(dtype)
    if dtype.kind == 'u':
        return (values * 128 + 128).astype(dtype)
    return np.clip(values * 2.0 ** (8 * dtype.itemsize - 1), np.iinfo(dtype).min, np.iinfo(dtype).max).astype(
        dtype
    )


@pytest.mark.parametrize('channels', [1, 2, 6])
@pytest.mark.parametrize('name', GSTREAMER)
def test_ros_drivers_formats_agree(name: str, channels: int) -> None:
    data = array.array('B', quantised(np.dtype(GSTREAMER[name]), channels).tobytes())
    message = SimpleNamespace(header=header(1, 5), audio=SimpleNamespace(data=data))
    chunk = chunk_of(message, AudioFormat(44100, channels, name))
    assert (chunk.rate, chunk.stamp) == (44100, 1_000_000_005)
    np.testing.assert_allclose(chunk.sound.samples, SIGNAL, atol=1e-6)


@pytest.mark.parametrize('channels', [1, 2])
@pytest.mark.parametrize('code', PORTAUDIO)
def test_portaudio_formats_agree(code: int, channels: int) -> None:
    kind = PORTAUDIO[code][1]
    values = array.array(kind, quantised(np.dtype(kind), channels).tobytes())
    chunk = chunk_of(portaudio_message(code, values, channels), AudioFormat())
    assert (chunk.rate, chunk.stamp) == (8000, 3_000_000_007)
    np.testing.assert_allclose(chunk.sound.samples, SIGNAL, atol=1e-6)


def test_zero_stamp_is_no_stamp() -> None:
    message = SimpleNamespace(header=header(0, 0), audio=SimpleNamespace(data=array.array('B', b'\0\0')))
    assert chunk_of(message, AudioFormat()).stamp is None
    assert chunk_of(message.audio, AudioFormat()).stamp is None


@settings(max_examples=60, deadline=None)
@given(
    code=st.integers(-5, 40),
    channels=st.integers(-2, 70),
    rate=st.integers(-10, 2**31 - 1),
    values=st.lists(st.floats(width=32), max_size=12),
)
def test_any_message_gives_sound_or_one_line(
    code: int, channels: int, rate: int, values: list[float]
) -> None:
    kind = PORTAUDIO.get(code, ('', 'f'))[1]
    usable = [v for v in values if kind == 'f'] or [0] * len(values)
    message = portaudio_message(code, array.array(kind, usable), channels, rate)
    try:
        heard = AudioReader(AudioFormat()).read(message, 0)
    except AudioError as error:
        assert '\n' not in str(error)
    else:
        for chunk, _ in heard:
            samples = chunk.sound.samples
            assert len(samples) and np.isfinite(samples).all() and abs(samples).max() <= 1.0


def test_mp3_names_the_way_out() -> None:
    info = SimpleNamespace(channels=1, sample_rate=16000, sample_format='S16LE', coding_format='mp3')
    with pytest.raises(AudioError, match='format:=wave'):
        format_from_info(info)


class ArrayMessage:
    """ros-drivers' AudioData, as far as a reader looks."""

    def __init__(self, data: bytes = b'') -> None:
        self.data = array.array('B', data)


class StampedMessage:
    """ros-drivers' AudioDataStamped, as far as a reader looks."""

    def __init__(self, data: bytes = b'', stamp: int = 0) -> None:
        self.header, self.audio = header(stamp // 10**9, stamp % 10**9), ArrayMessage(data)


def wav_header(rate: int, channels: int = 1) -> bytes:
    fmt = struct.pack('<HHIIHH', 1, channels, rate, 2 * channels * rate, 2 * channels, 16)
    return b'RIFF\xff\xff\xff\xffWAVEfmt ' + struct.pack('<I', 16) + fmt + b'data\xff\xff\xff\xff'


def sound_of(reader: AudioReader, parts: list[bytes]) -> tuple[NDArray[np.float32], bytes]:
    """Samples, and bytes passed on, of messages that come one after the other."""
    heard = [pair for part in parts for pair in reader.read(ArrayMessage(part), 10**9)]
    samples = [chunk.sound.samples for chunk, _ in heard] or [np.zeros(0, np.float32)]
    return np.concatenate(samples), b''.join(bytes(passed.data) for _, passed in heard)


NOISE = np.random.default_rng(1).integers(-32768, 32767, 6000).astype('<i2')


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(1, 900), min_size=1, max_size=6), st.sampled_from([1, 2, 3]), st.integers(0, 3))
def test_messages_cut_anywhere_are_the_same_sound(sizes: list[int], channels: int, channel: int) -> None:
    if channel > channels:
        return
    data, parts, i = NOISE.tobytes(), [], 0
    while data:
        size = sizes[i % len(sizes)]
        parts.append(data[:size])
        data, i = data[size:], i + 1
    samples, passed = sound_of(AudioReader(AudioFormat(16000, channels), channel), parts)
    columns = NOISE.astype(np.float64).reshape(-1, channels) / 32768
    expected = columns[:, channel - 1] if channel else columns.mean(axis=1)
    np.testing.assert_array_equal(samples, expected.astype(np.float32))
    assert passed == NOISE.tobytes()


def test_a_message_of_whole_frames_is_passed_on_itself() -> None:
    message = ArrayMessage(b'\1\2\3\4')
    ((_, passed),) = AudioReader(AudioFormat()).read(message, 0)
    assert passed is message


def test_the_byte_left_over_is_forgotten_with_the_utterance() -> None:
    reader = AudioReader(AudioFormat(), end_timeout=1.0)
    assert reader.read(ArrayMessage(b'\0'), 0) == []
    ((chunk, _),) = reader.read(ArrayMessage(b'\0\x40\0\x40'), 2 * 10**9)
    np.testing.assert_array_equal(chunk.sound.samples, [0.5, 0.5])
    assert reader.dropped == 1


def test_a_stamp_belongs_to_the_first_whole_frame_of_its_message() -> None:
    reader = AudioReader(AudioFormat(8000))
    ((first, _),) = reader.read(StampedMessage(b'\0\0\0\0RI', 10**9), 10**9)
    assert first.stamp == 10**9
    ((second, _),) = reader.read(StampedMessage(b'\0\0', 2 * 10**9), 10**9)
    assert len(second.sound.samples) == 2 and second.stamp == 2 * 10**9 - 125_000


def test_a_header_in_the_stream_tells_the_rate_and_is_not_passed_on() -> None:
    said: list[str] = []
    reader = AudioReader(AudioFormat(16000), note=said.append)
    tone = np.sin(2 * np.pi * 440 * np.arange(24000) / 24000)
    data = wav_header(24000) + np.round(tone * 16384).astype('<i2').tobytes()
    heard = [
        pair
        for at in range(0, len(data), 4063)
        for pair in reader.read(ArrayMessage(data[at : at + 4063]), 0)
    ]
    assert {chunk.rate for chunk, _ in heard} == {24000} and len(said) == 1
    assert sum(len(chunk.sound.samples) for chunk, _ in heard) == 24000
    passed = np.frombuffer(b''.join(bytes(p.data) for _, p in heard), '<i2')
    # At the rate the topic was told to have: a listener who knows no more plays it right.
    expected = np.sin(2 * np.pi * 440 * np.arange(len(passed)) / 16000) * 16384
    assert abs(len(passed) - 16000) < 200
    assert np.abs(passed - expected)[200:].max() < 100


def mp3(seconds: float) -> tuple[bytes, NDArray[np.float32]]:
    import io

    import soundfile

    rng = np.random.default_rng(0)
    voice = np.convolve(rng.normal(size=round(16000 * seconds)), np.hanning(32), 'same').astype(np.float32)
    voice *= 0.3 / np.abs(voice).max()
    made = io.BytesIO()
    soundfile.write(made, voice, 16000, format='MP3')
    return made.getvalue(), voice


def info_of(coding: str, rate: int = 16000) -> SimpleNamespace:
    return SimpleNamespace(channels=1, sample_rate=rate, sample_format='S16LE', coding_format=coding)


@pytest.mark.parametrize('size', [97, 417, 5000])
def test_mp3_that_is_told_is_decoded_and_passed_on_as_it_is(size: int) -> None:
    pytest.importorskip('av', reason='PyAV is not installed')
    data, voice = mp3(2.0)
    reader = AudioReader(AudioFormat())
    reader.on_info(info_of('mp3'))
    samples, passed = sound_of(reader, [data[at : at + size] for at in range(0, len(data), size)])
    assert reader.told and data.startswith(passed[:1000])
    assert abs(len(samples) - len(voice)) < 3500
    shift = int(np.argmax(np.correlate(samples, voice[4000:12000], 'valid'))) - 4000
    part = samples[4000 + shift : 20000 + shift]
    assert np.corrcoef(part, voice[4000 : 4000 + len(part)])[0, 1] > 0.98


def test_a_coding_that_is_not_decoded_refuses_the_sound_until_another_is_told() -> None:
    reader = AudioReader(AudioFormat())
    with pytest.raises(AudioError, match='speex'):
        reader.on_info(info_of('speex'))
    for _ in range(2):
        with pytest.raises(AudioError, match='speex'):
            reader.read(ArrayMessage(b'\0\0'), 0)
    assert not reader.told
    reader.on_info(info_of('wave', 48000))
    ((chunk, _),) = reader.read(ArrayMessage(b'\0\0'), 0)
    assert chunk.rate == 48000 and reader.told


def test_without_pyav_mp3_is_refused_with_the_way_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr('diffposetalk_ros.audio.formats.coded_stream.find_spec', lambda name: None)
    with pytest.raises(AudioError, match='PyAV.*format:=wave'):
        AudioReader(AudioFormat()).on_info(info_of('MP3'))


def test_a_channel_that_is_not_there_is_refused() -> None:
    with pytest.raises(AudioError, match='channel 3 of sound that has 2'):
        AudioReader(AudioFormat(16000, 2), 3).read(ArrayMessage(b'\0\0\0\0'), 0)
