# SPDX-License-Identifier: Apache-2.0
"""Speak a sound file through the real nodes, live over DDS, and show the face on a page.

For example:
    diffposetalk demo speech.wav
    espeak-ng --stdout "Hello" | diffposetalk demo -
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING

from diffposetalk_ros.cli.checks import check_at_least
from diffposetalk_ros.cli.node_parameters import add_node_parameters
from diffposetalk_ros.errors import AudioError, ConfigError
from diffposetalk_ros.util.resources import demo_clip

if TYPE_CHECKING:
    from diffposetalk_ros.avatar.parameters import Value
    from diffposetalk_ros.benchmark.ros.demo_session import DemoSession
    from diffposetalk_ros.motion.motion_clip import MotionClip

_LONGEST_VIDEO = 120.0
_MARGIN = 0.5
_SILENT_PEAK = 1e-4
"""Peak below which a sound is silence (-80 dBFS); half of it is one step of 16 bits."""
_RESULTS = ('motion.npz', 'motion.csv', 'motion.png', 'latency.json', 'face.png', 'face.mp4', 'sound.wav')
"""Files of a run."""
_FIRST_VIEWER = 30.0
"""Longest wait for somebody to open the page, s."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of the verb."""
    parser.add_argument(
        'audio',
        nargs='?',
        type=Path,
        help='sound file to speak, or - for standard input (default: a bundled clip)',
    )
    parser.add_argument('--topic', help='listen to this live audio topic instead of speaking a file')
    parser.add_argument(
        '-o', '--out', type=Path, default=Path('out'), help='folder for the results (default: out)'
    )
    parser.add_argument('--model', default='', help='model folder (default: the embedded model)')
    parser.add_argument('--style', default='neutral', help='speaking style')
    parser.add_argument('--steps', type=int, help='network evaluations per window')
    parser.add_argument('--delay', type=float, help='playout delay in s; more for a slow machine')
    parser.add_argument('--seed', type=int, default=0, help='seed of the noise')
    parser.add_argument('--rate', type=float, default=50.0, help='published frames per second')
    add_node_parameters(parser)
    parser.add_argument('--burst', action='store_true', help='send all audio at once, as TTS does')
    parser.add_argument('--keep-running', action='store_true', help='repeat until Ctrl-C')
    parser.add_argument('--seconds', type=float, default=0.0, help='stop after this time [s]')
    parser.add_argument(
        '--port', type=int, default=8765, help='port of the page; if it is taken, the next free one'
    )
    parser.add_argument('--no-page', action='store_true', help='serve no page')
    parser.add_argument('--no-video', action='store_true', help='write no MP4')


def run(args: argparse.Namespace) -> int:
    """Play, watch, write. Raises DiffPoseTalkError on user errors; Ctrl-C still writes what was received."""
    try:
        from rclpy.exceptions import InvalidTopicNameException
        from rclpy.validate_full_topic_name import validate_full_topic_name

        import diffposetalk_ros.msg  # noqa: F401
    except ImportError as error:
        raise ConfigError(f'ROS 2 or the built messages are missing ({error}); run scripts/setup') from error
    from diffposetalk_ros.avatar.parameters import config_from, read_assignment
    from diffposetalk_ros.benchmark.ros.demo_session import DemoOptions, DemoSession
    from diffposetalk_ros.util.demo_domain import choose_domain, recorded_demo

    parameters: dict[str, Value] = {
        'style.name': args.style,
        'sampler.seed': args.seed,
        'playout.output_rate': args.rate,
    }
    if args.model:
        parameters['model.path'] = str(Path(args.model).resolve())
    if any(mark in args.style for mark in ('/', '.npy', '.npz')):
        parameters['files.folder'] = '/'  # whoever starts the demo may name any file
    parameters |= dict(map(read_assignment, args.parameters))
    if args.delay is not None:
        parameters['playout.delay'] = args.delay
    if args.steps is not None:
        parameters['sampler.steps'] = args.steps
    config_from(parameters)
    if args.topic is not None:
        if args.audio is not None:
            raise ConfigError(f'{args.audio} and --topic {args.topic} exclude each other; use one of them')
        try:
            validate_full_topic_name(f'/{args.topic.removeprefix("/")}')
        except InvalidTopicNameException as error:
            raise ConfigError(f'--topic {args.topic!r}: {str(error).splitlines()[0].rstrip(":")}') from None
    check_at_least(args, 0, 'seconds')
    if not 1 <= args.port <= 65535:
        raise ConfigError(f'--port {args.port}; use 1 to 65535')
    try:
        args.out.mkdir(parents=True, exist_ok=True)
        log = args.out / 'demo.log'
        log.touch()
    except OSError as error:
        raise ConfigError(f'{args.out} is not writable ({error.strerror}); use --out') from error
    interactive = sys.stdout.isatty() and not args.no_page and not args.seconds
    with nullcontext() if args.topic else _speech(args.audio) as audio:
        # A topic is somebody else's, in the domain that is set.
        shared = bool(args.topic or os.environ.get('ROS_DOMAIN_ID'))
        variables = {} if args.topic else choose_domain()
        if variables:
            words = ' '.join(f'{name}={value}' for name, value in variables.items())
            print(f'to reach it from another terminal: export {words}')
        port = None if args.no_page else args.port
        topic = args.topic or 'audio'
        options = DemoOptions(audio, topic, args.burst, args.keep_running, parameters, port, shared)
        # A burst is sent long before its face is due.
        tail = 1.0 + float(parameters.get('playout.delay', 0.0))
        with recorded_demo(variables) if variables else nullcontext(), DemoSession(options, log) as session:
            return _run(session, args, tail, interactive)


