# SPDX-License-Identifier: Apache-2.0
"""Two faces in their own namespaces, each with its own audio topic and style."""

from launch.actions import DeclareLaunchArgument, IncludeLaunchDescription
from launch.launch_description_sources import PythonLaunchDescriptionSource
from launch.substitutions import LaunchConfiguration, PathJoinSubstitution
from launch_ros.substitutions import FindPackageShare

from launch import LaunchDescription


def generate_launch_description():
    avatar = PathJoinSubstitution([FindPackageShare('diffposetalk_ros'), 'launch', 'avatar.launch.py'])
    actions = []
    for number in ('1', '2'):
        namespace, style = f'namespace_{number}', f'style_{number}'
        actions += [
            DeclareLaunchArgument(
                namespace, default_value=f'avatar_{number}', description=f'Namespace of avatar {number}'
            ),
            DeclareLaunchArgument(
                style, default_value='neutral', description=f'Style of avatar {number}'
            ),
            IncludeLaunchDescription(
                PythonLaunchDescriptionSource(avatar),
                launch_arguments={
                    'namespace': LaunchConfiguration(namespace),
                    'style': LaunchConfiguration(style),
                }.items(),
            ),
        ]
    return LaunchDescription(actions)
