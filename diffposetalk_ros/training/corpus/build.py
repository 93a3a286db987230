# SPDX-License-Identifier: Apache-2.0
"""Synthesises a planned corpus and writes FLAC clips, `clips.jsonl` and `manifest.json`; resumable."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import soundfile
import soxr

from diffposetalk_ros.training.corpus.engines.espeak import Espeak
from diffposetalk_ros.training.corpus.engines.festival import Festival
from diffposetalk_ros.training.corpus.engines.flite import Flite
from diffposetalk_ros.training.corpus.engines.hibari import Hibari
from diffposetalk_ros.training.corpus.engines.kokoro import Kokoro
from diffposetalk_ros.training.corpus.engines.pico import Pico
from diffposetalk_ros.training.corpus.engines.prompts import Prompts
from diffposetalk_ros.training.corpus.phones import SIL
from diffposetalk_ros.training.corpus.plan import HOLD_OUT, ClipPlan, Conversion, plan_corpus
from diffposetalk_ros.training.corpus.speech import CORPUS_RATE, CorpusError, Engine, Line, Phone, Speech
from diffposetalk_ros.training.corpus.text import read_sentences
from diffposetalk_ros.training.corpus.world import convert_voice, load_world

FORMAT = 8  # of the files and of the plan; an older folder is not continued
_BATCH = 48  # clips between two writes of clips.jsonl, and per run of festival
ENGINES: dict[str, Callable[[Path | None], Engine]] = {
    'flite': lambda _: Flite(),
    'festival': lambda _: Festival(),
    'espeak': lambda _: Espeak(),
    'hibari': lambda _: Hibari(),
    'kokoro': Kokoro,
    'pico': lambda _: Pico(),
    'prompts': lambda _: Prompts(),
}
"""Of the archive with Kokoro's speakers: only that engine needs a file."""


@dataclass(frozen=True)
class Clip:
    """A finished clip: float32 [samples] at 16 kHz and phones (ARPABET or IPA) that cover it."""

    samples: npt.NDArray[np.float32]
    phones: tuple[Phone, ...]


def join_speech(
    parts: Sequence[Speech], pauses: Sequence[float], level_db: float, conversion: Conversion | None = None
) -> Clip:
    """Sentences at 16 kHz with silence of `pauses` [len(parts) + 1] seconds around and between them.

    The voiced part is scaled to an RMS of `level_db` dBFS, or less if the peak would exceed 0.95.
    """
    sound: list[npt.NDArray[np.float32]] = []
    phones: list[Phone] = []
    start = 0.0

    def silence(seconds: float) -> None:
        nonlocal start
        count = round(seconds * CORPUS_RATE)
        if count:
            sound.append(np.zeros(count, np.float32))
            phones.append(Phone(start, start + count / CORPUS_RATE, SIL))
            start += count / CORPUS_RATE

    silence(pauses[0])
    for part, pause in zip(parts, pauses[1:], strict=True):
        samples = part.samples.astype(np.float32) / 32768
        if part.rate != CORPUS_RATE:
            samples = soxr.resample(samples, part.rate, CORPUS_RATE)
        sound.append(samples.astype(np.float32))
        phones += [Phone(start + p.start, start + p.end, p.name) for p in part.phones]
        start += len(samples) / CORPUS_RATE
        phones[-1] = phones[-1]._replace(end=start)
        silence(pause)

    joined = np.concatenate(sound)
    if conversion:
        joined = convert_voice(joined, CORPUS_RATE, *conversion)
    speaking = joined[np.abs(joined) > 1e-3]
    loudness = float(np.sqrt(np.mean(speaking**2))) if speaking.size else 1.0
    gain = min(10 ** (level_db / 20) / loudness, 0.95 / max(float(np.abs(joined).max()), 1e-6))
    merged: list[Phone] = []
    for phone in phones:
        if merged and phone.name == SIL and merged[-1].name == SIL:
            merged[-1] = merged[-1]._replace(end=phone.end)
        else:
            merged.append(phone)
    return Clip((joined * gain).astype(np.float32), tuple(merged))


def _record(plan: ClipPlan, clip: Clip) -> dict[str, Any]:
    return {
        'id': plan.id,
        'voice': plan.voice,
        'engine': plan.engine,
        'language': plan.lines[0].language,
        'split': plan.split,
        'audio': f'{plan.split}/{plan.id}.flac',
        'samples': len(clip.samples),
        'text': '. '.join(line.text for line in plan.lines),
        'stretch': plan.lines[0].stretch,
        'conversion': plan.conversion,
        'phones': [[round(p.start, 4), round(p.end, 4), p.name] for p in clip.phones],
    }


