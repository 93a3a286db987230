# SPDX-License-Identifier: Apache-2.0
"""Recorded human speech with transcripts, for tests only; it is never part of a training corpus.

Two sets are Debian packages, a third is any folder of the user. This package ships none of them; the
recordings have their own licences (Asterisk prompts CC-BY-SA-3.0,
LibriVox public domain).
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from diffposetalk_ros.audio.formats.file import read_audio
from diffposetalk_ros.audio.sample_rate import AUDIO_SAMPLE_RATE
from diffposetalk_ros.errors import AudioError, ConfigError
from diffposetalk_ros.training.corpus.alignment import Phone, align, normalise_text
from diffposetalk_ros.training.corpus.asterisk import read_g722, read_texts

__all__ = [
    'SpeechClip', 'Transcribed', 'asterisk_prompts', 'librivox_clips', 'load_clips', 'own_clips',
    'speakable', 'time_phones', 'write_clips',
]  # fmt: skip

ASTERISK_SOUNDS = Path('/usr/share/asterisk/sounds/en_US_f_Allison')
ASTERISK_TEXT = Path('/usr/share/doc/asterisk-core-sounds-en/core-sounds-en.txt.gz')
LIBRIVOX = Path('/usr/share/pocketsphinx/test/data/librivox')

_MIN_WORDS = 4
_MIN_S = 1.0


@dataclass(frozen=True)
class Transcribed:
    """A recording, 16 kHz mono float32 in [-1, 1], and its words.

    ``spans`` are the seconds whose transcript is trusted; None trusts everything.
    """

    id: str
    voice: str
    split: str
    samples: NDArray[np.float32]
    text: str
    spans: tuple[tuple[float, float], ...] | None = None


@dataclass(frozen=True)
class SpeechClip:
    """A recording with the times of its phones; times in seconds from the first sample."""

    id: str
    voice: str
    split: str
    samples: NDArray[np.float32]
    text: str
    phones: tuple[Phone, ...]
    spans: tuple[tuple[float, float], ...] | None = None

    @property
    def duration(self) -> float:
        """Length in seconds."""
        return len(self.samples) / AUDIO_SAMPLE_RATE


def speakable(text: str) -> bool:
    """Whether a text has only words, without stage directions and without digits (whose reading is unknown)."""
    return not re.search(r'[\[(<\d]', text) and len(normalise_text(text).split()) >= _MIN_WORDS


def asterisk_prompts(sounds: Path = ASTERISK_SOUNDS, text: Path = ASTERISK_TEXT) -> Iterator[Transcribed]:
    """Prompts of one woman with at least four words and 1 s (Debian's asterisk-core-sounds-en-g722)."""
    if not sounds.is_dir() or not text.is_file() or not any(sounds.glob('*.g722')):
        raise ConfigError(f'no Asterisk prompts at {sounds}; apt-get install asterisk-core-sounds-en-g722')
    words = read_texts(text)
    for path in sorted(sounds.rglob('*.g722')):
        key = path.relative_to(sounds).with_suffix('').as_posix()
        if speakable(words.get(key, '')):
            samples = read_g722(path)
            if len(samples) >= _MIN_S * AUDIO_SAMPLE_RATE:
                name = key.replace('/', '_')
                yield Transcribed(f'asterisk_{name}', 'asterisk', 'asterisk', samples, words[key])


def librivox_clips(folder: Path = LIBRIVOX) -> Iterator[Transcribed]:
    """Five sentences of an audio book (Debian's pocketsphinx-testdata)."""
    transcription = folder / 'transcription'
    if not transcription.is_file():
        raise ConfigError(f'no LibriVox clips at {folder}; apt-get install pocketsphinx-testdata')
    for line in transcription.read_text(encoding='utf-8').splitlines():
        match = re.fullmatch(r'<s> (.*) </s> \((.*)\)', line.strip())
        if match:
            text, key = match.groups()
            samples = read_audio(folder / f'{key}.wav')
            yield Transcribed(f'librivox_{key[-4:]}', 'librivox', 'librivox', samples, text)


def own_clips(folder: Path, transcripts: Path | None = None) -> Iterator[Transcribed]:
    """Audio files of a folder with a JSON file (by default ``folder``/transcripts.json) of the form
    ``{"FILE": {"text": "the words", "spans": [[from_s, to_s], ...]}}``; without ``spans`` all of the
    clip is trusted."""
    source = transcripts or folder / 'transcripts.json'
    try:
        entries = json.loads(source.read_text(encoding='utf-8'))
        pairs = [(str(k), str(v['text']), v.get('spans')) for k, v in sorted(entries.items())]
    except OSError as error:
        raise ConfigError(f'cannot read transcripts {source}: {error.strerror}') from error
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise ConfigError(f'{source} must be JSON like {{"a.wav": {{"text": "words"}}}} ({error})') from error
    for name, text, spans in pairs:
        trusted = None if spans is None else tuple((float(a), float(b)) for a, b in spans)
        stem = Path(name).stem
        yield Transcribed(f'clips_{stem}', stem, 'clips', read_audio(folder / name), text, trusted)


def time_phones(recordings: Iterable[Transcribed]) -> tuple[list[SpeechClip], list[str]]:
    """Align recordings with their words. Returns the clips, and why others were left out."""
    clips, refused = [], []
    for recording in recordings:
        try:
            phones = tuple(align(recording.samples, recording.text))
        except AudioError as error:
            refused.append(f'{recording.id}: {error}')
            continue
        clips.append(
            SpeechClip(
                recording.id, recording.voice, recording.split, recording.samples, recording.text,
                phones, recording.spans,
            )
        )  # fmt: skip
    return clips, refused


def write_clips(clips: Iterable[SpeechClip], out: Path) -> None:
    """Write ``out``/clips.jsonl and the audio of each clip as 16 kHz FLAC beside it.

    A line has the fields of the training corpus (id, voice, engine, split, audio, samples, text,
    phones) and ``spans``.
    """
    import soundfile

    out.mkdir(parents=True, exist_ok=True)
    with (out / 'clips.jsonl').open('w', encoding='utf-8') as lines:
        for clip in clips:
            audio = f'{clip.id}.flac'
            soundfile.write(out / audio, clip.samples, AUDIO_SAMPLE_RATE, subtype='PCM_16')
            record = {
                'id': clip.id, 'voice': clip.voice, 'engine': clip.split, 'split': clip.split,
                'audio': audio, 'samples': len(clip.samples), 'text': clip.text,
                'phones': clip.phones, 'spans': clip.spans,
            }  # fmt: skip
            lines.write(json.dumps(record) + '\n')


def load_clips(index: Path, splits: tuple[str, ...] = (), limit: int | None = None) -> list[SpeechClip]:
    """Read clips listed in a JSON lines file of `write_clips` or of the training corpus.

    ``splits`` keeps the named splits or engines (all when empty); ``limit`` the first so many of
    each split. Audio paths are relative to the file.
    """
    try:
        records = [json.loads(line) for line in index.read_text(encoding='utf-8').splitlines() if line]
    except (OSError, ValueError) as error:
        raise ConfigError(f'cannot read clips from {index}: {error}') from error
    taken: dict[str, int] = {}
    clips = []
    for record in records:
        split = record['split']
        if splits and split not in splits and record['engine'] not in splits:
            continue
        taken[split] = taken.get(split, 0) + 1
        if limit is not None and taken[split] > limit:
            continue
        spans = record.get('spans')
        clips.append(
            SpeechClip(
                record['id'], record['voice'], split, read_audio(index.parent / record['audio']),
                record['text'], tuple((float(a), float(b), str(p)) for a, b, p in record['phones']),
                None if spans is None else tuple((float(a), float(b)) for a, b in spans),
            )
        )  # fmt: skip
    return clips
