# SPDX-License-Identifier: Apache-2.0
"""Festival in batch mode: two diphone voices and the HTS voice slt, with the times of its segments."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import soundfile

from diffposetalk_ros.training.corpus.phones import to_arpabet
from diffposetalk_ros.training.corpus.speech import CorpusError, Line, Phone, Speech

FESTIVAL_VOICES = {
    'ked': 'voice_ked_diphone',
    'kal': 'voice_kal_diphone',
    'slt-hts': 'voice_cmu_us_slt_arctic_hts',
}

_PACKAGES = 'festival festvox-kallpc16k festvox-kdlpc16k festvox-us-slt-hts festlex-cmu'

# A sentence that festival fails on must not end the run: it only leaves no segment file.
_PRELUDE = """
(define (say path text)
  (unwind-protect
    (let ((utt (eval (list 'Utterance 'Text text))))
      (utt.synth utt)
      (utt.save.wave utt (string-append path ".wav") 'riff)
      (utt.save.segs utt (string-append path ".segs")))
    nil))
"""


def _scheme_string(text: str) -> str:
    return '"' + text.replace('\\', ' ').replace('"', ' ') + '"'


def read_segments(path: Path) -> list[Phone]:
    """Parse festival's segment file (after a line '#': `end colour name`, seconds)."""
    phones, start = [], 0.0
    for row in path.read_text().splitlines():
        fields = row.split()
        if len(fields) == 3 and fields[1].isdigit():
            phones.append(Phone(start, float(fields[0]), fields[2]))
            start = float(fields[0])
    return phones


class Festival:
    """The voices ked, kal (diphone) and slt-hts (statistical, without pitch control)."""

    def __init__(self) -> None:
        """Check that the program and its voices are there; CorpusError names the apt packages."""
        voices = Path('/usr/share/festival/voices')
        folders = ('english/ked_diphone', 'english/kal_diphone', 'us/cmu_us_slt_arctic_hts')
        program = shutil.which('festival')
        if program is None or not all((voices / folder).is_dir() for folder in folders):
            raise CorpusError(f'festival is not complete; run: apt install {_PACKAGES}')
        self._program = program

    def speak(self, lines: Sequence[Line]) -> list[Speech | None]:
        """Say each line in one run of festival, grouped by voice because loading one is slow.

        None stands for a line that festival fails on.
        """
        if not lines:
            return []
        for line in lines:
            if line.voice not in FESTIVAL_VOICES:
                raise CorpusError(f'festival voice {line.voice!r} is not one of {", ".join(FESTIVAL_VOICES)}')
        waiting = sorted(range(len(lines)), key=lambda k: (lines[k].voice, k))
        with tempfile.TemporaryDirectory(prefix='festival-') as name:
            folder = Path(name)
            while waiting:
                code = self._run({k: lines[k] for k in waiting}, folder)
                missing = [k for k in waiting if not (folder / f'{k}.segs').is_file()]
                if code != 0 and len(missing) == len(lines):
                    raise CorpusError(f'festival ended with {code} at {lines[missing[0]].text!r}')
                # A crash (an empty sentence is one) costs the first line that is missing; go on behind it.
                waiting = missing[1:] if code != 0 else []
            return [self._read(folder / str(k)) for k in range(len(lines))]

    def _run(self, lines: Mapping[int, Line], folder: Path) -> int:
        script = folder / 'batch.scm'
        script.write_text(self._script(lines, folder))
        return subprocess.run(
            [self._program, '-b', str(script)], capture_output=True, stdin=subprocess.DEVNULL
        ).returncode

    def _script(self, lines: Mapping[int, Line], folder: Path) -> str:
        rows, voice = [_PRELUDE], ''
        for k, line in lines.items():
            if line.voice != voice:
                voice = line.voice
                rows.append(f'({FESTIVAL_VOICES[voice]})')
            if voice == 'slt-hts':  # the HTS engine takes its own speaking rate and ignores Duration_Stretch
                rate = f'(list "-r" {1 / line.stretch:.4f})'
                rows.append(
                    f'(set! hts_engine_params (cons {rate} cmu_us_slt_arctic_hts::hts_engine_params))'
                )
            else:  # the intonation model of the diphone voices is at 105 Hz as recorded
                rows.append(f"(Parameter.set 'Duration_Stretch {line.stretch:.3f})")
                rows.append(
                    f"(set! int_lr_params '((target_f0_mean {105 * line.pitch:.1f}) (target_f0_std 14)"
                    ' (model_f0_mean 170) (model_f0_std 34)))'
                )
            rows.append(f'(say "{folder / str(k)}" {_scheme_string(line.text)})')
        return '\n'.join(rows) + '\n'

    def _read(self, stem: Path) -> Speech | None:
        if not stem.with_suffix('.segs').is_file():
            return None
        samples, rate = soundfile.read(stem.with_suffix('.wav'), dtype='int16')
        phones = read_segments(stem.with_suffix('.segs'))
        return Speech(samples, rate, to_arpabet('festival', phones, len(samples) / rate))
