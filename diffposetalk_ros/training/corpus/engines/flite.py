# SPDX-License-Identifier: Apache-2.0
"""CMU Flite through its C library: four recorded voices with the phone times of its own synthesis."""

from __future__ import annotations

import ctypes
from collections.abc import Sequence

import numpy as np

from diffposetalk_ros.training.corpus.phones import to_arpabet
from diffposetalk_ros.training.corpus.speech import CorpusError, Line, Phone, Speech

FLITE_VOICES = ('awb', 'rms', 'slt', 'kal16')


class _Wave(ctypes.Structure):
    _fields_ = [
        ('type', ctypes.c_char_p),
        ('sample_rate', ctypes.c_int),
        ('num_samples', ctypes.c_int),
        ('num_channels', ctypes.c_int),
        ('samples', ctypes.POINTER(ctypes.c_short)),
    ]


def _declare(library: ctypes.CDLL) -> None:
    pointer, text = ctypes.c_void_p, ctypes.c_char_p
    for name, result, arguments in (
        ('new_utterance', pointer, []),
        ('utt_init', pointer, [pointer, pointer]),
        ('utt_synth', pointer, [pointer]),
        ('utt_set_input_text', ctypes.c_int, [pointer, text]),
        ('utt_wave', ctypes.POINTER(_Wave), [pointer]),
        ('utt_relation', pointer, [pointer, text]),
        ('relation_head', pointer, [pointer]),
        ('item_next', pointer, [pointer]),
        ('item_feat_float', ctypes.c_float, [pointer, text]),
        ('item_feat_string', text, [pointer, text]),
        ('feat_set_float', None, [pointer, text, ctypes.c_float]),
        ('delete_utterance', None, [pointer]),
    ):
        function = getattr(library, name)
        function.restype, function.argtypes = result, arguments


class Flite:
    """The voices awb, rms, slt (statistical) and kal16 (diphone). One instance per process is enough."""

    def __init__(self) -> None:
        """Load the library and its voices. CorpusError names a missing apt package."""
        try:
            self._library = ctypes.CDLL('libflite.so.1', mode=ctypes.RTLD_GLOBAL)
            for name in ('cmulex', 'usenglish'):
                ctypes.CDLL(f'libflite_{name}.so.1', mode=ctypes.RTLD_GLOBAL)
            voices = {name: ctypes.CDLL(f'libflite_cmu_us_{name}.so.1') for name in FLITE_VOICES}
        except OSError as error:
            raise CorpusError(f'flite is not installed ({error}); run: apt install libflite1') from error
        self._c = ctypes.CDLL(None)
        _declare(self._library)
        self._library.flite_init()
        self._voices = {}
        for name, module in voices.items():
            register = getattr(module, f'register_cmu_us_{name}')
            register.restype, register.argtypes = ctypes.c_void_p, [ctypes.c_char_p]
            self._voices[name] = register(None)

    def speak(self, lines: Sequence[Line]) -> list[Speech]:
        """Say each line. `pitch` acts on awb, slt and kal16 only (rms ignores f0_shift)."""
        return [self._say(line) for line in lines]

    def _say(self, line: Line) -> Speech:
        if line.voice not in self._voices:
            raise CorpusError(f'flite voice {line.voice!r} is not one of {", ".join(FLITE_VOICES)}')
        flite = self._library
        self._c.srand(line.seed & 0x7FFFFFFF)  # the excitation noise comes from rand()
        utterance = flite.new_utterance()
        try:
            flite.utt_set_input_text(utterance, line.text.encode())
            flite.utt_init(utterance, self._voices[line.voice])
            # The features are the first member of the utterance structure.
            features = ctypes.cast(utterance, ctypes.POINTER(ctypes.c_void_p))[0]
            flite.feat_set_float(features, b'duration_stretch', line.stretch)
            flite.feat_set_float(features, b'f0_shift', line.pitch)
            flite.utt_synth(utterance)
            wave = flite.utt_wave(utterance).contents
            samples = np.ctypeslib.as_array(wave.samples, (wave.num_samples,)).astype(np.int16)
            phones, start = [], 0.0
            segment = flite.relation_head(flite.utt_relation(utterance, b'Segment'))
            while segment:
                end = float(flite.item_feat_float(segment, b'end'))
                phones.append(Phone(start, end, flite.item_feat_string(segment, b'name').decode()))
                start, segment = end, flite.item_next(segment)
            rate = int(wave.sample_rate)
        finally:
            flite.delete_utterance(utterance)
        return Speech(samples, rate, to_arpabet('flite', phones, len(samples) / rate))
