// SPDX-License-Identifier: Apache-2.0
// What the tracker sees in one picture, as the numbers that go to the robot: never the picture itself.
// The distances are those of tracking/landmarks.py; a test compares the two.

const HEAD = 16;
const KIND = 4;
const [OUTER_LEFT, INNER_LEFT, INNER_RIGHT, OUTER_RIGHT] = [263, 362, 133, 33];
const LIDS = { left: [[386, 374], [385, 380], [387, 373]], right: [[159, 145], [158, 153], [160, 144]] };
const [LIP_UPPER, LIP_LOWER, CORNER_LEFT, CORNER_RIGHT, CHIN] = [13, 14, 291, 61, 152];
const BROW_INNER = [336, 285, 107, 55];
const BROW_LEFT = [334, 293, 300];
const BROW_RIGHT = [105, 63, 70];

const mean = (values) => values.reduce((sum, value) => sum + value, 0) / values.length;
const distance = (a, b) => Math.hypot(a[0] - b[0], a[1] - b[1], a[2] - b[2]);

// Columns of the rotation in a 4 x 4 matrix (column by column, as MediaPipe gives it), each of length 1.
export function rotationOf(matrix) {
  return [0, 4, 8].map((start) => {
    const column = [matrix[start], matrix[start + 1], matrix[start + 2]];
    const length = Math.hypot(...column);
    return column.map((value) => value / length);
  });
}

// Landmarks ({ x, y, z } in shares of the picture) -> points seen from the front; the outer eye corners are 1 apart.
export function frontal(landmarks, matrix, width, height) {
  const axes = rotationOf(matrix);
  const points = landmarks.map(({ x, y, z }) => [x * width, -y * height, -z * width]);
  const middle = [0, 1, 2].map((k) => mean(points.map((point) => point[k])));
  const turned = points.map((point) => {
    const arm = point.map((value, k) => value - middle[k]);
    return axes.map((axis) => arm[0] * axis[0] + arm[1] * axis[1] + arm[2] * axis[2]);
  });
  const [left, right] = [turned[OUTER_LEFT], turned[OUTER_RIGHT]];
  const size = Math.max(distance(left, right), 1e-9);
  return turned.map((point) => point.map((value, k) => (value - (left[k] + right[k]) / 2) / size));
}

function opening(points, side, outer, inner) {
  const gap = mean(LIDS[side].map(([upper, lower]) => points[upper][1] - points[lower][1]));
  return gap / Math.max(distance(points[outer], points[inner]), 1e-9);
}

// Points of `frontal` -> the ten distances, in the order of FEATURES in tracking/landmarks.py.
export function features(points) {
  const height = (indices) => mean(indices.map((i) => points[i][1]));
  const line = height([INNER_LEFT, INNER_RIGHT]);
  const side = mean([points[INNER_LEFT][0], points[INNER_RIGHT][0]]);
  return [
    points[LIP_UPPER][1] - points[LIP_LOWER][1],
    distance(points[CORNER_LEFT], points[CORNER_RIGHT]),
    mean([points[CORNER_LEFT][0], points[CORNER_RIGHT][0]]) - side,
    height([CORNER_LEFT, CORNER_RIGHT]) - height([LIP_UPPER, LIP_LOWER]),
    points[CHIN][0] - side,
    opening(points, 'left', OUTER_LEFT, INNER_LEFT),
    opening(points, 'right', OUTER_RIGHT, INNER_RIGHT),
    height(BROW_INNER) - line,
    height(BROW_LEFT) - line,
    height(BROW_RIGHT) - line,
  ];
}

// A result of MediaPipe's Face Landmarker on a picture of width x height -> the reading, or null without a face.
// channels: the 52 names in the robot's order.
export function readingOf(result, width, height, channels) {
  const landmarks = result.faceLandmarks[0];
  const matrix = result.facialTransformationMatrixes[0]?.data;
  const categories = result.faceBlendshapes[0]?.categories;
  if (!landmarks || !matrix || !categories) return null;
  const scores = new Map(categories.map(({ categoryName, score }) => [categoryName, score]));
  const pixels = landmarks.map(({ x, y }) => [x * width, y * height]);
  const [left, right] = [pixels[OUTER_LEFT], pixels[OUTER_RIGHT]];
  return {
    scores: channels.map((name) => scores.get(name) ?? 0),
    features: features(frontal(landmarks, matrix, width, height)),
    matrix: [0, 1, 2].flatMap((row) => [0, 4, 8].map((column) => matrix[column + row])),
    eyes: Math.hypot(left[0] - right[0], left[1] - right[1]),
    place: [mean(pixels.map((point) => point[0])), mean(pixels.map((point) => point[1]))],
    box: [0, 1].flatMap((k) => [Math.min(...pixels.map((p) => p[k])), Math.max(...pixels.map((p) => p[k]))]),
  };
}

// time: of the picture, robot ms; change: of brightness since the picture before; light, contrast: of the face.
export function readingBlock(reading, time, { change, light, contrast }) {
  const numbers = reading === null ? [change]
    : [change, light, contrast, reading.eyes, ...reading.place, ...reading.matrix, ...reading.features, ...reading.scores];
  const buffer = new ArrayBuffer(HEAD + 4 * numbers.length);
  const view = new DataView(buffer);
  view.setUint8(0, KIND);
  view.setUint16(2, numbers.length, true);
  view.setFloat64(8, time, true);
  new Float32Array(buffer, HEAD).set(numbers);
  return buffer;
}
