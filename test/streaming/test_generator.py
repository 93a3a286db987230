# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from analytic_backend import AnalyticBackend, model_config  # noqa: E402
from hypothesis import given, settings
from hypothesis import strategies as st

from diffposetalk_ros.diffusion.noise import FrameNoise
from diffposetalk_ros.errors import AudioError, ConfigError, StyleError
from diffposetalk_ros.model.backend import SamplingConfig, WindowRequest
from diffposetalk_ros.streaming.generator import StreamConfig, StreamingGenerator

SAMPLING = SamplingConfig(steps=2)


def speech(n: int, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    envelope = np.repeat(rng.uniform(0, 0.5, n // 800 + 1), 800)[:n]
    return (rng.normal(0, 1, n) * envelope).clip(-1, 1).astype('f4')


def collect(outputs: list) -> np.ndarray:
    at, parts = 0, []
    for frames in outputs:
        assert frames.start == at, 'frames follow each other without gap or repeat'
        assert 0 < frames.committed <= len(frames.motion)
        parts.append(frames.motion[: frames.committed])
        at += frames.committed
    return np.concatenate(parts)


def run(generator: StreamingGenerator, audio: np.ndarray, cuts: list[int]) -> np.ndarray:
    out = []
    for part in np.split(audio, sorted(cuts)):
        out += generator.push(part)
    return collect(out + generator.finish())


CASES = [('logmel', True), ('logmel', False), ('hubert', False)]


@pytest.mark.parametrize(('encoder', 'variable'), CASES)
@settings(max_examples=12, deadline=None)
@given(st.data())
def test_any_cutting_of_the_audio_gives_the_same_bits(encoder, variable, data):
    audio = speech(data.draw(st.integers(640, 16000)))
    hop, ahead = data.draw(st.tuples(st.integers(1, 6), st.integers(0, 5)))
    cuts = data.draw(st.lists(st.integers(0, len(audio)), max_size=20))
    config = StreamConfig(hop, ahead, sampling=replace(SAMPLING, solver='ddpm'))
    backend = AnalyticBackend(model_config(encoder, variable))
    whole = run(StreamingGenerator(backend, config), audio, [])
    assert len(whole) == len(audio) // 640
    np.testing.assert_array_equal(run(StreamingGenerator(backend, config), audio, cuts), whole)


def test_one_sample_messages_give_the_same_bits():
    audio = speech(5000)
    backend, config = AnalyticBackend(), StreamConfig(2, 1, sampling=SAMPLING)
    whole = run(StreamingGenerator(backend, config), audio, [])
    np.testing.assert_array_equal(run(StreamingGenerator(backend, config), audio, list(range(5000))), whole)


def whole_clip(backend: AnalyticBackend, audio: np.ndarray) -> np.ndarray:
    """docs/method.md, 6: features of the whole clip, then windows of n_motions led by the last ten frames."""
    size, frames = backend.config.n_motions, len(audio) // 640
    features = backend.encode_audio(audio[None], -(-frames // size) * size)
    out, previous = [], (None, None)
    for first in range(0, frames, size):
        real = min(size, frames - first)
        length = real if backend.config.variable_window else size
        window = features[:, first : first + length]
        request = WindowRequest(
            audio=window,
            noise=FrameNoise(0, 0, 55).initial(first, first + length)[None],
            previous_motion=previous[0],
            previous_audio=previous[1],
            indicator=(np.arange(length) < real)[None].astype('f4'),
        )
        motion = backend.sample(request, SAMPLING)
        previous = motion[:, -10:], window[:, -10:]
        out.append(motion[0, :real])
    return np.concatenate(out)


@pytest.mark.parametrize(('variable', 'frames'), [(True, 1), (True, 12), (True, 67), (True, 90), (False, 60)])
def test_full_windows_equal_offline_generation(variable, frames):
    backend = AnalyticBackend(model_config(variable=variable))
    audio = speech(640 * frames + 100)
    live = run(StreamingGenerator(backend, StreamConfig(30, 0, sampling=SAMPLING)), audio, [500, 600])
    np.testing.assert_allclose(live, whole_clip(backend, audio), atol=1e-5)


def test_delay_is_the_hop_and_the_longer_of_look_ahead_and_the_encoders_context():
    for hop, ahead in ((1, 0), (1, 2), (2, 0), (2, 1), (3, 4)):
        generator = StreamingGenerator(AnalyticBackend(), StreamConfig(hop, ahead, sampling=SAMPLING))
        need = 640 * hop + max(640 * ahead, 8 * 160)  # 80 ms of right context
        assert not generator.push(np.zeros(need - 1, np.float32))
        (frames,) = generator.push(np.zeros(1, np.float32))
        assert (frames.start, frames.committed, len(frames.motion)) == (0, hop, hop + ahead)


def test_frames_before_a_complete_prefix_are_pinned_then_become_the_prefix():
    backend = AnalyticBackend()
    generator = StreamingGenerator(backend, StreamConfig(4, 2, sampling=SAMPLING))
    motion = run(generator, speech(640 * 24), [])
    shapes = [(w.noise.shape[1], w.previous_motion is not None) for w in backend.windows]
    assert shapes[:5] == [(6, False), (10, False), (14, False), (6, True), (6, True)]
    third, fourth = backend.windows[2:4]
    np.testing.assert_array_equal(third.inpainting.target[0, :8], motion[:8])
    np.testing.assert_array_equal(third.inpainting.mask[0, :, 0] == 1, [1] * 8 + [0] * 6)
    np.testing.assert_array_equal(fourth.previous_motion[0], motion[2:12])


def test_the_prefix_carries_the_features_its_frames_were_made_with():
    backend = AnalyticBackend()
    audio = speech(640 * 30)
    run(StreamingGenerator(backend, StreamConfig(3, 1, sampling=SAMPLING)), audio, [])
    clip = backend.encode_audio(audio[None], 30)[0]
    last = backend.windows[-1]
    np.testing.assert_allclose(last.previous_audio[0], clip[17:27], atol=1e-6)
    np.testing.assert_allclose(last.audio[0], clip[27:30], atol=1e-6)


def test_models_with_fixed_windows_get_padding_marked_by_the_indicator():
    backend = AnalyticBackend(model_config(variable=False))
    run(StreamingGenerator(backend, StreamConfig(2, 1, sampling=SAMPLING)), speech(640 * 20), [])
    assert {w.noise.shape[1] for w in backend.windows} == {30}
    np.testing.assert_array_equal(backend.windows[8].indicator[0], [1] * 3 + [0] * 27)


def test_noise_belongs_to_the_frame_so_another_hop_starts_from_the_same_noise():
    a, b = AnalyticBackend(), AnalyticBackend()
    run(StreamingGenerator(a, StreamConfig(30, 0, sampling=SAMPLING)), speech(640 * 30), [])
    run(StreamingGenerator(b, StreamConfig(5, 0, sampling=SAMPLING)), speech(640 * 30), [])
    np.testing.assert_array_equal(b.windows[3].noise[0], a.windows[0].noise[0, 15:20])


def test_seed_and_stream_change_the_motion_and_reset_repeats_it():
    audio = speech(640 * 20)
    backend = AnalyticBackend()
    config = StreamConfig(2, 1, sampling=SAMPLING)
    generator = StreamingGenerator(backend, config)
    first = run(generator, audio, [])
    generator.reset()
    np.testing.assert_array_equal(run(generator, audio, [7777]), first)
    for other in (replace(config, seed=1), replace(config, stream=1)):
        assert np.abs(run(StreamingGenerator(backend, other), audio, []) - first).max() > 1e-4


def test_reset_in_the_middle_forgets_everything():
    backend, config = AnalyticBackend(), StreamConfig(2, 2, sampling=SAMPLING)
    audio = speech(640 * 20)
    expected = run(StreamingGenerator(backend, config), audio, [])
    generator = StreamingGenerator(backend, config)
    generator.push(speech(640 * 17 + 123, seed=5))
    generator.reset()
    np.testing.assert_array_equal(run(generator, audio, []), expected)


def test_a_style_change_acts_from_the_next_window_and_without_a_jump_larger_than_the_style():
    backend, config = AnalyticBackend(), StreamConfig(2, 1, sampling=SAMPLING)
    audio = speech(640 * 30)
    plain = run(StreamingGenerator(backend, config), audio, [])
    generator = StreamingGenerator(backend, config)
    out = generator.push(audio[: 640 * 15])
    at = generator.committed
    generator.set_style(np.full(4, 2.0, np.float32))
    changed = collect(out + generator.push(audio[640 * 15 :]) + generator.finish())
    np.testing.assert_array_equal(changed[:at], plain[:at])
    assert np.abs(changed[at:] - plain[at:]).max() > 1e-3


@pytest.mark.parametrize('style', [np.zeros(5), np.zeros((1, 4)), np.full(4, np.nan)])
def test_a_style_of_another_model_is_refused_and_the_old_one_kept(style):
    generator = StreamingGenerator(AnalyticBackend(), StreamConfig(sampling=SAMPLING))
    with pytest.raises(StyleError, match='4 finite numbers'):
        generator.set_style(style)


def test_impossible_settings_and_calls_are_refused():
    with pytest.raises(ConfigError, match='window of 40'):
        StreamingGenerator(AnalyticBackend(), StreamConfig(30, 10))
    with pytest.raises(ConfigError, match='hop 0'):
        StreamingGenerator(AnalyticBackend(), StreamConfig(0))
    generator = StreamingGenerator(AnalyticBackend(), StreamConfig(sampling=SAMPLING))
    with pytest.raises(AudioError, match='mono'):
        generator.push(np.zeros((10, 2)))
    generator.finish()
    with pytest.raises(AudioError, match='ended'):
        generator.push(np.zeros(10))


def test_a_failed_step_changes_nothing_and_can_be_repeated():
    class Flaky(AnalyticBackend):
        fail = True

        def sample(self, request, sampling):
            if self.fail and len(self.windows) == 3:
                self.fail = False
                raise RuntimeError('out of memory')
            return super().sample(request, sampling)

    audio = speech(640 * 20)
    config = StreamConfig(2, 1, sampling=SAMPLING)
    generator = StreamingGenerator(Flaky(), config)
    with pytest.raises(RuntimeError):
        generator.push(audio)
    # The three windows before the exception come with the next call.
    out = generator.push(audio[:0]) + generator.finish()
    np.testing.assert_array_equal(collect(out), run(StreamingGenerator(AnalyticBackend(), config), audio, []))


def test_a_limit_gives_the_same_windows_one_by_one():
    audio, config = speech(640 * 20), StreamConfig(2, 1, sampling=SAMPLING)
    generator = StreamingGenerator(AnalyticBackend(), config)
    assert generator.push(audio, limit=0) == []
    out = []
    while made := generator.push(audio[:0], limit=1):
        assert len(made) == 1
        out += made
    while not generator.done:
        (frames,) = generator.finish(limit=1)
        out.append(frames)
    assert generator.finish(limit=1) == []
    np.testing.assert_array_equal(collect(out), run(StreamingGenerator(AnalyticBackend(), config), audio, []))


def test_a_long_stream_holds_a_bounded_amount():
    for encoder, variable in CASES:
        generator = StreamingGenerator(
            AnalyticBackend(model_config(encoder, variable)),
            StreamConfig(5, 0, sampling=SamplingConfig(steps=1)),
        )
        sizes = []
        for i in range(30):
            generator.push(speech(16000, i))
            features = generator._features
            sizes.append(sum(len(v) for v in vars(features).values() if isinstance(v, np.ndarray)))
        assert max(sizes[20:]) <= max(sizes[:12])


def test_other_streams_on_the_same_backend_and_their_resets_change_no_bit():
    backend, config = AnalyticBackend(), StreamConfig(2, 1, sampling=SAMPLING)
    audio = speech(640 * 30)
    alone = run(StreamingGenerator(backend, config), audio, [])
    mine, other = (StreamingGenerator(backend, replace(config, stream=i)) for i in (0, 1))
    out = []
    for i in range(0, len(audio), 1000):
        out += mine.push(audio[i : i + 1000])
        other.push(speech(1700, seed=i))
        if i % 3000 == 0:
            other.reset()
            other.set_style(np.full(4, float(i), np.float32))
    np.testing.assert_array_equal(collect(out + mine.finish()), alone)


@pytest.mark.parametrize(('encoder', 'variable'), CASES)
@pytest.mark.parametrize('samples', [700, 6400, 9000, 16000])
def test_a_preview_is_what_the_end_would_give_and_changes_nothing(encoder, variable, samples):
    audio = speech(24000)
    config = StreamConfig(3, 1, sampling=SAMPLING)
    streams = [StreamingGenerator(AnalyticBackend(model_config(encoder, variable)), config) for _ in 'abc']
    ended, looked, plain = streams
    final = collect(ended.push(audio[:samples]) + ended.finish())
    before = looked.push(audio[:samples])
    parts = list(looked.preview())
    assert all(len(a) <= len(b) for a, b in zip(parts, parts[1:], strict=False))
    shown = [frames.motion[: frames.committed] for frames in before] + parts[-1:]
    np.testing.assert_array_equal(np.concatenate(shown), final)
    after = collect(before + looked.push(audio[samples:]) + looked.finish())
    np.testing.assert_array_equal(after, collect(plain.push(audio) + plain.finish()))
