// SPDX-License-Identifier: Apache-2.0
// An AudioContext whose clock the test moves, with the states and refusals that the Web Audio API prescribes.

export const browser = { allowed: false, now: 0, contexts: [] };

globalThis.performance = { now: () => browser.now };

class Source {
  constructor(context) {
    this.context = context;
    context.sources.push(this);
  }

  connect(target) {
    this.target = target;
  }

  disconnect() {
    this.target = null;
  }

  start(at, offset = 0) {
    if (!(at >= 0) || !(offset >= 0)) throw new RangeError(`start(${at}, ${offset})`);
    Object.assign(this, { at, offset });
  }

  stop() {
    if (this.at === undefined) throw new DOMException('not started', 'InvalidStateError');
    this.stopped = true;
  }
}

export class FakeAudioContext {
  constructor({ sampleRate }) {
    if (!(sampleRate >= 3000 && sampleRate <= 768000)) {
      throw new DOMException(`${sampleRate} Hz`, 'NotSupportedError');
    }
    this.sampleRate = sampleRate;
    this.state = 'suspended';
    this.currentTime = 0;
    this.latency = 0.02;
    this.pending = [];
    this.sources = [];
    browser.contexts.push(this);
    if (browser.allowed) queueMicrotask(() => this.become('running'));
  }

  get baseLatency() {
    return this.latency;
  }

  // Zeros until the first block has left, as Chromium answers.
  getOutputTimestamp() {
    if (this.currentTime <= this.latency) return { contextTime: 0, performanceTime: 0 };
    return { contextTime: this.currentTime - this.latency, performanceTime: browser.now };
  }

  become(state) {
    if (this.state === 'closed' || this.state === state) return;
    this.state = state;
    this.onstatechange?.();
  }

  resume() {
    if (this.state === 'closed') return Promise.reject(new DOMException('closed', 'InvalidStateError'));
    if (browser.allowed) {
      this.become('running');
      return Promise.resolve();
    }
    return new Promise((resolve, reject) => { this.pending.push({ resolve, reject }); });
  }

  suspend() {
    if (this.state === 'closed') return Promise.reject(new DOMException('closed', 'InvalidStateError'));
    this.become('suspended');
    return Promise.resolve();
  }

  close() {
    if (this.state === 'closed') return Promise.reject(new DOMException('closed twice', 'InvalidStateError'));
    this.become('closed');
    for (const { reject } of this.pending) {
      reject(new DOMException('AudioContext closed before a pending resume() could complete.', 'InvalidStateError'));
    }
    this.pending = [];
    return Promise.resolve();
  }

  createGain() {
    const gain = { value: 1, setTargetAtTime() {}, setValueAtTime(value) { this.value = value; } };
    return { gain, connect() {} };
  }

  createBuffer(channels, length, rate) {
    if (rate !== this.sampleRate) throw new RangeError('resampled piece by piece: seams would click');
    const data = new Float32Array(length);
    return { duration: length / rate, getChannelData: () => data };
  }

  createBufferSource() {
    return new Source(this);
  }
}

globalThis.AudioContext = FakeAudioContext;

export function reset() {
  browser.allowed = false;
  browser.now = 5000;
  browser.contexts = [];
}

// Time goes on: for the page, and for every context that runs.
export function pass(ms) {
  browser.now += ms;
  for (const context of browser.contexts) {
    if (context.state === 'running') context.currentTime += ms / 1000;
  }
}
