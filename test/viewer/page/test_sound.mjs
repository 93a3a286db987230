// SPDX-License-Identifier: Apache-2.0
// Sound is laid out on the audio clock from the first piece on, whatever the context is doing.

import assert from 'node:assert/strict';
import { beforeEach, test } from 'node:test';

import { Sound } from '../../../diffposetalk_ros/viewer/page/sound.js';
import { browser, pass, reset } from './audio_context.mjs';

const RATE = 16000;
const PIECE = 20; // ms
const OFFSET = 1_000_000; // robot time less local time, ms
const clock = { ready: true, robot: (local) => local + OFFSET, local: (robot) => robot - OFFSET };
const settled = () => new Promise((done) => { setImmediate(done); });

let failures;

beforeEach(() => {
  reset();
  failures = [];
});

function make(buffer = 80) {
  return new Sound(clock, buffer, (error) => failures.push(error));
}

function piece(time, rate = RATE) {
  return { time, rate, samples: new Int16Array((PIECE * rate) / 1000).fill(1000) };
}

// Pieces due `ahead` ms after they come, one every 20 ms.
function stream(sound, count, ahead, rate = RATE) {
  for (let i = 0; i < count; i++) {
    sound.push(piece(clock.robot(browser.now) + ahead, rate));
    pass(PIECE);
    sound.track();
  }
}

// A sound that plays at the stream's rate.
async function opened(buffer = 80) {
  browser.allowed = true;
  const sound = make(buffer);
  sound.push(piece(clock.robot(browser.now)));
  await sound.enable();
  pass(1000);
  sound.track();
  return sound;
}

const playing = (sound) => [...sound.sources].filter((source) => !source.stopped && source.target);

for (let ahead = -40; ahead <= 400; ahead += 5) {
  test(`a context that opens in mid-speech sounds, with pieces due in ${ahead} ms`, async () => {
    const sound = make();
    sound.enable();
    stream(sound, 10, ahead);
    assert.equal(sound.running, false);
    browser.allowed = true; // the click
    assert.equal(await sound.enable(), true);
    pass(0.5);
    stream(sound, 40, ahead);
    assert.deepEqual(failures, []);
    const starts = browser.contexts.at(-1).sources.map(({ at, offset }) => at - offset);
    assert.ok(starts.length >= 30, `${starts.length} of 40 pieces play`);
    const steps = starts.slice(1).map((start, i) => start - starts[i]);
    // After the first moments, in which the device's delay becomes known, there is no seam.
    assert.ok(steps.slice(5).every((step) => Math.abs(step - PIECE / 1000) < 1e-9), `${steps}`);
  });
}

test('what is heard tells the time of the face, within a millisecond', async () => {
  const sound = await opened();
  stream(sound, 50, 240);
  const { currentTime, latency, sources } = browser.contexts.at(-1);
  // The piece that leaves the loudspeaker now.
  const heard = sources.find((source) => source.at + PIECE / 1000 > currentTime - latency);
  const first = clock.robot(6000) + 240;
  const index = sources.indexOf(heard);
  const within = 1000 * (currentTime - latency - heard.at);
  assert.ok(Math.abs(sound.robot(browser.now) - (first + PIECE * index + within)) < 1);
});

test('before any piece, and long after the last, the face follows its own clock', async () => {
  const sound = await opened();
  assert.equal(sound.robot(browser.now), null);
  stream(sound, 5, 100);
  pass(2000);
  sound.track();
  assert.equal(sound.robot(browser.now), null);
});

test('a stream of another rate replaces the context, and nothing is reported', async () => {
  const sound = make();
  const asked = sound.enable(); // 48 kHz, and stays pending
  assert.equal(browser.contexts[0].sampleRate, 48000);
  sound.push(piece(clock.robot(browser.now) + 100));
  await settled();
  assert.equal(browser.contexts[0].state, 'closed');
  assert.equal(browser.contexts[1].sampleRate, RATE);
  browser.allowed = true;
  await sound.enable();
  await asked;
  stream(sound, 10, 100);
  sound.push(piece(clock.robot(browser.now) + 100, 22050));
  await settled();
  stream(sound, 10, 100, 22050);
  assert.equal(browser.contexts.length, 3);
  assert.ok(playing(sound).length >= 9);
  assert.deepEqual(failures, []);
});

test('the rate is known before the click when speech already came', async () => {
  const sound = make();
  sound.push(piece(clock.robot(browser.now)));
  browser.allowed = true;
  await sound.enable();
  assert.deepEqual(browser.contexts.map((context) => context.sampleRate), [RATE]);
});

test('a context that is suspended and resumed plays nothing old and stays in time', async () => {
  const sound = await opened();
  stream(sound, 20, 240);
  const [context] = browser.contexts;
  const before = context.sources.length;
  await context.suspend(); // by the browser: a telephone call, a device that goes
  assert.equal(playing(sound).length, 0);
  assert.equal(sound.robot(browser.now), null);
  stream(sound, 50, 240); // a second in which the clock stands still
  assert.equal(context.sources.length, before);
  await context.resume();
  pass(100);
  stream(sound, 20, 240);
  const source = context.sources.at(-1);
  const due = (browser.now - PIECE + 240 + 80) / 1000; // local time of the last piece, s
  const lead = context.currentTime - context.latency - browser.now / 1000;
  assert.ok(Math.abs(source.at - (due + lead)) < 0.03);
});

test('switched off and on again it sounds', async () => {
  const sound = await opened();
  stream(sound, 5, 100);
  sound.disable();
  stream(sound, 5, 100);
  assert.equal(playing(sound).length, 0);
  await sound.enable();
  pass(100);
  stream(sound, 10, 100);
  assert.ok(playing(sound).length >= 9);
});

test('an audio clock that jumps does not bring the face out of time', async () => {
  const sound = await opened();
  stream(sound, 20, 240);
  const [context] = browser.contexts;
  context.currentTime += 1.5; // the machine slept, or the device changed
  sound.track();
  stream(sound, 40, 240);
  const shown = clock.robot(browser.now) - 80;
  assert.ok(Math.abs(sound.robot(browser.now) - shown) < 31, `${sound.robot(browser.now) - shown} ms`);
});

test('late pieces are counted and lose their beginning, not their place', async () => {
  const sound = await opened(0);
  const [context] = browser.contexts;
  sound.push(piece(clock.robot(browser.now) + 1000 * context.latency - 10));
  const [source] = context.sources;
  assert.equal(sound.late, 1);
  assert.ok(Math.abs(source.offset - 0.01) < 0.001);
  assert.ok(Math.abs(source.at - context.currentTime) < 1e-6);
  sound.push(piece(clock.robot(browser.now) - 500));
  assert.equal(sound.late, 2);
  assert.equal(context.sources.length, 1);
});

test('a rate that the browser refuses is told, and the page goes on', async () => {
  browser.allowed = true;
  const sound = make();
  await sound.enable();
  sound.push({ ...piece(clock.robot(browser.now)), rate: 100 });
  assert.equal(failures.length, 1);
  assert.equal(sound.running, false);
  stream(sound, 3, 100);
  assert.equal(await sound.enable(), true);
});

test('an interrupt forgets what was laid out', async () => {
  const sound = await opened();
  stream(sound, 20, 240);
  sound.stop();
  assert.equal(sound.robot(browser.now), null);
  assert.equal(sound.sources.size, 0);
  assert.ok(browser.contexts[0].sources.every((source) => source.stopped));
});
