// Outlines of masks, from COCO's run lengths.

/** @typedef {{size: number[], counts: string}} RunLengths */

/** @type {WeakMap<RunLengths, Path2D>} */ const PATHS = new WeakMap();

/** Return the outlines of a mask as a path to fill by the even-odd rule. @param {RunLengths} mask @returns {Path2D} */
export function outline(mask) {
  const known = PATHS.get(mask);
  if (known) return known;
  const path = new Path2D();
  for (const ring of rings(mask)) {
    ring.forEach(([x, y], at) => (at ? path.lineTo(x, y) : path.moveTo(x, y)));
    path.closePath();
  }
  PATHS.set(mask, path);
  return path;
}

/**
 * Return the corners of each outline, along the edges of the pixels.
 *
 * Between two columns, the outlines run from each row at which the columns begin to differ to the row at which they
 * are alike again: two corners. Along the edge of a row, from left to right, every other corner ends what the one
 * before it began.
 * @param {RunLengths} mask
 * @returns {number[][][]}
 */
export function rings(mask) {
  const [height, width] = mask.size;
  const columns = borders(mask);
  /** @type {number[][]} */ const corners = [];
  /** @type {number[]} */ const across = [];  // the corner at the other end of the edge along the row
  const begun = new Int32Array(height + 1).fill(-1);
  for (let x = 0; x <= width; x++) {
    for (const y of difference(columns[x - 1] ?? [], columns[x] ?? [])) {
      const corner = corners.push([x, y]) - 1;
      if (begun[y] >= 0) {
        across[corner] = begun[y];
        across[begun[y]] = corner;
        begun[y] = -1;
      } else begun[y] = corner;
    }
  }
  const done = new Uint8Array(corners.length);
  const found = [];
  for (let first = 0; first < corners.length; first++) {
    const ring = [];
    for (let corner = first; !done[corner]; corner = across[corner ^ 1]) {  // along the column, then along the row
      done[corner] = done[corner ^ 1] = 1;
      ring.push(corners[corner], corners[corner ^ 1]);
    }
    if (ring.length) found.push(ring);
  }
  return found;
}

/** Return, for each column, the rows at which its mask begins and ends, in turn. @param {RunLengths} mask */
function borders({ size: [height, width], counts }) {
  /** @type {number[][]} */ const columns = Array.from({ length: width }, () => []);
  let [end, inside] = [0, false];
  for (const run of lengths(counts)) {
    const start = end;
    end += run;
    if (inside && run) {
      for (let column = Math.floor(start / height); column * height < end; column++) {
        columns[column].push(Math.max(0, start - column * height), Math.min(height, end - column * height));
      }
    }
    inside = !inside;
  }
  return columns;
}

/** Return what is in one of two sorted lists, but not in both. @param {number[]} one @param {number[]} other */
function difference(one, other) {
  const found = [];
  let [i, j] = [0, 0];
  while (i < one.length || j < other.length) {
    if (one[i] === other[j]) i++, j++;
    else found.push(j >= other.length || one[i] < other[j] ? one[i++] : other[j++]);
  }
  return found;
}

/**
 * Return the lengths of the runs. COCO writes each as the difference to the one two before it, five bits a letter, the
 * lowest first; the sixth bit says that more follow, and the fifth bit of the last letter is the sign.
 * @param {string} counts
 */
function lengths(counts) {
  /** @type {number[]} */ const runs = [];
  let [value, shift] = [0, 0];
  for (let at = 0; at < counts.length; at++) {
    const code = counts.charCodeAt(at) - 48;
    value |= (code & 31) << shift;
    shift += 5;
    if (code & 32) continue;
    if (code & 16) value |= -1 << shift;
    runs.push(runs.length > 2 ? value + runs[runs.length - 2] : value);
    [value, shift] = [0, 0];
  }
  return runs;
}
