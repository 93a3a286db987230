# SPDX-License-Identifier: Apache-2.0
"""Size, import time and memory of a plain installation, measured in a separate process without torch."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

from diffposetalk_ros.benchmark.table import Table
from diffposetalk_ros.errors import ModelError

__all__ = ['footprint_table', 'installed_size']

_SCRIPT = """
import time, sys, json
begin = time.perf_counter()
import diffposetalk_ros.offline.generator
from diffposetalk_ros.streaming import StreamConfig, model_stream
imported, computed = time.perf_counter() - begin, time.process_time()
from diffposetalk_ros.benchmark.speed.requests import speech_like
model = diffposetalk_ros.offline.generator.Generator(sys.argv[1], backend='onnx', device='cpu').model
opened = time.perf_counter() - begin - imported
from diffposetalk_ros.benchmark.speed.embedded import DEFAULT
stream = model_stream(model, StreamConfig(sampling=DEFAULT), next(iter(model.styles.values()), None))
for _ in range(100):
    stream.push(speech_like(0.08))
import resource
status = dict(line.split(':', 1) for line in open('/proc/self/status') if ':' in line)
print(json.dumps([imported, computed, opened, int(status['VmRSS'].split()[0]) / 1024,
                  resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, 'torch' in sys.modules]))
"""


def footprint_table(model: str) -> Table:
    """Import time, time to open the model, memory while talking. Linux only."""
    done = subprocess.run([sys.executable, '-c', _SCRIPT, model], capture_output=True, text=True, check=False)
    if done.returncode:
        raise ModelError(f'{model} cannot be measured: {(done.stderr.strip().splitlines() or ["?"])[-1]}')
    imported, computed, opened, resident, peak, torch = json.loads(done.stdout)
    size = installed_size()
    rows = (
        ('installed for the CPU, Python, torch and ROS not counted [MiB]', size),
        ('import [s]', imported),
        ('processor time of start and import [s]', computed),
        ('open the model [s]', opened),
        ('resident after 8 s of talking [MiB]', resident),
        ('peak resident [MiB]', peak),
        ('torch imported', 'yes' if torch else 'no'),
    )
    return Table('Footprint without ROS', 'A separate process with one stream.', ('', ''), rows)


def installed_size(package: str = 'diffposetalk_ros', extra: str = 'onnx') -> float | None:
    """MiB of what pip installs for ``package[extra]``, its requirements included; None where pip did not
    install it. Compiled bytecode is not counted."""
    sizes: dict[str, int] = {}

    def visit(name: str, extra: str | None = None) -> None:
        key = re.sub('[-_.]+', '-', name).lower()
        if key in sizes:
            return
        found = distribution(name)
        files = (file.locate() for file in found.files or () if file.suffix != '.pyc')
        sizes[key] = sum(Path(str(path)).stat().st_size for path in files if Path(str(path)).is_file())
        for requirement in found.requires or ():
            needed, _, condition = requirement.partition(';')
            if 'extra ==' in condition and (extra is None or not re.search(f'["\']{extra}["\']', condition)):
                continue
            match = re.match(r'[\w.-]+', needed)
            if match:
                try:
                    visit(match[0])
                except PackageNotFoundError:
                    continue  # for another Python or system

    try:
        visit(package, extra)
    except PackageNotFoundError:
        return None
    return sum(sizes.values()) / 2**20
