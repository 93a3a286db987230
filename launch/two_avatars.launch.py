# SPDX-License-Identifier: Apache-2.0
"""Two faces in their own namespaces, each with its own audio topic and style. The other arguments hold for both."""

from launch import LaunchDescription
from launch.actions import DeclareLaunchArgument, GroupAction, IncludeLaunchDescription
from launch.launch_description_sources import PythonLaunchDescriptionSource
from launch.substitutions import LaunchConfiguration

from diffposetalk_ros.ros.support.launch_arguments import declare, forward, shared_file

BOTH = (
    'name', 'params_file', 'model', 'audio', 'audio_info', 'face_motion', 'use_sim_time', 'autostart', 'respawn',
    'log_level',
)  # fmt: skip


def generate_launch_description():
    actions = [
        *declare('name', params_file=shared_file('config', 'diffposetalk.yaml')),
        *declare('model', 'audio', 'audio_info', 'face_motion', 'use_sim_time'),
        *declare('autostart', 'respawn', 'log_level'),
    ]
    for number in ('1', '2'):
        namespace, style = f'namespace_{number}', f'style_{number}'
        own = {'namespace': LaunchConfiguration(namespace), 'style': LaunchConfiguration(style)}
        source = PythonLaunchDescriptionSource(shared_file('launch', 'avatar.launch.py'))
        actions += [
            DeclareLaunchArgument(
                namespace, default_value=f'avatar_{number}', description=f'Namespace of avatar {number}'
            ),
            DeclareLaunchArgument(
                style,
                default_value='',
                description=f'Style of avatar {number}; empty: as the parameter file says',
            ),
            GroupAction(
                [IncludeLaunchDescription(source)],
                forwarding=False,
                launch_configurations={**forward(*BOTH), **own},
            ),
        ]
    return LaunchDescription(actions)
