# SPDX-License-Identifier: Apache-2.0
"""The talking face: one lifecycle node, configured and activated, no hardware assumed."""

from launch.actions import DeclareLaunchArgument, EmitEvent, RegisterEventHandler
from launch.conditions import IfCondition
from launch.events import matches_action
from launch.substitutions import LaunchConfiguration, PathJoinSubstitution
from launch_ros.actions import LifecycleNode
from launch_ros.event_handlers import OnStateTransition
from launch_ros.events.lifecycle import ChangeState
from launch_ros.parameter_descriptions import ParameterValue
from launch_ros.substitutions import FindPackageShare
from lifecycle_msgs.msg import Transition

from launch import LaunchDescription


def generate_launch_description():
    default_file = PathJoinSubstitution(
        [FindPackageShare('diffposetalk_ros'), 'config', 'diffposetalk.yaml']
    )
    arguments = [
        DeclareLaunchArgument('namespace', default_value='', description='Namespace of the node'),
        DeclareLaunchArgument('name', default_value='diffposetalk', description='Name of the node'),
        DeclareLaunchArgument('params_file', default_value=default_file, description='Parameter file'),
        DeclareLaunchArgument('audio', default_value='audio', description='Topic the audio arrives on'),
        DeclareLaunchArgument(
            'face_motion', default_value='face_motion', description='Topic of the motion'
        ),
        DeclareLaunchArgument('model', default_value='', description='Model folder; empty: embedded'),
        DeclareLaunchArgument('style', default_value='neutral', description='Speaking style'),
        DeclareLaunchArgument(
            'use_sim_time', default_value='false', choices=['true', 'false'], description='Follow /clock'
        ),
        DeclareLaunchArgument(
            'autostart',
            default_value='true',
            choices=['true', 'false'],
            description='Configure and activate at once; false leaves it to a lifecycle manager',
        ),
        DeclareLaunchArgument('log_level', default_value='info', description='Log level'),
    ]
    node = LifecycleNode(
        package='diffposetalk_ros',
        executable='diffposetalk_node',
        name=LaunchConfiguration('name'),
        namespace=LaunchConfiguration('namespace'),
        output='screen',
        parameters=[
            LaunchConfiguration('params_file'),
            {
                'model.path': ParameterValue(LaunchConfiguration('model'), value_type=str),
                'style.name': ParameterValue(LaunchConfiguration('style'), value_type=str),
                'use_sim_time': ParameterValue(LaunchConfiguration('use_sim_time'), value_type=bool),
            },
        ],
        remappings=[
            ('audio', LaunchConfiguration('audio')),
            ('face_motion', LaunchConfiguration('face_motion')),
        ],
        arguments=['--ros-args', '--log-level', LaunchConfiguration('log_level')],
    )
    autostart = IfCondition(LaunchConfiguration('autostart'))
    # Registered before the node starts, or its first transition could be missed.
    when_configured = RegisterEventHandler(
        OnStateTransition(
            target_lifecycle_node=node,
            start_state='configuring',
            goal_state='inactive',
            entities=[
                EmitEvent(
                    event=ChangeState(
                        lifecycle_node_matcher=matches_action(node),
                        transition_id=Transition.TRANSITION_ACTIVATE,
                    )
                )
            ],
        ),
        condition=autostart,
    )
    configure = EmitEvent(
        event=ChangeState(
            lifecycle_node_matcher=matches_action(node), transition_id=Transition.TRANSITION_CONFIGURE
        ),
        condition=autostart,
    )
    return LaunchDescription([*arguments, when_configured, node, configure])
