// SPDX-License-Identifier: Apache-2.0
// Sound on the AudioContext's clock. While it sounds, the face follows what is being heard.

import { AudioSchedule } from './audio_schedule.js';
import { Reserve } from './reserve.js';

const START = 300; // ms: a browser that has not begun to play by then waits for a click
const JUMP = 0.08; // s: the audio clock moved by more than its jitter: another device, or the machine slept
const FADE = 0.03; // s of fading out, so that an end does not click
const PAUSE = 200; // ms between two pieces that parts two utterances
const MOST = 1000; // ms that sound is played after it is due, at most

export class Sound {
  // clock: robot time; buffer (ms): how much later than due everything is played at least, face included;
  // failed(error): told of what the browser refuses.
  constructor(clock, buffer, failed = () => {}) {
    this.clock = clock;
    this.reserve = new Reserve(buffer, Math.max(buffer, MOST));
    this.next = null; // robot time (ms) at which the last piece ends
    this.failed = failed;
    this.schedule = new AudioSchedule();
    this.context = null;
    this.wanted = false;
    this.volume = 1;
    this.hushed = false;
    this.sources = new Set();
    this.rate = 0;
    this.late = 0; // pieces that lost their beginning, or all of it
    this.pieces = 0;
    this.lead = null;
  }

  get buffer() {
    return this.reserve.ms;
  }

  get running() {
    return this.context?.state === 'running';
  }

  // Resolves with whether it plays. Browsers allow it only after a click or a key, unless started otherwise.
  async enable() {
    this.wanted = true;
    if (!this.context && !this.open(this.rate || 48000)) return false;
    this.gain.gain.value = this.loudness;
    await this.resume();
    return this.running;
  }

  disable() {
    this.wanted = false;
    this.stop();
    this.context?.suspend().catch((error) => this.told(error, this.context));
  }

  // A context has one rate, so a stream of another rate gets another context. False: the browser refuses it.
  open(rate) {
    this.close();
    let context;
    try {
      context = new AudioContext({ sampleRate: rate, latencyHint: 'interactive' });
    } catch (error) {
      this.wanted = false;
      this.failed(error);
      return false;
    }
    this.context = context;
    this.rate = rate;
    this.lead = null;
    this.gain = context.createGain();
    this.gain.gain.value = this.loudness;
    this.gain.connect(context.destination);
    context.onstatechange = () => {
      if (context === this.context) this.changed();
    };
    this.onopen?.(context, this.gain);
    return true;
  }

  close() {
    if (!this.context) return;
    const { context } = this;
    this.forget();
    this.context = null;
    context.onstatechange = null;
    context.close().catch((error) => this.failed(error));
  }

  async resume() {
    const { context } = this;
    if (context.state === 'running') return;
    // Without a click this promise may stay open for ever.
    const over = new Promise((done) => { setTimeout(done, START); });
    await Promise.race([context.resume().catch((error) => this.told(error, context)), over]);
  }

  // A context that has been replaced rejects what was still under way; that is no failure.
  told(error, context) {
    if (context === this.context && context.state !== 'closed') this.failed(error);
  }

  // While a context does not run its clock stands still: what was laid out on it would come too late.
  changed() {
    if (!this.running) this.forget();
    this.lead = null;
    this.onchange?.();
  }

  setVolume(volume) {
    this.volume = volume;
    if (this.gain) this.gain.gain.value = this.loudness;
  }

  // What the microphone hears comes back a moment later: it must not hear that again.
  hush(on) {
    this.hushed = on;
    this.setVolume(this.volume);
  }

  get loudness() {
    return this.hushed ? 0 : this.volume;
  }

  // Updates `lead`: audio clock (s) less local time (s) of what leaves the loudspeaker. Called once a frame.
  track() {
    if (!this.running) return;
    const stamp = this.context.getOutputTimestamp?.();
    let lead;
    if (stamp?.performanceTime > 0) {
      lead = stamp.contextTime - stamp.performanceTime / 1000;
    } else {
      const latency = this.context.outputLatency || this.context.baseLatency || 0;
      lead = this.context.currentTime - latency - performance.now() / 1000;
    }
    // The stamp jitters by a device buffer.
    if (this.lead === null || Math.abs(lead - this.lead) > JUMP) this.lead = lead;
    else this.lead += 0.05 * (lead - this.lead);
  }

  // chunk: { time (robot ms it is due), rate (Hz), samples Int16Array }
  push(chunk) {
    if (!this.context) this.rate = chunk.rate; // a click then opens the right context at once
    if (!this.wanted || !this.clock.ready) return;
    if (!this.context || chunk.rate !== this.rate) {
      if (!this.open(chunk.rate)) return;
      this.resume();
    }
    if (!this.running) return;
    if (this.lead === null) this.track();
    const length = chunk.samples.length / this.rate;
    if (Math.abs(chunk.time - this.next) > PAUSE) this.reserve.relax();
    this.next = chunk.time + 1000 * length;
    const due = this.clock.local(chunk.time + this.buffer) / 1000 + this.lead;
    const at = this.schedule.place(due, chunk.time, length, this.rate);
    const missed = this.context.currentTime - at;
    this.reserve.add(1000 * missed, performance.now());
    this.pieces += 1;
    if (missed > 0) this.late += 1;
    if (missed < length) this.play(chunk.samples, at, Math.max(0, missed));
  }

  // A late piece loses its beginning, never its place.
  play(samples, at, missed) {
    const data = this.context.createBuffer(1, samples.length, this.rate);
    const channel = data.getChannelData(0);
    for (let i = 0; i < channel.length; i++) channel[i] = samples[i] / 32768;
    const source = this.context.createBufferSource();
    source.buffer = data;
    source.connect(this.gain);
    source.start(at + missed, missed);
    this.sources.add(source);
    source.onended = () => this.sources.delete(source);
  }

  // Robot time (ms) of the face that belongs to what is heard at local time (ms); null when silent.
  robot(local) {
    if (!this.running || this.lead === null) return null;
    return this.schedule.robot(local / 1000 + this.lead);
  }

  // Silence now, without a click.
  stop() {
    if (!this.context) return;
    const now = this.context.currentTime;
    this.gain.gain.setTargetAtTime(0, now, 0.004);
    for (const source of this.sources) source.stop(now + FADE - 0.01);
    this.gain.gain.setValueAtTime(this.loudness, now + FADE);
    this.sources.clear();
    this.schedule.clear();
  }

  forget() {
    for (const source of this.sources) {
      source.disconnect();
      source.stop();
    }
    this.sources.clear();
    this.schedule.clear();
  }
}
