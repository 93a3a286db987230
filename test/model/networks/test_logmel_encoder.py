# SPDX-License-Identifier: Apache-2.0
import pytest

torch = pytest.importorskip('torch')

from diffposetalk_ros.model.config import LogMelConfig  # noqa: E402
from diffposetalk_ros.model.networks.logmel_encoder import LogMelEncoder  # noqa: E402


@pytest.mark.parametrize('lookahead', [0, 4, 8])
def test_feature_sees_exactly_its_context(lookahead: int) -> None:
    torch.manual_seed(0)
    encoder = LogMelEncoder(LogMelConfig(n_mels=8, channels=8, hidden=8, lookahead=lookahead)).eval()
    left, right = encoder.context
    assert right == lookahead
    mel = torch.randn(1, left + 4 * 6 + right, 8, requires_grad=True)
    out = encoder(mel)
    assert out.shape == (1, 6, 8)
    # A plain sum would be constant: the output is layer-normalised.
    (out[0, 2] * torch.arange(8.0)).sum().backward()
    touched = mel.grad.abs().sum((0, 2)).nonzero().flatten()
    assert touched.min() == 8 and touched.max() == 8 + left + 3 + right


def test_one_frame_at_a_time_equals_all_at_once() -> None:
    torch.manual_seed(0)
    encoder = LogMelEncoder(LogMelConfig(channels=16, hidden=16)).eval()
    left, right = encoder.context
    mel = torch.randn(1, left + 4 * 5 + right, 64)
    whole = encoder(mel)
    for frame in range(5):
        alone = encoder(mel[:, 4 * frame : 4 * frame + left + 4 + right])
        torch.testing.assert_close(alone[0, 0], whole[0, frame], atol=1e-5, rtol=0)


def test_a_grown_encoder_begins_as_the_smaller_one() -> None:
    torch.manual_seed(0)
    small = LogMelEncoder(LogMelConfig(n_mels=8, channels=8, hidden=8)).eval()
    large = LogMelEncoder(LogMelConfig(n_mels=8, channels=8, hidden=8, dilations=(1, 2, 4, 8, 2, 4))).eval()
    mel = torch.randn(2, large.context[0] + 4 * 5 + 8, 8)
    more = large.context[0] - small.context[0]
    assert more > 0 and large.context[1] == small.context[1]
    assert (large(mel) - small(mel[:, more:])).abs().max() > 0.1
    large.begin_as(small)
    # Another length may be summed in another order.
    torch.testing.assert_close(large(mel), small(mel[:, more:]), atol=1e-5, rtol=0)
