// SPDX-License-Identifier: Apache-2.0
// How much later than due sound is played and the face is shown: more where pieces come late, so that they are heard.

const WATCHED = 50; // pieces: a second of speech
const LASTING = 700; // ms between the first and the last late one: a page that stood still for a moment has caught up
const LATE = 0.2; // share of late pieces that asks for more time
const SPARE = 20; // ms beyond what nine of ten pieces need
const CALM = 250; // pieces in time before some of it is given back
const STEP = 0.5; // share of the unused time that is given back at once

export class Reserve {
  // least, most (ms): bounds.
  constructor(least, most) {
    Object.assign(this, { least, most, ms: least });
    this.forget();
  }

  forget() {
    this.missed = [];
    this.calm = 0;
    this.tightest = Infinity;
  }

  get exhausted() {
    return this.ms >= this.most;
  }

  // missed (ms): how much too late a piece came at `now` (ms); negative: time that was left.
  add(missed, now) {
    this.missed.push({ missed, now });
    if (this.missed.length > WATCHED) this.missed.shift();
    this.calm = missed > 0 ? 0 : this.calm + 1;
    this.tightest = missed > 0 ? Infinity : Math.min(this.tightest, -missed);
    if (this.missed.length < WATCHED) return;
    const late = this.missed.filter((piece) => piece.missed > 0);
    if (late.length < LATE * WATCHED || late.at(-1).now - late[0].now < LASTING) return;
    const sorted = this.missed.map((piece) => piece.missed).sort((a, b) => a - b);
    const needed = sorted[Math.floor(0.9 * WATCHED)] + SPARE;
    this.ms = Math.min(this.most, this.ms + Math.max(0, needed));
    this.forget();
  }

  // Between two utterances, where nobody hears a step.
  relax() {
    if (this.calm < CALM) return;
    this.ms = Math.max(this.least, this.ms - STEP * Math.max(0, this.tightest - SPARE));
    this.forget();
  }
}
