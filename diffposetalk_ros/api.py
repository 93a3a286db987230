# SPDX-License-Identifier: Apache-2.0
"""DiffPoseTalk as a Python library, without ROS: models, motion of clips and streams, styles, files.

```python
import diffposetalk_ros as dpt

model = dpt.load_model()
motion = dpt.generate(model, 'speech.wav', style='smiling')
dpt.save_motion('motion.npz', motion)
```

Every name here can be used from the package itself, as above. They keep their meaning within a minor
version; other modules of the package may change without notice. Errors that the input causes are subclasses
of `DiffPoseTalkError`; their text names the value and what to do.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeAlias, cast

import numpy as np

from diffposetalk_ros.audio.formats.file import AudioSource, audio_blocks, read_audio
from diffposetalk_ros.audio.resampler import StreamResampler
from diffposetalk_ros.audio.sample_rate import AUDIO_SAMPLE_RATE
from diffposetalk_ros.errors import (
    AudioError,
    CheckpointError,
    ConfigError,
    DiffPoseTalkError,
    ModelError,
    MotionError,
    StyleError,
)
from diffposetalk_ros.model.backend import LIVE_SAMPLING, FloatArray, SamplingConfig
from diffposetalk_ros.model.clip_style import clip_style, style_frames
from diffposetalk_ros.model.config import ModelConfig
from diffposetalk_ros.model.loader import NEUTRAL, LoadedModel, open_model
from diffposetalk_ros.motion.files.motion_file import load_motion, save_motion
from diffposetalk_ros.motion.flame.flame_arrays import FlameArrays, flame_arrays, flame_clip
from diffposetalk_ros.motion.layout import MotionLayout, arkit_layout, flame_layout
from diffposetalk_ros.motion.motion_clip import MotionClip, check_face
from diffposetalk_ros.motion.resampling import at_rate
from diffposetalk_ros.offline.generator import Generator
from diffposetalk_ros.offline.noise import ClipNoise, SeededNoise
from diffposetalk_ros.streaming.generator import (
    GeneratedFrames,
    StreamConfig,
    StreamingGenerator,
    model_stream,
)
from diffposetalk_ros.util.extras import install_hint
from diffposetalk_ros.util.output_file import write_atomically
from diffposetalk_ros.util.resources import DEFAULT_MODEL, demo_clip

__all__ = [
    'Audio', 'AudioError', 'CheckpointError', 'ClipNoise', 'ConfigError', 'DiffPoseTalkError', 'FlameArrays',
    'LoadedModel', 'ModelError', 'MotionClip', 'MotionError', 'MotionLayout', 'MotionStream',
    'SamplingConfig', 'SeededNoise', 'Style', 'StyleEncoder', 'StyleError', 'arkit_layout', 'at_rate', 'demo_clip',
    'extract_style', 'flame_arrays', 'flame_clip', 'flame_layout', 'generate', 'load_model', 'load_motion',
    'load_style_encoder', 'open_stream', 'read_audio', 'save_motion', 'save_style',
]  # fmt: skip

Audio: TypeAlias = AudioSource | FloatArray
"""A sound file by path or as an open binary file, or mono samples (n,) in [-1, 1] at ``sample_rate``."""
Style: TypeAlias = str | Path | FloatArray | None
"""A style by name, blend or file (str), by file (Path), as a vector (S,), or None, the null style."""


_LOUDEST = 100.0
"""Beyond this, samples are no floats that are a little too loud, but integers by another name."""


def load_model(name: str | Path = DEFAULT_MODEL, backend: str = 'auto', device: str = 'auto') -> LoadedModel:
    """Load a model.

    Args:
        name: 'embedded', the bundled model, or a model folder such as `import-checkpoint` writes.
        backend: 'onnx', 'torch' or 'auto': ONNX Runtime where the folder holds graphs, otherwise torch.
        device: 'cpu', 'cuda', 'cuda:1', also with a precision: 'cuda/bfloat16'; 'auto' chooses.

    Returns:
        The model; ``model.styles`` maps the names of its styles to vectors (S,).

    Raises ModelError for a model that is missing or damaged, ConfigError for an unknown backend or device.
    """
    return open_model(name, backend, device, shared=False)


def generate(
    model: LoadedModel,
    audio: Audio,
    style: Style = NEUTRAL,
    *,
    sample_rate: int = AUDIO_SAMPLE_RATE,
    seed: int = 0,
    sampling: SamplingConfig | None = None,
    shape: str | Path | FloatArray | None = None,
    noise: FloatArray | ClipNoise | None = None,
    progress: Callable[[int], None] | None = None,
) -> MotionClip:
    """The motion of a whole clip of speech.

    Args:
        model: see `load_model`.
        audio: a sound file, by path or as an open binary file such as `io.BytesIO`, or mono samples (n,) in
            [-1, 1] at ``sample_rate``.
        style: a name, a blend such as 'lively*0.7+smiling*0.3', a style file, a vector (S,), or None for
            the null style that the model was trained with.
        sample_rate: Hz of an array, by default the 16000 of `read_audio`; the motion of an array at another
            rate than the one given is too fast or too slow for its sound. A file knows its own rate.
        seed: chooses the noise; the same seed, audio and settings give the same motion.
        sampling: solver, steps and guidance; None: 8 DDIM steps, guidance 1.25 on speech.
        shape: FLAME identity for models that take one, as raw coefficients (100,) or a file of them;
            None: the mean of the data.
        noise: x_T (L, D), used for every window of L frames, or an object that gives all noise
            (`ClipNoise`); None: drawn from ``seed``.
        progress: called with the number of finished frames after each window.

    Returns:
        Motion (frames, D) in the units of ``motion.layout``, at the model's rate (25 frames/s).

    Raises AudioError, StyleError, ModelError or ConfigError for what cannot be used.
    """
    _check(seed, sampling)
    generator = Generator(model)
    return generator.generate(
        _blocks(audio, sample_rate),
        style,
        seed,
        sampling,
        None if shape is None else model.shape(shape),
        progress,
        _noise(noise, seed, generator.config),
    )


class MotionStream:
    """Motion of speech that arrives piece by piece; see `open_stream`.

    The frames do not depend on how the audio is cut, nor on the speed of the machine. Not thread-safe.
    """

    def __init__(self, model: LoadedModel, generator: StreamingGenerator, sample_rate: int) -> None:
        self._model = model
        self._generator = generator
        self._resampler = StreamResampler(sample_rate)
        self._utterance = 0

    @property
    def layout(self) -> MotionLayout:
        """Names, units and ranges of the columns."""
        return self._model.backend.config.layout

    @property
    def fps(self) -> int:
        """Frames per second."""
        return self._model.backend.config.fps

    def push(self, samples: FloatArray) -> FloatArray:
        """Add mono samples (n,) in [-1, 1]; returns the frames (m, D) that became final, often none.

        Raises AudioError for another shape, for NaN, or after `finish`.
        """
        return self._feed(self._resampler.push(_mono(samples)))

    def finish(self) -> FloatArray:
        """End the utterance; returns its last frames (m, D). `reset` begins the next one."""
        last = self._feed(self._resampler.flush())
        return np.concatenate([last, self._final(self._generator.finish())])

    def reset(self) -> None:
        """Forget the audio and the motion so far and begin a new utterance with the same style.

        Head, brows and eyes then move differently, so that they do not repeat from utterance to utterance. Open
        another stream to begin with the same movements again.
        """
        self._resampler.reset()
        self._utterance += 1
        self._generator.reset(utterance=self._utterance)

    def set_style(self, style: Style) -> None:
        """Use another style from the next window on; forms as in `generate`. Raises StyleError."""
        self._generator.set_style(self._model.style(style))

    def _feed(self, samples: FloatArray) -> FloatArray:
        return self._final(self._generator.push(samples))

    def _final(self, windows: Iterable[GeneratedFrames]) -> FloatArray:
        frames = [window.motion[: window.committed] for window in windows]
        if not frames:
            return np.zeros((0, self.layout.width), np.float32)
        return self._model.denormalise(np.concatenate(frames))


def open_stream(
    model: LoadedModel,
    style: Style = NEUTRAL,
    *,
    sample_rate: int = AUDIO_SAMPLE_RATE,
    hop: int = StreamConfig.hop,
    look_ahead: int = 1,
    seed: int = 0,
    sampling: SamplingConfig | None = None,
    shape: str | Path | FloatArray | None = None,
) -> MotionStream:
    """Begin a stream: audio goes in piece by piece, motion comes out as soon as it is final.

    Args:
        model: see `load_model`.
        style: forms as in `generate`.
        sample_rate: Hz of the audio that `MotionStream.push` takes, by default 16000.
        hop: frames that become final per window; fewer cost more computation and less delay.
        look_ahead: frames beyond the hop that are generated with it. Beyond the right context of the audio encoder
            (2 frames) each costs one frame of delay.
        seed: chooses the noise.
        sampling: solver, steps and guidance; None: 2 DDIM steps without guidance, as in the live node.
        shape: FLAME identity, as in `generate`.

    Raises StyleError, AudioError or ConfigError for what cannot be used.
    """
    _check(seed, sampling)
    live = LIVE_SAMPLING if sampling is None else sampling
    generator = model_stream(
        model,
        StreamConfig(hop=hop, look_ahead=look_ahead, seed=seed, sampling=live),
        model.style(style),
        shape=None if shape is None else model.shape(shape),
    )
    return MotionStream(model, generator, sample_rate)


@dataclass(frozen=True)
class StyleEncoder:
    """A style encoder without its denoiser; see `load_style_encoder`.

    ``mean`` and ``std`` (D,) normalise motion; ``encode`` maps normalised motion (1, F, D) to a style (1, S).
    """

    config: ModelConfig = field(repr=False)
    mean: FloatArray = field(repr=False)
    std: FloatArray = field(repr=False)
    encode: Callable[[FloatArray], FloatArray] = field(repr=False)


def load_style_encoder(checkpoint: str | Path, stats: str | Path) -> StyleEncoder:
    """Open an official style encoder alone (needs torch).

    Args:
        checkpoint: ``iter_*.pt`` of the style encoder.
        stats: ``stats_train.npz`` of the data it was trained on.

    Raises CheckpointError for a file that is hostile, damaged or something else; nothing in it is executed.
    Raises ModelError if torch is not installed.
    """
    try:
        import torch
    except ModuleNotFoundError as error:
        raise ModelError(f'{checkpoint}: {install_hint(error) or error}') from error

    from diffposetalk_ros.model.official import flame_stats, motion_stats, read_style_encoder

    network, style_config = read_style_encoder(Path(checkpoint))
    width = network.motion_proj.in_features
    head = width == flame_layout(True).width
    config = ModelConfig(head_pose=head, style_dim=style_config.feature_dim, style_encoder=style_config)
    if config.motion_dim != width:
        raise CheckpointError(f'{checkpoint} takes motion of {width} columns; FLAME motion has 54 or 51')
    mean, std = (values.astype(np.float32) for values in motion_stats(flame_stats(Path(stats)), head))

    def encode(motion: FloatArray) -> FloatArray:
        with torch.inference_mode():
            style: FloatArray = network(torch.from_numpy(motion)).numpy()
        return style

    return StyleEncoder(config, mean, std, encode)


def extract_style(
    model: LoadedModel | StyleEncoder, motion: MotionClip, start: float = 0.0, seconds: float | None = None
) -> FloatArray:
    """The speaking style (S,) of a motion clip.

    Args:
        model: a model with a style encoder, or a style encoder alone.
        motion: 1 s or more of motion in the space of the model, at any frame rate; a head rotation that
            the model does not know is left out.
        start: where to begin, s.
        seconds: how much to use, s, at most 60; None: to the end, but for an official encoder the one
            stretch of 4 s that the reference takes.

    Raises StyleError for a clip that is in another space or too short, for a negative ``start`` and for
    ``seconds`` of 0 or less; MotionError for values that no face has.
    """
    check_face(motion)
    if isinstance(model, LoadedModel):
        return model.style_of(style_frames(model.backend.config, motion, start, seconds))
    values = style_frames(model.config, motion, start, seconds)
    return clip_style(model.config, model.encode, ((values - model.mean) / model.std).astype(np.float32))


def save_style(path: str | Path, style: FloatArray) -> None:
    """Write a style vector (S,) to an .npy file, which every ``style`` argument takes.

    Raises StyleError for NaN or infinity, MotionError when the file cannot be written.
    """
    vector = np.asarray(style, np.float32)
    if not np.isfinite(vector).all():
        raise StyleError(f'{path}: the style contains NaN or infinite numbers; extract it again')
    buffer = io.BytesIO()
    np.save(buffer, vector)
    write_atomically(Path(path), buffer.getvalue())


def _mono(samples: object) -> FloatArray:
    array = np.asarray(samples)
    if array.ndim != 1:
        raise AudioError(f'audio of shape {array.shape}; give mono samples (n,), e.g. samples.mean(axis=1)')
    if array.dtype.kind != 'f':
        raise AudioError(f'audio of type {array.dtype}; give floats in [-1, 1], e.g. int16 / 32768')
    if not np.isfinite(array).all():
        raise AudioError('the audio holds NaN or infinite samples; repair it')
    peak = float(np.abs(array).max(initial=0.0))
    if peak > _LOUDEST:
        raise AudioError(f'the audio reaches {peak:.0f}; give floats in [-1, 1], e.g. int16 / 32768')
    return array.astype(np.float32)


def _blocks(audio: Audio, sample_rate: int) -> Iterator[FloatArray]:
    if isinstance(audio, (str, Path)) or hasattr(audio, 'read'):
        yield from audio_blocks(cast('AudioSource', audio))
        return
    samples = _mono(audio)
    if sample_rate != AUDIO_SAMPLE_RATE:
        resampler = StreamResampler(sample_rate)
        samples = np.concatenate([resampler.push(samples), resampler.flush()])
    yield samples


def _check(seed: int, sampling: SamplingConfig | None) -> None:
    """Raise ConfigError for a seed that NumPy refuses, and for a scale that would turn the motion into NaN."""
    if seed < 0:
        raise ConfigError(f'seed {seed}; use 0 or more')
    for name in () if sampling is None else ('scale_audio', 'scale_style'):
        if not np.isfinite(getattr(sampling, name)):
            raise ConfigError(f'{name} {getattr(sampling, name)}; use a finite number')


def _noise(noise: FloatArray | ClipNoise | None, seed: int, config: ModelConfig) -> ClipNoise | None:
    if not isinstance(noise, np.ndarray):
        return noise
    if noise.shape != (config.n_motions, config.motion_dim):
        raise ConfigError(f'noise of shape {noise.shape}; need {(config.n_motions, config.motion_dim)}')
    if not np.isfinite(noise).all():
        raise ConfigError('the noise contains NaN or infinite numbers; give standard normal noise')
    return SeededNoise(seed, config.n_motions, config.motion_dim, noise.astype(np.float32))
