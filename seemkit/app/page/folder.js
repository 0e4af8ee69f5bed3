// The images of the folder and their labels.

import { counted, request } from "./api.js";

/** The list of images, the current one, and saving of its labels. */
export class Folder {
  /**
   * @param {HTMLElement} list
   * @param {(image: string, session: Promise<any>) => Promise<void>} show opens an image
   */
  constructor(list, show) {
    this.list = list;
    this.show = show;
    /** @type {{image: string, labeled: boolean}[]} */ this.images = [];
    this.current = -1;
    /** @type {Map<string, Promise<any>>} */ this.sessions = new Map();
    this.saved = Promise.resolve();
  }

  /** Read the list, and open the first image that is not labeled. */
  async begin() {
    this.images = await request("GET", "images");
    const remembered = this.images.findIndex((one) => one.image === sessionStorage.getItem("image"));
    const first = this.images.findIndex((one) => !one.labeled);
    if (this.images.length) await this.go(remembered >= 0 ? remembered : Math.max(0, first));
  }

  /** Open an image by its place, and encode the next one meanwhile. @param {number} place */
  async go(place) {
    if (place < 0 || place >= this.images.length) return;
    this.current = place;
    const { image } = this.images[place];
    sessionStorage.setItem("image", image);
    this.draw();
    await counted(async () => {
      await this.saved;
      await this.show(image, this.session(image));
    });
    const next = this.images[place + 1];
    if (next) this.session(next.image).catch(() => {});
  }

  /** Return the session of an image, which is opened once. @param {string} image @returns {Promise<any>} */
  session(image) {
    let opened = this.sessions.get(image);
    if (!opened) {
      opened = request("POST", "sessions", { image });
      opened.catch(() => this.sessions.delete(image));
      this.sessions.set(image, opened);
      if (this.sessions.size > 3) this.sessions.delete(this.sessions.keys().next().value);
    }
    return opened;
  }

  /** Save the objects of an image, after earlier ones. @param {string} image @param {object[]} objects */
  save(image, objects) {
    this.saved = this.saved.catch(() => {}).then(() => request("PUT", `labels/${encodeURI(image)}`, { objects }));
    const known = this.images.find((one) => one.image === image);
    if (known) known.labeled = true;
    this.draw();
    return this.saved;
  }

  draw() {
    this.list.replaceChildren(
      ...this.images.map((one, place) => {
        const item = document.createElement("li");
        item.textContent = one.image;
        item.title = one.image;
        item.className = one.labeled ? "labeled" : "";
        item.setAttribute("aria-current", String(place === this.current));
        item.addEventListener("click", () => this.go(place));
        return item;
      }),
    );
  }
}
