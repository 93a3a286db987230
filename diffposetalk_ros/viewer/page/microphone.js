// SPDX-License-Identifier: Apache-2.0
// The microphone of this machine to the robot, piece by piece, each with the robot's time of its first sample.

import { speechBlock } from './link.js';

const REFUSED = {
  NotAllowedError: 'the browser does not let this page use a microphone; allow it in the address bar and try again',
  NotFoundError: 'this machine has no microphone; connect one and try again',
  NotReadableError: 'another program uses the microphone, or it is switched off; free it and try again',
};

const NEAR = 0.5; // s that a piece may be late without a reason
const STALL = 3; // s for which pieces may be later than that

export class Microphone {
  // clock: robot time; hear(block): sends a piece, rejects where it is refused; ended(error): it stopped by itself.
  constructor(clock, hear, ended) {
    Object.assign(this, { clock, hear, ended });
    this.page = crypto.getRandomValues(new Uint32Array(2)).join('-');
    this.context = null;
  }

  // Browsers lend it to pages of this machine and to those that came through https.
  static get possible() {
    return Boolean(navigator.mediaDevices?.getUserMedia);
  }

  get on() {
    return this.context !== null;
  }

  async start() {
    const sound = { echoCancellation: true, noiseSuppression: true, autoGainControl: true };
    let stream;
    try {
      stream = await navigator.mediaDevices.getUserMedia({ audio: sound });
    } catch (error) {
      throw new Error(REFUSED[error.name] ?? error.message);
    }
    this.stop();
    const context = new AudioContext({ latencyHint: 'interactive' });
    this.context = context;
    this.stream = stream;
    this.lead = null;
    stream.getTracks()[0].onended = () => this.fail(new Error('it has gone; is it still plugged in?'));
    try {
      await context.audioWorklet.addModule('ear.js');
      await context.resume();
      const ear = new AudioWorkletNode(context, 'ear', { numberOfOutputs: 0 });
      ear.port.onmessage = ({ data }) => {
        if (context === this.context) this.pass(data);
      };
      context.createMediaStreamSource(stream).connect(ear);
    } catch (error) {
      this.stop();
      throw error;
    }
  }

  stop() {
    if (!this.on) return;
    for (const track of this.stream.getTracks()) {
      track.onended = null;
      track.stop();
    }
    this.context.close();
    this.context = null;
  }

  fail(error) {
    if (!this.on) return;
    this.stop();
    this.ended(error);
  }

  // Context time (s) less local time (s). A piece comes as soon as it is heard, never sooner: the quickest is the truth.
  // A busy machine hands on what it heard in a second all at once; one that has slept is late from then on.
  align(time) {
    const now = performance.now() / 1000;
    const lead = time - now;
    if (this.lead === null || lead > this.lead - NEAR) this.near = now;
    const slept = now - this.near > STALL;
    if (slept) this.near = now;
    // Slow enough for the jitter of a busy page, fast enough for clocks that drift by 1 in 1000.
    this.lead = this.lead === null || slept ? lead : Math.max(lead, this.lead - 2e-5);
    return this.lead;
  }

  pass({ time, samples }) {
    if (!this.clock.ready) return;
    const rate = this.context.sampleRate;
    const local = 1000 * (time - this.align(time + samples.length / rate));
    this.hear(speechBlock(samples, rate, this.clock.robot(local))).catch((error) => this.fail(error));
  }
}
