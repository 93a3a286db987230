# SPDX-License-Identifier: Apache-2.0
"""A DDS domain of this machine only, chosen before anything imports rclpy."""

from __future__ import annotations

import os

os.environ['ROS_AUTOMATIC_DISCOVERY_RANGE'] = 'LOCALHOST'
os.environ.setdefault('ROS_DOMAIN_ID', str(100 + os.getpid() % 100))
