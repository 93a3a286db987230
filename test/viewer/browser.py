# SPDX-License-Identifier: Apache-2.0
"""For tests that look for the browser beside the page's tests."""

from diffposetalk_ros.benchmark.browser import CHROMIUM, Browser

__all__ = ['CHROMIUM', 'Browser']
