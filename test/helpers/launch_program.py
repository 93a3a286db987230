# SPDX-License-Identifier: Apache-2.0
"""What `ros2 launch FILE NAME:=VALUE ...` comes down to, as a program for `python -c`."""

PROGRAM = """
import sys
from launch import LaunchDescription, LaunchService
from launch.actions import IncludeLaunchDescription
from launch.launch_description_sources import AnyLaunchDescriptionSource
arguments = [tuple(word.split(':=', 1)) for word in sys.argv[2:]]
source = AnyLaunchDescriptionSource(sys.argv[1])
service = LaunchService(argv=sys.argv[2:])
service.include_launch_description(
    LaunchDescription([IncludeLaunchDescription(source, launch_arguments=arguments)])
)
raise SystemExit(service.run())
"""
