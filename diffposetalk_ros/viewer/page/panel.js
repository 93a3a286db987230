// SPDX-License-Identifier: Apache-2.0
// The controls: what a visitor changes becomes a command, what the node tells becomes a value.

import { speechBlock } from './link.js';
import { MOST } from './traces.js';

const byId = (id) => document.getElementById(id);
const STATES = ['at rest', 'idle', 'speaking', 'holding', 'easing to rest'];
const SPEAKING = 2; // this state and those after it can be interrupted
const FIRST_TRACES = ['jawOpen', 'mouthClose', 'mouthFunnel', 'mouthSmileLeft', 'eyeBlinkLeft'];
const LARGEST = 60e6; // bytes of a sound file
const LONGEST = 300; // s of speech
const RATE = 16000; // Hz, of speech to the robot
const REPORTS = 5; // a minute, of faults to the node
const PATIENCE = 4000; // ms from the click to the sound

export class Panel {
  constructor({ link, sound, microphone, traces, notices, wakeLock, channels }) {
    Object.assign(this, { link, sound, microphone, traces, notices, wakeLock });
    this.state = null;
    this.connected = false;
    this.asked = 0; // until when (ms) speech of this page is on its way
    this.setup = {};
    this.fields = new Map();
    this.known = new Map();
    this.reports = 0;
    byId('interrupt').onclick = () => this.interrupt();
    byId('sample').onclick = () => this.speakSample();
    byId('choose').onclick = () => byId('file').click();
    byId('file').onchange = (event) => {
      if (event.target.files.length) this.speak(event.target.files[0]);
      event.target.value = '';
    };
    byId('talk').onclick = () => this.talk(!this.microphone.on);
    byId('listen').onclick = () => this.firstListen();
    byId('mute').onchange = (event) => this.listen(event.target.checked);
    byId('volume').oninput = (event) => this.sound.setVolume(Number(event.target.value));
    for (const id of ['style-a', 'style-b', 'blend']) byId(id).onchange = () => this.style();
    byId('blend').oninput = () => this.share();
    byId('record').onclick = () => this.record();
    byId('toggle').onclick = () => this.toggle();
    byId('kiosk').onclick = () => this.kiosk(true);
    document.addEventListener('fullscreenchange', () => {
      if (!document.fullscreenElement) this.kiosk(false);
    });
    document.addEventListener('keydown', (event) => this.key(event));
    this.dropping();
    this.choosing(channels);
    const possible = microphone.constructor.possible;
    this.able('talk', possible ? '' : 'The microphone needs https, or a page opened on the robot itself (127.0.0.1).');
    this.able('record', 'No face tracker publishes on tracked_face.');
  }

  // A control that can do nothing now is grey, and the line below it says why.
  able(id, reason) {
    byId(id).disabled = Boolean(reason);
    const why = byId(`${id}-why`);
    why.hidden = !reason;
    if (reason && why.textContent !== reason) why.textContent = reason;
  }

  // ---- what the node tells ----

  message(message) {
    if (message.type === 'info') {
      byId('style-now').textContent = `In use: ${message.style || 'a style without a name'}`;
      const shown = message.space === 'arkit';
      this.notices.show('space', shown ? ''
        : `The node sends ${message.space} motion. This page shows arkit motion only.`);
    } else if (message.type === 'styles') {
      this.styles(message.names, message.current);
    } else if (message.type === 'parameters') {
      this.parameters(message.list);
    } else if (message.type === 'tracker') {
      this.tracked = message.present;
      this.recordable();
    } else if (message.type === 'interrupt') {
      this.asked = 0;
      this.sound.stop();
      this.talk(false);
    } else if (message.type === 'setup') {
      this.setup = message;
      byId('sample').hidden = !message.sample;
      this.studio.possible(message.camera);
    }
  }

  // state: of the face, null before the first frame; age: ms since the last frame came.
  status(connected, state, age) {
    Object.assign(this, { connected, state });
    let text = 'not connected; trying again … Is the demo or viewer_node still running?';
    if (connected && state === null) text = 'connected; waiting for motion …';
    else if (connected && age > 2000) text = `no motion for ${Math.round(age / 1000)} s; is the node active?`;
    else if (connected) text = `connected; the face is ${STATES[state] || 'moving'}`;
    const place = byId('status');
    if (place.textContent !== text) place.textContent = text;
    this.able('interrupt', this.interruptible ? '' : 'Interrupt: nothing is being said.');
    if (this.missed && connected && !this.interruptible) {
      this.missed = false;
      this.speakSample();
    }
  }

  get interruptible() {
    return this.connected && (this.state >= SPEAKING || this.microphone.on || performance.now() < this.asked);
  }

  numbers(text) {
    byId('numbers').textContent = text;
  }

