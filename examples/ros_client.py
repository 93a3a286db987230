# SPDX-License-Identifier: Apache-2.0
"""Change the style of a running avatar and read its frames: python examples/ros_client.py smiling 5

Start an avatar first: ./demo, or ros2 launch diffposetalk_ros demo.launch.py
"""

import sys

import rclpy
from diffposetalk_ros.msg import FaceMotion, FaceMotionInfo
from diffposetalk_ros.srv import SetStyle
from rclpy.duration import Duration
from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, QoSProfile, qos_profile_sensor_data


class Client(Node):
    def __init__(self, style: str) -> None:
        super().__init__('example_client')
        self.channels: list[str] = []
        self.frames = 0
        latched = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)
        self.create_subscription(FaceMotionInfo, 'diffposetalk/info', self.on_info, latched)
        self.create_subscription(FaceMotion, 'face_motion', self.on_frame, qos_profile_sensor_data)
        styles = self.create_client(SetStyle, 'diffposetalk/set_style')
        if not styles.wait_for_service(timeout_sec=10):
            raise SystemExit('no avatar answers; is one active in this ROS_DOMAIN_ID?')
        request = SetStyle.Request(transition=Duration(seconds=0.5).to_msg())
        request.style.name = style
        styles.call_async(request).add_done_callback(self.on_style)

    def on_style(self, future: rclpy.task.Future) -> None:
        answer = future.result()
        print(f'style: {answer.name}' if answer.success else f'refused: {answer.message}')

    def on_info(self, info: FaceMotionInfo) -> None:
        self.channels = list(info.channel_names)
        print(f'{len(self.channels)} channels at {info.output_rate:g} frames/s')

    def on_frame(self, frame: FaceMotion) -> None:
        self.frames += 1
        if self.channels and self.frames % 25 == 0:
            values = dict(zip(self.channels, frame.expression, strict=True))
            print(f'frame {frame.frame_index}: jaw {values["jawOpen"]:.2f}, state {frame.state}')


def main(style: str = 'smiling', seconds: str = '5') -> None:
    rclpy.init()
    client = Client(style)
    end = client.get_clock().now() + Duration(seconds=float(seconds))
    while rclpy.ok() and client.get_clock().now() < end:
        rclpy.spin_once(client, timeout_sec=0.1)
    print(f'{client.frames} frames')
    client.destroy_node()
    rclpy.try_shutdown()


if __name__ == '__main__':
    main(*sys.argv[1:])
