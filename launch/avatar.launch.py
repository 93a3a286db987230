# SPDX-License-Identifier: Apache-2.0
"""The talking face: one lifecycle node, configured and activated, no hardware assumed."""

from launch import LaunchDescription
from launch.actions import OpaqueFunction, SetLaunchConfiguration
from launch.substitutions import LaunchConfiguration
from launch_ros.actions import LifecycleNode
from launch_ros.parameter_descriptions import ParameterValue

from diffposetalk_ros.ros.support.launch_arguments import RESPAWN_DELAY, beside, declare, shared_file

# Arguments that set one parameter of the node, and win over the parameter file if they are not empty.
OVERRIDES = {'model': 'model.path', 'style': 'style.name'}


def generate_launch_description():
    return LaunchDescription(
        [
            *declare('namespace', 'name', params_file=shared_file('config', 'diffposetalk.yaml')),
            *declare('model', 'style', 'audio', 'audio_info', 'face_motion', 'use_sim_time'),
            *declare('autostart', 'respawn', 'log_level'),
            OpaqueFunction(function=_node),
        ]
    )


def _node(context):
    """The node: made by a function, because an empty argument must set no parameter."""
    given = {key: LaunchConfiguration(key).perform(context) for key in (*OVERRIDES, 'audio', 'audio_info')}
    overrides = {
        parameter: ParameterValue(given[key], value_type=str)
        for key, parameter in OVERRIDES.items()
        if given[key]
    }
    use_sim_time = ParameterValue(LaunchConfiguration('use_sim_time'), value_type=bool)
    audio_info = given['audio_info'] or beside(given['audio'], 'audio_info')
    autostart = LaunchConfiguration('autostart').perform(context) == 'true'
    node = LifecycleNode(
        package='diffposetalk_ros',
        executable='diffposetalk_node',
        name=LaunchConfiguration('name'),
        namespace=LaunchConfiguration('namespace'),
        output='screen',
        # The node starts itself: a request of launch could reach the one that a respawned node replaces.
        arguments=['--autostart'] if autostart else [],
        parameters=[LaunchConfiguration('params_file'), {**overrides, 'use_sim_time': use_sim_time}],
        remappings=[
            ('audio', given['audio']),
            ('audio_info', audio_info),
            ('face_motion', LaunchConfiguration('face_motion')),
        ],
        ros_arguments=['--log-level', LaunchConfiguration('log_level')],
        respawn=LaunchConfiguration('respawn'),
        respawn_delay=RESPAWN_DELAY,
    )
    return [
        SetLaunchConfiguration('audio_info', audio_info),
        node,
    ]  # as found, for files that include this one
