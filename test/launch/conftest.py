# SPDX-License-Identifier: Apache-2.0
"""A DDS domain of this machine only, chosen before anything imports rclpy; and the model to run."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

os.environ['ROS_AUTOMATIC_DISCOVERY_RANGE'] = 'LOCALHOST'
os.environ.setdefault('ROS_DOMAIN_ID', str(100 + os.getpid() % 100))

EMBEDDED = Path(__file__).parents[2] / 'models' / 'embedded'


@pytest.fixture
def model_folder() -> Path:
    """The embedded model: the launch files are to run with what is shipped."""
    return EMBEDDED
