# SPDX-License-Identifier: Apache-2.0
import numpy as np
import pytest

from diffposetalk_ros.training.animator import NAMED_STYLES, lip_closure_spans, sample_style
from diffposetalk_ros.training.animator.coarticulation import frame_times, pause_spans
from diffposetalk_ros.training.animator.mouth import lower_face
from diffposetalk_ros.training.animator.style import StyleParameters

times = frame_times(210)
PARTING = ('mouthUpperUp', 'mouthLowerDown')


def opening(channels):
    """What parts the lips at the middle of the mouth, in jaw units."""
    gap = channels['jawOpen'] - channels['mouthClose'] + channels['mouthFunnel']
    return gap + sum(channels[name + side] for name in PARTING for side in ('Left', 'Right'))


def styles():
    rng = np.random.default_rng(7)
    return list(NAMED_STYLES.items()) + [(f'sampled{i}', sample_style(rng)) for i in range(40)]


@pytest.mark.parametrize(('name', 'style'), styles())
def test_lips_meet_in_every_closure_and_rest_in_every_pause(speech, name, style):
    channels = lower_face(speech.phones, style, times)
    gap = opening(channels)
    spans = lip_closure_spans(speech.phones)
    assert len(spans) >= 3
    for start, end in spans:
        held = (times >= start - 0.025) & (times <= end + 0.025)
        assert gap[held].min() < 1e-4, name
        assert channels['mouthPressLeft'][held].max() > 0.06, name
    for start, end in pause_spans(speech.phones, 8.4):
        resting = (times > start + 0.2) & (times < end - 0.1)
        assert not resting.any() or gap[resting].max() < 1e-4, name


def test_lips_part_between_the_closures(speech):
    gap = opening(lower_face(speech.phones, StyleParameters(), times))
    assert np.median(gap) > 0.1


def test_labiodentals_tuck_the_lower_lip():
    channels = lower_face(
        [(0.0, 0.4, 'AA'), (0.4, 0.5, 'F'), (0.5, 1.0, 'AA')], StyleParameters(), times[:25]
    )
    assert channels['mouthRollLower'][11] > 0.5
    assert channels['mouthRollUpper'][11] < 0.05
    assert channels['mouthRollLower'][5] < 0.05


@pytest.mark.parametrize(
    ('phone', 'channel'),
    [('AA', 'jawOpen'), ('UW', 'mouthPucker'), ('SH', 'mouthFunnel'), ('IY', 'mouthStretchLeft'),
     ('F', 'mouthRollLower'), ('TH', 'tongueOut'), ('S', 'jawForward'), ('M', 'mouthPressLeft')],
)  # fmt: skip
def test_each_channel_peaks_on_its_phoneme(phone, channel):
    level = {}
    for other in ('AA', 'UW', 'SH', 'IY', 'F', 'TH', 'S', 'M'):
        channels = lower_face([(0.0, 1.0, other)], StyleParameters(), times[:25])
        level[other] = float(channels[channel][12])
    ranked = sorted(level, key=level.__getitem__, reverse=True)
    assert phone in ranked[:2]
    assert level[phone] > 0.1


def test_articulation_scales_the_jaw(speech):
    wide = lower_face(speech.phones, NAMED_STYLES['big_articulation'], times)['jawOpen']
    small = lower_face(speech.phones, NAMED_STYLES['small_articulation'], times)['jawOpen']
    assert wide.max() > 2.5 * small.max()


def test_asymmetry_favours_the_subject_s_left(speech):
    channels = lower_face(speech.phones, StyleParameters(smile=0.4, asymmetry=0.4), times)
    assert channels['mouthSmileLeft'].mean() > 2 * channels['mouthSmileRight'].mean()
