# SPDX-License-Identifier: Apache-2.0
"""The example head in Gazebo (gz_ros2_control, ros_gz_bridge) with the whole chain under simulated time.

Not run where it was written: Gazebo was not installed there. Checked: it imports, the URDF expands.
"""

from launch import LaunchDescription
from launch.actions import DeclareLaunchArgument, IncludeLaunchDescription, RegisterEventHandler
from launch.conditions import IfCondition, UnlessCondition
from launch.event_handlers import OnProcessExit
from launch.launch_description_sources import PythonLaunchDescriptionSource
from launch.substitutions import Command, FindExecutable, LaunchConfiguration, PathJoinSubstitution
from launch_ros.actions import LifecycleNode, LifecycleTransition, Node
from launch_ros.parameter_descriptions import ParameterValue
from launch_ros.substitutions import FindPackageShare
from lifecycle_msgs.msg import Transition


def generate_launch_description():
    share = FindPackageShare('diffposetalk_ros')
    xacro_file = PathJoinSubstitution([share, 'urdf', 'avatar_head.urdf.xacro'])
    controllers = PathJoinSubstitution([share, 'config', 'avatar_head_controllers.yaml'])
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
        parameters=[{'map_file': LaunchConfiguration('map_file')}, sim_time],
        remappings=[('joint_trajectory', 'head_trajectory_controller/joint_trajectory')],
    )
    start_joints = LifecycleTransition(
        lifecycle_node_names=['/joint_command'],
        transition_ids=[Transition.TRANSITION_CONFIGURE, Transition.TRANSITION_ACTIVATE],
    )
    controller = _spawner('head_trajectory_controller', controllers)
    avatar = IncludeLaunchDescription(
        PythonLaunchDescriptionSource(PathJoinSubstitution([share, 'launch', 'avatar.launch.py'])),
        # One robot: the joints listen to this avatar.
        launch_arguments={'use_sim_time': 'true', 'namespace': '', 'name': 'diffposetalk'}.items(),
    )
    default_map = PathJoinSubstitution([share, 'config', 'joint_map.yaml'])
    default_params = PathJoinSubstitution([share, 'config', 'avatar_robot.yaml'])
    return LaunchDescription(
        [
            DeclareLaunchArgument('map_file', default_value=default_map, description='Joint map'),
            DeclareLaunchArgument(
                'params_file', default_value=default_params, description='Parameter file of the avatar'
            ),
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
            RegisterEventHandler(OnProcessExit(target_action=controller, on_exit=[start_joints])),
            joints,
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