def _run(session: DemoSession, args: argparse.Namespace, tail: float, interactive: bool) -> int:
    stopped = False
    address = None
    try:
        session.activate()
        for warning in session.warnings:
            print(f'warning: {warning}')
        if not args.no_page:
            address = session.address()
            _tell_page(address, args.port)
        if interactive and session.options.audio is not None:
            print(f'the speech begins when somebody opens the page, or in {_FIRST_VIEWER:g} s', flush=True)
            session.wait_for_viewer(_FIRST_VIEWER)
        session.play()
        session.watch(_show, 0.2 if sys.stdout.isatty() else 1.0, args.seconds, tail)
    except (KeyboardInterrupt, RuntimeError) as error:
        if isinstance(error, RuntimeError) and not session.interrupted:
            raise
        if not session.collector.frames:
            print('\nstopped before the first frame of motion; nothing was written')
            return 130
        stopped = True
        print('\nstopped', end='')
    print()
    if not session.collector.frames:
        raise ConfigError(f'no motion arrived within {args.seconds:g} s; give --seconds more, or none')
    spoken = _write(session, args.out, not args.no_video)
    if not spoken:
        print(_why_silent(session))
    if interactive and not stopped:
        print(f'the page stays open: {address} (Ctrl-C ends it)')
        try:
            session.stay()
        except KeyboardInterrupt:
            print()
    return 0 if spoken or args.topic else 1


def _tell_page(address: str, wanted: int) -> None:
    if f':{wanted}/' not in address:
        print(f'port {wanted} is taken, perhaps by another demo; this page has a port of its own')
    print(f'page: {address}', flush=True)


def _why_silent(session: DemoSession) -> str:
    loudest = session.values.get('loudest of 5 s [dBFS]', 'unknown')
    if session.options.audio is None and not session.sound.chunks:
        return f'no sound came on {session.options.topic}; does somebody publish it, in this ROS_DOMAIN_ID?'
    return (
        f'no frame was driven by speech: the sound is too quiet (loudest {loudest} dBFS; see -p audio.gain:=20), '
        'or inference is too slow (see slack in latency.json)'
    )


@contextmanager
def _speech(audio: Path | None) -> Iterator[Path]:
    """The file to speak. A pipe is copied to a file while the block runs, since it can be read only once.

    Raises AudioError for a file without sound, and for silence.
    """
    from diffposetalk_ros.audio.formats.file import read_native, seekable

    given = audio or demo_clip()
    if str(given) == '-' and sys.stdin.isatty():
        raise ConfigError(
            'nothing is piped into -; for example: espeak-ng --stdout "Hello" | diffposetalk demo -'
        )
    name = 'standard input' if str(given) == '-' else given.name
    source = seekable(given)
    piped = not isinstance(source, (str, Path))
    try:
        samples, rate = read_native(source)
    finally:
        if not isinstance(source, (str, Path)):
            source.close()
    if abs(samples).max() < _SILENT_PEAK:
        raise AudioError(f'{name} is silent from beginning to end; there is nothing to speak')
    print(f'{name}: {len(samples) / rate:.1f} s')
    with tempfile.TemporaryDirectory(prefix='diffposetalk-') as folder:
        path = given
        if piped:
            import soundfile

            path = Path(folder) / 'speech.wav'
            soundfile.write(path, samples, rate, subtype='FLOAT')
        yield path


