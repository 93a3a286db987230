// SPDX-License-Identifier: Apache-2.0
// What a visitor must know now: each notice has a key, and leaves when it is over.

const STAY = 8000; // ms that a failure stays

export class Notices {
  constructor(place) {
    this.place = place;
    this.shown = new Map(); // key -> { line, timer }
  }

  // A notice stays until it is cleared, or for `stay` ms. An empty text clears it.
  show(key, text, stay = 0) {
    if (!text) {
      this.clear(key);
      return;
    }
    const line = this.shown.get(key)?.line ?? document.createElement('p');
    clearTimeout(this.shown.get(key)?.timer);
    if (line.textContent !== text) line.textContent = text;
    if (!line.isConnected) this.place.append(line);
    const timer = stay ? setTimeout(() => this.clear(key), stay) : undefined;
    this.shown.set(key, { line, timer });
  }

  failed(what, error) {
    this.show(what, `${what}: ${error?.message ?? error}`, STAY);
  }

  clear(key) {
    clearTimeout(this.shown.get(key)?.timer);
    this.shown.get(key)?.line.remove();
    this.shown.delete(key);
  }
}
