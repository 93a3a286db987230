// SPDX-License-Identifier: Apache-2.0
// A style of the visitor's own: ten guided seconds before the camera, or a file. Meanwhile the head is a mirror.

import { Camera } from './camera.js';
import { motionFile, readMotion, readVector, styleBlock } from './style_file.js';

const byId = (id) => document.getElementById(id);
const SECONDS = 10;
const WAITING = 4; // readings on their way to the robot, at most: a slow line sees fewer, not older ones
const NEAR = 60; // pixels between the outer corners of the eyes; the node refuses less than 24
const DARK = 0.15; // brightness of a face, 0 to 1
const AWAY = 0.8; // cosine of the angle between the face and the camera
const FEW = 20; // pictures a second below which short blinks are missed; the node refuses less than 12
const SMOOTH = 60; // ms in which the mirrored head follows

// The row of a face in a mirror: left is right, and it turns and leans the other way.
export function mirrored(row, channels) {
  const other = channels.map((name) => {
    const swapped = name.endsWith('Left') ? name.replace(/Left$/, 'Right') : name.replace(/Right$/, 'Left');
    return channels.indexOf(swapped);
  });
  return [...other.map((from, i) => row[from < 0 ? i : from]), row[52], -row[53], -row[54]];
}

// How well a face is seen: a number in 0..1, and what would help. rate: pictures read a second, null if unknown.
export function seen(reading, rate = null) {
  if (reading === null) return [0, 'No face is visible. Sit in front of the camera.'];
  if (reading.eyes < NEAR) return [Math.max(0.1, (0.6 * reading.eyes) / NEAR), 'Come nearer.'];
  if (reading.light < DARK) return [0.4, 'Your face is dark. Turn to a window or a lamp.'];
  if (reading.matrix[8] < AWAY) return [0.5, 'Turn to the camera.'];
  if (rate !== null && rate < FEW) {
    const words = `Only ${Math.round(rate)} pictures a second are read; 25 are best. More light or fewer open programs help.`;
    return [Math.max(0.1, (0.6 * rate) / FEW), words];
  }
  return [1, 'Your face is clearly visible.'];
}

export class Studio {
  constructor({ link, clock, notices, panel, channels }) {
    Object.assign(this, { link, notices, panel, channels });
    this.pending = 0;
    this.target = null;
    this.row = new Float32Array(55);
    this.camera = new Camera(clock, channels, (block, reading) => this.see(block, reading), (error) => this.ended(error));
    byId('camera').onclick = () => this.toggle();
    byId('take').onclick = () => this.take();
    byId('mirror').onchange = () => { this.target = null; };
    byId('save-style').onclick = () => this.save();
    byId('load-style').onclick = () => byId('style-file').click();
    byId('style-file').onchange = (event) => {
      if (event.target.files.length) this.load(event.target.files[0]);
      event.target.value = '';
    };
    this.possible('waiting for the node …');
  }

  // missing: what the node lacks, in words; empty if the files of the tracker are served.
  possible(missing) {
    const insecure = 'The camera needs https, or a page opened on the robot itself (127.0.0.1).';
    this.panel.able('camera', Camera.possible ? missing : insecure);
  }

  async toggle() {
    const on = byId('studio').hidden;
    byId('studio').hidden = !on;
    byId('camera').textContent = on ? 'Stop the camera' : 'Make a style from your camera';
    byId('camera').setAttribute('aria-expanded', String(on));
    byId('take').disabled = true;
    if (!on) {
      this.camera.stop();
      this.target = null;
      clearInterval(this.timer);
      return;
    }
    this.tell('Starting the camera …');
    try {
      await this.camera.start(byId('self'));
      this.tell('');
    } catch (error) {
      this.ended(error);
    }
  }

  ended(error) {
    this.notices.failed('camera', error);
    if (!byId('studio').hidden) this.toggle();
  }

  see(block, reading) {
    const [share, words] = seen(reading, this.camera.rate.perSecond);
    byId('seen').value = share;
    if (byId('seen-why').textContent !== words) byId('seen-why').textContent = words;
    if (!this.recording) byId('take').disabled = reading === null;
    if (this.pending >= WAITING) return;
    this.pending += 1;
    this.link.call({ do: 'face', page: this.camera.page }, block).then(
      ({ row }) => {
        this.pending -= 1;
        this.target = row && this.camera.on && byId('mirror').checked ? mirrored(row, this.channels) : null;
      },
      (error) => {
        this.pending -= 1;
        this.camera.fail(error);
      },
    );
  }

  // Whether the camera is read so slowly that everything else has to wait for it.
  get slow() {
    const rate = this.camera.on ? this.camera.rate.perSecond : null;
    return rate !== null && rate < FEW;
  }

  // The row to draw instead of the robot's, or null. interval: ms since the last picture.
  follow(interval) {
    if (!this.target) return null;
    const share = 1 - Math.exp(-interval / SMOOTH);
    for (let i = 0; i < this.row.length; i++) this.row[i] += share * (this.target[i] - this.row[i]);
    return this.row;
  }

  async take() {
    this.recording = true;
    byId('take').disabled = true;
    byId('taken').hidden = false;
    this.tell('Read the sentence aloud, as you usually speak.');
    const begin = performance.now();
    await new Promise((done) => {
      this.timer = setInterval(() => {
        const past = (performance.now() - begin) / 1000;
        byId('taken').value = past;
        if (past >= SECONDS || !this.camera.on) done();
      }, 100);
    });
    clearInterval(this.timer);
    byId('taken').hidden = true;
    this.recording = false;
    if (!this.camera.on) return;
    try {
      const answer = await this.link.call({ do: 'own_style', page: this.camera.page, seconds: SECONDS });
      this.clip = answer.clip;
      byId('save-style').hidden = false;
      byId('mirror').checked = false; // now the head shows what it has learned
      this.target = null;
      this.tell(['This is how you speak.', ...answer.notes.map((note) => `Note: ${note}.`)].join(' '));
      this.panel.showStyle();
    } catch (error) {
      this.tell(`This take cannot be used: ${error.message}.`);
    }
  }

  tell(text) {
    byId('style-told').textContent = text;
  }

  save() {
    const link = document.createElement('a');
    link.href = URL.createObjectURL(new Blob([motionFile(this.clip, this.channels)], { type: 'application/json' }));
    link.download = 'my_style.json';
    link.click();
    URL.revokeObjectURL(link.href);
  }

  async load(file) {
    const read = async () => {
      const content = file.name.endsWith('.npy') ? readVector(await file.arrayBuffer())
        : readMotion(await file.text(), this.channels);
      const name = file.name.replace(/\.[^.]*$/, '').slice(0, 40);
      return this.link.call({ do: 'load_style', name }, styleBlock(content));
    };
    if (await this.panel.say(file.name, read())) this.panel.showStyle();
  }
}
