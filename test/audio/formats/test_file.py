# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import io
import logging
import os
import struct
import sys
import threading
import tracemalloc

import numpy as np
import pytest
import soundfile
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from diffposetalk_ros.audio.formats.file import audio_blocks, audio_duration, read_audio, seekable
from diffposetalk_ros.errors import AudioError


def tone(rate: int, seconds: float = 0.5) -> np.ndarray:
    return (0.5 * np.sin(2 * np.pi * 440 * np.arange(int(rate * seconds)) / rate)).astype('f4')


@pytest.mark.parametrize(('rate', 'suffix'), [(16000, 'wav'), (44100, 'flac'), (48000, 'wav'), (8000, 'wav')])
def test_any_rate_and_channel_count_becomes_16_khz_mono(tmp_path, rate, suffix):
    path = tmp_path / f'a.{suffix}'
    soundfile.write(path, np.stack([tone(rate), tone(rate)], axis=1), rate)
    out = read_audio(path)
    assert out.dtype == np.float32 and abs(len(out) - 8000) <= 1
    assert np.abs(out - tone(16000)[: len(out)])[200:-200].max() < 1e-3
    assert audio_duration(path) == pytest.approx(0.5)


@pytest.mark.parametrize('block', [1, 640, 16000, 10**6])
def test_blocks_are_the_same_samples(tmp_path, block):
    path = tmp_path / 'a.wav'
    soundfile.write(path, tone(44100, 0.2), 44100)
    np.testing.assert_array_equal(np.concatenate(list(audio_blocks(path, block))), read_audio(path))


def test_an_hour_needs_no_more_memory_than_a_minute(tmp_path):
    path = tmp_path / 'long.wav'
    with soundfile.SoundFile(path, 'w', 8000, 1, 'PCM_U8') as file:
        for _ in range(60):
            file.write(tone(8000, 10))
    tracemalloc.start()
    assert sum(len(part) for part in audio_blocks(path)) == 600 * 16000
    assert tracemalloc.get_traced_memory()[1] < 5e6
    tracemalloc.stop()


def write_nan(path):
    data = tone(16000)
    data[4000] = np.nan
    soundfile.write(path, data, 16000, subtype='FLOAT')


def write_truncated(path):
    soundfile.write(path, tone(16000), 16000)
    path.write_bytes(path.read_bytes()[:5000])


def write_header_only(path):
    soundfile.write(path, np.zeros(0, np.float32), 16000)


@pytest.mark.parametrize(
    ('make', 'words'),
    [
        (lambda path: None, 'does not exist'),
        (lambda path: path.mkdir(), 'is a folder'),
        (lambda path: path.write_bytes(b''), 'empty'),
        (lambda path: path.write_text('hello' * 100), 'not a readable sound file'),
        (write_nan, 'NaN.*0.250 s'),
        (write_truncated, 'cut off'),
        (write_header_only, 'no samples'),
        (lambda path: soundfile.write(path, tone(16000), 1000), r'bad.wav: sample rate 1000 Hz'),
        (lambda path: soundfile.write(path, np.zeros((9, 65)), 16000), r'bad.wav: 65 channels'),
    ],
)
def test_bad_files_are_one_line_errors(tmp_path, make, words):
    path = tmp_path / 'bad.wav'
    make(path)
    with pytest.raises(AudioError, match=words) as caught:
        read_audio(path)
    assert '\n' not in str(caught.value)


def test_a_path_too_long_for_the_system_is_said_to_be(tmp_path):
    with pytest.raises(AudioError, match='cannot be read .*too long'):
        audio_duration(tmp_path / ('a' * 300 + '.wav'))


def test_silent_and_clipped_files_pass_with_a_warning(tmp_path, caplog):
    caplog.set_level(logging.WARNING)
    soundfile.write(tmp_path / 'silent.wav', np.zeros(1600), 16000)
    soundfile.write(tmp_path / 'clipped.wav', np.clip(20 * tone(16000), -1, 1), 16000)
    assert not read_audio(tmp_path / 'silent.wav').any()
    assert len(read_audio(tmp_path / 'clipped.wav')) == 8000
    assert 'silent' in caplog.text and 'clipped' in caplog.text


def test_a_cut_flac_is_an_error(tmp_path):
    path = tmp_path / 'a.flac'
    soundfile.write(path, np.random.default_rng(0).uniform(-1, 1, 60000), 16000)
    path.write_bytes(path.read_bytes()[:40000])
    with pytest.raises(AudioError):
        read_audio(path)


