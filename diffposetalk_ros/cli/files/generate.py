# SPDX-License-Identifier: Apache-2.0
"""Turn a speech file into a motion file.

    diffposetalk generate speech.wav -o motion.csv --style smiling

The input may have any common format and rate; - reads standard input. Memory use does not grow with the length
of the clip. The extension of the output selects the format: .npz, .csv (one row per frame, with the column
names of face-capture tools) or .json. FLAME models write exp, pose and shape to .npz; --vertices adds the mesh,
which needs your own FLAME file.
"""

from __future__ import annotations

import argparse
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from diffposetalk_ros.diffusion.schedule import SPACINGS
from diffposetalk_ros.errors import ConfigError
from diffposetalk_ros.model.backend import LIVE_SAMPLING, SamplingConfig

if TYPE_CHECKING:
    from tqdm import tqdm

    from diffposetalk_ros.model.loader import LoadedModel
    from diffposetalk_ros.motion.flame.flame_model import FlameModel
    from diffposetalk_ros.motion.motion_clip import MotionClip
    from diffposetalk_ros.offline.generator import Generator

__all__ = ['add_arguments', 'run', 'sampling_from']


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of `diffposetalk generate`."""
    parser.add_argument(
        'audio', type=Path, help='speech file (wav, flac, ogg, mp3, m4a ...); - is standard input'
    )
    parser.add_argument('-o', '--output', type=Path, required=True, help='.npz, .csv or .json to write')
    parser.add_argument('--model', default='embedded', help='model folder, or the name of a bundled model')
    parser.add_argument('--style', help='name (see `diffposetalk styles`), .npy or .npz (default: neutral)')
    parser.add_argument(
        '--shape', type=Path, help='FLAME identity, .npy or .npz with shape (default: the mean)'
    )
    parser.add_argument('--vertices', type=Path, metavar='NPZ', help='write FLAME vertices as well')
    parser.add_argument('--flame-model', type=Path, help='your generic_model.pkl of FLAME 2020')
    parser.add_argument('--seed', type=int, default=0, help='the same seed gives the same motion (default 0)')
    parser.add_argument('--steps', type=int, default=8, help='network evaluations per window (default 8)')
    parser.add_argument('--solver', default='ddim', choices=('ddim', 'dpmpp_2m', 'ddpm'))
    parser.add_argument(
        '--spacing',
        default='even',
        choices=SPACINGS,
        help='spacing of the steps from noise to motion (default even)',
    )
    parser.add_argument(
        '--scale-audio', type=float, default=1.25, help='guidance on speech (default 1.25; paper 1.15)'
    )
    parser.add_argument(
        '--scale-style', type=float, default=1.0, help='guidance on style (default 1; paper 3)'
    )
    parser.add_argument(
        '--guidance', choices=('incremental', 'independent', 'independent_textbook'),
        help='how the branches are mixed: --cfg_mode of the official demo, or the textbook form of independent '
        '(default: as the model was trained)',
    )  # fmt: skip
    parser.add_argument(
        '--guide-by', metavar='LIST',
        help="conditions to guide by: audio, style, audio,style or none (default: all)",
    )  # fmt: skip
    parser.add_argument(
        '--threshold', type=float, metavar='Q',
        help="quantile of dynamic thresholding (default: none; paper's head model 0.99)",
    )  # fmt: skip
    parser.add_argument(
        '--threshold-min', type=float, default=1.0, metavar='S',
        help='lowest threshold in standard deviations of the motion (default 1)',
    )  # fmt: skip
    parser.add_argument(
        '--threshold-max', type=float, default=4.0, metavar='S', help='highest threshold (default 4)'
    )
    parser.add_argument(
        '--flexibility', type=float, default=0.0, metavar='X',
        help='noise of ddpm steps, from 0 (smaller variance, as in the paper) to 1 (default 0)',
    )  # fmt: skip
    parser.add_argument(
        '--no-audio-context', action='store_true',
        help='encode the audio of each window by itself; for HuBERT and wav2vec2 models',
    )  # fmt: skip
    parser.add_argument(
        '-n', '--repetitions', type=int, default=1, metavar='N',
        help='write N motions, of the seed and the N - 1 seeds that follow, as OUTPUT_000 and so on (default 1)',
    )  # fmt: skip
    parser.add_argument(
        '--mouth-noise', type=float, metavar='X',
        help="how much the mouth varies from seed to seed, 0 to 1 (default: set by the model; paper 1)",
    )  # fmt: skip
    parser.add_argument(
        '--live',
        action='store_true',
        help='generate hop by hop as the live node does by default: the frames of face_motion_chunk; cannot be '
        'combined with options of sampling or --shape',
    )
    parser.add_argument(
        '--fps', type=float, help='frame rate of the output, 10 to 120 (default: that of the model, 25)'
    )
    parser.add_argument('--allow-silence', action='store_true', help='accept a file without any sound')
    parser.add_argument('--backend', default='auto', choices=('auto', 'onnx', 'torch'))
    parser.add_argument(
        '--device',
        default='auto',
        help="'cpu', 'cuda', 'cuda:1/bfloat16', 'tensorrt/float16'; auto: a GPU if available, but the CPU for a "
        'model as small as the embedded one (docs/gpu.md)',
    )


def run(options: argparse.Namespace) -> int:
    """Generate and write a motion file, and print one line about it."""
    from tqdm import tqdm

    from diffposetalk_ros.audio.formats.file import audio_blocks, audio_duration, seekable
    from diffposetalk_ros.cli.checks import check_seed
    from diffposetalk_ros.model.loader import NEUTRAL
    from diffposetalk_ros.motion.files.motion_file import save_motion
    from diffposetalk_ros.motion.resampling import at_rate
    from diffposetalk_ros.offline.generator import MIN_SECONDS, Generator
    from diffposetalk_ros.util.output_file import check_output

    check_output(options.output, ('.npz', '.csv', '.json'))
    check_seed(options)
    if options.fps is not None and not 10.0 <= options.fps <= 120.0:
        raise ConfigError(f'--fps {options.fps:g}; use 10 to 120')
    if not 1 <= options.repetitions <= 1000:
        raise ConfigError(f'--repetitions {options.repetitions}; use 1 to 1000')
    sampling = sampling_from(options)
    if options.live and (sampling != SamplingConfig() or options.shape or options.no_audio_context):
        raise ConfigError('--live samples as the live node does; remove the options of sampling, or --shape')
    audio = seekable(options.audio)  # its length is asked for first, and a pipe is read only once
    duration = audio_duration(audio, MIN_SECONDS)
    generator = Generator(options.model, options.backend, options.device)
    flame = _flame_model(options, generator)
    style = options.style or NEUTRAL
    shape = None if options.shape is None else generator.model.shape(options.shape)
    total = int(duration * generator.config.fps)
    if options.no_audio_context and generator.config.audio_encoder == 'logmel':
        raise ConfigError('--no-audio-context: a log-mel model has no context to leave out')
    for number in range(options.repetitions):
        with tqdm(total=total, unit='frame', desc='generate', disable=not sys.stderr.isatty()) as bar:
            if options.live:
                clip = _live(generator.model, audio, style, options.seed + number, bar, options.allow_silence)
            else:
                clip = generator.generate(
                    audio_blocks(audio, refuse_silence=not options.allow_silence),
                    style,
                    options.seed + number,
                    sampling,
                    shape,
                    lambda done, bar=bar: bar.update(done - bar.n),  # type: ignore[misc]
                    audio_context=not options.no_audio_context,
                )
        if options.fps is not None:
            clip = at_rate(clip, options.fps)
        if flame is not None:
            from diffposetalk_ros.model.torch_flame import write_vertices

            write_vertices(_numbered(options.vertices, number, options.repetitions), clip, flame)
        output = _numbered(options.output, number, options.repetitions)
        save_motion(output, clip)
        print(f'{output}: {len(clip.values)} frames at {clip.fps:g} fps, {clip.layout.space}, style {style}')
    return 0


def _numbered(path: Path, number: int, count: int) -> Path:
    """Name of one of several outputs: motion_000.npz; unchanged for a single one."""
    return path if count == 1 else path.with_stem(f'{path.stem}_{number:03d}')


def _flame_model(options: argparse.Namespace, generator: Generator) -> FlameModel | None:
    """The mesh for --vertices, read before anything is computed. Raises DiffPoseTalkError."""
    if options.vertices is None:
        return None
    from diffposetalk_ros.util.output_file import check_output

    if generator.config.space != 'flame':
        raise ConfigError(f'--vertices: {generator.model.folder.name} is not a FLAME model; import one')
    if options.flame_model is None:
        raise ConfigError('--vertices needs --flame-model: generic_model.pkl of FLAME 2020')
    check_output(options.vertices, ('.npz',))
    for package in ('torch', 'smplx'):
        if find_spec(package) is None:
            raise ConfigError(f'--vertices needs {package}; pip install {package}')
    from diffposetalk_ros.motion.flame.flame_model import load_flame_model

    return load_flame_model(options.flame_model)


def sampling_from(options: argparse.Namespace) -> SamplingConfig:
    """SamplingConfig of the options. Raises ConfigError for a value out of range."""
    if not 1 <= options.steps <= 500:
        raise ConfigError(f'--steps {options.steps}; use 1 to 500')
    for name in ('scale_audio', 'scale_style'):
        if not 0.0 <= getattr(options, name) <= 10.0:
            raise ConfigError(f'--{name.replace("_", "-")} {getattr(options, name)}; use 0 to 10')
    threshold = None
    if options.threshold is not None:
        if not 0.0 < options.threshold <= 1.0:
            raise ConfigError(f'--threshold {options.threshold:g}; use a quantile above 0, at most 1')
        low, high = options.threshold_min, options.threshold_max
        if not 0.0 < low <= high:
            raise ConfigError(
                f'--threshold-min {low:g}, --threshold-max {high:g}; use 0 < minimum <= maximum'
            )
        threshold = (options.threshold, low, high)
    if not 0.0 <= options.flexibility <= 1.0:
        raise ConfigError(f'--flexibility {options.flexibility:g}; use 0 to 1')
    return SamplingConfig(
        options.solver,
        options.steps,
        options.scale_audio,
        options.scale_style,
        options.guidance,
        _conditions(options.guide_by),
        threshold,
        options.flexibility,
        options.mouth_noise,
        options.spacing,
    )


def _conditions(given: str | None) -> tuple[str, ...] | None:
    if given is None:
        return None
    names = () if given == 'none' else tuple(given.split(','))
    if not set(names) <= {'audio', 'style'}:
        raise ConfigError(f'--guide-by {given}; use audio, style, audio,style or none')
    return names


def _live(
    model: LoadedModel, audio: Any, style: str, seed: int, bar: tqdm[None], allow_silence: bool
) -> MotionClip:
    """The motion of an utterance as the node with its default parameters streams it."""
    import numpy as np

    from diffposetalk_ros.audio.formats.file import audio_blocks
    from diffposetalk_ros.streaming.generator import StreamConfig, model_stream

    config = StreamConfig(seed=seed, sampling=LIVE_SAMPLING)
    stream, frames = model_stream(model, config, model.style(style)), []
    for block in audio_blocks(audio, refuse_silence=not allow_silence):
        frames += stream.push(block)
        bar.update(stream.committed - bar.n)
    frames += stream.finish()
    motion = np.concatenate([window.motion[: window.committed] for window in frames])
    return model.clip(motion, {'model': model.folder.name, 'seed': seed, 'live': True})
