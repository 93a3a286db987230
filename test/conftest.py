# SPDX-License-Identifier: Apache-2.0
"""Settings that hold before anything imports NumPy, torch or rclpy; and a small model to run."""

from __future__ import annotations

import os
import signal
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest
from tiny_model import write_tiny_model

try:
    import hypothesis
except ImportError:

    class _WithoutHypothesis:
        """Skips, with the reason, each test file that imports it."""

        def find_spec(self, name: str, path: object = None, target: object = None) -> None:
            if name == 'hypothesis':
                raise pytest.skip.Exception('hypothesis is not installed', allow_module_level=True)

    sys.meta_path.insert(0, _WithoutHypothesis())  # type: ignore[arg-type]
else:
    # How long an example takes is decided by what else the machine does. The examples are the same in every run;
    # --hypothesis-profile=search draws new ones.
    hypothesis.settings.register_profile('same', deadline=None, derandomize=True)
    hypothesis.settings.register_profile('search', deadline=None)
    hypothesis.settings.load_profile('same')

# One thread for the linear algebra of each process. The networks of the tests are small, and as many processes as
# there are processors run at once: more threads would spend most of their time waiting for each other.
os.environ.setdefault('OMP_NUM_THREADS', '1')

# A DDS domain of this machine only.
os.environ['ROS_AUTOMATIC_DISCOVERY_RANGE'] = 'LOCALHOST'
_domain = int(os.environ.setdefault('ROS_DOMAIN_ID', str(100 + os.getpid() % 100)))
_worker = int(os.environ.get('PYTEST_XDIST_WORKER', 'gw0').removeprefix('gw'))
os.environ['ROS_DOMAIN_ID'] = str((_domain + _worker) % 233)

# A shell starts what runs in the background with Ctrl-C ignored; the programs started here would inherit it.
signal.signal(signal.SIGINT, signal.default_int_handler)


# Files that take longest, in which those that mostly wait for other processes alternate with those that compute.
LONGEST = (
    'benchmark/ros/test_demo_session.py',
    'viewer/test_page.py',
    'cli/live/test_demo.py',
    'tracking/test_track_video.py',
    'ros/nodes/test_viewer_node.py',
    'avatar/test_avatar.py',
    'ros/test_signals.py',
    'benchmark/test_benchmark.py',
    'launch/test_launch_run.py',
    'model/test_gpu_rules.py',
    'benchmark/ros/test_live_bench.py',
    'examples/test_examples.py',
    'ros/test_lifecycle.py',
    'benchmark/ros/test_start_bench.py',
    'benchmark/test_quality.py',
    'ros/test_demo_topic.py',
    'viewer/test_page_camera.py',
    'launch/test_launch_arguments.py',
    'model/torch/test_sample_window.py',
    'cli/live/test_ctl.py',
    'benchmark/test_page_attacks.py',
    'benchmark/ros/test_robot_bench.py',
    'training/test_published.py',
    'ros/nodes/test_motion_recorder_node.py',
    'viewer/test_lips_close.py',
    'ros/nodes/test_avatar_node.py',
    'training/test_recipe.py',
    'ros/support/test_entry_point.py',
    'cli/test_bad_input.py',
    'ros/test_message_fuzz.py',
    'training/corpus/test_engines.py',
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the longest files, so that no process has one of them left when the others are done."""
    place = {Path(__file__).parent / name: number for number, name in enumerate(LONGEST)}
    items.sort(key=lambda item: place.get(item.path, len(place)))


@pytest.fixture(scope='session')
def model_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model of the real architecture that runs in milliseconds: random weights, test fixture only.

    It has graphs, as the embedded model has: a node that runs it does not import torch. Where torch or onnx is not
    installed, it is the embedded model itself.
    """
    if find_spec('torch') is None or find_spec('onnx') is None:
        return Path(__file__).parents[1] / 'models' / 'embedded'
    from diffposetalk_ros.model.onnx.export import export_onnx

    folder = write_tiny_model(tmp_path_factory.mktemp('model'), ('neutral', 'lively'), n_motions=40)
    export_onnx(folder)
    return folder


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say at the end what could not be tested here, and what would enable it."""
    from not_tested import lines

    reports = terminalreporter.stats.get('skipped', [])
    reasons = [report.longrepr[2] for report in reports if isinstance(report.longrepr, tuple)]
    if reasons:
        terminalreporter.section('not tested on this machine (skipped tests, why, what enables them)')
        for line in lines(reasons):
            terminalreporter.write_line(line)
