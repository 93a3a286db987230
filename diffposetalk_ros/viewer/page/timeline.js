// SPDX-License-Identifier: Apache-2.0
// Two things a viewer must know: what time it is on the robot, and how the face looked then.

// Robot time (ms) from performance.now() (ms), by asking the server and trusting the quickest answers.
export class Clock {
  constructor() {
    this.samples = [];
    this.offset = null;
  }

  add(sent, received, robot) {
    const sample = { trip: received - sent, offset: robot - (sent + received) / 2 };
    if (this.offset !== null && Math.abs(sample.offset - this.offset) > 1000 + sample.trip) {
      this.samples = []; // the robot's clock was set, or this machine slept
      this.offset = null;
    }
    this.samples.push(sample);
    if (this.samples.length > 20) this.samples.shift();
    const best = this.samples.reduce((a, b) => (b.trip < a.trip ? b : a)).offset;
    // Small steps, so that neither sound nor face jumps.
    const step = this.offset === null || Math.abs(best - this.offset) > 30 ? Infinity : 1;
    this.offset = this.offset === null ? best
      : this.offset + Math.max(-step, Math.min(step, best - this.offset));
  }

  get ready() {
    return this.offset !== null;
  }

  robot(local) {
    return local + this.offset;
  }

  local(robot) {
    return robot - this.offset;
  }
}

// The last seconds of motion, read at any time in between.
export class Motion {
  constructor() {
    this.frames = [];
  }

  add(frame) {
    const last = this.frames[this.frames.length - 1];
    if (last && (frame.time < last.time - 1000 || frame.values.length !== last.values.length)) this.frames = [];
    else if (last && frame.time <= last.time) return;
    this.frames.push(frame);
    if (this.frames.length > 300) this.frames.splice(0, 100);
  }

  get newest() {
    return this.frames[this.frames.length - 1] || null;
  }

  // Fills `out` with the row at `time`; returns the state then, or null before the first frame.
  read(time, out) {
    const { frames } = this;
    if (!frames.length) return null;
    let high = frames.length - 1;
    while (high > 0 && frames[high - 1].time >= time) high--;
    const b = frames[high];
    const a = frames[Math.max(0, high - 1)];
    const span = b.time - a.time;
    // Across a gap of lost frames the newer one counts.
    const share = span > 0 && span < 200 ? Math.max(0, Math.min(1, (time - a.time) / span)) : 1;
    for (let i = 0; i < out.length; i++) {
      out[i] = (1 - share) * (a.values[i] || 0) + share * (b.values[i] || 0);
    }
    return share < 0.5 ? a.state : b.state;
  }
}
