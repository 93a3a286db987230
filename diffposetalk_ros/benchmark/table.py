# SPDX-License-Identifier: Apache-2.0
"""Tables of a benchmark, written as JSON and as Markdown."""

from __future__ import annotations

import json
import os
import platform
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

__all__ = ['Cell', 'Table', 'machine', 'write_report']

Cell = str | int | float | None


@dataclass(frozen=True)
class Table:
    """Rows under named columns (unit in the name). ``note`` says what was measured and how."""

    title: str
    note: str
    columns: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]

    def markdown(self) -> str:
        """Heading, note and table."""
        lines = [f'## {self.title}', self.note, '', _row(self.columns), _row(['---'] * len(self.columns))]
        return '\n'.join([*lines, *(_row([_text(cell) for cell in row]) for row in self.rows)]) + '\n'


def machine() -> dict[str, str]:
    """Processor, cores, versions and time of the measurement."""
    found = {
        'date': time.strftime('%Y-%m-%d %H:%M UTC', time.gmtime()),
        'processor': _processor(),
        'cores': str(os.cpu_count()),
        'load before (1 min)': f'{os.getloadavg()[0]:.2f}' if hasattr(os, 'getloadavg') else '',
        'system': platform.platform(),
        'python': platform.python_version(),
    }
    for package in ('numpy', 'onnxruntime', 'torch', 'transformers'):
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            found[package] = 'not installed'
    return found


def write_report(stem: Path, about: Mapping[str, str], tables: Sequence[Table]) -> tuple[Path, Path]:
    """Write stem.json and stem.md; returns both paths. ``about``: the command and `machine`."""
    stem.parent.mkdir(parents=True, exist_ok=True)
    data = {'about': dict(about), 'tables': [asdict(table) for table in tables]}
    paths = stem.with_suffix('.json'), stem.with_suffix('.md')
    paths[0].write_text(json.dumps(data, indent=1) + '\n', encoding='utf-8')
    head = ['# Benchmark', '', *(f'- {key}: {value}' for key, value in about.items() if value), '']
    text = '\n'.join(head) + '\n' + '\n'.join(table.markdown() for table in tables)
    paths[1].write_text(text, encoding='utf-8')
    return paths


def _processor() -> str:
    try:
        for line in Path('/proc/cpuinfo').read_text(encoding='utf-8').splitlines():
            if line.startswith('model name'):
                return line.split(':', 1)[1].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()


def _row(cells: Sequence[str]) -> str:
    return '| ' + ' | '.join(cells) + ' |'


def _text(cell: Cell) -> str:
    if cell is None:
        return ''
    if isinstance(cell, float):
        return f'{cell:.3g}' if abs(cell) < 100 else f'{cell:.0f}'
    return str(cell)