VOICE = np.random.default_rng(2).uniform(-0.5, 0.5, 24000).astype('f4')
PCM = np.round(VOICE * 32767).astype('<i2')
STREAMED = {  # sizes of RIFF and data as they were found
    'sox, espeak': (0x7FFFF024, 0x7FFFF000),
    'service': (0x7FFFFFFF, 0x7FFFFFFF),
    'arecord': (0x80000024, 0x80000000),
    'gstreamer': (0, 0),
    'libsndfile': (36, 0),
    'ffmpeg': (0xFFFFFFFF, 0xFFFFFFFF),
}


def wav_bytes(pcm: np.ndarray, rate: int, channels: int = 1, sizes: tuple[int, int] | None = None) -> bytes:
    riff, data = sizes or (36 + pcm.nbytes, pcm.nbytes)
    fmt = struct.pack('<HHIIHH', 1, channels, rate, 2 * channels * rate, 2 * channels, 16)
    head = b'WAVEfmt ' + struct.pack('<I', 16) + fmt + b'data' + struct.pack('<I', data)
    return b'RIFF' + struct.pack('<I', riff) + head + pcm.tobytes()


@pytest.mark.parametrize('writer', STREAMED)
def test_a_wav_whose_writer_could_not_seek_is_read_to_its_end(tmp_path, writer):
    (tmp_path / 'a.wav').write_bytes(wav_bytes(PCM, 16000, sizes=STREAMED[writer]))
    np.testing.assert_array_equal(read_audio(tmp_path / 'a.wav'), PCM.astype('f4') / 32768)
    assert audio_duration(tmp_path / 'a.wav') == 1.5


@pytest.mark.parametrize('size', [PCM.nbytes + 2, 3_000_000_000])
def test_a_size_that_is_no_placeholder_is_believed(tmp_path, size):
    (tmp_path / 'a.wav').write_bytes(wav_bytes(PCM, 16000, sizes=(size + 36, size)))
    with pytest.raises(AudioError, match='cut off'):
        read_audio(tmp_path / 'a.wav')


@pytest.mark.parametrize('placeholder', [False, True])
def test_wavs_strung_together_are_one_sound(tmp_path, placeholder):
    sizes = (0xFFFFFFFF, 0xFFFFFFFF) if placeholder else None
    parts = [wav_bytes(part, 16000, sizes=sizes) for part in np.split(PCM, 3)]
    (tmp_path / 'a.wav').write_bytes(b''.join(parts))
    np.testing.assert_array_equal(read_audio(tmp_path / 'a.wav'), PCM.astype('f4') / 32768)


def test_wavs_of_different_rates_strung_together_keep_their_length_and_pitch(tmp_path):
    first, second = (np.round(tone(rate, 0.5) * 32767).astype('<i2') for rate in (16000, 24000))
    stereo = np.repeat(second, 2)
    data = wav_bytes(first, 16000) + wav_bytes(stereo, 24000, 2, (0xFFFFFFFF, 0xFFFFFFFF))
    (tmp_path / 'a.wav').write_bytes(data)
    out = read_audio(tmp_path / 'a.wav')
    assert abs(len(out) - 16000) < 160
    np.testing.assert_allclose(out[8200:15800], tone(16000)[200:7800], atol=2e-3)


def test_pictures_and_texts_behind_the_sound_are_not_heard(tmp_path):
    side = b'LIST' + struct.pack('<I', 6) + b'INFO\0\0'
    (tmp_path / 'a.wav').write_bytes(wav_bytes(PCM, 16000) + side)
    assert len(read_audio(tmp_path / 'a.wav')) == len(PCM)


@pytest.mark.parametrize('text', [b'INFO\0\0', b'INFO\0'])
def test_a_wav_that_holds_only_texts_is_empty(tmp_path, text):
    padded = text + b'\0' * (len(text) % 2)  # a chunk of an odd length is followed by one byte more
    side = b'LIST' + struct.pack('<I', len(text)) + padded
    (tmp_path / 'empty.wav').write_bytes(wav_bytes(PCM[:0], 16000) + side * 2)
    with pytest.raises(AudioError, match='no samples'):
        read_audio(tmp_path / 'empty.wav')


