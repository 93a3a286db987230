# SPDX-License-Identifier: Apache-2.0
"""A sound file spoken by the face: audio player, avatar and page. Runs until it is stopped.

Arguments of avatar.launch.py can be given here as well.
"""

from launch import LaunchDescription
from launch.actions import DeclareLaunchArgument, IncludeLaunchDescription, RegisterEventHandler, Shutdown
from launch.conditions import IfCondition, UnlessCondition
from launch.event_handlers import OnProcessExit
from launch.launch_description_sources import PythonLaunchDescriptionSource
from launch.substitutions import LaunchConfiguration
from launch_ros.actions import LifecycleNode, Node
from launch_ros.parameter_descriptions import ParameterValue

from diffposetalk_ros.ros.support.launch_arguments import RESPAWN_DELAY, shared_file


def generate_launch_description():
    return LaunchDescription(
        [
            DeclareLaunchArgument(
                'file',
                default_value=shared_file('models', 'demo', 'hello.flac'),
                description='Sound file to speak; default: a bundled clip',
            ),
            DeclareLaunchArgument(
                'loop', default_value='false', choices=['true', 'false'], description='Repeat the file'
            ),
            DeclareLaunchArgument(
                'burst',
                default_value='false',
                choices=['true', 'false'],
                description='Send everything at once, as speech synthesis does',
            ),
            DeclareLaunchArgument(
                'viewer',
                default_value='true',
                choices=['true', 'false'],
                description='Serve the page that shows the face',
            ),
            DeclareLaunchArgument(
                'port', default_value='8765', description='Port of the page on this machine; 0: any free one'
            ),
            # First, as it declares the arguments that the others share with the avatar.
            IncludeLaunchDescription(
                PythonLaunchDescriptionSource(shared_file('launch', 'avatar.launch.py'))
            ),
            # Without a face there is nothing to show. After Ctrl-C a second shutdown would be an error of launch.
            RegisterEventHandler(
                OnProcessExit(
                    target_action=lambda action: isinstance(action, LifecycleNode),
                    on_exit=lambda event, context: (
                        None if context.is_shutdown else Shutdown(reason='the avatar has ended')
                    ),
                ),
                condition=UnlessCondition(LaunchConfiguration('respawn')),
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
                        'use_sim_time': ParameterValue(LaunchConfiguration('use_sim_time'), value_type=bool),
                    }
                ],
                remappings=[
                    ('audio', LaunchConfiguration('audio')),
                    ('audio_info', LaunchConfiguration('audio_info')),
                ],
                ros_arguments=['--log-level', LaunchConfiguration('log_level')],
            ),
            Node(
                package='diffposetalk_ros',
                executable='viewer_node',
                name='viewer',
                namespace=LaunchConfiguration('namespace'),
                output='screen',
                parameters=[
                    {
                        'node': ParameterValue(LaunchConfiguration('name'), value_type=str),
                        'port': ParameterValue(LaunchConfiguration('port'), value_type=int),
                        'sample': ParameterValue(LaunchConfiguration('file'), value_type=str),
                        'use_sim_time': ParameterValue(LaunchConfiguration('use_sim_time'), value_type=bool),
                    }
                ],
                remappings=[
                    ('audio', LaunchConfiguration('audio')),
                    ('audio_info', LaunchConfiguration('audio_info')),
                    ('face_motion', LaunchConfiguration('face_motion')),
                ],
                ros_arguments=['--log-level', LaunchConfiguration('log_level')],
                respawn=LaunchConfiguration('respawn'),
                respawn_delay=RESPAWN_DELAY,
                condition=IfCondition(LaunchConfiguration('viewer')),
            ),
        ]
    )
