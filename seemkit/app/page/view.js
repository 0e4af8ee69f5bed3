// The canvas: an image with masks, at any zoom.

import { outline } from "./outline.js";

/**
 * @typedef {object} Thing an object of the image
 * @property {string} name
 * @property {string} label
 * @property {import("./outline.js").RunLengths} mask
 * @property {string} color
 * @property {boolean} visible
 * @property {boolean} proposed
 * @property {boolean} prompted whether the session knows it under its name
 * @property {number|null} id of its annotation
 * @property {number|null} score
 */

/** Shows an image, zoomed and moved, with things and the gesture that is being made. */
export class View {
  /** @param {HTMLCanvasElement} canvas */
  constructor(canvas) {
    this.canvas = canvas;
    /** @type {HTMLImageElement|null} */
    this.image = null;
    this.scale = 1;
    this.left = 0;
    this.top = 0;
    this.opacity = 0.45;
    /** @type {Thing[]} */
    this.things = [];
    this.selected = "";
    /** @type {{x: number, y: number, positive: boolean}[]} */
    this.dots = [];
    /** @type {((context: CanvasRenderingContext2D) => void)|null} */
    this.preview = null;
    this.waiting = false;
    this.background = document.createElement("canvas");
    /** @type {any[]} what the background shows */ this.still = [];
    new ResizeObserver(() => this.fit()).observe(canvas);
  }

  /** Show the whole image. */
  fit() {
    const { clientWidth: width, clientHeight: height } = this.canvas;
    this.canvas.width = width * devicePixelRatio;
    this.canvas.height = height * devicePixelRatio;
    if (this.image) {
      this.scale = Math.min(width / this.image.naturalWidth, height / this.image.naturalHeight) * 0.98;
      this.left = (width - this.image.naturalWidth * this.scale) / 2;
      this.top = (height - this.image.naturalHeight * this.scale) / 2;
    }
    this.draw();
  }

  /** Zoom around a place of the canvas. @param {number} factor @param {number} x @param {number} y */
  zoom(factor, x, y) {
    const scale = Math.min(40, Math.max(0.02, this.scale * factor));
    this.left = x - ((x - this.left) * scale) / this.scale;
    this.top = y - ((y - this.top) * scale) / this.scale;
    this.scale = scale;
    this.draw();
  }

  /** @param {number} right @param {number} down */
  move(right, down) {
    this.left += right;
    this.top += down;
    this.draw();
  }

  /** Return the place in the image of an event. @param {{clientX: number, clientY: number}} event */
  place(event) {
    const box = this.canvas.getBoundingClientRect();
    return [(event.clientX - box.left - this.left) / this.scale, (event.clientY - box.top - this.top) / this.scale];
  }

  /** Draw before the next frame. */
  draw() {
    if (this.waiting) return;
    this.waiting = true;
    requestAnimationFrame(() => {
      this.waiting = false;
      this.paint();
    });
  }

  /** Draw the background and, on top of it, what changes often: the selected thing, clicks, and the gesture. */
  paint() {
    if (!this.canvas.width || !this.canvas.height) return;
    this.paintBackground();
    const context = /** @type {CanvasRenderingContext2D} */ (this.canvas.getContext("2d"));
    context.resetTransform();
    context.clearRect(0, 0, this.canvas.width, this.canvas.height);
    context.drawImage(this.background, 0, 0);
    this.inPixels(context);
    for (const thing of this.things) if (thing.visible && thing.name === this.selected) this.paintThing(context, thing);
    context.setLineDash([]);
    for (const dot of this.dots) {
      context.beginPath();
      context.arc(dot.x, dot.y, 5 / this.scale, 0, 7);
      context.fillStyle = dot.positive ? "#28c83c" : "#e62828";
      context.fill();
      context.lineWidth = 1.5 / this.scale;
      context.strokeStyle = "#fff";
      context.stroke();
    }
    context.lineWidth = 2 / this.scale;
    context.strokeStyle = "#ffd400";
    this.preview?.(context);
  }

  /** Draw the image and the things that are not selected; only what is new, if the rest is as it was. */
  paintBackground() {
    const things = this.things.filter((thing) => thing.visible && thing.name !== this.selected);
    const { width, height } = this.canvas;
    const still = [this.image, this.scale, this.left, this.top, width, height, this.opacity];
    const before = this.still;
    this.still = [...still, ...things.flatMap((thing) => [thing.mask, thing.color, thing.proposed])];
    const isKept = before.length > 0 && before.every((value, at) => value === this.still[at]);
    const done = isKept ? (before.length - still.length) / 3 : 0;
    const context = /** @type {CanvasRenderingContext2D} */ (this.background.getContext("2d"));
    if (!isKept) {
      Object.assign(this.background, { width, height });  // also empties it
      if (!this.image) return;
      this.inPixels(context);
      context.imageSmoothingEnabled = this.scale < 4;
      context.drawImage(this.image, 0, 0);
    }
    for (const thing of things.slice(done)) this.paintThing(context, thing);
  }

  /** Draw in pixels of the image from here on. @param {CanvasRenderingContext2D} context */
  inPixels(context) {
    context.scale(devicePixelRatio, devicePixelRatio);
    context.translate(this.left, this.top);
    context.scale(this.scale, this.scale);
  }

  /** @param {CanvasRenderingContext2D} context @param {Thing} thing */
  paintThing(context, thing) {
    const path = outline(thing.mask);
    context.globalAlpha = this.opacity;
    context.fillStyle = thing.color;
    context.fill(path, "evenodd");
    context.globalAlpha = 1;
    context.lineWidth = (thing.name === this.selected ? 3 : 1.5) / this.scale;
    context.setLineDash(thing.proposed ? [6 / this.scale, 4 / this.scale] : []);
    context.strokeStyle = thing.color;
    context.stroke(path);
  }
}
