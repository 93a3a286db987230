// SPDX-License-Identifier: Apache-2.0
// Sound that comes late is heard late instead of never.

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { Reserve } from '../../../diffposetalk_ros/viewer/page/reserve.js';
import { Sound } from '../../../diffposetalk_ros/viewer/page/sound.js';
import { browser, pass, reset } from './audio_context.mjs';

const clock = { ready: true, robot: (local) => local, local: (robot) => robot };

for (const late of [100, 300, 700]) {
  test(`speech that comes ${late} ms after it is due is heard after a second`, async () => {
    reset();
    browser.allowed = true;
    const sound = new Sound(clock, 80);
    sound.push({ time: browser.now, rate: 16000, samples: new Int16Array(320) });
    await sound.enable();
    pass(500);
    const heard = [];
    for (let i = 0; i < 150; i++) {
      const before = browser.contexts[0].sources.length;
      sound.push({ time: browser.now - late, rate: 16000, samples: new Int16Array(320).fill(1000) });
      heard.push(browser.contexts[0].sources.slice(before).some(({ offset }) => offset === 0));
      pass(20);
      sound.track();
    }
    assert.ok(!heard.slice(0, 10).some(Boolean), 'too late at first');
    assert.ok(heard.slice(80).every(Boolean), 'then every piece is whole');
    assert.ok(sound.buffer > late && sound.buffer < late + 200, `${sound.buffer} ms`);
    // The face stays with what is heard: it is as late as the sound.
    assert.ok(Math.abs(sound.robot(browser.now) - (browser.now - sound.buffer)) < 31);
  });
}

test('one late piece in ten changes nothing', () => {
  const reserve = new Reserve(80, 1000);
  for (let i = 0; i < 1000; i++) reserve.add(i % 10 ? -50 : 40, 20 * i);
  assert.equal(reserve.ms, 80);
});

test('a page that stood still for a second changes nothing', () => {
  const reserve = new Reserve(80, 1000);
  for (let i = 0; i < 50; i++) reserve.add(-50, 20 * i);
  for (let i = 0; i < 50; i++) reserve.add(1000 - 20 * i, 2000); // all that waited, at once
  for (let i = 0; i < 50; i++) reserve.add(-50, 2000 + 20 * i);
  assert.equal(reserve.ms, 80);
});

test('it never exceeds its bounds, and says when there is no more', () => {
  const reserve = new Reserve(80, 1000);
  for (let i = 0; i < 200; i++) reserve.add(5000, 20 * i);
  assert.equal(reserve.ms, 1000);
  assert.ok(reserve.exhausted);
});

test('what is not needed is given back between utterances, down to the least', () => {
  const reserve = new Reserve(80, 1000);
  for (let i = 0; i < 50; i++) reserve.add(400, 20 * i);
  assert.equal(reserve.ms, 500);
  for (let i = 0; i < 100; i++) reserve.add(-420, 20 * i);
  reserve.relax();
  assert.equal(reserve.ms, 500, 'not yet');
  for (let utterance = 0; utterance < 20; utterance++) {
    const left = reserve.ms - 80;
    for (let i = 0; i < 250; i++) reserve.add(-left, 20 * i);
    reserve.relax();
  }
  assert.ok(reserve.ms >= 80 && reserve.ms <= 105, `${reserve.ms} ms`);
});
