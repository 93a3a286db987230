# SPDX-License-Identifier: Apache-2.0
"""Two faces in their own namespaces, each with its own audio topic and style.

The other arguments of avatar.launch.py can be given here as well; they hold for both.
"""

from launch import LaunchDescription
from launch.actions import DeclareLaunchArgument, GroupAction, IncludeLaunchDescription
from launch.launch_description_sources import PythonLaunchDescriptionSource
from launch.substitutions import LaunchConfiguration, PathJoinSubstitution
from launch_ros.substitutions import FindPackageShare


def generate_launch_description():
    avatar = PathJoinSubstitution([FindPackageShare('diffposetalk_ros'), 'launch', 'avatar.launch.py'])
    actions = []
    for number in ('1', '2'):
        namespace, style = f'namespace_{number}', f'style_{number}'
        own = {'namespace': LaunchConfiguration(namespace), 'style': LaunchConfiguration(style)}
        include = IncludeLaunchDescription(
            PythonLaunchDescriptionSource(avatar), launch_arguments=own.items()
        )
        actions += [
            DeclareLaunchArgument(
                namespace, default_value=f'avatar_{number}', description=f'Namespace of avatar {number}'
            ),
            DeclareLaunchArgument(
                style,
                default_value='',
                description=f'Style of avatar {number}; empty: as the parameter file says',
            ),
            GroupAction([include]),  # a scope, so that the arguments of one do not reach the other
        ]
    return LaunchDescription(actions)