def read_clips(folder: Path) -> list[dict[str, Any]]:
    """The records of `clips.jsonl` (empty if there is none); an incomplete last line is left out."""
    path = folder / 'clips.jsonl'
    rows = path.read_text(encoding='utf-8').split('\n')[:-1] if path.is_file() else []
    return [json.loads(row) for row in rows]


def _open_manifest(out: Path, recipe: dict[str, Any]) -> None:
    path = out / 'manifest.json'
    if path.is_file():
        found = json.loads(path.read_text(encoding='utf-8')).get('recipe')
        if found != recipe:
            raise CorpusError(f'{out} holds another corpus ({found}); choose an empty folder for {recipe}')
    else:
        out.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps({'recipe': recipe, 'complete': False}, indent=2) + '\n', encoding='utf-8')
    # Records are appended, so remove a line that an interrupted run left incomplete.
    clips = out / 'clips.jsonl'
    if clips.is_file():
        whole = clips.read_bytes()
        clips.write_bytes(whole[: whole.rfind(b'\n') + 1])


def summarise(clips: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Clips and hours in all and by split and voice."""
    hours: dict[str, dict[str, float]] = {}
    for clip in clips:
        name = f'{clip["engine"]}:{clip["voice"]}'
        part = hours.setdefault(clip['split'], {})
        part[name] = part.get(name, 0.0) + clip['samples'] / CORPUS_RATE / 3600
    return {
        'clips': len(clips),
        'hours': round(sum(clip['samples'] for clip in clips) / CORPUS_RATE / 3600, 4),
        'hours_by_voice': {
            s: {v: round(h, 4) for v, h in sorted(p.items())} for s, p in sorted(hours.items())
        },
    }


def build_corpus(
    out: Path,
    hours: float,
    seed: int,
    hold_out: Sequence[str] = HOLD_OUT,
    copies: float = 0.0,
    progress: Callable[[int, int], None] | None = None,
    kokoro: Path | None = None,
) -> dict[str, Any]:
    """Write about `hours` of training speech and the dev split of `hold_out` voices; return the manifest.

    `copies` is the share of clips of recorded voices that WORLD converts to other speakers, `kokoro` the
    archive with Kokoro's speakers.
    A second call with the same arguments continues where the first was interrupted. `progress` is called with
    (clips done, clips in all). Errors: CorpusError if an engine or text is not installed (naming the apt
    package) or if `out` holds another corpus.
    """
    plans = plan_corpus(read_sentences(), hours, seed, hold_out, copies)
    needed = sorted({plan.engine for plan in plans})
    engines = {name: ENGINES[name](kokoro) for name in needed}
    if copies:
        load_world()
    recipe = {'format': FORMAT, 'hours': hours, 'seed': seed, 'hold_out': list(hold_out), 'copies': copies}
    _open_manifest(out, recipe)
    for split in {plan.split for plan in plans}:
        (out / split).mkdir(exist_ok=True)

    done = {clip['id'] for clip in read_clips(out)}
    with (out / 'clips.jsonl').open('a', encoding='utf-8') as clips:
        for first in range(0, len(plans), _BATCH):
            if progress:
                progress(first, len(plans))
            batch = plans[first : first + _BATCH]
            if done.issuperset(plan.id for plan in batch):
                continue
            # A batch is spoken as a whole, because espeak's sound depends on its previous utterances.
            rows = []
            for plan, clip in _say(engines, batch):
                record = _record(plan, clip)
                soundfile.write(out / record['audio'], clip.samples, CORPUS_RATE, 'PCM_16', format='FLAC')
                rows.append('' if plan.id in done else json.dumps(record, separators=(',', ':')) + '\n')
            clips.write(''.join(rows))
            clips.flush()
    if progress:
        progress(len(plans), len(plans))

    manifest = {'recipe': recipe, 'complete': True, 'rate': CORPUS_RATE, **summarise(read_clips(out))}
    (out / 'manifest.json').write_text(json.dumps(manifest, indent=2) + '\n', encoding='utf-8')
    return manifest


def _say(engines: dict[str, Engine], plans: Sequence[ClipPlan]) -> list[tuple[ClipPlan, Clip]]:
    """Clips of the plans, engine by engine, without clips with a line that the engine fails on."""
    said: list[tuple[ClipPlan, Clip]] = []
    for name, engine in engines.items():
        mine = [plan for plan in plans if plan.engine == name]
        lines: list[Line] = [line for plan in mine for line in plan.lines]
        speech = iter(engine.speak(lines))
        for plan in mine:
            parts = [part for part in [next(speech) for _ in plan.lines] if part is not None]
            if len(parts) == len(plan.lines):
                said.append((plan, join_speech(parts, plan.pauses, plan.level_db, plan.conversion)))
    return said
