// SPDX-License-Identifier: Apache-2.0
// What the microphone hears, in pieces of about 20 ms, each with the context's time of its first sample.

class Ear extends AudioWorkletProcessor {
  constructor() {
    super();
    this.piece = new Float32Array(128 * Math.round(sampleRate / 50 / 128));
    this.filled = 0;
  }

  process([input]) {
    if (!input.length) return true; // not connected yet
    if (!this.filled) this.time = currentTime;
    for (let i = 0; i < input[0].length; i++) {
      let sum = 0;
      for (const channel of input) sum += channel[i];
      this.piece[this.filled++] = sum / input.length;
    }
    if (this.filled >= this.piece.length) {
      this.port.postMessage({ time: this.time, samples: this.piece.slice() });
      this.filled = 0;
    }
    return true;
  }
}

registerProcessor('ear', Ear);
