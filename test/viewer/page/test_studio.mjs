// SPDX-License-Identifier: Apache-2.0
// What the page tells a visitor before the camera.

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { seen } from '../../../diffposetalk_ros/viewer/page/studio.js';

const good = { eyes: 90, light: 0.5, matrix: [1, 0, 0, 0, 1, 0, 0, 0, 1] };

test('what helps most is told first', () => {
  assert.deepEqual(seen(good), [1, 'Your face is clearly visible.']);
  assert.deepEqual(seen(good, 24.6), [1, 'Your face is clearly visible.']);
  assert.match(seen(null, 5)[1], /No face/);
  assert.match(seen({ ...good, eyes: 20 }, 5)[1], /nearer/);
  assert.match(seen({ ...good, light: 0.1 }, 5)[1], /dark/);
  assert.match(seen({ ...good, matrix: good.matrix.with(8, 0.5) }, 5)[1], /Turn to the camera/);
});

test('few pictures a second are told, and worth less', () => {
  const [share, words] = seen(good, 14.7);
  assert.match(words, /^Only 15 pictures a second are read; 25 are best\./);
  assert.ok(share < 0.6 && share > seen(good, 8)[0]);
});
