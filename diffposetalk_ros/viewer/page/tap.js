// SPDX-License-Identifier: Apache-2.0
// For measurements only: the level of each block that goes to the loudspeaker, with its time.

class Tap extends AudioWorkletProcessor {
  constructor() {
    super();
    this.blocks = [];
  }

  process([input]) {
    const samples = input[0];
    let sum = 0;
    for (let i = 0; samples && i < samples.length; i++) sum += samples[i] * samples[i];
    const length = samples ? samples.length : 128;
    // Time of the block's middle.
    this.blocks.push([currentTime + length / 2 / sampleRate, Math.sqrt(sum / length)]);
    if (this.blocks.length >= 64) {
      this.port.postMessage(this.blocks);
      this.blocks = [];
    }
    return true;
  }
}

registerProcessor('tap', Tap);
