// SPDX-License-Identifier: Apache-2.0
// When the pieces of the microphone were heard, though the page hands them on late.

import assert from 'node:assert/strict';
import { webcrypto } from 'node:crypto';
import { test } from 'node:test';

import { Microphone } from '../../../diffposetalk_ros/viewer/page/microphone.js';

const PIECE = 0.02;
let now = 0; // s
performance.now = () => 1000 * now;
globalThis.crypto ??= webcrypto;

// Local times (s) that a microphone gives to the ends of pieces, of which each comes at a time of its own.
function heard(arrivals) {
  const microphone = new Microphone();
  microphone.lead = null;
  let context = 0;
  return arrivals.map((arrival) => {
    context += PIECE;
    now = arrival;
    return context - microphone.align(context);
  });
}

function close(times, wanted, tolerance) {
  const apart = Math.max(...times.map((time, number) => Math.abs(time - wanted[number])));
  assert.ok(apart < tolerance, `${apart} s`);
}

const inTime = (count, begin = 100) => Array.from({ length: count }, (_, number) => begin + PIECE * (number + 1));

for (const stall of [0.3, 0.8, 2]) {
  test(`a page that stood still for ${stall} s knows when the pieces were heard that come at once`, () => {
    const truth = inTime(500);
    const arrivals = truth.map((time) => (time > 104 && time < 104 + stall ? 104 + stall : time));
    close(heard(arrivals), truth, 0.01);
  });
}

test('the quickest piece tells the time', () => {
  const truth = inTime(300);
  const arrivals = truth.map((time, number) => time + (number % 10 ? 0.1 : 0));
  close(heard(arrivals), truth, 0.01);
});

for (const sleep of [1, 60, 3600]) {
  test(`after a sleep of ${sleep} s the times are right again within three seconds`, () => {
    const truth = [...inTime(100), ...inTime(400, 102 + sleep)];
    const times = heard(truth);
    close(times.slice(0, 100), truth.slice(0, 100), 0.01);
    const awake = sleep > 3 ? 100 : 100 + 3 / PIECE;
    close(times.slice(awake), truth.slice(awake), 0.01);
  });
}
