// SPDX-License-Identifier: Apache-2.0
// How finely the head is drawn: finer while pictures come quickly, coarser when they do not.

// share: of a pixel's side, each with twice the pixels of the one before; slow, quick: ms a picture, mean of
// a second, with which the coarser or the finer step is next. Finer than the screen only where that stays quick.
const STEPS = [
  { share: 0.7, slow: Infinity, quick: 27 },
  { share: 1, slow: 34, quick: 21 },
  { share: 1.4, slow: 28, quick: 21 },
  { share: 2, slow: 28, quick: 0 },
];
const SETTLE = 1500; // ms after the start that say nothing
const PATIENCE = 4; // quick seconds in a row before more is tried
const LONGEST = 256;
const PROVEN = 60; // s at a finer step after which it counts as bearable

export class Pace {
  // most: the finest step that still looks better.
  constructor(most) {
    this.steps = STEPS.filter((step) => step.share <= Math.max(1, most));
    this.at = STEPS.findIndex((step) => step.share === 1);
    this.patience = PATIENCE;
    this.lasted = Infinity;
    this.quick = 0;
    this.settle = SETTLE;
    this.restart();
  }

  get share() {
    return this.steps[this.at].share;
  }

  restart() {
    this.time = 0;
    this.pictures = 0;
  }

  // interval (ms) from one drawn picture to the next.
  add(interval) {
    if (interval > 500) { // hidden, or asleep
      this.settle = SETTLE;
      this.restart();
    }
    if (this.settle > 0) {
      this.settle -= interval;
      return;
    }
    this.time += interval;
    this.pictures += 1;
    if (this.time < 1000) return;
    const mean = this.time / this.pictures;
    const { slow, quick } = this.steps[this.at];
    this.lasted += 1;
    this.quick = mean < quick ? this.quick + 1 : 0;
    if (this.lasted === PROVEN) this.patience = PATIENCE;
    if (mean > slow) {
      // What has just been tried in vain is tried later the next time.
      if (this.lasted < PROVEN) this.patience = Math.min(2 * this.patience, LONGEST);
      this.step(-1);
      this.lasted = Infinity;
    } else if (this.quick >= this.patience && this.at < this.steps.length - 1) {
      this.step(1);
      this.lasted = 0;
    }
    this.restart();
  }

  step(by) {
    this.at += by;
    this.quick = 0;
  }
}
