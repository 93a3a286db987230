// SPDX-License-Identifier: Apache-2.0
// Keeps the screen on while the page is a kiosk.

export class WakeLock {
  // told(text): why the screen may go to sleep, or '' while it stays on or need not.
  constructor(told) {
    this.told = told;
    this.wanted = false;
    this.lock = null;
    // The browser takes the lock away from a page that is hidden.
    document.addEventListener('visibilitychange', () => this.update());
  }

  keep(on) {
    this.wanted = on;
    return this.update();
  }

  async update() {
    if (!this.wanted) {
      this.told('');
      const { lock } = this;
      this.lock = null;
      await lock?.release();
      return;
    }
    if (document.hidden || (this.lock && !this.lock.released)) return;
    if (!navigator.wakeLock) {
      this.told('The screen may go to sleep: browsers keep it on only for https and pages of their own machine.');
      return;
    }
    try {
      this.lock = await navigator.wakeLock.request('screen');
      this.told('');
    } catch (error) {
      this.told(`The screen may go to sleep: ${error.message}`);
    }
  }
}
