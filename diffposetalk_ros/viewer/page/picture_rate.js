// SPDX-License-Identifier: Apache-2.0
// Which pictures of a camera are read, and how many a second that makes.

const SPAN = 2000; // ms over which pictures are counted; the first span says nothing, for the tracker warms up

export class PictureRate {
  // most: pictures a second, on average.
  constructor(most) {
    this.period = 1000 / most;
    this.restart();
  }

  restart() {
    this.due = -Infinity;
    this.begin = null;
    this.warm = false;
    this.perSecond = null; // in the last whole span; null until it is known
  }

  // Whether the picture at `now` (ms) is to be read. A camera a little faster than `most` loses single pictures,
  // not every second one: a picture that came early does not put the next one off.
  wanted(now) {
    if (now < this.due) return false;
    this.due = Math.max(this.due + this.period, now + this.period / 2);
    this.add(now);
    return true;
  }

  add(now) {
    if (this.begin === null) [this.begin, this.count] = [now, 0];
    if (now - this.begin >= SPAN) {
      if (this.warm) this.perSecond = (1000 * this.count) / (now - this.begin);
      [this.begin, this.count, this.warm] = [now, 0, true];
    }
    this.count += 1;
  }
}
