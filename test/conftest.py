# SPDX-License-Identifier: Apache-2.0
"""A DDS domain of this machine only, and of each worker of pytest-xdist, chosen before anything imports rclpy."""

from __future__ import annotations

import os
import signal

os.environ['ROS_AUTOMATIC_DISCOVERY_RANGE'] = 'LOCALHOST'
_domain = int(os.environ.setdefault('ROS_DOMAIN_ID', str(100 + os.getpid() % 100)))
_worker = int(os.environ.get('PYTEST_XDIST_WORKER', 'gw0').removeprefix('gw'))
os.environ['ROS_DOMAIN_ID'] = str((_domain + _worker) % 233)

# A shell starts what runs in the background with Ctrl-C ignored; the programs started here would inherit it.
signal.signal(signal.SIGINT, signal.default_int_handler)
