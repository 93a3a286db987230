# SPDX-License-Identifier: Apache-2.0
"""Bytes cut anywhere, with WAV headers in them, give the same frames."""

from __future__ import annotations

import io
import struct

import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st

from diffposetalk_ros.audio.chunk import AudioFormat
from diffposetalk_ros.audio.formats.byte_stream import ByteStream, PcmPiece
from diffposetalk_ros.audio.formats.pcm import PCM_FORMATS, pcm_from_bytes, to_mono_float32
from diffposetalk_ros.audio.formats.wav import is_placeholder
from diffposetalk_ros.errors import AudioError

TOLD = AudioFormat()
PLACEHOLDERS = (0, 0x7FFFF000, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF, 0x7FFFFFDB)


def pcm(seed: int, count: int) -> bytes:
    return np.random.default_rng(seed).integers(-32768, 32767, count).astype('<i2').tobytes()


def wav(sound: bytes, rate: int, channels: int = 1, size: int | None = None, extra: bytes = b'') -> bytes:
    fmt = struct.pack('<HHIIHH', 1, channels, rate, 2 * channels * rate, 2 * channels, 16)
    stated = len(sound) if size is None else size
    head = b'fmt ' + struct.pack('<I', 16) + fmt + extra + b'data' + struct.pack('<I', stated)
    return b'RIFF' + struct.pack('<I', (stated + 36) & 0xFFFFFFFF) + b'WAVE' + head + sound


def cut(data: bytes, sizes: list[int]) -> list[bytes]:
    """Pieces of these sizes, again and again."""
    parts, at, i = [], 0, 0
    while at < len(data):
        parts.append(data[at : at + sizes[i % len(sizes)]])
        at += sizes[i % len(sizes)]
        i += 1
    return parts


def heard(pieces: list[PcmPiece]) -> list[tuple[AudioFormat, bytes]]:
    """The sound of each format in turn."""
    out: list[tuple[AudioFormat, bytes]] = []
    for piece in pieces:
        if out and out[-1][0] == piece.audio_format:
            out[-1] = piece.audio_format, out[-1][1] + piece.data
        else:
            out.append((piece.audio_format, piece.data))
    return out


def run(parts: list[bytes], told: AudioFormat = TOLD) -> tuple[list[tuple[AudioFormat, bytes]], ByteStream]:
    stream = ByteStream(told)
    pieces = [piece for part in parts for piece in stream.push(part)]
    return heard(pieces + stream.end()), stream


ANY_BYTES = st.binary(max_size=60) | st.sampled_from([b'RIFF', b'WAVE', b'RI', b'data', b'fmt ', b'\0' * 4])
SIZES = st.lists(st.integers(1, 700), min_size=1, max_size=8)


@settings(max_examples=80, deadline=None)
@given(SIZES, st.sampled_from([AudioFormat(), AudioFormat(44100, 2), AudioFormat(8000, 3, 'S24LE')]))
def test_raw_sound_is_the_same_however_it_is_cut(sizes: list[int], told: AudioFormat) -> None:
    data = pcm(1, 1800)
    sound, stream = run(cut(data, sizes), told)
    assert sound == [(told, data)] and stream.dropped == 0


@settings(max_examples=150, deadline=None)
@given(
    SIZES,
    st.lists(
        st.tuples(st.sampled_from([16000, 22050, 24000]), st.sampled_from([1, 2]), st.integers(1, 400))
        .flatmap(lambda v: st.tuples(st.just(v), st.sampled_from([None, *PLACEHOLDERS]), st.booleans())),
        min_size=1, max_size=4,
    ),
    st.integers(0, 50),
)  # fmt: skip
def test_headers_anywhere_set_rate_and_width(sizes, answers, before) -> None:
    lead = pcm(9, before)
    data, expected = lead, [(TOLD, lead)] if lead else []
    for number, ((rate, channels, frames), size, extra) in enumerate(answers):
        sound = pcm(number, frames * channels)
        listing = b'LIST' + struct.pack('<I', 5) + b'INFOx\0' if extra else b''
        data += wav(sound, rate, channels, size, listing)
        made = AudioFormat(rate, channels)
        if expected and expected[-1][0] == made:
            expected[-1] = made, expected[-1][1] + sound
        else:
            expected.append((made, sound))
    sound, stream = run(cut(data, sizes))
    assert sound == expected
    assert (stream.headers, stream.dropped) == (len(answers), 0)


