// The images of the folder and their labels.

import { counted, escaped, request } from "./api.js";

/** The list of images, the current one, and saving of its labels. */
export class Folder {
  /**
   * @param {HTMLElement} list
   * @param {(image: string, open: () => Promise<any>) => Promise<void>} show shows an image
   */
  constructor(list, show) {
    this.list = list;
    this.show = show;
    /** @type {{image: string, labeled: boolean}[]} */ this.images = [];
    this.current = -1;
    /** @type {{image: string, opened: Promise<any>}|null} */ this.ahead = null;
    /** @type {Promise<any>} */ this.saved = Promise.resolve();
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
      await this.saved.catch(() => {});
      await this.show(image, () => this.taken(image));
    });
    const next = this.images[place + 1];
    if (next && this.current === place) this.ahead = { image: next.image, opened: this.open(next.image) };
  }

  /** Return the session of an image, which may have been opened ahead. @param {string} image @returns {Promise<any>} */
  taken(image) {
    const ahead = this.ahead;
    this.ahead = null;
    return ahead?.image === image ? ahead.opened : this.open(image);
  }

  /** @param {string} image @returns {Promise<any>} */
  open(image) {
    const opened = request("POST", "sessions", { image });
    opened.catch(() => {});  // said when the image is shown
    return opened;
  }

  /**
   * Save the objects of an image, after earlier ones, and return the identifiers of their annotations.
   * @param {string} image
   * @param {object[]} objects
   * @returns {Promise<number[]>}
   */
  save(image, objects) {
    const written = this.saved.catch(() => {}).then(() => request("PUT", `labels/${escaped(image)}`, { objects }));
    this.saved = written;
    return written.then((/** @type {any} */ answer) => {
      const known = this.images.find((one) => one.image === image);
      if (known && !known.labeled) {
        known.labeled = true;
        this.draw();
      }
      return answer.ids;
    });
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
