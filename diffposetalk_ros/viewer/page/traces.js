// SPDX-License-Identifier: Apache-2.0
// Live curves of the last seconds, each with its axis: chosen channels, head angles, age of the frames.

export const MOST = 6; // channels at once

const SECONDS = 6;
const REST = 60; // ms between two drawings
const CALM = 500; // ms, for those who want less motion
const LINE = 13; // px of a line of names
const LEFT = 30; // px for the numbers of the axis
const BELOW = 14; // px for the seconds
// Okabe and Ito: told apart with colour-blind eyes.
const COLOURS = ['#0072b2', '#d55e00', '#009e73', '#cc79a7', '#e69f00', '#56b4e9'];

const CHARTS = [
  { low: 0, high: 1, ticks: [0, 0.5, 1], read: (point) => point.channels },
  { low: -20, high: 20, ticks: [-20, 0, 20], names: ['nod °', 'turn °', 'tilt °'], read: (point) => point.head },
  { low: -20, high: 100, ticks: [0, 50, 100], names: ['age of the frame, ms'], read: (point) => [point.age] },
];

export class Traces {
  constructor(canvas) {
    this.canvas = canvas;
    // Drawn by the processor: beside a WebGL canvas, software GL takes 50 ms for the same lines.
    this.pen = canvas.getContext('2d', { willReadFrequently: true });
    this.calm = window.matchMedia('(prefers-reduced-motion: reduce)');
    this.last = -Infinity;
    this.points = [];
    this.names = [];
    this.columns = [];
  }

  choose(names, columns) {
    this.names = names.slice(0, MOST);
    this.columns = columns.slice(0, MOST);
    // Points so far belong to the channels chosen before.
    for (const point of this.points) point.channels = [];
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
    if (now - this.last < (this.calm.matches ? CALM : REST)) return;
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
    this.ink = getComputedStyle(canvas).color;
    pen.setTransform(ratio, 0, 0, ratio, 0, 0);
    pen.clearRect(0, 0, width, height);
    pen.font = '11px system-ui, sans-serif';
    const each = (height - BELOW) / CHARTS.length;
    CHARTS.forEach((chart, i) => this.chart(chart, i * each, each));
    pen.textAlign = 'center';
    for (const second of [-6, -4, -2]) pen.fillText(`${second} s`, this.x(1000 * second), height - 2);
    pen.textAlign = 'right';
    pen.fillText('now', width, height - 2);
  }

  // Pixel of a time in ms, 0 being now.
  x(time) {
    return LEFT + (this.width - LEFT) * (1 + time / (SECONDS * 1000));
  }

  chart({ low, high, ticks, names = this.names, read }, top, height) {
    const { pen, points, width, ink } = this;
    const room = height - LINE * Math.max(1, Math.ceil(names.length / 3)) - 8;
    const y = (value) => top + height - 4 - ((Math.max(low, Math.min(high, value)) - low) / (high - low)) * room;
    pen.lineWidth = 1;
    pen.strokeStyle = ink;
    pen.fillStyle = ink;
    pen.textAlign = 'right';
    for (const tick of ticks) {
      const line = Math.round(y(tick)) + 0.5;
      pen.globalAlpha = 0.25;
      pen.beginPath();
      pen.moveTo(LEFT, line);
      pen.lineTo(width, line);
      pen.stroke();
      pen.globalAlpha = 1;
      pen.fillText(String(tick), LEFT - 4, line + 3);
    }
    pen.textAlign = 'left';
    const end = points.length ? points[points.length - 1].time : 0;
    const column = (width - LEFT) / Math.min(3, names.length || 1);
    names.forEach((name, i) => {
      pen.strokeStyle = COLOURS[i];
      pen.lineWidth = 1.5;
      pen.beginPath();
      let drawn = false;
      for (const point of points) {
        const value = read(point)[i];
        if (value === undefined || Number.isNaN(value)) continue;
        const x = this.x(point.time - end);
        if (drawn) pen.lineTo(x, y(value));
        else pen.moveTo(x, y(value));
        drawn = true;
      }
      pen.stroke();
      const [left, line] = [LEFT + (i % 3) * column, top + LINE * Math.floor(i / 3)];
      pen.fillStyle = COLOURS[i];
      pen.fillRect(left, line + 4, 8, 8);
      pen.fillStyle = ink;
      pen.fillText(name, left + 11, line + 12, column - 13);
    });
  }
}