@pytest.mark.parametrize('sizes', [None, (0xFFFFFFFF, 0xFFFFFFFF)])
def test_a_pipe_is_read_to_its_end(tmp_path, sizes):
    os.mkfifo(tmp_path / 'pipe')
    writer = threading.Thread(
        target=(tmp_path / 'pipe').write_bytes, args=(wav_bytes(PCM, 16000, sizes=sizes),)
    )
    writer.start()
    held = seekable(tmp_path / 'pipe')
    writer.join()
    assert audio_duration(held) == 1.5
    np.testing.assert_array_equal(read_audio(held), PCM.astype('f4') / 32768)


def test_a_pipe_that_brings_nothing_is_not_called_an_empty_file(tmp_path):
    os.mkfifo(tmp_path / 'pipe')
    writer = threading.Thread(target=(tmp_path / 'pipe').write_bytes, args=(b'',))
    writer.start()
    with pytest.raises(AudioError, match='no sound arrived on'):
        read_audio(tmp_path / 'pipe')
    writer.join()


def encode(path, options, with_picture=False):
    """Two seconds of a rising tone in whatever codec FFmpeg takes for the name."""
    av = pytest.importorskip('av', reason='PyAV is not installed')
    sound = np.round(
        np.sin(2 * np.pi * (200 + 100 * np.arange(32000) / 16000) * np.arange(32000) / 16000) * 9000
    )
    with av.open(str(path), 'w') as container:
        stream = container.add_stream(options, rate=48000 if options == 'libopus' else 16000)
        stream.layout = 'mono'
        picture = (
            container.add_stream('mjpeg' if path.suffix != '.webm' else 'libvpx', rate=1)
            if with_picture
            else None
        )
        if picture is not None:
            picture.width = picture.height = 64
            picture.pix_fmt = 'yuvj420p' if path.suffix != '.webm' else 'yuv420p'
            frame = av.VideoFrame(64, 64, picture.pix_fmt)
            container.mux(picture.encode(frame))
            container.mux(picture.encode(None))
        resampler = av.AudioResampler(
            format=stream.format, layout='mono', rate=stream.rate, frame_size=stream.frame_size
        )
        made = av.AudioFrame.from_ndarray(sound.astype('<i2')[None], format='s16', layout='mono')
        made.sample_rate = 16000
        for frame in [*resampler.resample(made), *resampler.resample(None)]:
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return sound.astype('f4') / 32768


@pytest.mark.parametrize(
    ('name', 'codec', 'picture'),
    [
        ('a.m4a', 'aac', False), ('a.mp4', 'aac', True), ('a.aac', 'aac', False), ('a.webm', 'libopus', False),
        ('b.webm', 'libopus', True), ('a.mkv', 'libopus', False),
    ],
)  # fmt: skip
def test_containers_of_phones_and_browsers_are_read(tmp_path, name, codec, picture):
    sound = encode(tmp_path / name, codec, picture)
    out = read_audio(tmp_path / name)
    assert abs(len(out) - len(sound)) < 3000
    assert abs(audio_duration(tmp_path / name) - 2.0) < 0.2
    shift = int(np.argmax(np.correlate(out, sound[8000:24000], 'valid'))) - 8000
    assert abs(shift) < 2500
    part = out[8000 + shift : 24000 + shift]
    assert np.corrcoef(part, sound[8000 : 8000 + len(part)])[0, 1] > 0.95


def test_a_flac_whose_writer_could_not_seek_is_read_to_its_end(tmp_path):
    soundfile.write(tmp_path / 'a.flac', PCM, 16000)
    data = bytearray((tmp_path / 'a.flac').read_bytes())
    data[21] &= 0xF0  # the low half of this byte and the next four hold the length
    data[22:26] = bytes(4)
    (tmp_path / 'a.flac').write_bytes(data)
    np.testing.assert_array_equal(read_audio(tmp_path / 'a.flac'), PCM.astype('f4') / 32768)
    assert audio_duration(tmp_path / 'a.flac') == 1.5


def test_the_rough_length_of_an_mp3_in_a_wav_is_not_believed(tmp_path):
    (tmp_path / 'a.wav').write_bytes(mp3_in_wav(VOICE))
    sound = read_audio(tmp_path / 'a.wav')
    assert soundfile.info(tmp_path / 'a.wav').frames > len(sound)  # this is the fault of such a file
    assert 0 <= len(sound) - len(VOICE) < 3000
    assert audio_duration(tmp_path / 'a.wav') == len(sound) / 16000


