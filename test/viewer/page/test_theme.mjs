// SPDX-License-Identifier: Apache-2.0
// Colours and buffer in the address: parts follow one another, mistakes are told.

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { readBuffer, readTheme } from '../../../diffposetalk_ros/viewer/page/theme.js';

const parts = [
  { name: 'skin', colour: [230, 180, 150] },
  { name: 'lids', colour: [200, 150, 120] },
  { name: 'hair', colour: [60, 40, 30] },
  { name: 'brows', colour: [50, 35, 25] },
];
const read = (text) => readTheme(new URLSearchParams(text), parts);

test('colours are read, options are none', () => {
  const { colours, problems } = read('kiosk&face=maya&buffer=80&measure&panel=0&token=x&top=ff8000');
  assert.deepEqual(colours, { top: [255, 128, 0] });
  assert.deepEqual(problems, []);
});

test('lids follow the skin, darker by as much as before', () => {
  const { colours } = read('skin=8fb7d9');
  assert.ok(colours.lids[2] > colours.lids[0], 'as blue as the skin');
  assert.ok(colours.lids.every((value, i) => value < colours.skin[i]));
  assert.equal(colours.brows, undefined);
  assert.deepEqual(read('skin=8fb7d9&lids=ff0000').colours.lids, [255, 0, 0]);
});

test('what is wrong is told with the way out', () => {
  const { colours, problems } = read('skin=blue&skinn=ffffff&hair=12345');
  assert.deepEqual(colours, {});
  assert.equal(problems.length, 3);
  assert.match(problems[0], /skin=blue.*six hexadecimal digits/);
  assert.match(problems[1], /no part "skinn".*skin, lids, hair, brows, top, bottom/);
});

test('the buffer is a number of milliseconds, or the page says which one it takes', () => {
  const buffer = (text) => readBuffer(new URLSearchParams(text));
  for (const [text, ms] of [['', 80], ['buffer=0', 0], ['buffer=120.5', 120.5], ['buffer=1000', 1000]]) {
    assert.deepEqual(buffer(text), { buffer: ms, problem: '' });
  }
  for (const [text, ms] of [['abc', 80], ['', 80], ['80ms', 80], ['-5', 0], ['5000', 1000]]) {
    assert.equal(buffer(`buffer=${text}`).buffer, ms);
    assert.equal(buffer(`buffer=${text}`).problem,
      `The address says buffer=${text}. Use 0 to 1000 (ms); the page takes ${ms}.`);
  }
});
