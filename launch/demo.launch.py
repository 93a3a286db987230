# SPDX-License-Identifier: Apache-2.0
"""A sound file spoken by the face: audio player and avatar."""

from launch.actions import DeclareLaunchArgument, IncludeLaunchDescription
from launch.launch_description_sources import PythonLaunchDescriptionSource
from launch.substitutions import LaunchConfiguration, PathJoinSubstitution
from launch_ros.actions import Node
from launch_ros.parameter_descriptions import ParameterValue
from launch_ros.substitutions import FindPackageShare

from launch import LaunchDescription


def generate_launch_description():
    avatar = PathJoinSubstitution([FindPackageShare('diffposetalk_ros'), 'launch', 'avatar.launch.py'])
    return LaunchDescription(
        [
            DeclareLaunchArgument('file', description='Sound file to speak'),
            DeclareLaunchArgument('namespace', default_value='', description='Namespace of both nodes'),
            DeclareLaunchArgument('style', default_value='neutral', description='Speaking style'),
            DeclareLaunchArgument(
                'loop', default_value='false', choices=['true', 'false'], description='Repeat the file'
            ),
            DeclareLaunchArgument(
                'burst',
                default_value='false',
                choices=['true', 'false'],
                description='Send everything at once, as speech synthesis does',
            ),
            IncludeLaunchDescription(
                PythonLaunchDescriptionSource(avatar),
                launch_arguments={
                    'namespace': LaunchConfiguration('namespace'),
                    'style': LaunchConfiguration('style'),
                }.items(),
            ),
            Node(
                package='diffposetalk_ros',
                executable='audio_player_node',
                name='audio_player',
                namespace=LaunchConfiguration('namespace'),
                output='screen',
                parameters=[
                    {
                        'file': ParameterValue(LaunchConfiguration('file'), value_type=str),
                        'loop': ParameterValue(LaunchConfiguration('loop'), value_type=bool),
                        'burst': ParameterValue(LaunchConfiguration('burst'), value_type=bool),
                    }
                ],
            ),
        ]
    )
