// A second image, in which a region is clicked that shows what to look for.

import { request } from "./api.js";

/** A small canvas with the other image. */
export class Reference {
  /** @param {HTMLCanvasElement} canvas @param {(prompts: object[]) => void} ask */
  constructor(canvas, ask) {
    this.canvas = canvas;
    this.kind = "";
    this.session = "";
    this.scale = 1;
    canvas.addEventListener("click", (event) => {
      const place = [event.offsetX / this.scale, event.offsetY / this.scale].map((one) => Math.round(one * 100) / 100);
      ask([{ kind: this.kind, session: this.session, prompts: [{ kind: "point", word: place.join(",") }] }]);
    });
  }

  /** @param {File|undefined} file */
  async open(file) {
    if (!file) return;
    const opened = await request("POST", "sessions/upload", file);
    this.session = opened.session;
    const image = new Image();
    image.src = URL.createObjectURL(await request("GET", `sessions/${opened.session}/image`));
    await image.decode();
    this.scale = this.canvas.width / image.naturalWidth;
    this.canvas.height = Math.round(image.naturalHeight * this.scale);
    this.canvas.hidden = false;
    this.canvas.getContext("2d")?.drawImage(image, 0, 0, this.canvas.width, this.canvas.height);
  }
}
