// SPDX-License-Identifier: Apache-2.0
// Draws the rig with WebGL: light per vertex as the CPU renderer has it, so that software GL keeps up.

import { Pace } from './pace.js';

const VERTEX = `
attribute vec3 position;
attribute vec3 normal;
attribute vec3 colour;
attribute vec3 material;
uniform vec2 scale;
varying vec3 shown;
void main() {
  vec3 n = normalize(normal + vec3(0.0, 0.0, 1e-6));
  vec3 wrap = vec3(0.3, 0.2, 0.15);
  vec3 key = max(dot(n, vec3(0.48, 0.42, 0.77)) + wrap, 0.0) / (1.0 + wrap);
  float fill = max(dot(n, vec3(-0.7, 0.1, 0.6)), 0.0);
  float sky = 0.5 + 0.5 * n.y;
  float rim = pow(clamp(1.0 - n.z, 0.0, 1.0), 3.0) * max(0.4 - 0.5 * n.x + 0.3 * n.y, 0.0);
  vec3 light = 0.82 * key * vec3(1.0, 0.95, 0.88)
    + (0.18 * fill + 0.22 * sky + 0.35 * rim) * vec3(0.82, 0.92, 1.0) + 0.06 * vec3(1.0, 0.7, 0.6);
  float gloss = pow(clamp(dot(n, vec3(0.25, 0.3, 0.92)), 0.0, 1.0), 24.0);
  vec3 lit = mix(colour * light + material.x * gloss, colour, material.z);
  shown = pow(clamp(lit, 0.0, 1.0), vec3(1.0 / 2.2));
  float away = 950.0 - position.z;
  float depth = away - material.y;
  // Near 650 mm, far 1250 mm; the bias changes depth only.
  float z = (1900.0 - 2.0 * 650.0 * 1250.0 / depth) / 600.0;
  gl_Position = vec4(scale * 880.0 * (position.xy + vec2(0.0, 19.0)), z * away, away);
}`;
const FRAGMENT = `
precision mediump float;
varying vec3 shown;
void main() { gl_FragColor = vec4(shown, 1.0); }`;

const EYE = 950; // mm from the camera to the middle of the head
const BACK = 290; // mm behind it: the background

// Whether WebGL runs on the CPU: there, smoothing of edges costs more than all the rest.
function inSoftware() {
  const gl = document.createElement('canvas').getContext('webgl');
  const known = gl?.getExtension('WEBGL_debug_renderer_info');
  const name = known ? gl.getParameter(known.UNMASKED_RENDERER_WEBGL) : '';
  gl?.getExtension('WEBGL_lose_context')?.loseContext();
  return /swiftshader|llvmpipe|software|basic render/i.test(name);
}

export class Head {
  // theme: part name -> [r, g, b] in 0..255, over the rig's own colours.
  constructor(canvas, rig, theme) {
    this.canvas = canvas;
    this.rig = rig;
    this.theme = theme;
    this.stale = true;
    this.lost = false;
    canvas.addEventListener('webglcontextlost', (event) => {
      event.preventDefault();
      this.lost = true;
    });
    canvas.addEventListener('webglcontextrestored', () => {
      this.lost = false;
      this.stale = true;
      this.prepare();
    });
    const software = inSoftware();
    this.software = software;
    // Opaque: to blend a whole window costs software GL more than the head does.
    this.gl = canvas.getContext('webgl', { antialias: !software, alpha: false, powerPreference: 'low-power' });
    if (!this.gl) throw new Error('This browser has no WebGL; switch on graphics acceleration or try another.');
    // Without smoothing of edges, finer pixels smooth them where there is time.
    this.pace = new Pace(software ? 2 / this.ratio : 1);
    this.prepare();
    new ResizeObserver(() => { this.stale = true; }).observe(canvas);
  }

  prepare() {
    const { gl, rig } = this;
    const program = gl.createProgram();
    for (const [type, source] of [[gl.VERTEX_SHADER, VERTEX], [gl.FRAGMENT_SHADER, FRAGMENT]]) {
      const shader = gl.createShader(type);
      gl.shaderSource(shader, source);
      gl.compileShader(shader);
      gl.attachShader(program, shader);
    }
    gl.linkProgram(program);
    if (!gl.getProgramParameter(program, gl.LINK_STATUS)) throw new Error(gl.getProgramInfoLog(program));
    gl.useProgram(program);
    this.scale = gl.getUniformLocation(program, 'scale');
    this.size = '';

    // The last four corners are the background's.
    const count = rig.corner_vertex.length + 4;
    const triangles = new Uint16Array(rig.triangles.length + 6);
    triangles.set(rig.triangles);
    triangles.set([4, 3, 2, 2, 3, 1].map((back) => count - back), rig.triangles.length);
    this.indices = triangles.length;
    this.moving = new Float32Array(6 * count);
    this.buffer = gl.createBuffer();
    gl.bindBuffer(gl.ARRAY_BUFFER, this.buffer);
    gl.bufferData(gl.ARRAY_BUFFER, this.moving, gl.DYNAMIC_DRAW);
    this.attribute(program, 'position', 24, 0);
    this.attribute(program, 'normal', 24, 12);
    gl.bindBuffer(gl.ARRAY_BUFFER, gl.createBuffer());
    gl.bufferData(gl.ARRAY_BUFFER, this.materials(count), gl.STATIC_DRAW);
    this.attribute(program, 'colour', 24, 0);
    this.attribute(program, 'material', 24, 12);
    gl.bindBuffer(gl.ELEMENT_ARRAY_BUFFER, gl.createBuffer());
    gl.bufferData(gl.ELEMENT_ARRAY_BUFFER, triangles, gl.STATIC_DRAW);
    gl.enable(gl.DEPTH_TEST);
    gl.enable(gl.CULL_FACE);
  }