def _show(session: DemoSession) -> None:
    frames = session.collector.frames
    if not frames:
        return
    from diffposetalk_ros.playout.playout import PlayoutState
    from diffposetalk_ros.ros.messages.stamps import stamp_of

    age = (session.collector.received[-1] - stamp_of(frames[-1])) / 1e6
    values = session.values
    line = (
        f'{len(frames):6d} frames  {PlayoutState(frames[-1].state).label:8s}  age {age:6.1f} ms  '
        f'real-time factor {values.get("real-time factor p50 [1]", "-"):>6s}  '
        f'underflows {values.get("underflows", "-"):>3s}'
    )
    live = sys.stdout.isatty()
    print(f'\r{line}' if live else line, end='' if live else '\n', flush=True)


def remove_old_results(out: Path, spoken: Path | None) -> None:
    """Remove the files of the run before from ``out``, but not the sound file that was ``spoken``."""
    for old in (out / name for name in _RESULTS):
        if spoken is None or old.resolve() != spoken.resolve():
            old.unlink(missing_ok=True)


def _write(session: DemoSession, out: Path, video: bool) -> int:
    from diffposetalk_ros.benchmark.ros.latency_report import measure, plot, write_report
    from diffposetalk_ros.motion.files.motion_file import save_motion
    from diffposetalk_ros.ros.messages.stamps import stamp_of

    collector = session.collector
    clip = collector.clip()
    remove_old_results(out, session.options.audio)
    for suffix in ('.npz', '.csv'):
        save_motion(out / f'motion{suffix}', clip)
    stamps = [stamp_of(frame) for frame in collector.frames]
    states = [frame.state for frame in collector.frames]
    numbers = [frame.frame_index for frame in collector.frames]
    report = measure(numbers, stamps, collector.received, states, clip.fps)
    write_report(out / 'latency.json', report, session.values)
    ages = [(r - s) / 1e6 for r, s in zip(collector.received, stamps, strict=True)]
    drawn = plot(out / 'motion.png', clip, states, ages)
    print(
        f'{report.frames} frames ({report.speaking_frames} speaking, {report.held_frames} held, '
        f'{report.lost_frames} lost, {report.doubled_frames} doubled); '
        f'age p50 {report.age_p50:.1f}, p99 {report.age_p99:.1f} ms'
    )
    pictures = ', motion.png' if drawn else ' (no pictures: matplotlib is not installed)'
    if drawn and clip.layout.space == 'arkit':
        from diffposetalk_ros.viewer.render import clip_sheet
        from diffposetalk_ros.viewer.render_file import write_image

        write_image(out / 'face.png', clip_sheet(clip))
        pictures += ', face.png'
        if video:
            print('writing the video ...', flush=True)
            pictures += _write_video(session, clip, out)
    print(f'written to {out}: motion.npz, motion.csv, latency.json, demo.log{pictures}')
    return report.speaking_frames


def _write_video(session: DemoSession, clip: MotionClip, out: Path) -> str:
    """MP4 of the speech with the sound where the stamps say, and that sound as WAV; in words."""
    import soundfile

    from diffposetalk_ros.motion.motion_clip import MotionClip
    from diffposetalk_ros.ros.recording.sound_collector import sound_track
    from diffposetalk_ros.viewer.render_file import RenderOptions, render_to_file

    numbers = [f.frame_index - session.collector.frames[0].frame_index for f in session.collector.frames]
    states = [frame.state for frame in session.collector.frames]
    spoken = [number for number, state in zip(numbers, states, strict=True) if state >= 2] or numbers
    margin = round(_MARGIN * clip.fps)
    first = max(0, min(spoken) - margin)
    last = min(max(spoken) + margin, first + round(_LONGEST_VIDEO * clip.fps))
    shown = MotionClip(clip.values[first : last + 1], clip.fps, clip.layout)
    # A frame of a clip lasts from half a period before its moment to half a period after.
    begin = int(clip.meta['first_stamp_ns']) + round((first - 0.5) / clip.fps * 1e9)
    track, rate = sound_track(list(session.sound.chunks), begin, shown.duration)
    soundfile.write(out / 'sound.wav', track, rate, subtype='PCM_16')
    options = RenderOptions(fps=25.0, workers=min(4, os.cpu_count() or 1))
    try:
        render_to_file([shown], out / 'face.mp4', out / 'sound.wav', options=options)
    except ConfigError as error:
        return f', sound.wav (no video: {error})'
    return ', sound.wav, face.mp4'
