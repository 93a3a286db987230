// SPDX-License-Identifier: Apache-2.0
// Where each piece of sound goes on the audio clock, and which moment of the face belongs to what is heard.

const JOIN = 0.03; // s: pieces whose times differ by less than this follow each other without a seam
const BEFORE = 0.1; // s: the face already follows the sound so long before it begins
const AFTER = 0.2; // s: and for so long after it has ended
const LONGEST = 50; // segments that are remembered

export class AudioSchedule {
  constructor() {
    this.segments = []; // { from, to: s on the audio clock; robot: ms of the face at `from` }
  }

  clear() {
    this.segments = [];
  }

  // A piece that is due at `at` (s on the audio clock), belongs to the face at `robot` (ms) and lasts `length` s.
  // Returns the time (s) at which it begins: without a seam after the piece before it, or on a whole sample.
  place(at, robot, length, rate) {
    const last = this.segments.at(-1);
    if (last && Math.abs(at - last.to) < JOIN) {
      const from = last.to;
      last.to += length;
      return from;
    }
    const from = Math.round(at * rate) / rate;
    this.segments.push({ from, to: from + length, robot });
    if (this.segments.length > LONGEST) this.segments.shift();
    return from;
  }

  // Time (ms) of the face that belongs to what is heard at `heard` (s on the audio clock); null in silence.
  robot(heard) {
    for (let i = this.segments.length - 1; i >= 0; i--) {
      const { from, to, robot } = this.segments[i];
      if (heard >= from - BEFORE) return heard <= to + AFTER ? robot + 1000 * (heard - from) : null;
    }
    return null;
  }
}
