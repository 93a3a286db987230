// SPDX-License-Identifier: Apache-2.0
// The WebSocket: blocks in, commands out, and a new connection whenever the old one ends.

const HEAD = 16;
const WAITS = [200, 500, 1000, 2000]; // ms before each new attempt
const PING = 1000; // ms between two questions for the time
const SILENCE = 5000; // ms without an answer after which the connection counts as dead

export class Link {
  // on: { state(connected), motion(frame), audio(chunk), pong(sent, received, robot), message(object) }
  constructor(on) {
    this.on = on;
    this.waiting = new Map();
    this.number = 0;
    this.failures = 0;
    this.last = performance.now();
    this.open();
    // A machine that slept comes back with a dead connection and an old clock.
    document.addEventListener('visibilitychange', () => {
      if (!document.hidden) this.wake();
    });
    window.addEventListener('online', () => this.wake());
  }

  get connected() {
    return this.socket.readyState === WebSocket.OPEN;
  }

  // ms since the server was last heard.
  get silence() {
    return performance.now() - this.last;
  }

  open() {
    clearTimeout(this.timer);
    const scheme = window.location.protocol === 'https:' ? 'wss' : 'ws';
    const socket = new WebSocket(`${scheme}://${window.location.host}/socket`);
    socket.binaryType = 'arraybuffer';
    // A network that swallows the attempt must not hold up the next one.
    const attempt = setTimeout(() => socket.close(), SILENCE);
    socket.onopen = () => {
      clearTimeout(attempt);
      this.failures = 0;
      this.pings = 0;
      this.last = performance.now();
      this.on.state(true);
      this.ping();
    };
    socket.onmessage = (event) => {
      this.last = performance.now();
      if (typeof event.data === 'string') this.text(JSON.parse(event.data));
      else this.block(event.data);
    };
    socket.onclose = () => {
      clearTimeout(attempt);
      if (socket === this.socket) this.ended();
    };
    this.socket = socket;
  }

  ended() {
    clearTimeout(this.pinging);
    for (const { reject } of this.waiting.values()) reject(new Error('the connection was lost; try again when the page is connected'));
    this.waiting.clear();
    this.on.state(false);
    this.timer = setTimeout(() => this.open(), WAITS[Math.min(this.failures, WAITS.length - 1)]);
    this.failures += 1;
  }

  wake() {
    if (this.socket.readyState === WebSocket.CLOSED) this.open();
    else if (this.connected) this.ping();
  }

  ping() {
    clearTimeout(this.pinging);
    if (!this.connected) return;
    if (this.silence > SILENCE && !document.hidden) {
      // The other side is gone without a word, and may not answer the closing either.
      const { socket } = this;
      socket.onclose = null;
      socket.close();
      this.ended();
      return;
    }
    this.socket.send(JSON.stringify({ do: 'ping', sent: performance.now() }));
    this.pings += 1;
    this.pinging = setTimeout(() => this.ping(), this.pings < 10 ? 150 : PING);
  }

  text(message) {
    if (message.type === 'pong') {
      this.on.pong(message.sent, performance.now(), message.now);
    } else if (message.type === 'answer') {
      const call = this.waiting.get(message.id);
      this.waiting.delete(message.id);
      if (!call) return;
      if (message.ok) call.resolve(message);
      else call.reject(new Error(message.message || 'refused'));
    } else {
      this.on.message(message);
    }
  }

  block(buffer) {
    const view = new DataView(buffer);
    const kind = view.getUint8(0);
    const time = view.getFloat64(8, true);
    if (kind === 1) {
      const values = new Float32Array(buffer, HEAD);
      this.on.motion({ time, state: view.getUint8(1), number: view.getUint32(4, true), values });
    } else if (kind === 2) {
      this.on.audio({ time, rate: view.getUint32(4, true), samples: new Int16Array(buffer, HEAD) });
    }
  }

  // Resolves with the answer, rejects with what was refused and why. piece: a short block that goes with it.
  call(command, piece) {
    return new Promise((resolve, reject) => {
      if (!this.connected) {
        reject(new Error('the page is not connected; try again when it is'));
        return;
      }
      const id = ++this.number;
      this.waiting.set(id, { resolve, reject });
      if (piece) this.socket.send(piece);
      this.socket.send(JSON.stringify({ ...command, id }));
    });
  }

  // A whole recording for the face to speak; as `call`.
  async speak(block) {
    const answer = await fetch('speech', { method: 'POST', body: block });
    const text = await answer.text();
    if (!answer.ok) throw new Error(text.trim() || `refused (${answer.status})`);
    return JSON.parse(text);
  }
}

// Mono sound (Float32Array) as a block for the server; time: of its first sample, robot ms, where it is live.
export function speechBlock(samples, rate, time = 0) {
  const buffer = new ArrayBuffer(HEAD + 2 * samples.length);
  const view = new DataView(buffer);
  view.setUint8(0, 3);
  view.setUint32(4, rate, true);
  view.setFloat64(8, time, true);
  const pcm = new Int16Array(buffer, HEAD);
  for (let i = 0; i < samples.length; i++) {
    pcm[i] = Math.max(-32768, Math.min(32767, Math.round(samples[i] * 32768)));
  }
  return buffer;
}
