# SPDX-License-Identifier: Apache-2.0
"""`diffposetalk`: one verb per module of this folder, imported only when it is used."""

from __future__ import annotations

import argparse
import signal
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib import import_module
from typing import NoReturn

from diffposetalk_ros.errors import DiffPoseTalkError
from diffposetalk_ros.util.extras import install_hint
from diffposetalk_ros.util.output_file import drop_stdout, flush_stdout

__all__ = ['VERBS', 'main']

VERBS: dict[str, str] = {
    'demo': 'live speech through the real node to a face, and a report',
    'generate': 'speech file -> motion file',
    'styles': 'list the speaking styles of a model, or describe one',
    'extract-style': 'video of a person, or motion clip -> style file',
    'track': 'video or camera -> motion file of the face seen in it',
    'convert': 'motion file or recorded bag -> motion file of another format',
    'render': 'motion file -> video, GIF or picture of the head',
    'plot': 'motion file -> chart of channels, head angles and sound',
    'evaluate': 'measure a model on real and synthetic speech',
    'bench': 'measure speed on this machine, beside the reference algorithm',
    'bench-stream': 'hop and look-ahead of the live stream: lip sync, seams, delay',
    'bench-live': 'the node over DDS for minutes: jitter, delay, lost frames, processor, memory',
    'bench-start': 'how soon a burst of synthesised speech is seen, and an interrupt obeyed',
    'bench-quality': 'quality and time of every solver and number of steps, one table',
    'bench-render': 'how fast this machine makes a video of a spoken clip',
    'bench-page': 'how many pictures a second the page draws without a GPU, in a headless Chromium',
    'bench-robot': 'joints of the example robot: jaw against sound, time of the map, way to rest',
    'import-checkpoint': 'official DiffPoseTalk checkpoint -> model folder',
    'calibrate-joints': 'step through the face channels on a robot, write its joint map',
    'simulate-robot': 'speech file -> joints of a simulated robot, lags and video',
    'corpus': 'synthesise a training corpus with phoneme times',
    'train': 'train the embedded model from a corpus',
    'train-style': 'train the style encoder alone (corpus, or LMDB of FLAME motion)',
    'train-denoiser': 'train the denoiser alone (corpus, or LMDB of FLAME motion)',
    'distill': 'train a faster model from one that is finished',
    'export': 'write the ONNX graphs of a model folder',
}
"""Verb -> one line for `--help`; the module is the verb with underscores."""


class _Parser(argparse.ArgumentParser):
    """Says what is wrong with the arguments in one line."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f'{self.prog}: {message}; see {self.prog} --help\n')


def _usage() -> str:
    lines = [
        'usage: diffposetalk VERB [options]      (diffposetalk VERB --help explains each)',
        '',
        'Speech-driven, stylistic facial motion and head pose.',
        '',
    ]
    return '\n'.join(lines + [f'  {verb:<18} {text}' for verb, text in VERBS.items()])


@contextmanager
def _interrupted_by(*numbers: signal.Signals) -> Iterator[None]:
    """What ends a program raises KeyboardInterrupt, as Ctrl-C does: files half written and processes go with it."""

    def interrupt(number: int, frame: object) -> None:
        raise KeyboardInterrupt

    if threading.current_thread() is not threading.main_thread():
        yield
        return
    # What is ignored stays ignored (nohup).
    before = {number: signal.getsignal(number) for number in numbers}
    taken = [number for number in numbers if before[number] == signal.SIG_DFL]
    try:
        for number in taken:
            signal.signal(number, interrupt)
        yield
    finally:
        for number in taken:
            signal.signal(number, before[number])


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one verb. Errors of the input end in one line on stderr and status 1, never a traceback."""
    try:
        try:
            return _main(arguments)
        finally:
            flush_stdout()
    except BrokenPipeError:
        return drop_stdout()


def _main(arguments: Sequence[str] | None) -> int:
    words = list(sys.argv[1:] if arguments is None else arguments)
    if not words or words[0] in ('-h', '--help', 'help'):
        print(_usage())
        return 0
    verb, rest = words[0], words[1:]
    if verb not in VERBS:
        from difflib import get_close_matches

        near = get_close_matches(verb, VERBS, n=1)
        hint = f'did you mean {near[0]!r}?' if near else f'use one of: {", ".join(VERBS)}'
        print(f'diffposetalk: no verb {verb!r}; {hint}', file=sys.stderr)
        return 2
    module = import_module(f'diffposetalk_ros.cli.{verb.replace("-", "_")}')
    parser = _Parser(
        prog=f'diffposetalk {verb}',
        description=module.__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    module.add_arguments(parser)
    options = parser.parse_args(rest)
    try:
        with _interrupted_by(signal.SIGTERM, signal.SIGHUP):
            return int(module.run(options))
    except DiffPoseTalkError as error:
        print(f'diffposetalk {verb}: {error}', file=sys.stderr)
        return 1
    except ModuleNotFoundError as error:
        missing = install_hint(error)
        if missing is None:
            raise
        print(f'diffposetalk {verb}: {missing}', file=sys.stderr)
        return 1
    except OSError as error:
        if isinstance(error, BrokenPipeError):
            raise
        # The machine's fault, not the input's: a full disk, a file that vanished.
        where = f'{error.filename}: ' if error.filename else ''
        print(f'diffposetalk {verb}: {where}{error.strerror or error}', file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print(f'diffposetalk {verb}: interrupted', file=sys.stderr)
        return 130


if __name__ == '__main__':
    sys.exit(main())
