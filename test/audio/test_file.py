# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import logging
import tracemalloc

import numpy as np
import pytest
import soundfile

from diffposetalk_ros.audio.file import audio_blocks, audio_duration, read_audio
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
