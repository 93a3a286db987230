# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from dataclasses import fields
from pathlib import Path

import pytest
import yaml

from diffposetalk_ros.avatar.parameters import (
    PARAMETERS,
    NodeConfig,
    ParameterSpec,
    config_from,
    read_assignment,
    reject_reason,
    to_yaml,
)
from diffposetalk_ros.errors import ConfigError

YAML = Path(__file__).parents[2] / 'config' / 'diffposetalk.yaml'


def test_yaml_file_is_the_table() -> None:
    assert YAML.read_text(encoding='utf-8') == to_yaml()


def test_a_reader_of_yaml_finds_every_parameter_in_the_file() -> None:
    # A group that appears twice is one key twice, of which YAML readers keep the last.
    groups = yaml.safe_load(to_yaml())['/**']['ros__parameters']
    read = {f'{group}.{key}': value for group, entries in groups.items() for key, value in entries.items()}
    assert read == {spec.name: spec.default for spec in PARAMETERS}


def test_config_has_one_field_per_parameter() -> None:
    assert [f.name for f in fields(NodeConfig)] == [s.name.replace('.', '_') for s in PARAMETERS]
    config_from({})


@pytest.mark.parametrize('spec', PARAMETERS, ids=lambda spec: spec.name)
def test_every_spec_is_described_and_accepts_its_default(spec: ParameterSpec) -> None:
    assert spec.description
    assert (spec.lower is None) == (spec.upper is None)
    spec.check(spec.default)
    if spec.upper is not None:
        assert spec.unit, 'a range without a unit'
        with pytest.raises(ConfigError, match=spec.name):
            spec.check(type(spec.default)(spec.upper + 1))
    if spec.choices:
        with pytest.raises(ConfigError, match='use one of'):
            spec.check('no such choice')


def test_nan_is_refused() -> None:
    with pytest.raises(ConfigError):
        config_from({'playout.delay': float('nan')})


@pytest.mark.parametrize(
    ('name', 'value', 'state', 'reason'),
    [
        ('sampler.steps', 2, 'active', None),
        ('sampler.steps', 0, 'active', 'sampler.steps is 0'),
        ('stream.hop', 3, 'active', 'deactivate first'),
        ('idle.listen', True, 'active', 'or set it at the start: -p idle.listen:=true'),
        ('stream.hop', 3, 'inactive', None),
        ('model.path', '/x', 'inactive', 'only before configure'),
        ('model.path', '/x', 'unconfigured', None),
        ('use_sim_time', True, 'active', None),
    ],
)
def test_when_a_parameter_may_change(name: str, value: object, state: str, reason: str | None) -> None:
    answer = reject_reason(name, value, state)
    assert answer is None if reason is None else answer is not None and reason in answer


def test_assignments_are_read_as_ros_writes_them() -> None:
    assert read_assignment('stream.hop:=8') == ('stream.hop', 8)
    assert read_assignment('playout.delay:=1') == ('playout.delay', 1.0)
    assert read_assignment('idle.enabled:=false') == ('idle.enabled', False)
    assert read_assignment('style.name:=1') == ('style.name', '1')
    for word, reason in [
        ('stream.hop=8', 'write NAME:=VALUE'),
        ('stream.hopp:=8', "no parameter 'stream.hopp'; did you mean 'stream.hop'"),
        ('stream.hop:=99', 'stream.hop is 99; use 1 to 25'),
        ('stream.hop:=two', "stream.hop is 'two'; it must be a int"),
        ('stream.hop:=[', "stream.hop is '\\['; it must be a int"),
    ]:
        with pytest.raises(ConfigError, match=reason):
            read_assignment(word)
