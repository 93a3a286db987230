// SPDX-License-Identifier: Apache-2.0
// The visitor's camera: each picture is read in this browser, and only the numbers of readingBlock leave it.

import { readingBlock, readingOf } from './face_reading.js';
import { PictureRate } from './picture_rate.js';

const RATE = 30; // pictures a second at most
const LARGEST = 640; // pixels of the longer side that the tracker gets
const [WIDE, HIGH] = [64, 48]; // points of the picture whose brightness is looked at
const WAYS_OUT = {
  NotAllowedError: 'the browser does not let this page use a camera; allow it in the address bar and try again',
  NotFoundError: 'this machine has no camera',
  NotReadableError: 'another program uses the camera; close it and try again',
};

export class Camera {
  // clock: robot time; see(block, reading): a picture's numbers, and the reading or null; ended(error): it stopped by itself.
  constructor(clock, channels, see, ended) {
    Object.assign(this, { clock, channels, see, ended });
    this.page = crypto.getRandomValues(new Uint32Array(2)).join('-');
    this.pen = document.createElement('canvas').getContext('2d', { willReadFrequently: true });
    this.rate = new PictureRate(RATE);
    this.stream = null;
  }

  static get possible() {
    return Boolean(navigator.mediaDevices?.getUserMedia);
  }

  get on() {
    return this.stream !== null;
  }

  // video: the element that shows the visitor to himself.
  async start(video) {
    const wanted = { width: { ideal: 640 }, height: { ideal: 480 }, frameRate: { ideal: 30 }, facingMode: 'user' };
    let stream;
    try {
      stream = await navigator.mediaDevices.getUserMedia({ video: wanted });
    } catch (error) {
      throw new Error(WAYS_OUT[error.name] ?? error.message);
    }
    this.stop();
    this.stream = stream;
    stream.getTracks()[0].onended = () => this.fail(new Error('it has gone; is it still plugged in?'));
    try {
      this.tracker ??= await this.load();
      if (stream !== this.stream) return;
      this.video = video;
      this.before = null;
      this.shown = -1;
      this.rate.restart();
      video.srcObject = stream;
      await video.play();
    } catch (error) {
      if (stream !== this.stream) return;
      this.stop();
      throw error;
    }
    if (window.MediaStreamTrackProcessor) this.watch(stream.getTracks()[0]).catch((error) => this.fail(error));
    else this.timer = setInterval(() => this.poll(), 500 / RATE);
  }

  async load() {
    const { FaceLandmarker } = await import('./camera/vision_bundle.mjs');
    const files = { wasmLoaderPath: 'camera/vision_wasm_internal.js', wasmBinaryPath: 'camera/vision_wasm_internal.wasm' };
    return FaceLandmarker.createFromOptions(files, {
      baseOptions: { modelAssetPath: 'camera/face_landmarker.task', delegate: 'CPU' },
      runningMode: 'VIDEO',
      numFaces: 1,
      outputFaceBlendshapes: true,
      outputFacialTransformationMatrixes: true,
    });
  }

  stop() {
    if (!this.on) return;
    clearInterval(this.timer);
    for (const track of this.stream.getTracks()) {
      track.onended = null;
      track.stop();
    }
    this.stream = null;
    if (this.video) this.video.srcObject = null;
  }

  fail(error) {
    if (!this.on) return;
    this.stop();
    this.ended(error);
  }

  // Pictures straight from the camera, past the graphics processor, which may be busy with the head.
  async watch(track) {
    const reader = new MediaStreamTrackProcessor({ track, maxBufferSize: 1 }).readable.getReader();
    for (;;) {
      const { value: frame, done } = await reader.read();
      if (done) return;
      try {
        const now = performance.now();
        if (!this.on || !this.rate.wanted(now)) continue;
        const { width, height } = frame.visibleRect;
        const data = new Uint8ClampedArray(4 * width * height);
        await frame.copyTo(data, { format: 'RGBA' });
        this.read(new ImageData(data, width, height), now);
      } finally {
        frame.close();
      }
    }
  }

  // The same for browsers that do not hand out pictures of a camera.
  poll() {
    const { video, pen } = this;
    if (!video.videoWidth || video.currentTime === this.shown || !this.rate.wanted(performance.now())) return;
    this.shown = video.currentTime;
    const share = Math.min(1, LARGEST / Math.max(video.videoWidth, video.videoHeight));
    const width = Math.round(video.videoWidth * share);
    const height = Math.round(video.videoHeight * share);
    if (pen.canvas.width !== width || pen.canvas.height !== height) Object.assign(pen.canvas, { width, height });
    pen.drawImage(video, 0, 0, width, height);
    this.read(pen.getImageData(0, 0, width, height), performance.now());
  }

  // image: ImageData; time: performance.now() ms.
  read(image, time) {
    if (!this.clock.ready || !this.on) return;
    try {
      const result = this.tracker.detectForVideo(image, time);
      const reading = readingOf(result, image.width, image.height, this.channels);
      const light = this.look(image, reading?.box ?? null);
      this.see(readingBlock(reading, this.clock.robot(time), light), reading && { ...reading, ...light });
    } catch (error) {
      this.fail(error);
    }
  }

  // Brightness of the face (box: left, right, top, bottom in pixels) and its change over the whole picture, 0 to 1.
  look({ data, width, height }, box) {
    const { before } = this;
    const luma = new Float32Array(WIDE * HIGH);
    const face = [];
    for (let i = 0; i < luma.length; i++) {
      const x = Math.floor(((i % WIDE) + 0.5) * (width / WIDE));
      const y = Math.floor((Math.floor(i / WIDE) + 0.5) * (height / HIGH));
      const at = 4 * (y * width + x);
      luma[i] = (0.299 * data[at] + 0.587 * data[at + 1] + 0.114 * data[at + 2]) / 255;
      if (box && x >= box[0] && x <= box[1] && y >= box[2] && y <= box[3]) face.push(luma[i]);
    }
    this.before = luma;
    const change = before ? luma.reduce((sum, value, i) => sum + Math.abs(value - before[i]), 0) / luma.length : 0;
    const count = Math.max(1, face.length);
    const light = face.reduce((sum, value) => sum + value, 0) / count;
    const contrast = Math.sqrt(face.reduce((sum, value) => sum + (value - light) ** 2, 0) / count);
    return { change, light, contrast };
  }
}
