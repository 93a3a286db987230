# SPDX-License-Identifier: Apache-2.0
"""YAML with line numbers, so that every error in a hand-written file names its line."""

from __future__ import annotations

from collections.abc import Collection
from contextlib import suppress
from dataclasses import dataclass, replace
from difflib import get_close_matches
from math import inf, isfinite
from pathlib import Path
from typing import Any, NoReturn

import yaml

from diffposetalk_ros.errors import ConfigError

__all__ = ['Entry', 'read_entries']

_DEEPEST, _LARGEST = 12, 20_000


@dataclass(frozen=True)
class Entry:
    """A value in the file and its line. Every failed check raises ConfigError."""

    file: Path
    line: int
    name: str
    value: Any

    def fail(self, text: str) -> NoReturn:
        """Raise ConfigError with file and line."""
        raise ConfigError(f'{self.file}:{self.line}: {text}')

    def keys(self, allowed: Collection[str]) -> None:
        """Refuse keys that are not allowed."""
        for key, entry in self.mapping().items():
            if key not in allowed:
                near = get_close_matches(key, list(allowed), n=1)
                hint = f'did you mean {near[0]}?' if near else f'use {", ".join(allowed)}'
                entry.fail(f'unknown key {key!r}; {hint}')

    def mapping(self) -> dict[str, Entry]:
        """Entries of a mapping, in the file's order."""
        if not isinstance(self.value, dict):
            self.fail(f'{self.name} must be a mapping (key: value)')
        return self.value

    def items(self) -> list[Entry]:
        """Entries of a list."""
        if not isinstance(self.value, list):
            self.fail(f'{self.name} must be a list')
        return self.value

    def find(self, key: str) -> Entry | None:
        """Entry of a key, None when absent."""
        return self.mapping().get(key)

    def get(self, key: str, hint: str = '') -> Entry:
        """Entry of a required key; ``hint`` says what its value may be."""
        found = self.find(key)
        if found is None:
            self.fail(f'{self.name} lacks {key}' + (f'; {hint}' if hint else ''))
        return found

    def text(self) -> str:
        """A non-empty text."""
        if not isinstance(self.value, str) or not self.value:
            self.fail(f'{self.name} is {self._shown()}; give a text')
        return self.value

    def number(self, lowest: float = -inf, highest: float = inf) -> float:
        """A finite number in [lowest, highest]."""
        value = self.value
        if isinstance(value, str):
            with suppress(ValueError):
                value = float(value)  # 1e-5 is text in YAML 1.1
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not _is_finite(value):
            self.fail(f'{self.name} is {self._shown()}; give a finite number')
        if not lowest <= value <= highest:
            self.fail(f'{self.name} is {value:g}; use {lowest:g} to {highest:g}')
        return float(value)

    def _shown(self) -> str:
        if isinstance(self.value, dict):
            return 'a mapping'
        return 'a list' if isinstance(self.value, list) else repr(self.value)[:80]


def _is_finite(value: float) -> bool:
    try:
        return isfinite(value)
    except OverflowError:  # a whole number that no float can hold
        return False


def read_entries(path: Path) -> Entry:
    """Read a YAML file whose top is a mapping. Raises ConfigError for files that cannot be read or parsed."""
    try:
        text = path.read_text(encoding='utf-8')
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f'cannot read {path}: {error}') from error
    try:
        node = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.YAMLError as error:
        mark = getattr(error, 'problem_mark', None)
        line = mark.line + 1 if mark else 1
        problem = getattr(error, 'problem', None) or 'not YAML'
        raise ConfigError(f'{path}:{line}: {problem}') from error
    except RecursionError as error:
        raise ConfigError(f'{path}:1: nested too deeply') from error
    if not isinstance(node, yaml.MappingNode):
        raise ConfigError(f'{path}:1: the file must be a mapping (key: value)')
    return _Reader(path).entry('the file', node)


class _Reader:
    """Converts YAML nodes to entries. Size and depth are limited, because aliases can make a file endless."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._loader = yaml.SafeLoader('')
        self._count = 0

    def entry(self, name: str, node: Any, depth: int = 0) -> Entry:
        place = Entry(self._path, node.start_mark.line + 1, name, None)
        self._count += 1
        if depth > _DEEPEST or self._count > _LARGEST:
            place.fail('nested too deeply' if depth > _DEEPEST else 'the file is too large')
        value: Any
        if isinstance(node, yaml.MappingNode):
            value = {}
            for key_node, item in node.value:
                key = str(key_node.value)
                # Use the line of the key, because a nested mapping begins on the next one.
                found = replace(self.entry(key, item, depth + 1), line=key_node.start_mark.line + 1)
                if key in value:
                    found.fail(f'{key} occurs twice')
                value[key] = found
        elif isinstance(node, yaml.SequenceNode):
            items = enumerate(node.value, 1)
            value = [self.entry(f'item {i} of {name}', item, depth + 1) for i, item in items]
        else:
            try:
                value = self._loader.construct_object(node)
            except (yaml.YAMLError, ValueError):
                place.fail(f'{name} is {node.value[:40]!r}, which cannot be read')
        return replace(place, value=value)
