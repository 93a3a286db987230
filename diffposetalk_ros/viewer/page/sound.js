// SPDX-License-Identifier: Apache-2.0
// Sound on the AudioContext's clock. While it sounds, the face follows what is being heard.

const JOIN = 0.03; // s: chunks whose times differ by less than this follow each other without a seam

export class Sound {
  // clock: robot time; buffer (ms): how much later than due everything is played, face included.
  constructor(clock, buffer) {
    this.clock = clock;
    this.buffer = buffer;
    this.context = null;
    this.wanted = false;
    this.volume = 1;
    this.hushed = false;
    this.sources = new Set();
    this.anchors = [];
    this.end = 0;
    this.rate = 0;
    this.late = 0;
    this.lead = null;
  }

  get running() {
    return Boolean(this.context) && this.context.state === 'running';
  }

  // Browsers allow it only after a click or a key, unless started otherwise.
  async enable(rate = 0) {
    this.wanted = true;
    if (rate && this.context && rate !== this.rate) {
      this.stop();
      this.context.close();
      this.context = null;
    }
    if (!this.context) {
      this.rate = rate || this.rate || 48000;
      this.context = new AudioContext({ sampleRate: this.rate, latencyHint: 'interactive' });
      this.gain = this.context.createGain();
      this.gain.connect(this.context.destination);
      this.lead = null;
      this.anchors = [];
      this.onopen?.(this.context, this.gain);
    }
    this.gain.gain.value = this.loudness;
    if (this.context.state !== 'running') {
      // Without a click this promise may stay open: do not wait longer than it takes to start.
      await Promise.race([this.context.resume(), new Promise((done) => { setTimeout(done, 300); })]);
    }
    return this.running;
  }

  disable() {
    this.wanted = false;
    this.stop();
    this.context?.suspend();
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

  // Context time (s) less local time (s) of what leaves the loudspeaker; called once a frame.
  track() {
    if (!this.running) return;
    const stamp = this.context.getOutputTimestamp?.();
    let lead;
    if (stamp && stamp.performanceTime > 0) {
      lead = stamp.contextTime - stamp.performanceTime / 1000;
    } else {
      const latency = this.context.outputLatency || this.context.baseLatency || 0;
      lead = this.context.currentTime - latency - performance.now() / 1000;
    }
    // The stamp jitters by a device buffer; a jump means another device, or a machine that slept.
    if (this.lead === null || Math.abs(lead - this.lead) > 0.08) {
      this.lead = lead;
      this.end = 0;
    } else {
      this.lead += 0.05 * (lead - this.lead);
    }
  }

  // chunk: { time (robot ms it is due), rate (Hz), samples Int16Array }
  push(chunk) {
    if (!this.wanted || !this.clock.ready) return;
    if (!this.context || chunk.rate !== this.rate) {
      this.enable(chunk.rate);
      return;
    }
    if (!this.running) return;
    if (this.lead === null) this.track();
    const { context } = this;
    let at = this.clock.local(chunk.time + this.buffer) / 1000 + this.lead;
    const joined = Math.abs(at - this.end) < JOIN;
    at = joined ? this.end : Math.round(at * this.rate) / this.rate;
    const length = chunk.samples.length / this.rate;
    this.end = at + length;
    if (!joined) {
      this.anchors.push({ from: at, robot: chunk.time, to: this.end });
      if (this.anchors.length > 50) this.anchors.shift();
    }
    this.anchors[this.anchors.length - 1].to = this.end;
    const missed = context.currentTime - at;
    if (missed >= length) {
      this.late += 1;
      return;
    }
    const data = context.createBuffer(1, chunk.samples.length, this.rate);
    const channel = data.getChannelData(0);
    for (let i = 0; i < channel.length; i++) channel[i] = chunk.samples[i] / 32768;
    const source = context.createBufferSource();
    source.buffer = data;
    source.connect(this.gain);
    // A late chunk loses its beginning, never its place.
    if (missed > 0) {
      this.late += 1;
      source.start(context.currentTime, missed);
    } else {
      source.start(at);
    }
    this.sources.add(source);
    source.onended = () => this.sources.delete(source);
  }

  // Robot time (ms) of the face that belongs to what is heard at local time (ms); null when silent.
  robot(local) {
    if (!this.running || this.lead === null) return null;
    const heard = local / 1000 + this.lead;
    for (let i = this.anchors.length - 1; i >= 0; i--) {
      const anchor = this.anchors[i];
      if (heard >= anchor.from - 0.1) {
        return heard <= anchor.to + 0.2 ? anchor.robot + (heard - anchor.from) * 1000 : null;
      }
    }
    return null;
  }

  // Silence now, without a click.
  stop() {
    if (!this.context) return;
    const now = this.context.currentTime;
    this.gain.gain.setTargetAtTime(0, now, 0.004);
    for (const source of this.sources) source.stop(now + 0.02);
    this.sources.clear();
    this.gain.gain.setValueAtTime(this.loudness, now + 0.03);
    this.anchors = [];
    this.end = 0;
  }
}
