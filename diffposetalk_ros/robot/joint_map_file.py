# SPDX-License-Identifier: Apache-2.0
"""Reads and writes joint_map.yaml. Every error names file and line. A calibration file can correct values.

The format is described in docs/adding_a_robot.md.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace
from difflib import get_close_matches
from math import isfinite
from pathlib import Path
from typing import Any

import numpy as np

from diffposetalk_ros.motion.layout import MotionLayout, layout_for
from diffposetalk_ros.robot.joint_map import Clearance, Follow, Joint, JointMap, NeckMap, Source
from diffposetalk_ros.util.yaml_lines import Entry, read_entries

__all__ = ['dump_joint_map', 'load_joint_map']

_UNITS = ('rad', 'm')
_MOST = 1e4
_CAPS = (1e-6, 1e9)
_JOINT_KEYS = (
    'unit', 'limits', 'speed', 'acceleration', 'jerk', 'offset', 'rest', 'delay', 'dead_band',
    'sources', 'follows',
)  # fmt: skip
_CALIBRATION_KEYS = ('scale', 'offset', 'limits', 'speed', 'acceleration', 'jerk', 'delay', 'rest')


def load_joint_map(path: str | Path, calibration: str | Path | None = None) -> JointMap:
    """Read and check a map; ``calibration`` corrects single joints of one built robot.

    Raises ConfigError naming file, line and the valid names for: unknown keys, channels or joints,
    a missing unit, inverted limits, values out of range, cycles of couplings, clearances that the rest
    position violates.
    """
    root = read_entries(Path(path))
    root.keys(('format', 'robot', 'space', 'neck', 'joints', 'clearances'))
    if root.get('format').value != 1:
        root.get('format').fail('format must be 1')
    space = root.get('space', "use 'arkit' or 'flame'").text()
    if space not in ('arkit', 'flame'):
        root.get('space').fail(f"space {space!r}; use 'arkit' or 'flame'")
    layout = layout_for(space)
    entries = root.get('joints').mapping()
    if not entries:
        root.get('joints').fail('no joints; name at least one')
    corrections: Mapping[str, Entry] = {}
    if calibration is not None:
        extra = read_entries(Path(calibration))
        extra.keys(('format', 'robot', 'joints'))
        corrections = extra.get('joints').mapping()
        for name, entry in corrections.items():
            _known(entry, name, entries, 'joint')
    neck = _neck(root.find('neck'), entries)
    joints = tuple(
        _joint(name, entry, layout, entries, corrections.get(name)) for name, entry in entries.items()
    )
    _refuse_cycles(joints, entries)
    clearances = tuple(_clearance(item, entries) for item in _items(root.find('clearances')))
    if neck is not None:
        for name in neck.joints:
            if joints[list(entries).index(name)].follows is not None:
                entries[name].fail(f'neck joint {name} must not follow another joint')
    for joint in joints:
        if joint.follows is None and not joint.sources and joint.name not in (neck.joints if neck else ()):
            entries[joint.name].fail(f'{joint.name} has neither sources nor follows and is not in neck')
    result = JointMap(root.get('robot').text(), layout, joints, neck, clearances)
    _check_whole(result, entries, _items(root.find('clearances')))
    return result


def _items(entry: Entry | None) -> list[Entry]:
    return [] if entry is None else entry.items()


def _known(entry: Entry, name: str, names: Collection[str], kind: str) -> None:
    if name not in names:
        near = get_close_matches(name, list(names), n=3)
        hint = f'did you mean {", ".join(near)}?' if near else ''
        entry.fail(f'no {kind} {name!r}; {hint or "use one of " + ", ".join(names)}')


def _joint(
    name: str, entry: Entry, layout: MotionLayout, names: Collection[str], correction: Entry | None
) -> Joint:
    entry.keys(_JOINT_KEYS)
    unit = entry.get('unit', "use 'rad' or 'm'").text()
    if unit not in _UNITS:
        entry.get('unit').fail(f"unit {unit!r}; use 'rad' or 'm'")
    values = _numbers(entry, name)
    follows = entry.find('follows')
    sources = _sources(entry.find('sources'), layout)
    coupling = None
    if follows is not None:
        for key in ('sources', 'offset', 'rest', 'delay', 'dead_band'):
            if entry.find(key) is not None:
                entry.get(key).fail(f'{name} follows another joint and cannot have {key} of its own')
        follows.keys(('joint', 'gain', 'offset'))
        target = follows.get('joint').text()
        _known(follows.get('joint'), target, names, 'joint')
        gain = follows.get('gain').number(-_MOST, _MOST)
        if gain == 0:
            follows.get('gain').fail('gain 0 couples nothing')
        shift = follows.find('offset')
        coupling = Follow(target, gain, 0.0 if shift is None else shift.number())
    joint = Joint(name, unit, sources=sources, follows=coupling, **values)
    return joint if correction is None else _corrected(joint, correction)


def _numbers(entry: Entry, name: str) -> dict[str, Any]:
    low, high = _limits(entry.get('limits'), name)
    values: dict[str, Any] = {'limits': (low, high)}
    for key in ('speed', 'acceleration', 'jerk'):
        values[key] = entry.get(key, 'every joint needs one').number(*_CAPS)
    for key, top in (('delay', 1.0), ('dead_band', high - low)):
        found = entry.find(key)
        values[key] = 0.0 if found is None else found.number(0.0, top)
    if entry.find('follows') is not None:
        return values
    found = entry.find('offset')
    values['offset'] = min(max(0.0, low), high) if found is None else found.number(low, high)
    found = entry.find('rest')
    values['rest'] = values['offset'] if found is None else found.number(low, high)
    return values


def _limits(entry: Entry, name: str) -> tuple[float, float]:
    numbers = [item.number(-_MOST, _MOST) for item in entry.items()]
    if len(numbers) != 2 or not numbers[0] < numbers[1]:
        entry.fail(f'limits of {name} are {numbers}; give [lowest, highest]')
    return numbers[0], numbers[1]


def _sources(entry: Entry | None, layout: MotionLayout) -> tuple[Source, ...]:
    sources: list[Source] = []
    for item in _items(entry):
        made = _source(item, layout)
        if made.channel in [source.channel for source in sources]:
            item.fail(f'{made.channel} is a source already; give its gain or points once')
        sources.append(made)
    return tuple(sources)


def _source(entry: Entry, layout: MotionLayout) -> Source:
    entry.keys(('channel', 'gain', 'points'))
    channel = entry.get('channel').text()
    _known(entry.get('channel'), channel, layout.names, f'{layout.space} channel')
    gain, points = entry.find('gain'), entry.find('points')
    if (gain is None) == (points is None):
        entry.fail(f'{channel} needs either gain or points')
    if gain is not None:
        return Source(channel, gain.number(-_MOST, _MOST))
    pairs = [tuple(number.number(-_MOST, _MOST) for number in pair.items()) for pair in _items(points)]
    if len(pairs) < 2 or any(len(pair) != 2 for pair in pairs):
        entry.get('points').fail(f'points of {channel}: give at least two pairs [channel, position]')
    if any(b[0] <= a[0] for a, b in zip(pairs, pairs[1:], strict=False)):
        entry.get('points').fail(f'points of {channel}: the first numbers must rise')
    return Source(channel, 0.0, tuple((pair[0], pair[1]) for pair in pairs))


def _neck(entry: Entry | None, names: Collection[str]) -> NeckMap | None:
    if entry is None:
        return None
    entry.keys(('joints', 'axes', 'gain'))
    joints = tuple(item.text() for item in entry.get('joints').items())
    for item in entry.get('joints').items():
        _known(item, item.text(), names, 'joint')
    axes = []
    for item in entry.get('axes').items():
        axis = item.text().lower()
        axis = axis if axis[:1] in '+-' else f'+{axis}'
        if axis[1:] not in ('x', 'y', 'z'):
            item.fail(f'axis {item.text()!r}; use x (forward), y (left) or z (up), with - for the opposite')
        axes.append(axis)
    if len(set(joints)) != len(joints):
        entry.get('joints').fail(f'neck joints {", ".join(joints)}: each only once')
    if not 1 <= len(axes) <= 3 or len(joints) != len(axes):
        entry.get('axes').fail(f'{len(joints)} neck joints and {len(axes)} axes; give one to three pairs')
    if len({axis[1] for axis in axes}) != len(axes):
        entry.get('axes').fail('neck axes must differ: one of x, y and z each')
    gain = entry.find('gain')
    return NeckMap(joints, tuple(axes), 1.0 if gain is None else gain.number(0.0, 10.0))


def _clearance(entry: Entry, names: Collection[str]) -> Clearance:
    entry.keys(('name', 'terms', 'below'))
    terms = []
    for name, weight in entry.get('terms').mapping().items():
        _known(weight, name, names, 'joint')
        terms.append((name, weight.number()))
    return Clearance(entry.get('name').text(), tuple(terms), entry.get('below').number())


def _corrected(joint: Joint, entry: Entry) -> Joint:
    entry.keys(_CALIBRATION_KEYS)
    values: dict[str, Any] = {}
    limits = entry.find('limits')
    low, high = joint.limits if limits is None else _limits(limits, joint.name)
    values['limits'] = (low, high)
    for key in ('speed', 'acceleration', 'jerk'):
        found = entry.find(key)
        if found is not None:
            values[key] = found.number(*_CAPS)
    found = entry.find('delay')
    if found is not None:
        values['delay'] = found.number(0.0, 1.0)
    scale = entry.find('scale')
    if scale is not None:
        factor = scale.number(-10.0, 10.0)
        values['sources'] = tuple(source.scaled(factor) for source in joint.sources)
    if joint.follows is None:
        found = entry.find('offset')
        values['offset'] = min(max(joint.offset, low), high) if found is None else found.number(low, high)
        found = entry.find('rest')
        moved = values['offset'] if joint.rest == joint.offset else min(max(joint.rest, low), high)
        values['rest'] = moved if found is None else found.number(low, high)
    return replace(joint, **values)


def _refuse_cycles(joints: tuple[Joint, ...], entries: Mapping[str, Entry]) -> None:
    follows = {joint.name: joint.follows.joint for joint in joints if joint.follows is not None}
    for name in follows:
        chain = [name]
        while chain[-1] in follows:
            chain.append(follows[chain[-1]])
            if chain[-1] in chain[:-1]:
                entries[name].fail(f'cycle: {" follows ".join(chain)}')


def _check_whole(joint_map: JointMap, entries: Mapping[str, Entry], clearances: list[Entry]) -> None:
    for k, index in enumerate(joint_map.driven):
        name = joint_map.names[index]
        low, high = joint_map.lower[k], joint_map.upper[k]
        if not low < high:
            entries[name].fail(f'{name} and the joints that follow it have no position in common')
        for what, value in (('rest', joint_map.rest[k]), ('offset', joint_map.offset[k])):
            if not low - 1e-9 <= value <= high + 1e-9:
                entries[name].fail(
                    f'{what} {value:g} of {name} is outside {low:g} to {high:g}, '
                    'the range that the joints which follow it allow'
                )
    at_rest = joint_map.clearance @ joint_map.rest
    for entry, value, limit in zip(clearances, at_rest, joint_map.clearance_limit, strict=True):
        if not value < limit:
            entry.fail(f'at rest the sum is {value:g}, not below {limit:g}')


def dump_joint_map(joint_map: JointMap) -> str:
    """Text of a map that `load_joint_map` reads back to the same map."""
    lines = ['# SPDX-License-Identifier: Apache-2.0', 'format: 1', f'robot: {joint_map.robot}']
    lines += [f'space: {joint_map.layout.space}']
    neck = joint_map.neck
    if neck is not None:
        axes = ', '.join(f"'{axis}'" for axis in neck.axes)
        lines += ['neck:', f'  joints: [{", ".join(neck.joints)}]', f'  axes: [{axes}]']
        lines += [f'  gain: {_text(neck.gain)}']
    lines.append('joints:')
    for joint in joint_map.joints:
        lines += _joint_lines(joint)
    if joint_map.clearances:
        lines.append('clearances:')
    for clearance in joint_map.clearances:
        terms = ', '.join(f'{name}: {_text(weight)}' for name, weight in clearance.terms)
        lines.append(f'  - {{name: {clearance.name}, terms: {{{terms}}}, below: {_text(clearance.below)}}}')
    return '\n'.join(lines) + '\n'


def _joint_lines(joint: Joint) -> list[str]:
    low, high = joint.limits
    lines = [f'  {joint.name}:', f'    unit: {joint.unit}', f'    limits: [{_text(low)}, {_text(high)}]']
    for key in ('speed', 'acceleration', 'jerk'):
        lines.append(f'    {key}: {_text(getattr(joint, key))}')
    if joint.follows is not None:
        f = joint.follows
        parts = f'joint: {f.joint}, gain: {_text(f.gain)}, offset: {_text(f.offset)}'
        return [*lines, f'    follows: {{{parts}}}']
    for key in ('offset', 'rest', 'delay', 'dead_band'):
        lines.append(f'    {key}: {_text(getattr(joint, key))}')
    if joint.sources:
        lines.append('    sources:')
    for source in joint.sources:
        pairs = ', '.join(f'[{_text(x)}, {_text(y)}]' for x, y in source.points)
        value = f'points: [{pairs}]' if source.points else f'gain: {_text(source.gain)}'
        lines.append(f'      - {{channel: {source.channel}, {value}}}')
    return lines


def _text(value: float) -> str:
    number = float(np.round(value, 12))
    assert isfinite(number)
    # YAML 1.1 reads 1e-05 as text.
    return f'{number:.12f}'.rstrip('0') + '0' if 'e' in repr(number) else repr(number)