@settings(max_examples=150, deadline=None)
@given(st.lists(ANY_BYTES, max_size=30))
def test_any_bytes_end_in_whole_frames_or_an_audio_error(parts: list[bytes]) -> None:
    stream = ByteStream(AudioFormat(16000, 2))
    for part in parts:
        try:
            pieces = stream.push(part)
        except AudioError as error:
            assert '\n' not in str(error)
        else:
            assert all(len(p.data) % p.audio_format.frame_bytes == 0 and p.data for p in pieces)
            assert all(0 <= p.carried <= p.frames for p in pieces)
    stream.end()


def test_a_header_is_said_once_and_the_byte_left_over_is_forgotten_at_the_end() -> None:
    said: list[str] = []
    stream = ByteStream(TOLD, said.append)
    for _ in range(3):
        assert heard(stream.push(wav(b'\1\2\3\4', 24000))) == [(AudioFormat(24000), b'\1\2\3\4')]
    assert len(said) == 1 and '24000 Hz' in said[0] and '16000 Hz' in said[0]
    assert stream.end() == [] and stream.audio_format == TOLD
    assert heard(stream.push(b'\1\2\3')) == [(TOLD, b'\1\2')]
    assert stream.end() == [] and stream.dropped == 1
    assert heard(stream.push(b'\5\6')) == [(TOLD, b'\5\6')]


@pytest.mark.parametrize('size', [None, 0xFFFFFFFF])
def test_a_wav_that_is_not_over_goes_on_after_a_pause(size: int | None) -> None:
    stream = ByteStream(TOLD)
    data = wav(pcm(3, 1000), 24000, size=size)
    first, second = stream.push(data[:1000]), None
    stream.end()
    second = stream.push(data[1000:])
    assert [p.audio_format.rate for p in (*first, *second)] == [24000, 24000]
    assert b''.join(p.data for p in (*first, *second)) == pcm(3, 1000)


def test_wrong_sizes_lose_no_sound() -> None:
    sound = pcm(4, 300)
    data = wav(sound[:100], 24000) + sound[100:]
    assert run(cut(data, [33]))[0] == [(AudioFormat(24000), sound)]


def test_another_codec_is_refused_until_the_next_header() -> None:
    data = bytearray(wav(pcm(1, 50), 24000))
    data[20:22] = struct.pack('<H', 0x55)
    stream = ByteStream(TOLD)
    with pytest.raises(AudioError, match='codec 85'):
        stream.push(bytes(data))
    with pytest.raises(AudioError, match='codec 85'):
        stream.push(b'\0\0')
    assert heard(stream.push(wav(b'\1\2', 16000))) == [(TOLD, b'\1\2')]


def test_another_told_format_begins_anew() -> None:
    stream = ByteStream(TOLD)
    stream.push(wav(b'\1\2\3', 24000, size=0))
    stream.told = TOLD
    assert stream.audio_format.rate == 24000
    stream.told = AudioFormat(48000)
    assert heard(stream.push(b'\1\2')) == [(AudioFormat(48000), b'\1\2')]


@pytest.mark.parametrize('kind', ['PCM_U8', 'PCM_16', 'PCM_24', 'PCM_32', 'FLOAT', 'DOUBLE', 'ALAW', 'ULAW'])
@pytest.mark.parametrize('form', ['WAV', 'WAVEX'])
def test_every_pcm_codec_reads_as_libsndfile_reads_it(kind: str, form: str) -> None:
    values = np.random.default_rng(0).uniform(-0.9, 0.9, (400, 2))
    made = io.BytesIO()
    soundfile.write(made, values, 22050, kind, format=form)
    expected = soundfile.read(io.BytesIO(made.getvalue()), dtype='float32')[0].mean(axis=1)
    ((audio_format, data),) = run([made.getvalue()])[0]
    sound = to_mono_float32(pcm_from_bytes(data, audio_format.sample_format), 2)
    assert audio_format.rate == 22050 and audio_format.sample_format in PCM_FORMATS
    np.testing.assert_allclose(sound.samples, expected, atol=1e-6)


def test_real_sizes_are_no_placeholders() -> None:
    assert all(map(is_placeholder, PLACEHOLDERS))
    assert not any(map(is_placeholder, (2, 1 << 20, 2_000_000_000, 3_000_000_000)))


def test_carried_frames_are_counted() -> None:
    stream = ByteStream(TOLD)
    stream.push(b'\0\1RI')  # might begin a header
    (piece,) = stream.push(b'\0\1')
    assert (piece.data, piece.carried) == (b'RI\0\1', 1)
