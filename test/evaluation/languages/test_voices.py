# SPDX-License-Identifier: Apache-2.0
"""Voices of the evaluation by language: their phones are IPA that has a face, and lips are shut where they say p."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip('django', reason='the sentences come with PyPI Django')

from diffposetalk_ros.evaluation.languages.voices import (  # noqa: E402
    RECORDED,
    espeak_clips,
    name_phones,
    recorded_clips,
)
from diffposetalk_ros.training.animator.sounds import sounds  # noqa: E402
from diffposetalk_ros.training.corpus.engines.espeak import ESPEAK_VARIANTS, ESPEAK_VOICES, HELD_OUT_VARIANTS  # noqa: E402
from diffposetalk_ros.training.corpus.speech import CorpusError, Phone  # noqa: E402


def test_no_held_out_variant_is_trained_on() -> None:
    assert not set(HELD_OUT_VARIANTS) & set(ESPEAK_VARIANTS)
    assert not any(voice.endswith(tuple(f'+{v}' for v in HELD_OUT_VARIANTS)) for voice in ESPEAK_VOICES)


@pytest.mark.parametrize('code', ['en', 'fr'])
def test_espeak_says_a_language_with_each_held_out_variant(code: str) -> None:
    try:
        found = espeak_clips(code, 2)
    except CorpusError as error:
        pytest.skip(str(error))
    assert set(found) == set(HELD_OUT_VARIANTS)
    for clips in found.values():
        assert len(clips) == 2
        for clip in clips:
            assert clip.phones[0][0] == 0 and clip.phones[-1][1] == pytest.approx(clip.duration, abs=1e-3)
            assert all(sounds(label) for _, _, label in clip.phones)


@pytest.mark.parametrize('code', RECORDED)
def test_a_recorded_voice_closes_its_lips_for_p(code: str) -> None:
    try:
        clips = recorded_clips(code, RECORDED[code][0], 4)
    except CorpusError as error:
        pytest.skip(str(error))
    assert clips and all(sounds(label) for clip in clips for _, _, label in clip.phones)
    quietest = []
    for clip in clips:
        for start, end, label in clip.phones[1:]:
            if sounds(label)[0][0] == 'p':
                closure = np.abs(clip.samples[int(start * 16000) : int(end * 16000)])
                steps = closure[: len(closure) // 160 * 160].reshape(-1, 160).max(axis=1)
                quietest.append(float(steps.min()) < 0.1 * np.abs(clip.samples).max())
    assert quietest and np.mean(quietest) >= 0.8


def test_spellings_of_recorded_voices_become_ipa() -> None:
    def named(voice: str, names: str) -> str:
        phones = [Phone(k, k + 1, name) for k, name in enumerate(names.split())]
        return ' '.join(p.name for p in name_phones(voice, phones, len(phones)))

    assert named('mei', 'sil sh i N p a cl p u sil') == 'SIL ɕ i m p a p p ɯᵝ SIL'
    assert named('nsh', 'pau pp aa t pau') == 'SIL pʲ a t SIL'
    assert named('dita', '# r~ e: c~ #') == 'SIL ʒ eː tʃ SIL'
    assert named('lj', '# p: 7 #') == 'SIL pː ø SIL'