class Pipe(io.RawIOBase):
    """A file in memory that cannot seek."""

    def __init__(self):
        self.written = bytearray()

    def writable(self):
        return True

    def write(self, data):
        self.written += data
        return len(data)


def mp3_file(path, told=True):
    """Ten seconds; ``told``: with the number of frames in the first one."""
    av = pytest.importorskip('av', reason='PyAV is not installed')
    with av.open(str(path), 'w', options={'write_xing': str(int(told)), 'id3v2_version': '3'}) as container:
        container.metadata['title'] = 'x' * 300
        track = container.add_stream('libmp3lame', rate=16000)
        track.layout, track.format, track.bit_rate = 'mono', 's16p', 64000
        for first in range(0, 16000 * 10, 1152):
            frame = av.AudioFrame.from_ndarray(np.full((1, 1152), first % 999, np.int16), 's16p', 'mono')
            frame.sample_rate, frame.pts = 16000, first
            container.mux(track.encode(frame))
        container.mux(track.encode(None))
    return path.read_bytes()


@pytest.mark.parametrize('told', [True, False])
def test_an_mp3_of_variable_bit_rate_is_read_as_a_whole_and_its_length_is_not_guessed(tmp_path, told):
    sound = np.concatenate([np.zeros(48000, np.float32), np.tile(VOICE, 100_000 // len(VOICE) + 1)])
    path = tmp_path / 'a.mp3'
    path.write_bytes(variable_mp3(sound, told))
    read = read_audio(path)
    # soundfile decodes it in one go here; the package reads it in blocks.
    np.testing.assert_allclose(read, soundfile.read(path, dtype='float32')[0], atol=1e-6)
    assert len(read) / 16000 == pytest.approx(len(sound) / 16000, abs=0.15)
    assert audio_duration(path) == pytest.approx(len(read) / 16000, abs=0.001)
    assert told or soundfile.info(path).duration > 1.2 * audio_duration(
        path
    )  # this is the fault of such a file


@pytest.mark.parametrize('kept', [1.0, 0.5])
@pytest.mark.parametrize('told', [True, False])
def test_an_mp3_that_is_shorter_than_it_says_is_heard_with_a_warning(tmp_path, caplog, kept, told):
    data = mp3_file(tmp_path / 'a.mp3', told)
    (tmp_path / 'a.mp3').write_bytes(data[: int(kept * len(data))])
    assert len(read_audio(tmp_path / 'a.mp3')) / 16000 == pytest.approx(10 * kept, abs=0.2)
    warned = [record.getMessage() for record in caplog.records if 'a.mp3' in record.getMessage()]
    assert len(warned) == (1 if kept < 1 and told else 0), warned
    assert all('a.mp3 should last 10.' in line for line in warned)


@pytest.mark.parametrize('behind', ['another', 'its frames', 'ID3v1', 'APE', 'nothing'])
def test_mp3s_strung_together_are_not_cut_without_a_word(tmp_path, caplog, behind):
    data = mp3_file(tmp_path / 'a.mp3')
    more = {
        'another': data, 'its frames': data[data.index(b'\xff') :], 'ID3v1': b'TAG' + bytes(125),
        'APE': b'APETAGEX' + bytes(5000), 'nothing': b'',
    }[behind]  # fmt: skip
    (tmp_path / 'a.mp3').write_bytes(data + more)
    seconds = len(read_audio(tmp_path / 'a.mp3')) / 16000
    warned = [record.getMessage() for record in caplog.records if 'several MP3s' in record.getMessage()]
    assert len(warned) == (behind in ('another', 'its frames'))
    assert warned or seconds == pytest.approx(10, abs=0.1)


@pytest.mark.parametrize('kept', [1.0, 0.5])
def test_an_ogg_that_is_cut_off_is_heard_with_a_warning(tmp_path, caplog, kept):
    sound = np.random.default_rng(0).normal(0, 0.1, 160000).astype(np.float32)
    soundfile.write(tmp_path / 'whole.ogg', sound, 16000)
    data = (tmp_path / 'whole.ogg').read_bytes()
    (tmp_path / 'a.ogg').write_bytes(data[: int(kept * len(data))])
    assert len(read_audio(tmp_path / 'a.ogg')) / 16000 == pytest.approx(10 * kept, abs=1.0)
    warned = [
        record.getMessage() for record in caplog.records if 'a.ogg lacks its last page' in record.getMessage()
    ]
    assert len(warned) == (kept < 1)


@pytest.mark.parametrize('kept', [1.0, 0.5])
def test_a_webm_that_is_cut_off_is_heard_with_a_warning(tmp_path, caplog, kept):
    av = pytest.importorskip('av', reason='PyAV is not installed')
    rng = np.random.default_rng(0)
    with av.open(str(tmp_path / 'whole.webm'), 'w') as container:
        track = container.add_stream('libopus', rate=48000)
        track.layout = 'mono'
        for first in range(0, 48000 * 10, 960):
            frame = av.AudioFrame.from_ndarray(rng.integers(-3000, 3000, (1, 960), np.int16), 's16', 'mono')
            frame.sample_rate, frame.pts = 48000, first
            container.mux(track.encode(frame))
        container.mux(track.encode(None))
    data = (tmp_path / 'whole.webm').read_bytes()
    (tmp_path / 'a.webm').write_bytes(data[: int(kept * len(data))])
    assert len(read_audio(tmp_path / 'a.webm')) / 16000 == pytest.approx(10 * kept, abs=1.0)
    warned = [
        record.getMessage() for record in caplog.records if 'a.webm should last 10.0' in record.getMessage()
    ]
    assert len(warned) == (kept < 1)


def mp3_in_wav(sound):
    """A WAV with MP3 as FFmpeg writes it to a pipe: nothing tells the number of samples."""
    return encoded_mp3(sound, 'wav')


def variable_mp3(sound, told):
    """An MP3 of variable bit rate; ``told``: with the number of frames in the first one."""
    return encoded_mp3(sound, 'mp3', io.BytesIO(), quality=4, write_xing=str(int(told)), id3v2_version='0')


def encoded_mp3(sound, kind, stream=None, quality=None, **options):
    av = pytest.importorskip('av', reason='PyAV is not installed')
    stream = stream or Pipe()
    with av.open(stream, 'w', format=kind, options=options) as container:
        track = container.add_stream('libmp3lame', rate=16000)
        track.layout = 'mono'
        if quality is not None:
            track.codec_context.qscale, track.codec_context.global_quality = True, quality * 118
        resampler = av.AudioResampler(
            format=track.format, layout='mono', rate=16000, frame_size=track.frame_size
        )
        made = av.AudioFrame.from_ndarray(np.asarray(sound, 'f4')[None], format='flt', layout='mono')
        made.sample_rate = 16000
        for frame in [*resampler.resample(made), *resampler.resample(None)]:
            container.mux(track.encode(frame))
        container.mux(track.encode(None))
    return stream.getvalue() if isinstance(stream, io.BytesIO) else bytes(stream.written)


def test_a_film_without_sound_says_so(tmp_path):
    av = pytest.importorskip('av', reason='PyAV is not installed')
    with av.open(str(tmp_path / 'a.mp4'), 'w') as container:
        stream = container.add_stream('mpeg4', rate=25)
        stream.width = stream.height = 64
        stream.pix_fmt = 'yuv420p'
        for _ in range(3):
            container.mux(stream.encode(av.VideoFrame(64, 64, 'yuv420p')))
        container.mux(stream.encode(None))
    with pytest.raises(AudioError, match='a.mp4 holds no sound, only pictures'):
        read_audio(tmp_path / 'a.mp4')


def test_without_pyav_the_way_out_is_named(tmp_path, monkeypatch):
    encode(tmp_path / 'a.m4a', 'aac')
    monkeypatch.setitem(sys.modules, 'av', None)
    with pytest.raises(AudioError, match='a.m4a is not.*pip install av'):
        read_audio(tmp_path / 'a.m4a')


@settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@example(place=0.296875, junk=b'\4', cut=False, streamed=False)
@example(place=0.25, junk=b'\0', cut=False, streamed=False)
@given(place=st.floats(0, 1), junk=st.binary(max_size=12), cut=st.booleans(), streamed=st.booleans())
def test_damaged_wavs_are_read_or_refused_in_a_line(tmp_path, place, junk, cut, streamed):
    data = wav_bytes(PCM[:500], 16000, sizes=(0, 0) if streamed else None)
    at = int(place * 80)
    (tmp_path / 'a.wav').write_bytes(data[:at] + junk + (b'' if cut else data[at + len(junk) :]))
    try:
        out = read_audio(tmp_path / 'a.wav')
    except AudioError as error:
        assert '\n' not in str(error)
    else:
        assert np.isfinite(out).all()
