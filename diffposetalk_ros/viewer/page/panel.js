// SPDX-License-Identifier: Apache-2.0
// The controls: what a visitor changes becomes a command, what the node tells becomes a value.

import { speechBlock } from './link.js';

const byId = (id) => document.getElementById(id);
const STATES = ['at rest', 'idle', 'speaking', 'holding', 'easing to rest'];
const FIRST_TRACES = ['jawOpen', 'mouthClose', 'mouthFunnel', 'mouthSmileLeft', 'eyeBlinkLeft'];

export class Panel {
  constructor(link, sound, microphone, traces, channels) {
    this.link = link;
    this.sound = sound;
    this.microphone = microphone;
    this.traces = traces;
    this.info = null;
    this.fields = new Map();
    byId('interrupt').onclick = () => this.interrupt();
    byId('sample').onclick = () => this.say('sample', this.send({ do: 'sample' }));
    byId('choose').onclick = () => byId('file').click();
    byId('file').onchange = (event) => {
      if (event.target.files.length) this.speak(event.target.files[0]);
      event.target.value = '';
    };
    byId('talk').onclick = () => this.talk(!this.microphone.on);
    byId('talk').disabled = !microphone.constructor.possible;
    if (byId('talk').disabled) byId('talk').title = 'Needs https, or a page that is opened on its own machine';
    byId('listen').onclick = () => this.listen(true);
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
    const list = byId('channels');
    list.append(...channels.map((name) => new Option(name, name, false, FIRST_TRACES.includes(name))));
    const choose = () => {
      const names = [...list.selectedOptions].map((option) => option.value);
      traces.choose(names, names.map((name) => channels.indexOf(name)));
    };
    list.onchange = choose;
    choose();
  }

  // ---- what the node tells ----

  message(message) {
    if (message.type === 'info') {
      this.info = message;
      byId('style-now').textContent = `In use: ${message.style || 'a style without name'}`;
      const shown = message.space === 'arkit';
      this.notice(shown ? '' : `The node speaks ${message.space} motion; this head shows arkit motion only.`);
    } else if (message.type === 'styles') {
      this.styles(message.names, message.current);
    } else if (message.type === 'parameters') {
      this.parameters(message.list);
    } else if (message.type === 'tracker') {
      byId('record').disabled = !message.present;
    } else if (message.type === 'interrupt') {
      this.sound.stop();
      this.talk(false);
    } else if (message.type === 'setup') {
      byId('sample').hidden = !message.sample;
    }
  }

  status(connected, state, age) {
    let text = 'not connected; trying again ...';
    if (connected && state === null) text = 'connected; waiting for motion ...';
    else if (connected && age > 2000) text = `no motion for ${Math.round(age / 1000)} s; is the node active?`;
    else if (connected) text = `connected; the face is ${STATES[state] || 'moving'}`;
    const place = byId('status');
    if (place.textContent !== text) place.textContent = text;
  }

  numbers(text) {
    byId('numbers').textContent = text;
  }

  notice(text) {
    const place = byId('notice');
    if (place.textContent === text) return;
    place.textContent = text;
    place.hidden = !text;
  }

  // Shows a failure for a while; success needs no word.
  say(what, promise) {
    return promise.then((answer) => answer, (error) => {
      this.notice(`${what}: ${error.message}`);
      clearTimeout(this.fading);
      this.fading = setTimeout(() => this.notice(''), 8000);
      return null;
    });
  }

  send(command, upload) {
    return this.link.call(command, upload);
  }

  // ---- speech and sound ----

  interrupt() {
    this.sound.stop();
    return this.say('interrupt', this.send({ do: 'interrupt' }));
  }

  async talk(on) {
    if (on) await this.say('microphone', this.microphone.start());
    else this.microphone.stop();
    this.talking();
  }

  // The microphone stopped by itself.
  silent(error) {
    this.talking();
    this.say('microphone', Promise.reject(error));
  }

  talking() {
    const { on } = this.microphone;
    this.sound.hush(on);
    byId('talk').textContent = on ? 'Stop the microphone' : 'Talk into the microphone';
    byId('talk').setAttribute('aria-pressed', String(on));
  }

  async listen(on) {
    if (on) await this.sound.enable();
    else this.sound.disable();
    this.hearing();
  }

