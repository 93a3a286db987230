# SPDX-License-Identifier: Apache-2.0
"""MuJoCo chooses how to draw when it is imported; windows are not for tests."""

import os

os.environ.setdefault('MUJOCO_GL', 'egl')
