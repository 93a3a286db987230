# SPDX-License-Identifier: Apache-2.0
"""Network configuration: a frozen value saved as JSON beside the weights."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any, TypeVar

from diffposetalk_ros.audio.sample_rate import AUDIO_SAMPLE_RATE
from diffposetalk_ros.errors import ConfigError
from diffposetalk_ros.motion.layout import MotionLayout, layout_for
from diffposetalk_ros.util.resources import CONFIG
from diffposetalk_ros.util.small_file import read_small_text

__all__ = ['LogMelConfig', 'ModelConfig', 'StyleEncoderConfig']

_T = TypeVar('_T')


def _build(cls: type[_T], values: Mapping[str, Any], where: str) -> _T:
    known = {f.name for f in fields(cls)}  # type: ignore[arg-type]
    unknown = sorted(set(values) - known)
    if unknown:
        raise ConfigError(f'{where}: unknown key {unknown[0]!r}; known keys: {", ".join(sorted(known))}')
    # JSON has no tuples.
    values = {key: tuple(value) if isinstance(value, list) else value for key, value in values.items()}
    try:
        return cls(**values)
    except ConfigError as error:
        raise ConfigError(f'{where}: {error}') from None


_WIDEST = 1 << 14
_RANGES = {
    'fps': (1, 1000), 'n_motions': (1, 10_000), 'n_prev_motions': (1, 10_000), 'feature_dim': (2, _WIDEST),
    'n_heads': (1, 1024), 'n_layers': (1, 256), 'mlp_ratio': (1, 1024), 'align_mask_width': (-10_000, 10_000),
    'shape_dim': (0, _WIDEST), 'style_dim': (0, _WIDEST), 'n_diff_steps': (1, 100_000), 'n_mels': (1, 1024),
    'channels': (1, _WIDEST), 'hidden': (1, _WIDEST), 'lookahead': (0, 1000),
}  # fmt: skip
"""Allowed range of whole numbers, so that a damaged file gives an error and does not fill the memory."""


def _check(config: Any) -> None:
    """Raise ConfigError for a number out of range or a switch that is not true or false."""
    for item in fields(config):
        value = getattr(config, item.name)
        low, high = _RANGES.get(item.name, (0, 0))
        if item.name in _RANGES and (type(value) is not int or not low <= value <= high):
            raise ConfigError(f'{item.name} is {value!r}; use a whole number of {low} to {high}')
        if item.type == 'bool' and not isinstance(value, bool):
            raise ConfigError(f'{item.name} is {value!r}; use true or false')
        if item.type == 'float' and type(value) not in (int, float):
            raise ConfigError(f'{item.name} is {value!r}; use a number')
    if hasattr(config, 'n_heads') and config.feature_dim % config.n_heads:
        raise ConfigError(f'feature_dim {config.feature_dim} is not a multiple of n_heads {config.n_heads}')


def _choice(name: str, value: str, allowed: tuple[str, ...]) -> None:
    if value not in allowed:
        raise ConfigError(f'{name} is {value!r}; use one of {", ".join(allowed)}')


@dataclass(frozen=True)
class StyleEncoderConfig:
    """Sizes of the style encoder (docs/method.md, 4).

    Args:
        feature_dim: width of the encoder and of a style (S).
        n_heads: attention heads.
        n_layers: transformer layers.
        mlp_ratio: hidden width of the feed-forward layers over ``feature_dim``.
        n_motions: frames of a clip in training.
        position: 'legacy' adds the table row of the clip's length to every frame, as the official code
            does. 'per_frame' is the ordinary encoding, with which the encoder can tell rhythms apart.

    Raises ConfigError for a value out of range.
    """

    feature_dim: int = 128
    n_heads: int = 4
    n_layers: int = 4
    mlp_ratio: int = 4
    n_motions: int = 100
    position: str = 'legacy'

    def __post_init__(self) -> None:
        _check(self)
        _choice('position', self.position, ('legacy', 'per_frame'))


@dataclass(frozen=True)
class LogMelConfig:
    """The light streaming audio encoder of the embedded model.

    Args:
        n_mels: bands of the mel spectrum.
        channels: width of the first convolution.
        hidden: width of the features.
        lookahead: mel frames (10 ms each) after the four of a motion frame that its feature may use. They
            are the algorithmic delay.
        dilations: one residual block each, in steps of 20 ms.

    Raises ConfigError for a value out of range.
    """

    n_mels: int = 64
    channels: int = 128
    hidden: int = 192
    lookahead: int = 8
    dilations: tuple[int, ...] = (1, 2, 4, 8)

    def __post_init__(self) -> None:
        _check(self)
        steps = self.dilations
        if (
            not isinstance(steps, tuple)
            or not 1 <= len(steps) <= 64
            or any(type(x) is not int for x in steps)
        ):
            raise ConfigError(f'dilations is {steps!r}; use a list of 1 to 64 whole numbers')
        if not 1 <= min(steps) <= max(steps) <= 256:
            raise ConfigError(f'dilations {steps} reach beyond 1 to 256')


@dataclass(frozen=True)
class ModelConfig:
    """Everything needed to rebuild the networks. Defaults are the released configuration with head pose.

    Args:
        space: 'flame' or 'arkit'.
        head_pose: whether the motion includes head rotation.
        fps: motion frames per second.
        n_motions: frames of a window (L).
        n_prev_motions: frames before a window that condition it (P).
        feature_dim: width of the denoiser (C).
        n_heads: attention heads.
        n_layers: decoder layers.
        mlp_ratio: hidden width of the feed-forward layers over ``feature_dim``.
        align_mask_width: width of the cross-attention mask (docs/method.md, 3 step 7); 0 for none.
        learnable_pe: learned position table, or the legacy one (docs/method.md, 4.2).
        use_indicator: whether a channel tells real frames from padding.
        variable_window: whether windows may be cut short, so that a live hop needs no padding.
        deterministic: whether this is a regressor: for x_T = 0, its output after one step is the motion.
        mouth_noise: standard deviation of x_T in the columns of the mouth (`motion/regions.py`). The paper
            has 1.
        scale_inputs: whether the network was distilled to take the guidance scales (`model.guided`).
        shape_dim: width of the identity, 0 for none.
        style_dim: width of the style (S), 0 for none.
        guiding_conditions: conditions with a null feature: 'audio', 'style'.
        cfg_mode: guidance the model was trained for: 'incremental' or 'independent'.
        target: prediction of the network: 'sample' (x_0) or 'noise'.
        n_diff_steps: diffusion steps (T).
        diff_schedule: 'cosine', 'linear', 'quadratic' or 'sigmoid'.
        audio_encoder: 'hubert', 'wav2vec2' or 'logmel'.
        audio_encoder_config: fields that differ from the transformers configuration of a base model.
        logmel: sizes of a log-mel encoder.
        pad_mode: padding of audio: 'zero' or 'replicate'.
        style_encoder: sizes of the style encoder that belongs to the model.

    Raises ConfigError for a value out of range.
    """

    space: str = 'flame'
    head_pose: bool = True
    fps: int = 25
    n_motions: int = 100
    n_prev_motions: int = 10
    feature_dim: int = 512
    n_heads: int = 8
    n_layers: int = 8
    mlp_ratio: int = 4
    align_mask_width: int = 1
    learnable_pe: bool = True
    use_indicator: bool = True
    variable_window: bool = False
    deterministic: bool = False
    mouth_noise: float = 1.0
    scale_inputs: bool = False
    shape_dim: int = 100
    style_dim: int = 128
    guiding_conditions: tuple[str, ...] = ('audio', 'style')
    cfg_mode: str = 'incremental'
    target: str = 'sample'
    n_diff_steps: int = 500
    diff_schedule: str = 'cosine'
    audio_encoder: str = 'hubert'
    audio_encoder_config: dict[str, Any] = field(default_factory=dict)
    logmel: LogMelConfig | None = None
    pad_mode: str = 'zero'
    style_encoder: StyleEncoderConfig | None = None

    def __post_init__(self) -> None:
        _check(self)
        _choice('audio_encoder', self.audio_encoder, ('hubert', 'wav2vec2', 'logmel'))
        _choice('target', self.target, ('sample', 'noise'))
        _choice('diff_schedule', self.diff_schedule, ('linear', 'quadratic', 'sigmoid', 'cosine'))
        _choice('cfg_mode', self.cfg_mode, ('incremental', 'independent'))
        _choice('pad_mode', self.pad_mode, ('zero', 'replicate'))
        if not 0 <= self.mouth_noise <= 1:
            raise ConfigError(f'mouth_noise {self.mouth_noise} is not in 0..1; the paper has 1')
        if AUDIO_SAMPLE_RATE % self.fps:
            raise ConfigError(f'fps {self.fps} does not divide {AUDIO_SAMPLE_RATE} samples per second')
        if not isinstance(self.guiding_conditions, tuple):
            raise ConfigError(
                f'guiding_conditions is {self.guiding_conditions!r}; use a list of audio, style'
            )
        for name in self.guiding_conditions:
            _choice('guiding_conditions', name, ('audio', 'style'))
        parts = (
            ('audio_encoder_config', dict),
            ('logmel', LogMelConfig),
            ('style_encoder', StyleEncoderConfig),
        )
        for name, kind in parts:
            if not isinstance(getattr(self, name), kind | None):
                raise ConfigError(f'{name} is {getattr(self, name)!r}; use an object of settings')
        _ = self.layout  # raises for an unknown space

    @property
    def layout(self) -> MotionLayout:
        """Names and units of the motion columns."""
        return layout_for(self.space, self.head_pose)

    @property
    def motion_dim(self) -> int:
        """Width D of the motion vector."""
        return self.layout.width

    @property
    def scale_dim(self) -> int:
        """Number of inputs for the guidance scales."""
        return 2 if self.scale_inputs else 0

    @property
    def person_dim(self) -> int:
        """Width of the person feature: shape, style, guidance scales."""
        return self.shape_dim + self.style_dim + self.scale_dim

    @property
    def samples_per_frame(self) -> int:
        """Audio samples at 16 kHz that belong to one motion frame (640 at 25 fps)."""
        return AUDIO_SAMPLE_RATE // self.fps

    def to_json(self) -> str:
        """JSON text that `from_json` reads back unchanged."""
        return json.dumps(asdict(self), indent=2) + '\n'

    @classmethod
    def from_json(cls, text: str, where: str = CONFIG) -> ModelConfig:
        """Parse and validate. Raises ConfigError naming an unknown key or a wrong value."""
        try:
            values = json.loads(text)
        except (ValueError, RecursionError) as error:
            raise ConfigError(f'{where} is not JSON ({error})') from error
        if not isinstance(values, dict):
            raise ConfigError(f'{where} must hold a JSON object')
        for name, sub in (('style_encoder', StyleEncoderConfig), ('logmel', LogMelConfig)):
            if isinstance(values.get(name), dict):
                values[name] = _build(sub, values[name], f'{where}: {name}')
        try:
            return _build(cls, values, where)
        except TypeError as error:
            raise ConfigError(f'{where}: {error}') from error

    @classmethod
    def load(cls, path: Path) -> ModelConfig:
        """Read config.json of a model folder."""
        try:
            return cls.from_json(read_small_text(path), str(path))
        except OSError as error:
            raise ConfigError(f'cannot read {path}: {error.strerror}') from error
        except UnicodeDecodeError as error:
            raise ConfigError(f'{path} is not JSON ({error.reason} at byte {error.start})') from error
