# SPDX-License-Identifier: Apache-2.0
"""The parameter table, declared on a node."""

from __future__ import annotations

from typing import Any

from diffposetalk_ros.avatar.parameters import PARAMETERS

__all__ = ['declare']


def declare(node: Any) -> None:
    """Declare the whole table on an rclpy node, with descriptors and ranges."""
    from rcl_interfaces.msg import FloatingPointRange, IntegerRange, ParameterDescriptor

    for spec in PARAMETERS:
        descriptor = ParameterDescriptor(
            description=spec.full_description, additional_constraints=spec.constraints
        )
        if spec.lower is not None and spec.upper is not None:
            if isinstance(spec.default, int):
                descriptor.integer_range = [
                    IntegerRange(from_value=int(spec.lower), to_value=int(spec.upper), step=0)
                ]
            else:
                descriptor.floating_point_range = [
                    FloatingPointRange(from_value=spec.lower, to_value=spec.upper, step=0.0)
                ]
        node.declare_parameter(spec.name, spec.default, descriptor)
