# SPDX-License-Identifier: Apache-2.0
"""The talking face: one lifecycle node, configured and activated, no hardware assumed."""

from launch import LaunchDescription
from launch.actions import DeclareLaunchArgument, EmitEvent, OpaqueFunction, RegisterEventHandler
from launch.conditions import IfCondition
from launch.events import matches_action
from launch.substitutions import LaunchConfiguration, PathJoinSubstitution
from launch_ros.actions import LifecycleNode
from launch_ros.event_handlers import OnStateTransition
from launch_ros.events.lifecycle import ChangeState
from launch_ros.parameter_descriptions import ParameterValue
from launch_ros.substitutions import FindPackageShare
from lifecycle_msgs.msg import Transition

# Arguments that set one parameter of the node, and win over the parameter file if they are not empty.
OVERRIDES = {'model': 'model.path', 'style': 'style.name'}


def generate_launch_description():
    default_file = PathJoinSubstitution([FindPackageShare('diffposetalk_ros'), 'config', 'diffposetalk.yaml'])
    return LaunchDescription(
        [
            DeclareLaunchArgument('namespace', default_value='', description='Namespace of the node'),
            DeclareLaunchArgument('name', default_value='diffposetalk', description='Name of the node'),
            DeclareLaunchArgument(
                'params_file',
                default_value=default_file,
                description='Parameter file; default: every parameter at its default',
            ),
            DeclareLaunchArgument(
                'model',
                default_value='',
                description='Model folder; empty: as the parameter file says, there empty is the embedded one',
            ),
            DeclareLaunchArgument(
                'style', default_value='', description='Speaking style; empty: as the parameter file says'
            ),
            DeclareLaunchArgument('audio', default_value='audio', description='Topic the sound arrives on'),
            DeclareLaunchArgument(
                'face_motion', default_value='face_motion', description='Topic the motion leaves on'
            ),
            DeclareLaunchArgument(
                'use_sim_time',
                default_value='false',
                choices=['true', 'false'],
                description='Follow /clock of a simulator or a bag instead of the system clock',
            ),
            DeclareLaunchArgument(
                'autostart',
                default_value='true',
                choices=['true', 'false'],
                description='Configure and activate at once; false leaves it to a lifecycle manager',
            ),
            DeclareLaunchArgument(
                'log_level',
                default_value='info',
                choices=['debug', 'info', 'warn', 'error', 'fatal'],
                description='Lowest severity that is logged',
            ),
            OpaqueFunction(function=_node),
        ]
    )


def _node(context):
    """The node and what starts it: a function, because an empty argument must set no parameter."""
    given = {key: LaunchConfiguration(key).perform(context) for key in OVERRIDES}
    overrides = {
        OVERRIDES[key]: ParameterValue(value, value_type=str) for key, value in given.items() if value
    }
    use_sim_time = ParameterValue(LaunchConfiguration('use_sim_time'), value_type=bool)
    node = LifecycleNode(
        package='diffposetalk_ros',
        executable='diffposetalk_node',
        name=LaunchConfiguration('name'),
        namespace=LaunchConfiguration('namespace'),
        output='screen',
        parameters=[LaunchConfiguration('params_file'), {**overrides, 'use_sim_time': use_sim_time}],
        remappings=[
            ('audio', LaunchConfiguration('audio')),
            ('face_motion', LaunchConfiguration('face_motion')),
        ],
        ros_arguments=['--log-level', LaunchConfiguration('log_level')],
    )
    autostart = IfCondition(LaunchConfiguration('autostart'))
    # Registered before the node starts, or its first transition could be missed.
    when_configured = RegisterEventHandler(
        OnStateTransition(
            target_lifecycle_node=node,
            start_state='configuring',
            goal_state='inactive',
            entities=[_transition(node, Transition.TRANSITION_ACTIVATE)],
        ),
        condition=autostart,
    )
    configure = _transition(node, Transition.TRANSITION_CONFIGURE, condition=autostart)
    return [when_configured, node, configure]


def _transition(node, number, condition=None):
    event = ChangeState(lifecycle_node_matcher=matches_action(node), transition_id=number)
    return EmitEvent(event=event, condition=condition)
