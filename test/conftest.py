# SPDX-License-Identifier: Apache-2.0
"""A DDS domain of this machine only, chosen before anything imports rclpy; and a small model to run."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

try:
    import hypothesis
except ImportError:  # the tests that need it are skipped
    pass
else:
    # How long an example takes is decided by what else the machine does.
    hypothesis.settings.register_profile('no_deadline', deadline=None)
    hypothesis.settings.load_profile('no_deadline')

os.environ['ROS_AUTOMATIC_DISCOVERY_RANGE'] = 'LOCALHOST'
_domain = int(os.environ.setdefault('ROS_DOMAIN_ID', str(100 + os.getpid() % 100)))
_worker = int(os.environ.get('PYTEST_XDIST_WORKER', 'gw0').removeprefix('gw'))
os.environ['ROS_DOMAIN_ID'] = str((_domain + _worker) % 233)

# A shell starts what runs in the background with Ctrl-C ignored; the programs started here would inherit it.
signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope='session')
def model_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model of the real architecture that runs in milliseconds: random weights, test fixture only.

    Where torch is not installed, the embedded model itself.
    """
    try:
        import torch
    except ImportError:
        return Path(__file__).parents[1] / 'models' / 'embedded'
    import numpy as np
    from safetensors.numpy import save_file

    from diffposetalk_ros.model.config import LogMelConfig, ModelConfig, StyleEncoderConfig
    from diffposetalk_ros.model.networks.diffposetalk import DiffPoseTalkModel
    from diffposetalk_ros.model.networks.style_encoder import StyleEncoder
    from diffposetalk_ros.model.store import save_model

    torch.manual_seed(0)
    torch.set_num_threads(1)
    config = ModelConfig(
        space='arkit',
        n_motions=40,
        feature_dim=32,
        n_heads=2,
        n_layers=1,
        mlp_ratio=2,
        shape_dim=0,
        style_dim=16,
        variable_window=True,
        audio_encoder='logmel',
        logmel=LogMelConfig(n_mels=64, channels=16, hidden=16),
        style_encoder=StyleEncoderConfig(feature_dim=16, n_heads=2, n_layers=1, mlp_ratio=2),
    )
    folder = tmp_path_factory.mktemp('model')
    encoder = StyleEncoder(config.style_encoder, config.motion_dim)
    dim = config.motion_dim
    save_model(folder, DiffPoseTalkModel(config), (np.full(dim, 0.2), np.full(dim, 0.1)), encoder)
    generator = np.random.default_rng(0)
    styles = {name: generator.normal(size=16).astype(np.float32) for name in ('neutral', 'lively')}
    save_file(styles, folder / 'styles.safetensors')
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
