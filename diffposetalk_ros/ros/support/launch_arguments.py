# SPDX-License-Identifier: Apache-2.0
"""The arguments that the launch files share: one name, one default and one description for each."""

from __future__ import annotations

from typing import Any

from launch.actions import DeclareLaunchArgument
from launch.substitutions import LaunchConfiguration, PathJoinSubstitution
from launch_ros.substitutions import FindPackageShare

__all__ = ['RESPAWN_DELAY', 'beside', 'declare', 'forward', 'shared_file']

RESPAWN_DELAY = 0.5
"""Seconds between the end of a node and its next start."""

_SWITCH = ['true', 'false']
_TABLE: dict[str, dict[str, Any]] = {
    'namespace': {'default_value': '', 'description': 'Namespace of the nodes; their topics move with it'},
    'name': {'default_value': 'diffposetalk', 'description': 'Name of the avatar node'},
    'params_file': {
        'description': 'Parameter file of the avatar; it may name only what differs from the defaults'
    },
    'model': {'default_value': '', 'description': 'Model folder; empty: as the parameter file says'},
    'style': {'default_value': '', 'description': 'Speaking style; empty: as the parameter file says'},
    'audio': {'default_value': 'audio', 'description': 'Topic the sound arrives on'},
    'audio_info': {
        'default_value': '',
        'description': 'Topic that tells the format of ros-drivers audio; empty: audio_info beside the audio topic',
    },
    'face_motion': {'default_value': 'face_motion', 'description': 'Topic the motion leaves on'},
    'use_sim_time': {
        'default_value': 'false',
        'choices': _SWITCH,
        'description': 'Follow /clock of a simulator or a bag instead of the system clock',
    },
    'autostart': {
        'default_value': 'true',
        'choices': _SWITCH,
        'description': 'Configure and activate at once; false leaves it to a lifecycle manager',
    },
    'respawn': {
        'default_value': 'false',
        'choices': _SWITCH,
        'description': f'Start a node that has ended again, {RESPAWN_DELAY:g} s later',
    },
    'log_level': {
        'default_value': 'info',
        'choices': ['debug', 'info', 'warn', 'error', 'fatal'],
        'description': 'Lowest severity that is logged',
    },
    'map_file': {'description': 'Joint map of the robot'},
}


def declare(*names: str, **defaults: Any) -> list[DeclareLaunchArgument]:
    """Declarations of shared arguments; ``defaults`` names those whose default depends on the file."""
    return [
        DeclareLaunchArgument(name, **{'default_value': defaults.get(name), **_TABLE[name]})
        for name in (*names, *defaults)
    ]


def forward(*names: str) -> dict[str, LaunchConfiguration]:
    """Arguments that a group with ``forwarding=False`` must pass to the files it includes; no others reach them."""
    return {name: LaunchConfiguration(name) for name in names}


def shared_file(*parts: str) -> PathJoinSubstitution:
    """A file of this package's share folder."""
    return PathJoinSubstitution([FindPackageShare('diffposetalk_ros'), *parts])


def beside(topic: str, name: str) -> str:
    """The topic ``name`` in the namespace of ``topic``: ros-drivers publishes audio and audio_info side by side."""
    return topic.rpartition('/')[0] + topic.rpartition('/')[1] + name
