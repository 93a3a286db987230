// SPDX-License-Identifier: Apache-2.0
// Live curves of the last seconds: chosen channels, head angles, age of the frames.

const SECONDS = 6;
const REST = 60; // ms between two drawings
const LINE = 13; // of the names above the curves
// Okabe and Ito: told apart with colour-blind eyes.
const COLOURS = ['#0072b2', '#d55e00', '#009e73', '#cc79a7', '#e69f00', '#56b4e9'];

export class Traces {
  constructor(canvas) {
    this.canvas = canvas;
    // Drawn by the processor: beside a WebGL canvas, software GL takes 50 ms for the same lines.
    this.pen = canvas.getContext('2d', { willReadFrequently: true });
    this.last = -Infinity;
    this.points = [];
    this.names = [];
    this.columns = [];
  }

  choose(names, columns) {
    this.names = names.slice(0, COLOURS.length);
    this.columns = columns.slice(0, COLOURS.length);
  }

  add(time, row, age) {
    const last = this.points[this.points.length - 1];
    if (last && time < last.time) this.points = [];
    this.points.push({
      time,
      channels: this.columns.map((column) => row[column]),
      head: [row[52], row[53], row[54]].map((angle) => ((angle || 0) * 180) / Math.PI),
      age,
    });
    while (this.points.length && this.points[0].time < time - SECONDS * 1000) this.points.shift();
  }

  draw(now) {
    if (now - this.last < REST) return;
    const { canvas, pen } = this;
    const width = canvas.clientWidth;
    const height = canvas.clientHeight;
    if (!width || !height) return;
    this.last = now;
    const ratio = window.devicePixelRatio || 1;
    const [across, down] = [width, height].map((side) => Math.round(side * ratio));
    if (canvas.width !== across || canvas.height !== down) {
      canvas.width = across;
      canvas.height = down;
    }
    this.width = width;
    const style = getComputedStyle(canvas);
    pen.setTransform(ratio, 0, 0, ratio, 0, 0);
    pen.clearRect(0, 0, width, height);
    pen.font = '11px system-ui, sans-serif';
    const third = height / 3;
    this.panel(0, third, -0.05, 1.05, this.names, (p) => p.channels, style.color);
    this.panel(third, third, -20, 20, ['nod °', 'turn °', 'tilt °'], (p) => p.head, style.color);
    this.panel(2 * third, third, -20, 100, ['age of the frame, ms'], (p) => [p.age], style.color);
  }

  panel(top, height, low, high, names, read, ink) {
    const { pen, points, width } = this;
    const room = height - LINE * Math.ceil(names.length / 3) - 8;
    const y = (value) => top + height - 2 - ((Math.max(low, Math.min(high, value)) - low) / (high - low)) * room;
    pen.strokeStyle = ink;
    pen.globalAlpha = 0.25;
    pen.beginPath();
    pen.moveTo(0, Math.round(y(0)) + 0.5);
    pen.lineTo(width, Math.round(y(0)) + 0.5);
    pen.stroke();
    pen.globalAlpha = 1;
    const end = points.length ? points[points.length - 1].time : 0;
    names.forEach((name, i) => {
      pen.strokeStyle = COLOURS[i];
      pen.lineWidth = 1.5;
      pen.beginPath();
      let drawn = false;
      for (const point of points) {
        const value = read(point)[i];
        if (value === undefined || Number.isNaN(value)) continue;
        const x = width * (1 - (end - point.time) / (SECONDS * 1000));
        if (drawn) pen.lineTo(x, y(value));
        else pen.moveTo(x, y(value));
        drawn = true;
      }
      pen.stroke();
      pen.fillStyle = COLOURS[i];
      pen.fillRect(6 + (i % 3) * (width / 3), top + 5 + LINE * Math.floor(i / 3), 8, 8);
      pen.fillStyle = ink;
      pen.fillText(name, 18 + (i % 3) * (width / 3), top + 13 + LINE * Math.floor(i / 3));
    });
  }
}
