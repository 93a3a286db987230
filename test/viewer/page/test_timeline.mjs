// SPDX-License-Identifier: Apache-2.0
// The robot's clock is estimated from answers of any delay; the face is read between its frames.

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { Clock, Motion } from '../../../diffposetalk_ros/viewer/page/timeline.js';

const OFFSET = 1_700_000_000_000;

function ask(clock, sent, there, back, offset = OFFSET) {
  clock.add(sent, sent + there + back, sent + there + offset);
}

test('the quickest answers count', () => {
  const clock = new Clock();
  assert.equal(clock.ready, false);
  ask(clock, 0, 100, 2); // a slow way there would be 49 ms of error
  for (let i = 1; i < 60; i++) ask(clock, 150 * i, i % 7 ? 30 : 1, 1);
  assert.ok(clock.ready);
  assert.ok(Math.abs(clock.robot(0) - OFFSET) < 1);
  assert.ok(Math.abs(clock.local(clock.robot(12345)) - 12345) < 1e-3);
});

test('a robot whose clock is set is followed at once', () => {
  const clock = new Clock();
  for (let i = 0; i < 30; i++) ask(clock, 150 * i, 2, 2);
  ask(clock, 5000, 2, 2, OFFSET - 3_600_000);
  assert.ok(Math.abs(clock.robot(0) - (OFFSET - 3_600_000)) < 1);
});

test('small corrections are small steps', () => {
  const clock = new Clock();
  for (let i = 0; i < 20; i++) ask(clock, 150 * i, 2, 2);
  const before = clock.robot(0);
  for (let i = 20; i < 25; i++) ask(clock, 150 * i, 1, 1, OFFSET + 20);
  assert.ok(clock.robot(0) > before && clock.robot(0) <= before + 5 + 1e-6);
});

function frame(time, value, state = 2) {
  return { time, state, number: 0, values: new Float32Array(55).fill(value) };
}

test('between two frames the face is in between', () => {
  const motion = new Motion();
  const row = new Float32Array(55);
  assert.equal(motion.read(0, row), null);
  motion.add(frame(1000, 0, 1));
  motion.add(frame(1020, 1, 2));
  assert.equal(motion.read(1005, row), 1);
  assert.ok(Math.abs(row[0] - 0.25) < 1e-6);
  assert.equal(motion.read(1015, row), 2);
  assert.equal(motion.read(2000, row), 2);
  assert.equal(row[54], 1);
});

test('frames that come twice or late change nothing; a clock set back begins anew', () => {
  const motion = new Motion();
  motion.add(frame(10_000, 0));
  motion.add(frame(10_020, 1));
  motion.add(frame(10_010, 9));
  assert.equal(motion.frames.length, 2);
  motion.add(frame(500, 0.5));
  assert.equal(motion.newest.time, 500);
  assert.equal(motion.frames.length, 1);
});

test('across lost frames the newer one counts', () => {
  const motion = new Motion();
  const row = new Float32Array(55);
  motion.add(frame(0, 0));
  motion.add(frame(600, 1));
  motion.read(100, row);
  assert.equal(row[0], 1);
});