  hearing() {
    byId('mute').checked = this.sound.wanted;
    byId('listen').hidden = this.sound.running || !this.sound.wanted;
  }

  async speak(file) {
    if (!this.sound.running) await this.listen(true);
    if (file.size > 60e6) {
      return this.say(file.name, Promise.reject(new Error('larger than 60 MB')));
    }
    return this.say(file.name, this.decode(file).then((block) => this.send({ do: 'speak', name: file.name }, block)));
  }

  async decode(file) {
    const rate = 16000;
    const reader = new OfflineAudioContext(1, 1, rate);
    let sound;
    try {
      sound = await reader.decodeAudioData(await file.arrayBuffer());
    } catch {
      throw new Error('not a sound file this browser can read');
    }
    if (sound.duration > 300) throw new Error(`lasts ${Math.round(sound.duration)} s; 300 s is the limit`);
    // decodeAudioData has brought it to 16 kHz; what is left is one channel of many.
    const mono = new Float32Array(sound.length);
    for (let k = 0; k < sound.numberOfChannels; k++) {
      const channel = sound.getChannelData(k);
      for (let i = 0; i < mono.length; i++) mono[i] += channel[i] / sound.numberOfChannels;
    }
    return speechBlock(mono, rate);
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
    a.replaceChildren(...names.map((name) => new Option(name.replaceAll('_', ' '), name)));
    b.replaceChildren(new Option('(none)', ''), ...names.map((name) => new Option(name.replaceAll('_', ' '), name)));
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
    const blend = byId('blend');
    blend.disabled = !byId('style-b').value;
    byId('blend-value').textContent = `${Math.round(blend.disabled ? 0 : 100 * blend.value)} %`;
  }

  style() {
    this.share();
    const [a, b] = [byId('style-a').value, byId('style-b').value];
    const share = Number(byId('blend').value);
    if (!a) return null;
    const name = b && b !== a ? `${a}*${(1 - share).toFixed(2)}+${b}*${share.toFixed(2)}` : a;
    return this.say('style', this.send({ do: 'style', name }));
  }

  async record() {
    const button = byId('record');
    const label = button.textContent;
    button.disabled = true;
    button.textContent = 'Talk for 8 seconds ...';
    await this.say('style', this.send({ do: 'record', seconds: 8 }));
    button.textContent = label;
    button.disabled = false;
  }

  // ---- parameters ----

  parameters(list) {
    const names = list.map((item) => item.name).join();
    if (names !== this.names) {
      this.names = names;
      this.fields.clear();
      byId('parameters').replaceChildren(...list.map((item) => this.field(item)));
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
    const show = (value) => {
      if (document.activeElement !== input || input.type === 'range') input.value = value;
      output.textContent = item.step < 1 ? Number(value).toFixed(2) : value;
    };
    input.oninput = () => { output.textContent = item.step < 1 ? Number(input.value).toFixed(2) : input.value; };
    input.onchange = async () => {
      const answer = await this.say(item.label, this.send({ do: 'parameter', name: item.name, value: Number(input.value) }));
      if (answer === null) input.value = this.known.get(item.name);
    };
    this.known = this.known || new Map();
    this.fields.set(item.name, (value) => {
      this.known.set(item.name, value);
      show(value);
    });
    return label;
  }

  // ---- the page itself ----

  toggle() {
    const bare = document.body.classList.toggle('bare');
    byId('toggle').setAttribute('aria-expanded', String(!bare));
  }

  kiosk(on) {
    document.body.classList.toggle('kiosk', on);
    if (on) document.documentElement.requestFullscreen?.().catch(() => {}); // refused without a click: still bare
    else if (document.fullscreenElement) document.exitFullscreen();
  }

  key(event) {
    if (event.ctrlKey || event.altKey || event.metaKey || event.target.closest('input, select')) return;
    if (event.key === 'i') this.interrupt();
    else if (event.key === 't' && !byId('talk').disabled) this.talk(!this.microphone.on);
    else if (event.key === 'm') this.listen(!this.sound.wanted);
    else if (event.key === 'p') this.toggle();
    else if (event.key === 'k') this.kiosk(true);
    else if (event.key === 'Escape') this.kiosk(false);
  }
}
