# SPDX-License-Identifier: Apache-2.0
"""A DDS domain for the programs of one test, whose nodes have the names of other tests' nodes."""

from __future__ import annotations

from diffposetalk_ros.util.demo_domain import free_domain


def own_domain() -> str:
    """One in which nobody is now: neither a test of another process nor a demo, which take other numbers."""
    return str(free_domain(range(70, 100)))