  // Shows a failure for a while; success needs no word. Resolves with the answer, or null.
  say(what, promise) {
    return promise.catch((error) => {
      this.notices.failed(what, error);
      return null;
    });
  }

  // A fault of the page itself: the visitor sees it, and the node's log has it.
  fault(error) {
    const text = String(error?.stack || error?.message || error);
    this.notices.failed('page', error);
    if (this.reports >= REPORTS || !this.link.connected) return;
    this.reports += 1;
    setTimeout(() => { this.reports -= 1; }, 60000);
    this.link.call({ do: 'report', text: text.slice(0, 500) }).catch(() => {}); // the visitor has seen it
  }

  send(command) {
    return this.link.call(command);
  }

  // ---- speech and sound ----

  interrupt() {
    if (!this.interruptible) return null;
    this.sound.stop();
    return this.say('interrupt', this.send({ do: 'interrupt' }));
  }

  async talk(on) {
    if (on === this.microphone.on) return;
    if (on) await this.say('microphone', this.microphone.start());
    else this.microphone.stop();
    this.talking();
  }

  // The microphone stopped by itself.
  silent(error) {
    this.talking();
    this.notices.failed('microphone', error);
  }

  talking() {
    const { on } = this.microphone;
    this.sound.hush(on);
    byId('talk').textContent = on ? 'Stop the microphone' : 'Talk into the microphone';
  }

  async listen(on) {
    if (on) await this.sound.enable();
    else this.sound.disable();
    this.hearing();
  }

  // In a demo, whoever turns on the sound hears the sample from its beginning.
  async firstListen() {
    await this.listen(true);
    setTimeout(() => this.silentSpeaker(), PATIENCE);
    if (!this.sound.running || !this.setup.replay) return;
    if (this.interruptible) this.missed = true; // once this is over
    else this.speakSample();
  }

  // Firefox waits without a word for a machine's loudspeaker.
  silentSpeaker() {
    if (this.sound.running || !this.sound.wanted) return;
    this.notices.show('silent', 'The browser plays no sound. Is a loudspeaker connected?');
  }

  hearing() {
    if (this.sound.running || !this.sound.wanted) this.notices.clear('silent');
    byId('mute').checked = this.sound.wanted;
    byId('listen').hidden = this.sound.running || !this.sound.wanted;
  }

  speakSample() {
    return this.spoken('sample', this.send({ do: 'sample' }));
  }

  async spoken(what, promise) {
    const answer = await this.say(what, promise);
    if (answer) this.asked = performance.now() + 1000 * answer.seconds;
  }

  async speak(file) {
    if (!this.sound.running) await this.listen(true);
    if (file.size > LARGEST) {
      this.notices.failed(file.name, new Error(`larger than ${LARGEST / 1e6} MB`));
      return;
    }
    await this.spoken(file.name, this.decode(file).then((block) => this.link.speak(block)));
  }

  async decode(file) {
    const reader = new OfflineAudioContext(1, 1, RATE);
    let sound;
    try {
      sound = await reader.decodeAudioData(await file.arrayBuffer());
    } catch {
      throw new Error('this browser cannot read it as a sound file');
    }
    if (sound.duration > LONGEST) throw new Error(`lasts ${Math.round(sound.duration)} s; ${LONGEST} s is the limit`);
    // decodeAudioData has brought it to 16 kHz; what is left is one channel of many.
    const mono = new Float32Array(sound.length);
    for (let k = 0; k < sound.numberOfChannels; k++) {
      const channel = sound.getChannelData(k);
      for (let i = 0; i < mono.length; i++) mono[i] += channel[i] / sound.numberOfChannels;
    }
    return speechBlock(mono, RATE);
  }

  dropping() {
    const over = (shown) => (event) => {
      if (!event.dataTransfer?.types.includes('Files')) return;
      event.preventDefault();
      byId('drop').hidden = !shown;
      if (event.type === 'drop' && event.dataTransfer.files.length) this.speak(event.dataTransfer.files[0]);
    };
    document.addEventListener('dragover', over(true));
    document.addEventListener('drop', over(false));
    document.addEventListener('dragleave', (event) => {
      if (!event.relatedTarget) byId('drop').hidden = true;
    });
  }

  // ---- style ----

  styles(names, current) {
    const [a, b] = [byId('style-a'), byId('style-b')];
    const keep = b.value;
    const options = () => names.map((name) => new Option(name.replaceAll('_', ' '), name));
    a.replaceChildren(...options());
    b.replaceChildren(new Option('(none)', ''), ...options());
    b.value = names.includes(keep) ? keep : '';
    const [first, second] = current.split('+').map((part) => part.split('*'));
    a.value = names.includes(first[0]) ? first[0] : '';
    if (second && names.includes(second[0])) {
      b.value = second[0];
      byId('blend').value = Number(second[1]) || 0;
    }
    this.share();
  }

