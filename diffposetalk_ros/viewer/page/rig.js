// SPDX-License-Identifier: Apache-2.0
// The head's geometry: reads /rig.bin and turns weights and head rotation into vertices and normals.

const TYPES = { int16: Int16Array, uint16: Uint16Array, uint32: Uint32Array, uint8: Uint8Array };

export class Rig {
  constructor(buffer) {
    const length = new DataView(buffer).getUint32(0, true);
    const header = JSON.parse(new TextDecoder().decode(new Uint8Array(buffer, 4, length)));
    const start = 4 + length;
    for (const [name, { type, offset, count }] of Object.entries(header.arrays)) {
      this[name] = new TYPES[type](buffer, start + offset, count);
    }
    this.header = header;
    this.channels = header.channels;
    this.parts = header.parts;
    this.landmarks = header.landmarks;
    this.rest = Float32Array.from(this.neutral, (value) => value / header.position_steps);
    this.field = Float32Array.from(this.field_value, (value) => value / header.field_steps);
    this.position = new Float32Array(this.rest);
    this.normal = new Float32Array(this.rest.length);
    this.opening = 0;
  }

  // weights: 52 ARKit weights; head: rotation vector (rad) in face axes.
  pose(weights, head) {
    const p = this.position;
    p.set(this.rest);
    const { field, field_vertex: vertex, field_start: start } = this;
    for (let channel = 0; channel < 52; channel++) {
      const weight = weights[channel];
      if (!weight) continue;
      for (let i = start[channel]; i < start[channel + 1]; i++) {
        const v = 3 * vertex[i];
        p[v] += weight * field[3 * i];
        p[v + 1] += weight * field[3 * i + 1];
        p[v + 2] += weight * field[3 * i + 2];
      }
    }
    const { upper_lip_inner: upper, lower_lip_inner: lower } = this.landmarks;
    this.opening = p[3 * upper + 1] - p[3 * lower + 1];
    this.turn(head);
    this.shade();
  }

  turn([x, y, z]) {
    const angle = Math.hypot(x, y, z);
    if (angle < 1e-6) return;
    const [kx, ky, kz] = [x / angle, y / angle, z / angle];
    const s = Math.sin(angle);
    const c = 1 - Math.cos(angle);
    // Rodrigues, less the identity: what is added to each arm.
    const m = [
      -c * (ky * ky + kz * kz), c * kx * ky - s * kz, c * kx * kz + s * ky,
      c * kx * ky + s * kz, -c * (kx * kx + kz * kz), c * ky * kz - s * kx,
      c * kx * kz - s * ky, c * ky * kz + s * kx, -c * (kx * kx + ky * ky),
    ];
    const [px, py, pz] = this.header.pivot;
    const p = this.position;
    for (let i = 0, v = 0; v < p.length; i++, v += 3) {
      const share = this.follows_head[i] / 255;
      const ax = p[v] - px;
      const ay = p[v + 1] - py;
      const az = p[v + 2] - pz;
      p[v] += share * (m[0] * ax + m[1] * ay + m[2] * az);
      p[v + 1] += share * (m[3] * ax + m[4] * ay + m[5] * az);
      p[v + 2] += share * (m[6] * ax + m[7] * ay + m[8] * az);
    }
  }

  // Normals weighted by area; the shader brings them to length 1.
  shade() {
    const { position: p, normal: n, faces } = this;
    n.fill(0);
    for (let i = 0; i < faces.length; i += 3) {
      const a = 3 * faces[i];
      const b = 3 * faces[i + 1];
      const c = 3 * faces[i + 2];
      const ux = p[b] - p[a], uy = p[b + 1] - p[a + 1], uz = p[b + 2] - p[a + 2];
      const vx = p[c] - p[a], vy = p[c + 1] - p[a + 1], vz = p[c + 2] - p[a + 2];
      const nx = uy * vz - uz * vy;
      const ny = uz * vx - ux * vz;
      const nz = ux * vy - uy * vx;
      n[a] += nx; n[a + 1] += ny; n[a + 2] += nz;
      n[b] += nx; n[b + 1] += ny; n[b + 2] += nz;
      n[c] += nx; n[c + 1] += ny; n[c + 2] += nz;
    }
  }
}