  attribute(program, name, stride, offset) {
    const { gl } = this;
    const place = gl.getAttribLocation(program, name);
    gl.enableVertexAttribArray(place);
    gl.vertexAttribPointer(place, 3, gl.FLOAT, false, stride, offset);
  }

  // Per corner: linear colour, gloss, depth bias (mm), whether it shines by itself.
  materials(count) {
    const { rig, theme } = this;
    const out = new Float32Array(6 * count);
    const linear = (value) => (value / 255) ** 2.2;
    // Linear colour of each part: the theme's, or else its own shade of the part it follows.
    const named = Object.fromEntries(rig.parts.map((part) => [part.name, part]));
    const colours = {};
    for (const { name, colour, follows } of rig.parts) {
      const leader = !theme[name] && theme[follows];
      colours[name] = (theme[name] || colour).map((value, k) => {
        if (!leader) return linear(value);
        return Math.min(1, linear(value) * (linear(leader[k]) / Math.max(linear(named[follows].colour[k]), 1e-3)));
      });
    }
    for (let i = 0; i < count - 4; i++) {
      const part = rig.parts[rig.corner_part[i]];
      for (let k = 0; k < 3; k++) {
        out[6 * i + k] = colours[part.name][k] * (rig.corner_tint[3 * i + k] / 255);
      }
      out.set([part.gloss, part.bias, part.flat ? 1 : 0], 6 * i + 3);
    }
    // Top left, bottom left, top right, bottom right.
    const [top, bottom] = rig.header.background;
    [theme.top || top, theme.bottom || bottom, theme.top || top, theme.bottom || bottom].forEach((colour, back) => {
      out.set([...colour.map(linear), 0, -BACK, 1], 6 * (count - 4 + back));
    });
    return out;
  }

  // interval (ms) from one drawn picture to the next.
  adapt(interval) {
    const { share } = this.pace;
    this.pace.add(interval);
    if (this.pace.share !== share) this.stale = true;
  }

  get ratio() {
    return Math.min(window.devicePixelRatio || 1, 2);
  }

  resize() {
    const ratio = this.ratio * this.pace.share;
    const width = Math.max(16, Math.round(this.canvas.clientWidth * ratio));
    const height = Math.max(16, Math.round(this.canvas.clientHeight * ratio));
    if (this.size === `${width}x${height}`) return;
    this.size = `${width}x${height}`;
    this.canvas.width = width;
    this.canvas.height = height;
    this.gl.viewport(0, 0, width, height);
    // 266 mm of height fill the picture; on a narrow screen 210 mm of width do.
    const unit = Math.max(133, (105 * height) / width);
    const scale = [height / width / unit, 1 / unit];
    this.gl.uniform2fv(this.scale, scale);
    const [right, top] = scale.map((side) => EYE / 880 / side);
    [[-right, top], [-right, -top], [right, top], [right, -top]].forEach(([x, y], back) => {
      this.moving.set([x, y - 19, 0, 0, 0, 1], this.moving.length - 24 + 6 * back);
    });
  }

  draw(weights, head) {
    const { gl, rig, moving } = this;
    rig.pose(weights, head);
    if (this.lost) return;
    this.resize();
    this.stale = false;
    const { position, normal, corner_vertex: vertex } = rig;
    for (let i = 0, out = 0; i < vertex.length; i++, out += 6) {
      const v = 3 * vertex[i];
      moving[out] = position[v];
      moving[out + 1] = position[v + 1];
      moving[out + 2] = position[v + 2];
      moving[out + 3] = normal[v];
      moving[out + 4] = normal[v + 1];
      moving[out + 5] = normal[v + 2];
    }
    gl.bindBuffer(gl.ARRAY_BUFFER, this.buffer);
    gl.bufferSubData(gl.ARRAY_BUFFER, 0, moving);
    gl.clear(gl.COLOR_BUFFER_BIT | gl.DEPTH_BUFFER_BIT);
    gl.drawElements(gl.TRIANGLES, this.indices, gl.UNSIGNED_SHORT, 0);
  }
}
