# SPDX-License-Identifier: Apache-2.0
"""Control a running node from the command line, without `ros2`.

For example:
    diffposetalk ctl status
    diffposetalk ctl set-style lively
    diffposetalk ctl set-style 'lively*0.7+smiling*0.3' --transition 1
    diffposetalk ctl interrupt
    diffposetalk ctl set strength.mouth 1.2

If ROS_DOMAIN_ID is not set, the command connects to the demo that was started last.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from typing import TYPE_CHECKING, Any

from diffposetalk_ros.cli.checks import check_at_least
from diffposetalk_ros.errors import ConfigError

if TYPE_CHECKING:
    from diffposetalk_ros.ros.support.avatar_remote import AvatarRemote

__all__ = ['add_arguments', 'run']


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of `diffposetalk ctl`."""
    parser.add_argument('--node', default='diffposetalk', help='name of the avatar node, with its namespace')
    parser.add_argument('--timeout', type=float, default=10.0, help='longest wait for the node [s]')
    verbs = parser.add_subparsers(dest='verb', required=True, metavar='ACTION')
    status = verbs.add_parser('status', help='model, style, state and diagnostics of the node')
    status.add_argument('--json', action='store_true', help='print it as JSON')
    verbs.add_parser('styles', help='list the styles of its model')
    style = verbs.add_parser('set-style', help='change the speaking style')
    style.add_argument('name', help='a style, or a blend such as lively*0.7+smiling*0.3')
    style.add_argument('--transition', type=float, default=0.0, help='duration of the transition [s]')
    verbs.add_parser('interrupt', help='stop speaking now')
    verbs.add_parser('reset', help='discard the state of the stream')
    setting = verbs.add_parser('set', help='change a parameter')
    setting.add_argument('name', help='a parameter, for example strength.mouth')
    setting.add_argument('value', help='its new value')


def run(options: argparse.Namespace) -> int:
    """Do it and print the answer. Raises DiffPoseTalkError when the node is not there or refuses."""
    try:
        import diffposetalk_ros.msg  # noqa: F401
        from diffposetalk_ros.ros.support.avatar_remote import avatar_remote
        from diffposetalk_ros.util.demo_domain import running_demos
    except ImportError as error:
        raise ConfigError(f'ROS 2 or the built messages are missing ({error}); run scripts/setup') from error
    check_at_least(options, 0, 'timeout', *(['transition'] if options.verb == 'set-style' else []))
    if not os.environ.get('ROS_DOMAIN_ID'):
        for variables in running_demos()[:1]:
            os.environ.update(variables)
            print(f'the demo in ROS_DOMAIN_ID {variables["ROS_DOMAIN_ID"]}', file=sys.stderr)
    with avatar_remote(options.node, options.timeout) as remote:
        return _act(remote, options)


def _act(remote: AvatarRemote, options: argparse.Namespace) -> int:
    if options.verb == 'status':
        _print_status(remote.status(), options.json)
    elif options.verb == 'styles':
        names, current = remote.styles()
        for name in names:
            print(f'{name}{"  (in use)" if name == current else ""}')
    elif options.verb == 'set-style':
        print(f'style: {remote.set_style(options.name, options.transition)}')
    elif options.verb == 'set':
        print(f'{options.name}: {remote.set_parameter(options.name, options.value)}')
    else:
        remote.trigger(options.verb)
        print({'interrupt': 'interrupted', 'reset': 'reset'}[options.verb])
    return 0


def _print_status(status: dict[str, Any], as_json: bool) -> None:
    if as_json:
        print(json.dumps(status, indent=2))
        return
    for name, value in status.items():
        if name != 'diagnostics':
            print(f'{name:<10} {value}')
    for name, part in status['diagnostics'].items():
        print(f'{name:<10} {part["level"]}: {part["message"]}')
