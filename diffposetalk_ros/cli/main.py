# SPDX-License-Identifier: Apache-2.0
"""The command `diffposetalk`. A verb is a module in a folder beside this file, imported only when it is used."""

from __future__ import annotations

import argparse
import signal
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib import import_module
from typing import Final, NoReturn

from diffposetalk_ros.errors import DiffPoseTalkError, reason_of
from diffposetalk_ros.util.extras import install_hint
from diffposetalk_ros.util.output_file import drop_stdout, escape_stdout, flush_stdout

__all__ = ['VERBS', 'main']

_GROUPS: Final[dict[str, dict[str, str]]] = {
    'live': {
        'demo': 'speak a sound file live: node, face, page and a report',
        'ctl': 'control a running node without ros2: status, style, parameters, interrupt',
        'simulate-robot': 'move a simulated robot by a speech file; print lags, draw a video',
        'calibrate-joints': 'move a robot through the face channels and write its joint map',
    },
    'files': {
        'generate': 'generate a motion file from a speech file',
        'styles': 'list the speaking styles of a model, or describe one',
        'extract-style': 'extract the speaking style of a person from a video or a motion clip',
        'track': 'track the face in a video or camera stream and write its motion',
        'convert': 'convert a motion file or a recorded bag to another format',
        'render': 'draw a motion file as video, GIF or picture',
        'plot': 'draw a chart of channels, head angles and sound',
    },
    'models': {
        'evaluate': 'measure a model on real and synthetic speech',
        'import-checkpoint': 'convert an official DiffPoseTalk checkpoint to a model folder',
        'export': 'write the ONNX graphs of a model folder',
        'corpus': 'synthesise a training corpus with phoneme times',
        'train': 'train the embedded model from a corpus',
        'tune-audio': 'teach the audio encoder of a model other languages',
        'train-style': 'train only the style encoder (corpus, or LMDB of FLAME motion)',
        'train-denoiser': 'train only the denoiser (corpus, or LMDB of FLAME motion)',
        'distill': 'distill a trained model into a faster one',
    },
    'bench': {
        'bench': 'measure speed on this machine against the reference algorithm',
        'bench-stream': 'compare hop and look-ahead of a stream: lip sync, seams, delay',
        'bench-live': 'measure a live node for minutes: jitter, delay, lost frames, CPU, memory',
        'bench-start': 'measure the time to the first frame of a burst, and to rest after an interrupt',
        'bench-sync': 'measure synchronisation when sound is late or the machine is busy',
        'bench-quality': 'compare quality and time of solvers and numbers of steps',
        'bench-render': 'measure how fast this machine renders a video',
        'bench-page': 'measure the frame rate of the page in a headless Chromium, without a GPU',
        'bench-robot': 'measure the example robot: jaw against sound, computing time, time to rest',
    },
}
"""Folder -> verb -> one line for `--help`; the module is the verb with underscores."""

VERBS: Final = {verb: text for verbs in _GROUPS.values() for verb, text in verbs.items()}
"""Verb -> one line."""

_HEADINGS: Final = {
    'live': 'live',
    'files': 'files',
    'models': 'models',
    'bench': 'benchmarks',
}


class _Parser(argparse.ArgumentParser):
    """A parser that reports wrong arguments in one line."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f'{self.prog}: {message}; see {self.prog} --help\n')


def _usage() -> str:
    lines = [
        'usage: diffposetalk COMMAND [options]      (diffposetalk COMMAND --help describes it)',
        '',
        'Speech-driven, stylistic facial motion and head pose.',
        '',
    ]
    for folder, verbs in _GROUPS.items():
        lines += [f'{_HEADINGS[folder]}:', *(f'  {verb:<18} {text}' for verb, text in verbs.items()), '']
    return '\n'.join(lines[:-1])


@contextmanager
def _interrupted_by(*numbers: signal.Signals) -> Iterator[None]:
    """Turn these signals into KeyboardInterrupt, so that half-written files and child processes are removed."""

    def interrupt(number: int, frame: object) -> None:
        raise KeyboardInterrupt

    if threading.current_thread() is not threading.main_thread():
        yield
        return
    # A signal that is ignored stays ignored (nohup).
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
    """Run one verb. Input errors end in one line on stderr and status 1, without a traceback."""
    escape_stdout()
    try:
        try:
            return _main(arguments)
        finally:
            flush_stdout()
    except BrokenPipeError:
        return drop_stdout()
    except OSError as error:  # standard output goes to a full disk
        drop_stdout()
        print(f'diffposetalk: {error.strerror or error}', file=sys.stderr)
        return 1


def _main(arguments: Sequence[str] | None) -> int:
    words = list(sys.argv[1:] if arguments is None else arguments)
    if not words or words[0] in ('-h', '--help', 'help'):
        print(_usage())
        return 0
    if words[0] == '--version':
        from diffposetalk_ros.util.resources import package_version

        print(f'diffposetalk {package_version()}')
        return 0
    verb, rest = words[0], words[1:]
    if verb not in VERBS:
        from difflib import get_close_matches

        near = get_close_matches(verb, VERBS, n=1)
        hint = f'did you mean {near[0]!r}?' if near else f'use one of: {", ".join(VERBS)}'
        print(f'diffposetalk: no verb {verb!r}; {hint}', file=sys.stderr)
        return 2
    try:
        with _interrupted_by(signal.SIGTERM, signal.SIGHUP):
            return _run(verb, rest)
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
        # Not an input error, but one of the machine: a full disk, a file that vanished.
        where = f'{error.filename}: ' if error.filename else ''
        print(f'diffposetalk {verb}: {where}{error.strerror or error}', file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return _interrupted(verb)
    except (ImportError, RuntimeError) as error:
        # Compiled modules and class definitions turn a Ctrl-C during their import into these errors.
        if not isinstance(error.__cause__ or error.__context__, KeyboardInterrupt):
            raise
        return _interrupted(verb)
    except MemoryError as error:
        print(f'diffposetalk {verb}: not enough memory ({reason_of(error)})', file=sys.stderr)
        return 1


def _run(verb: str, rest: Sequence[str]) -> int:
    folder = next(folder for folder, verbs in _GROUPS.items() if verb in verbs)
    module = import_module(f'diffposetalk_ros.cli.{folder}.{verb.replace("-", "_")}')
    parser = _Parser(
        prog=f'diffposetalk {verb}',
        description=module.__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    module.add_arguments(parser)
    return int(module.run(parser.parse_args(rest)))


def _interrupted(verb: str) -> int:
    print(f'diffposetalk {verb}: interrupted', file=sys.stderr)
    return 130


if __name__ == '__main__':
    sys.exit(main())
