# SPDX-License-Identifier: Apache-2.0
import numpy as np

from diffposetalk_ros.training.animator.coarticulation import frame_times
from diffposetalk_ros.training.animator.prosody import energy_envelope, pitch_contour, prosody

RATE = 16000


def tone(frequency, seconds):
    return np.sign(np.sin(2 * np.pi * frequency * np.arange(int(seconds * RATE)) / RATE)).astype(np.float32)


def test_energy_follows_loudness():
    sound = np.concatenate([0.01 * tone(120, 0.5), 0.5 * tone(120, 0.5), np.zeros(RATE // 2, np.float32)])
    envelope = energy_envelope(sound)
    assert envelope.shape == (150,)
    quiet, loud, silent = envelope[20:30].mean(), envelope[70:80].mean(), envelope[125:].mean()
    assert 0 <= silent < quiet < loud <= 1


def test_pitch_rises_with_the_voice():
    contour = pitch_contour(np.concatenate([tone(100, 1.0), tone(140, 1.0)]))
    assert contour.shape == (50,)
    assert abs((contour[40] - contour[10]) - np.log2(1.4)) < 0.12


def test_silence_and_no_sound_give_nothing():
    times = frame_times(25)
    for sound in (np.zeros(RATE, np.float32), np.zeros(0, np.float32), np.zeros(100, np.float32)):
        voice = prosody(sound, [], times)
        assert voice.accents == ()
        assert not voice.loudness.any()
        assert not voice.pitch.any()
        assert voice.speaking.max() < 0.2


def test_accents_fall_on_loud_syllables():
    sound = np.zeros(3 * RATE, np.float32)
    for moment, gain in ((0.5, 0.05), (1.2, 0.7), (2.0, 0.08), (2.6, 0.5)):
        first = int(moment * RATE)
        sound[first : first + 2400] = gain * tone(120, 0.15) * np.hanning(2400)
    voice = prosody(sound, [(0.4, 2.9, 'AA')], frame_times(75))
    strongest = max(voice.accents, key=lambda accent: accent[1])
    assert abs(strongest[0] - 1.275) < 0.06
    assert all(0 <= strength <= 1 for _, strength in voice.accents)
