// Gestures on the image. Each ends with the coordinates that a kind's word has on the command line.

const round = (/** @type {number[]} */ numbers) => numbers.map((one) => Math.round(one * 100) / 100);

/**
 * @typedef {object} Gesture
 * @property {(place: number[]) => void} down
 * @property {(place: number[]) => void} move
 * @property {(place: number[]) => number[]|null} up returns the coordinates if the gesture is complete
 * @property {() => number[]|null} [end] ends a gesture of several clicks
 * @property {(context: CanvasRenderingContext2D) => void} [paint] draws what is done so far
 */

/** @returns {Gesture} */
function click() {
  return { down() {}, move() {}, up: (place) => round(place) };
}

/** @param {boolean} circle @returns {Gesture} */
function drag(circle) {
  /** @type {number[]|null} */ let from = null;
  /** @type {number[]} */ let to = [0, 0];
  const radius = () => (from ? Math.hypot(to[0] - from[0], to[1] - from[1]) : 0);
  return {
    down(place) { from = to = place; },
    move(place) { to = place; },
    up(place) {
      if (!from) return null;
      to = place;
      const [start, size] = [from, radius()];
      from = null;
      if (size < 2) return null;
      if (circle) return round([...start, size]);
      return round([Math.min(start[0], to[0]), Math.min(start[1], to[1]), Math.max(start[0], to[0]), Math.max(start[1], to[1])]);
    },
    paint(context) {
      if (!from) return;
      context.beginPath();
      if (circle) context.arc(from[0], from[1], radius(), 0, 7);
      else context.rect(from[0], from[1], to[0] - from[0], to[1] - from[1]);
      context.stroke();
    },
  };
}

/** @param {number[][]} line @param {CanvasRenderingContext2D} context */
function paintLine(line, context) {
  context.beginPath();
  line.forEach(([x, y], at) => (at ? context.lineTo(x, y) : context.moveTo(x, y)));
  context.stroke();
}

/** @returns {Gesture} */
function stroke() {
  /** @type {number[][]} */ let line = [];
  return {
    down(place) { line = [place]; },
    move(place) { if (line.length) line.push(place); },
    up() {
      const drawn = line;
      line = [];
      return drawn.length ? round(drawn.flat()) : null;
    },
    paint: (context) => paintLine(line, context),
  };
}

/** @returns {Gesture} */
function path() {
  /** @type {number[][]} */ let line = [];
  /** @type {number[]|null} */ let next = null;
  const end = () => {
    const drawn = line;
    line = [];
    next = null;
    return drawn.length > 2 ? round(drawn.flat()) : null;
  };
  return {
    down() {},
    move(place) { next = place; },
    up(place) { line.push(place); return null; },
    end,
    paint: (context) => paintLine(next && line.length ? [...line, next] : line, context),
  };
}

/**
 * What each gesture of a kind is made of; a kind of any package that has one of them has a tool.
 * @type {Record<string, () => Gesture>}
 */
export const GESTURES = {
  click,
  "drag-box": () => drag(false),
  "drag-circle": () => drag(true),
  stroke,
  path,
};
