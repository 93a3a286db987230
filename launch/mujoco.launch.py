# SPDX-License-Identifier: Apache-2.0
"""The example head in MuJoCo with the whole chain under simulated time: audio -> face -> joints -> robot."""

from launch import LaunchDescription
from launch.actions import DeclareLaunchArgument, IncludeLaunchDescription
from launch.launch_description_sources import PythonLaunchDescriptionSource
from launch.substitutions import LaunchConfiguration, PathJoinSubstitution
from launch_ros.actions import LifecycleNode, LifecycleTransition, Node
from launch_ros.substitutions import FindPackageShare
from lifecycle_msgs.msg import Transition


def generate_launch_description():
    share = FindPackageShare('diffposetalk_ros')
    default_map = PathJoinSubstitution([share, 'config', 'joint_map.yaml'])
    default_params = PathJoinSubstitution([share, 'config', 'avatar_robot.yaml'])
    default_urdf = PathJoinSubstitution([share, 'urdf', 'avatar_head.urdf'])
    joints = LifecycleNode(
        package='diffposetalk_ros',
        executable='joint_command_node',
        name='joint_command',
        namespace='',
        output='screen',
        parameters=[{'map_file': LaunchConfiguration('map_file'), 'use_sim_time': True}],
    )
    return LaunchDescription(
        [
            DeclareLaunchArgument('map_file', default_value=default_map, description='Joint map'),
            DeclareLaunchArgument(
                'params_file', default_value=default_params, description='Parameter file of the avatar'
            ),
            DeclareLaunchArgument('urdf', default_value=default_urdf, description='Robot description'),
            Node(
                package='diffposetalk_ros',
                executable='mujoco_node',
                output='screen',
                parameters=[{'urdf': LaunchConfiguration('urdf')}],
            ),
            IncludeLaunchDescription(
                PythonLaunchDescriptionSource(PathJoinSubstitution([share, 'launch', 'avatar.launch.py'])),
                # One robot: the joints listen to this avatar.
                launch_arguments={'use_sim_time': 'true', 'namespace': '', 'name': 'diffposetalk'}.items(),
            ),
            joints,
            LifecycleTransition(
                lifecycle_node_names=['/joint_command'],
                transition_ids=[Transition.TRANSITION_CONFIGURE, Transition.TRANSITION_ACTIVATE],
            ),
        ]
    )
