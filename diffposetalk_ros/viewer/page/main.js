// SPDX-License-Identifier: Apache-2.0
// Puts the page together and draws a frame whenever the browser wants one.
//
// Address options: kiosk, face=NAME, panel=0, buffer=MS (everything is shown at least so late), measure, and colours of the
// head by part, for example ?kiosk&skin=8fb7d9&top=101418&bottom=000000 (parts: see /rig.bin).

import { Head } from './head.js';
import { Link } from './link.js';
import { Microphone } from './microphone.js';
import { Notices } from './notices.js';
import { Panel } from './panel.js';
import { Rig } from './rig.js';
import { Sound } from './sound.js';
import { Studio } from './studio.js';
import { readBuffer, readTheme } from './theme.js';
import { Clock, Motion } from './timeline.js';
import { Traces } from './traces.js';
import { WakeLock } from './wake_lock.js';

const query = new URLSearchParams(window.location.search);
// At once: a kiosk shows no panel while the head is loaded.
if (query.has('kiosk')) document.body.classList.add('kiosk');
const { buffer: BUFFER, problem: badBuffer } = readBuffer(query);
const SPARING = 120; // ms between two pictures of the head while a camera needs the processor
const TOLD = 20000; // ms that a mistake in the address is shown
const LOST = 1500; // ms of silence after which a visitor sees that the connection is gone

const byId = (id) => document.getElementById(id);
const notices = new Notices(byId('notices'));
notices.show('buffer', badBuffer, TOLD);

function theme(rig) {
  const { colours, problems } = readTheme(query, rig.parts);
  problems.forEach((problem, i) => notices.show(`colour ${i}`, problem, TOLD));
  for (const name of ['top', 'bottom']) {
    if (colours[name]) document.documentElement.style.setProperty(`--${name}`, `rgb(${colours[name].join(' ')})`);
  }
  return colours;
}

class Viewer {
  constructor(rig) {
    this.rig = rig;
    this.clock = new Clock();
    this.motion = new Motion();
    this.sound = new Sound(this.clock, BUFFER, (error) => notices.failed('sound', error));
    this.head = new Head(byId('face'), rig, theme(rig));
    this.traces = new Traces(byId('traces'));
    this.row = new Float32Array(55);
    this.shown = new Float32Array(55);
    this.state = null;
    this.age = Infinity;
    this.frames = [];
    this.interval = 16.7;
    this.behind = BUFFER;
    this.received = 0;
    this.sound.onopen = (context, gain) => this.tap(context, gain);
    this.sound.onchange = () => this.panel.hearing();
    this.link = new Link({
      state: (connected) => this.connected(connected),
      motion: (frame) => this.take(frame),
      audio: (chunk) => this.sound.push(chunk),
      pong: (sent, received, robot) => this.clock.add(sent, received, robot),
      message: (message) => this.panel.message(message),
    });
    const hear = (block) => this.link.call({ do: 'hear', page: this.microphone.page }, block);
    this.microphone = new Microphone(this.clock, hear, (error) => this.panel.silent(error));
    const wakeLock = new WakeLock((text) => {
      byId('awake').textContent = text;
      byId('awake').hidden = !text;
    });
    const { link, sound, microphone, traces } = this;
    this.panel = new Panel({ link, sound, microphone, traces, notices, wakeLock, channels: rig.channels });
    const { clock, panel } = this;
    this.studio = new Studio({ link, clock, notices, panel, channels: rig.channels });
    this.panel.studio = this.studio;
    if (query.has('kiosk')) wakeLock.keep(true);
    if (query.get('panel') === '0') this.panel.toggle();
    // Where the browser lets pages sound by themselves (a robot's kiosk), no click is needed.
    this.sound.enable().then(() => this.panel.hearing());
    setInterval(() => this.report(), 500);
    requestAnimationFrame((time) => this.draw(time));
  }

  connected(connected) {
    if (!connected) {
      this.sound.stop();
      this.state = null;
    } else {
      this.motion.frames = [];
    }
    this.report();
  }

  take(frame) {
    this.motion.add(frame);
    this.received += 1;
    this.arrived = performance.now();
    if (this.clock.ready) this.age = this.clock.robot(this.arrived) - frame.time;
    this.traces.add(frame.time, frame.values, this.age);
  }

