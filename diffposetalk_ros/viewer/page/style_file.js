// SPDX-License-Identifier: Apache-2.0
// Style files: the motion a style was taken from (.json, as diffposetalk reads and writes it), or a style vector (.npy).

const HEAD = 16;
const KIND = 5;
const HEAD_CHANNELS = ['headRotationX', 'headRotationY', 'headRotationZ'];
const LARGEST = 60000; // numbers: as many as a message to the robot holds

// clip: { fps, values: rows of 55 } -> the text of a motion file.
export function motionFile({ fps, values }, channels) {
  const head = JSON.stringify({ space: 'arkit', fps, meta: {}, channels: [...channels, ...HEAD_CHANNELS] });
  return `${head.slice(0, -1)}, "values": [\n${values.map((row) => JSON.stringify(row)).join(',\n')}\n]}\n`;
}

// Rows of 55 in the robot's order, one after the other, and the rate. Throws what is wrong with the text.
export function readMotion(text, channels) {
  let content;
  try {
    content = JSON.parse(text);
  } catch {
    throw new Error('it is not a motion file (no JSON)');
  }
  const { space, fps, channels: names, values } = content ?? {};
  if (space !== 'arkit' || !(fps >= 1 && fps <= 240) || !Array.isArray(names) || !Array.isArray(values)) {
    throw new Error('it is not a motion file of 52 ARKit channels');
  }
  const wanted = [...channels, ...HEAD_CHANNELS];
  const places = wanted.map((name) => names.indexOf(name));
  const missing = wanted.find((name, i) => places[i] < 0);
  if (missing) throw new Error(`its column ${missing} is missing`);
  const numbers = values.flatMap((row) => places.map((place) => row?.[place]));
  if (!numbers.every(Number.isFinite)) throw new Error('a row of it is not all numbers');
  return { rate: fps, numbers };
}

// The numbers of a .npy file of float32 or float64. Throws what is wrong with it.
export function readVector(buffer) {
  const view = new DataView(buffer);
  const magic = [0x93, ...new TextEncoder().encode('NUMPY')];
  if (buffer.byteLength < 12 || magic.some((byte, i) => view.getUint8(i) !== byte)) throw new Error('it is not a .npy file');
  const long = view.getUint8(6) > 1;
  const start = (long ? 12 : 10) + (long ? view.getUint32(8, true) : view.getUint16(8, true));
  const header = new TextDecoder().decode(new Uint8Array(buffer, long ? 12 : 10, start - (long ? 12 : 10)));
  const type = /'descr': '<f([48])'/.exec(header);
  if (!type || /'fortran_order': True/.test(header)) throw new Error('it does not hold a row of floating-point numbers');
  const bytes = buffer.slice(start);
  return { rate: 0, numbers: [...(type[1] === '4' ? new Float32Array(bytes) : new Float64Array(bytes))] };
}

// rate 0: a style vector; else frames a second of motion rows.
export function styleBlock({ rate, numbers }) {
  if (!numbers.length || numbers.length > LARGEST) throw new Error(`it holds ${numbers.length} numbers; ${LARGEST} is the limit`);
  const buffer = new ArrayBuffer(HEAD + 4 * numbers.length);
  const view = new DataView(buffer);
  view.setUint8(0, KIND);
  view.setFloat64(8, rate, true);
  new Float32Array(buffer, HEAD).set(numbers);
  return buffer;
}