  share() {
    const second = byId('style-b').value;
    this.able('blend', second ? '' : 'Choose a second style to blend with.');
    byId('blend-value').textContent = `${Math.round(second ? 100 * byId('blend').value : 0)} %`;
  }

  style() {
    this.share();
    const [a, b] = [byId('style-a').value, byId('style-b').value];
    const share = Number(byId('blend').value);
    if (!a) return null;
    const name = b && b !== a ? `${a}*${(1 - share).toFixed(2)}+${b}*${share.toFixed(2)}` : a;
    return this.say('style', this.send({ do: 'style', name }));
  }

  // A style of the visitor's own is in use: let it be seen.
  showStyle() {
    if (!this.setup.sample) return null;
    this.listen(true);
    return this.interruptible ? null : this.speakSample();
  }

  async record() {
    this.recording = true;
    this.recordable();
    await this.say('style', this.send({ do: 'record', seconds: 8 }));
    this.recording = false;
    this.recordable();
  }

  recordable() {
    if (this.recording) this.able('record', 'Recording: keep talking into the tracker for 8 seconds.');
    else this.able('record', this.tracked ? '' : 'No face tracker publishes on tracked_face.');
  }

  // ---- parameters ----

  parameters(list) {
    const names = list.map((item) => item.name).join();
    if (names !== this.names) {
      this.names = names;
      this.fields.clear();
      const advanced = (item) => item.name.startsWith('sampler.');
      byId('parameters').replaceChildren(...list.filter((item) => !advanced(item)).map((item) => this.field(item)));
      byId('advanced').replaceChildren(...list.filter(advanced).map((item) => this.field(item)));
    }
    for (const item of list) this.fields.get(item.name)(item.value);
  }

  field(item) {
    const label = document.createElement('label');
    const input = document.createElement('input');
    const range = item.upper - item.lower <= 20;
    Object.assign(input, { min: item.lower, max: item.upper, step: item.step, type: range ? 'range' : 'number' });
    input.id = `parameter-${item.name}`;
    label.title = item.description;
    label.append(item.label, input);
    const output = document.createElement('output');
    if (range) label.append(output);
    const words = (value) => (item.step < 1 ? Number(value).toFixed(2) : value);
    input.oninput = () => { output.textContent = words(input.value); };
    input.onchange = async () => {
      const command = { do: 'parameter', name: item.name, value: Number(input.value) };
      if (await this.say(item.label, this.send(command)) !== null) return;
      input.value = this.known.get(item.name);
      output.textContent = words(input.value);
    };
    this.fields.set(item.name, (value) => {
      this.known.set(item.name, value);
      if (document.activeElement !== input || range) input.value = value;
      output.textContent = words(value);
    });
    return label;
  }

  // ---- traces ----

  choosing(channels) {
    const boxes = channels.map((name) => {
      const label = document.createElement('label');
      const box = document.createElement('input');
      Object.assign(box, { type: 'checkbox', value: name, checked: FIRST_TRACES.includes(name) });
      label.append(box, ` ${name}`);
      byId('channels').append(label);
      return box;
    });
    const choose = () => {
      const names = boxes.filter((box) => box.checked).map((box) => box.value);
      for (const box of boxes) box.disabled = !box.checked && names.length >= MOST;
      byId('chosen').textContent = names.length;
      this.traces.choose(names, names.map((name) => channels.indexOf(name)));
    };
    for (const box of boxes) box.onchange = choose;
    choose();
  }

  // ---- the page itself ----

  toggle() {
    const bare = document.body.classList.toggle('bare');
    byId('toggle').textContent = bare ? 'Show panel' : 'Hide panel';
    byId('toggle').setAttribute('aria-expanded', String(!bare));
  }

  kiosk(on) {
    document.body.classList.toggle('kiosk', on);
    this.wakeLock.keep(on);
    if (on) document.documentElement.requestFullscreen?.().catch(() => {}); // refused without a click: still bare
    else if (document.fullscreenElement) document.exitFullscreen();
  }

  key(event) {
    if (event.key === 'Escape') this.kiosk(false);
    if (!byId('keys').checked || event.ctrlKey || event.altKey || event.metaKey || event.repeat) return;
    if (event.target.closest('input:not([type="checkbox"]), select')) return;
    if (event.key === 'i') this.interrupt();
    else if (event.key === 't' && !byId('talk').disabled) this.talk(!this.microphone.on);
    else if (event.key === 'm') this.listen(!this.sound.wanted);
    else if (event.key === 'p') this.toggle();
    else if (event.key === 'k') this.kiosk(true);
  }
}
