# SPDX-License-Identifier: Apache-2.0
"""The example head in Gazebo (gz_ros2_control, ros_gz_bridge) with the whole chain under simulated time.

Not run where it was written: Gazebo was not installed there. Checked: it imports, the URDF expands.
"""

from launch import LaunchDescription
from launch.actions import DeclareLaunchArgument, GroupAction, IncludeLaunchDescription, RegisterEventHandler
from launch.conditions import IfCondition, UnlessCondition
from launch.event_handlers import OnProcessExit
from launch.launch_description_sources import PythonLaunchDescriptionSource
from launch.substitutions import Command, FindExecutable, LaunchConfiguration, PathJoinSubstitution
from launch_ros.actions import LifecycleNode, Node
from launch_ros.parameter_descriptions import ParameterValue
from launch_ros.substitutions import FindPackageShare

from diffposetalk_ros.ros.support.launch_arguments import RESPAWN_DELAY, declare, forward, shared_file

AVATAR = ('params_file', 'model', 'style', 'audio', 'audio_info', 'face_motion', 'respawn', 'log_level')


def generate_launch_description():
    xacro_file = shared_file('urdf', 'avatar_head.urdf.xacro')
    controllers = shared_file('config', 'avatar_head_controllers.yaml')
    description = Command(
        [FindExecutable(name='xacro'), ' ', xacro_file, ' hardware:=gazebo', ' controllers:=', controllers]
    )
    sim_time = {'use_sim_time': True}
    publisher = Node(
        package='robot_state_publisher',
        executable='robot_state_publisher',
        output='screen',
        parameters=[{'robot_description': ParameterValue(description, value_type=str)}, sim_time],
    )
    gui = LaunchConfiguration('gui')
    window = _gazebo('-r ', IfCondition(gui))
    headless = _gazebo('-r -s --headless-rendering ', UnlessCondition(gui))
    spawn = Node(
        package='ros_gz_sim',
        executable='create',
        output='screen',
        arguments=['-topic', 'robot_description', '-name', 'avatar_head', '-allow_renaming', 'true'],
    )
    bridge = Node(
        package='ros_gz_bridge',
        executable='parameter_bridge',
        output='screen',
        arguments=['/clock@rosgraph_msgs/msg/Clock[gz.msgs.Clock'],
    )
    broadcaster = _spawner('joint_state_broadcaster', controllers)
    joints = LifecycleNode(
        package='diffposetalk_ros',
        executable='joint_command_node',
        name='joint_command',
        namespace='',
        output='screen',
        arguments=['--autostart'],
        parameters=[{'map_file': LaunchConfiguration('map_file')}, sim_time],
        remappings=[
            ('joint_trajectory', 'head_trajectory_controller/joint_trajectory'),
            ('face_motion', LaunchConfiguration('face_motion')),
        ],
        ros_arguments=['--log-level', LaunchConfiguration('log_level')],
        respawn=LaunchConfiguration('respawn'),
        respawn_delay=RESPAWN_DELAY,
    )
    controller = _spawner('head_trajectory_controller', controllers)
    # One robot under simulated time: the arguments that would change that do not reach the avatar.
    fixed = {'namespace': '', 'name': 'diffposetalk', 'use_sim_time': 'true', 'autostart': 'true'}
    source = PythonLaunchDescriptionSource(shared_file('launch', 'avatar.launch.py'))
    avatar = GroupAction(
        [IncludeLaunchDescription(source)],
        forwarding=False,
        launch_configurations={**forward(*AVATAR), **fixed},
    )
    return LaunchDescription(
        [
            *declare(params_file=shared_file('config', 'avatar_robot.yaml')),
            *declare('model', 'style', 'audio', 'audio_info', 'face_motion', 'respawn', 'log_level'),
            *declare(map_file=shared_file('config', 'joint_map.yaml')),
            DeclareLaunchArgument('world', default_value='empty.sdf', description='World of Gazebo'),
            DeclareLaunchArgument(
                'gui',
                default_value='true',
                choices=['true', 'false'],
                description='Open the window of Gazebo; false: server only',
            ),
            window,
            headless,
            bridge,
            publisher,
            spawn,
            RegisterEventHandler(OnProcessExit(target_action=spawn, on_exit=[broadcaster])),
            RegisterEventHandler(OnProcessExit(target_action=broadcaster, on_exit=[controller])),
            RegisterEventHandler(OnProcessExit(target_action=controller, on_exit=[joints])),
            avatar,
        ]
    )


def _gazebo(options, condition):
    source = PathJoinSubstitution([FindPackageShare('ros_gz_sim'), 'launch', 'gz_sim.launch.py'])
    arguments = {'gz_args': [options, LaunchConfiguration('world')], 'on_exit_shutdown': 'true'}
    return IncludeLaunchDescription(
        PythonLaunchDescriptionSource(source), launch_arguments=arguments.items(), condition=condition
    )


def _spawner(name, parameters):
    return Node(
        package='controller_manager',
        executable='spawner',
        output='screen',
        arguments=[name, '--param-file', parameters],
    )