  draw(time) {
    requestAnimationFrame((next) => this.draw(next));
    if (this.last !== undefined) {
      const interval = time - this.last;
      if (interval < 200) this.interval += 0.1 * (interval - this.interval);
      this.frames.push(interval);
      if (this.frames.length > 120) this.frames.shift();
      if (this.drawn) this.head.adapt(interval);
    }
    this.last = time;
    this.drawn = false;
    this.sound.track();
    if (!this.clock.ready) return;
    // What is drawn now is seen one refresh later.
    const seen = time + Math.min(this.interval, 34);
    this.follow(this.sound.buffer);
    const robot = this.sound.robot(seen) ?? this.clock.robot(seen) - this.behind;
    const state = this.motion.read(robot, this.row);
    const visitor = this.studio.follow(this.interval);
    if (visitor) this.row.set(visitor);
    if (state !== null && state !== this.state) {
      this.state = state;
      this.report();
    }
    // The visitor's camera comes first where the processor draws, and where its pictures are read too slowly.
    const sparing = this.studio.slow || (this.studio.camera.on && this.head.software);
    if (sparing && time - this.painted < SPARING) return;
    this.painted = time;
    // A face at rest costs nothing.
    if (this.head.stale || this.row.some((value, i) => value !== this.shown[i])) {
      this.head.draw(this.row, this.row.subarray(52, 55));
      this.shown.set(this.row);
      this.drawn = true;
    }
    this.log?.drawn.push([seen, this.rig.opening]);
    if (state !== null && !document.body.classList.contains('kiosk')) this.traces.draw(time);
  }

  // Without sound the face comes to a new delay by being a tenth slower or quicker for a while.
  follow(buffer) {
    const most = 0.1 * this.interval;
    this.behind += Math.max(-most, Math.min(most, buffer - this.behind));
  }

  get fps() {
    const mean = this.frames.reduce((sum, value) => sum + value, 0) / this.frames.length;
    return this.frames.length ? 1000 / mean : 0;
  }

  report() {
    if (!this.panel) return;
    const silent = this.arrived === undefined ? Infinity : performance.now() - this.arrived;
    this.panel.status(this.link.connected, this.arrived === undefined ? null : this.state, silent);
    this.panel.hearing();
    const lost = this.link.silence > LOST;
    byId('lost').hidden = !lost;
    document.body.classList.toggle('lost', lost);
    this.watchLateness();
    const fps = this.fps.toFixed(0);
    const offset = Number.isFinite(this.age) ? `${this.age.toFixed(1)} ms` : 'unknown';
    this.panel.numbers(`${fps} frames/s drawn; ${this.received} received, the last ${offset} after it was due; `
      + `page buffer ${Math.round(this.sound.buffer)} ms; ${this.sound.late} pieces of sound late`);
  }

  // Sound that comes too late cannot be played, and silence explains nothing.
  watchLateness() {
    const { late, pieces } = this.sound;
    this.counted ??= { late, pieces };
    if (pieces - this.counted.pieces < 50) return; // about a second of speech
    const share = (late - this.counted.late) / (pieces - this.counted.pieces);
    this.counted = { late, pieces };
    const told = share >= 0.5 && this.sound.reserve.exhausted;
    notices.show('late', told ? `The sound arrives too late to be played: frames come ${Math.round(this.age)} ms `
      + 'after they are due. Raise playout.delay of the node.' : '', 5000);
  }

  // With ?measure: when which lip opening was seen, and how loud the loudspeaker was when.
  async tap(context, gain) {
    if (!query.has('measure')) return;
    this.log = { drawn: [], heard: [] };
    try {
      await context.audioWorklet.addModule('tap.js');
    } catch (error) {
      if (context.state === 'closed') return; // replaced meanwhile: its successor is tapped
      throw error;
    }
    const node = new AudioWorkletNode(context, 'tap');
    node.port.onmessage = ({ data }) => {
      // The raw stamp, not the smoothed one that the face follows.
      const stamp = context.getOutputTimestamp();
      const lead = stamp.contextTime - stamp.performanceTime / 1000;
      for (const [at, level] of data) this.log.heard.push([1000 * (at - lead), level]);
    };
    gain.connect(node);
  }
}

function fault(error) {
  if (window.viewer?.panel) window.viewer.panel.fault(error);
  else notices.show('page', `page: ${error?.message ?? error}`);
}

window.addEventListener('error', (event) => fault(event.error ?? event.message));
window.addEventListener('unhandledrejection', (event) => fault(event.reason));

async function start() {
  const face = query.get('face');
  const answer = await fetch(face ? `rig.bin?face=${encodeURIComponent(face)}` : 'rig.bin');
  if (!answer.ok) throw new Error(`head: ${await answer.text()}`);
  window.viewer = new Viewer(new Rig(await answer.arrayBuffer()));
}

start().catch((error) => notices.show('start', error.message));
