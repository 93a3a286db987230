# SPDX-License-Identifier: Apache-2.0
"""MuJoCo chooses how to draw when it is imported; windows are not for tests."""

from diffposetalk_ros.robot.simulated_head import choose_renderer

choose_renderer()
