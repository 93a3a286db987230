// SPDX-License-Identifier: Apache-2.0
// How many pictures of a camera are read, for cameras of every rate.

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { PictureRate } from '../../../diffposetalk_ros/viewer/page/picture_rate.js';

// Pictures of ten seconds that are read; each comes up to `late` ms late.
function read(rate, fps, late = 0) {
  const times = [];
  for (let i = 0; i < 10 * fps; i++) {
    const now = (1000 * i) / fps + late * ((i * 7) % 5) / 5;
    if (rate.wanted(now)) times.push(now);
  }
  return times;
}

for (const [fps, fewest] of [[15, 15], [24, 24], [25, 25], [29.97, 29], [30, 29], [31, 28], [40, 27], [50, 29], [60, 29]]) {
  test(`of ${fps} pictures a second, ${fewest} or more are read`, () => {
    for (const late of [0, 6]) {
      const rate = new PictureRate(30);
      const count = read(rate, fps, late).length / 10;
      assert.ok(count >= fewest - 0.2 && count <= 30.5, `${count} with a delay of up to ${late} ms`);
      assert.ok(Math.abs(rate.perSecond - count) < 1.5, `${rate.perSecond} are counted`);
    }
  });
}

test('after a pause no pictures are read in a burst', () => {
  const rate = new PictureRate(30);
  assert.equal(rate.wanted(0), true);
  assert.deepEqual([5000, 5005, 5010, 5017, 5020].map((now) => rate.wanted(now)), [true, false, false, true, false]);
});

test('the rate is told once it is known, and forgotten at a restart', () => {
  const rate = new PictureRate(30);
  for (let now = 0; now < 3900; now += 100) rate.wanted(now);
  assert.equal(rate.perSecond, null);
  for (let now = 3900; now < 4200; now += 100) rate.wanted(now);
  assert.equal(rate.perSecond, 10);
  rate.restart();
  assert.equal(rate.perSecond, null);
});
