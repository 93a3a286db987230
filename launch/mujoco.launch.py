# SPDX-License-Identifier: Apache-2.0
"""The example head in MuJoCo with the whole chain under simulated time: audio -> face -> joints -> robot."""

from launch import LaunchDescription
from launch.actions import DeclareLaunchArgument, GroupAction, IncludeLaunchDescription
from launch.launch_description_sources import PythonLaunchDescriptionSource
from launch.substitutions import LaunchConfiguration
from launch_ros.actions import LifecycleNode, Node

from diffposetalk_ros.ros.support.launch_arguments import RESPAWN_DELAY, declare, forward, shared_file

AVATAR = (
    'namespace', 'params_file', 'model', 'style', 'audio', 'audio_info', 'face_motion', 'respawn', 'log_level',
)  # fmt: skip


def generate_launch_description():
    log_level = ['--log-level', LaunchConfiguration('log_level')]
    simulator = Node(
        package='diffposetalk_ros',
        executable='mujoco_node',
        name='mujoco_robot',
        namespace=LaunchConfiguration('namespace'),
        output='screen',
        parameters=[{'urdf': LaunchConfiguration('urdf')}],
        ros_arguments=log_level,
    )
    joints = LifecycleNode(
        package='diffposetalk_ros',
        executable='joint_command_node',
        name='joint_command',
        namespace=LaunchConfiguration('namespace'),
        output='screen',
        arguments=['--autostart'],
        parameters=[{'map_file': LaunchConfiguration('map_file'), 'use_sim_time': True}],
        remappings=[('face_motion', LaunchConfiguration('face_motion'))],
        ros_arguments=log_level,
        respawn=LaunchConfiguration('respawn'),
        respawn_delay=RESPAWN_DELAY,
    )
    # One robot under simulated time: the arguments that would change that do not reach the avatar.
    fixed = {'name': 'diffposetalk', 'use_sim_time': 'true', 'autostart': 'true'}
    source = PythonLaunchDescriptionSource(shared_file('launch', 'avatar.launch.py'))
    avatar = GroupAction(
        [IncludeLaunchDescription(source)],
        forwarding=False,
        launch_configurations={**forward(*AVATAR), **fixed},
    )
    return LaunchDescription(
        [
            *declare('namespace', params_file=shared_file('config', 'avatar_robot.yaml')),
            *declare('model', 'style', 'audio', 'audio_info', 'face_motion', 'respawn', 'log_level'),
            *declare(map_file=shared_file('config', 'joint_map.yaml')),
            DeclareLaunchArgument(
                'urdf', default_value=shared_file('urdf', 'avatar_head.urdf'), description='Robot description'
            ),
            simulator,
            avatar,
            joints,
        ]
    )
