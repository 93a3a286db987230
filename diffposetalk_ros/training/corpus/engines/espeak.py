# SPDX-License-Identifier: Apache-2.0
"""espeak-ng through its C library: formant voices of a hundred languages, with phoneme events."""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import get_context

import numpy as np
import numpy.typing as npt

from diffposetalk_ros.training.corpus.languages import spoken_form
from diffposetalk_ros.training.corpus.phones import restore_stop_closures, to_arpabet, to_ipa
from diffposetalk_ros.training.corpus.speech import CorpusError, Line, Phone, Speech

ESPEAK_VARIANTS = ('klatt', 'klatt2', 'klatt3', 'klatt3', 'f1', 'f3', 'f4', 'f5', 'm1', 'm2', 'm7')
"""Voices of every language. `HELD_OUT_VARIANTS` are in no corpus since it has other languages than English."""
HELD_OUT_VARIANTS = ('klatt4', 'f2', 'm3')
ESPEAK_VOICES = tuple(
    f'{dialect}+{variant}'
    for dialect in ('en-us', 'en', 'en-029', 'en-GB-scotland')
    for variant in ESPEAK_VARIANTS
)

_SYNCHRONOUS, _PHONEME_EVENTS, _PHONEME_IPA = 2, 1, 2
_UTF8_ENDPAUSE = 1 | 0x1000
_RATE, _PITCH, _RANGE = 1, 3, 4
_EVENT_END, _EVENT_PHONEME = 0, 7


class _Id(ctypes.Union):
    _fields_ = [('number', ctypes.c_int), ('name', ctypes.c_char_p), ('string', ctypes.c_char * 8)]


class _Event(ctypes.Structure):
    _fields_ = [
        ('type', ctypes.c_int),
        ('unique_identifier', ctypes.c_uint),
        ('text_position', ctypes.c_int),
        ('length', ctypes.c_int),
        ('audio_position', ctypes.c_int),
        ('sample', ctypes.c_int),
        ('user_data', ctypes.c_void_p),
        ('id', _Id),
    ]


_Callback = ctypes.CFUNCTYPE(
    ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.POINTER(_Event)
)


class Espeak:
    """Voices are `language+variant`, e.g. 'en-us+klatt2' or 'it+f3'. English phones are ARPABET, others IPA."""

    def __init__(self) -> None:
        """Check that the library is installed; otherwise CorpusError names the apt package."""
        _load()

    def speak(self, lines: Sequence[Line]) -> list[Speech | None]:
        """Say each line; the starts of stops are moved back to their closure.

        The library keeps filter and noise state from one utterance to the next and cannot be restarted
        (espeak_Terminate hangs), so each call has its own process: equal `lines` give equal sound.
        """
        said: list[Speech | None] = [None] * len(lines)
        # IPA names can only be chosen for the whole process, and English uses espeak's own names.
        for english in (True, False):
            mine = [k for k, line in enumerate(lines) if (line.language == 'en') == english]
            if not mine:
                continue
            with ProcessPoolExecutor(max_workers=1, mp_context=get_context('spawn')) as pool:
                try:
                    spoken = pool.submit(_speak_all, tuple(lines[k] for k in mine), not english).result()
                except BrokenProcessPool as error:
                    raise CorpusError(
                        f'espeak-ng crashed on one of {len(mine)} lines, first {lines[mine[0]]}'
                    ) from error
            for k, speech in zip(mine, spoken, strict=True):
                said[k] = speech
        return said


def _load() -> ctypes.CDLL:
    try:
        return ctypes.CDLL('libespeak-ng.so.1')
    except OSError as error:
        raise CorpusError(f'espeak-ng is not installed ({error}); run: apt install espeak-ng') from error


def _speak_all(lines: Sequence[Line], ipa: bool) -> list[Speech]:
    library = _Library(ipa)
    return [library.say(line) for line in lines]


class _Library:
    """The C library, started; once per process."""

    def __init__(self, ipa: bool) -> None:
        self._ipa = ipa
        self._library = _load()
        self._c = ctypes.CDLL(None)
        options = _PHONEME_EVENTS | (_PHONEME_IPA if ipa else 0)
        self._rate = int(self._library.espeak_Initialize(_SYNCHRONOUS, 0, None, options))
        if self._rate <= 0:
            raise CorpusError('espeak-ng finds no voice data; run: apt install espeak-ng-data')
        self._sound: list[npt.NDArray[np.int16]] = []
        self._events: list[tuple[float, str]] = []
        self._callback = _Callback(self._receive)  # kept: the library holds only a bare pointer to it
        self._library.espeak_SetSynthCallback(self._callback)

    def _receive(
        self, wave: ctypes._Pointer[ctypes.c_short], count: int, events: ctypes._Pointer[_Event]
    ) -> int:
        if wave and count > 0:
            self._sound.append(np.ctypeslib.as_array(wave, (count,)).astype(np.int16))
        k = 0
        while events[k].type != _EVENT_END:
            if events[k].type == _EVENT_PHONEME:
                name = events[k].id.string.decode('utf-8', 'ignore')  # truncated after eight bytes
                self._events.append((events[k].audio_position / 1000, name))
            k += 1
        return 0

    def say(self, line: Line) -> Speech:
        self._sound, self._events = [], []
        self._c.srand(line.seed & 0x7FFFFFFF)  # the klatt noise source is rand()
        if self._library.espeak_SetVoiceByName(line.voice.encode()) != 0:
            raise CorpusError(f'espeak-ng has no voice {line.voice!r}; run: espeak-ng --voices')
        for parameter, value in (
            (_RATE, round(175 / line.stretch)),
            (_PITCH, min(max(round(50 + 60 * np.log2(line.pitch)), 0), 99)),
            (_RANGE, 50),
        ):
            self._library.espeak_SetParameter(parameter, int(value), 0)
        text = spoken_form(line.language, line.text).encode()
        self._library.espeak_Synth(text, len(text) + 1, 0, 1, 0, _UTF8_ENDPAUSE, None, None)
        self._library.espeak_Synchronize()
        if not self._sound:
            raise CorpusError(f'espeak-ng produced no sound for {line.text!r} with the voice {line.voice!r}')
        samples = np.concatenate(self._sound)
        duration = len(samples) / self._rate
        ends = [start for start, _ in self._events[1:]] + [duration]
        phones = [Phone(start, end, name) for (start, name), end in zip(self._events, ends, strict=True)]
        phones_at_closure = restore_stop_closures(samples, self._rate, phones)
        named = (
            to_ipa(samples, self._rate, phones_at_closure, line.language)
            if self._ipa
            else to_arpabet('espeak', phones_at_closure, duration)
        )
        return Speech(samples, self._rate, named)
