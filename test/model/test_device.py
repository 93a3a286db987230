# SPDX-License-Identifier: Apache-2.0
import pytest

from diffposetalk_ros.errors import ConfigError
from diffposetalk_ros.model.device import Device, parse_device


def test_words() -> None:
    assert parse_device('cpu') == Device('cpu', 'float32')
    assert parse_device('cuda:1/bfloat16') == Device('cuda:1', 'bfloat16')
    for word in ('cuda/int4', 'cuda/'):
        with pytest.raises(ConfigError, match='bfloat16'):
            parse_device(word)
