// A layout that stays quick however many links there are: columns, ordered by their neighbours.

/** @typedef {import("./layout.js").Box} Box */

const [COLUMN_GAP, ROW_GAP, SWEEPS] = [110, 16, 8];
/** Around it all. */
export const MARGIN = 16;

/**
 * Place boxes in columns, operands to the left of results.
 * @param {Box[]} boxes with their sizes; they get their places
 * @param {number[]} ids of the boxes
 * @param {import("./folding.js").Link[]} links between ids
 * @returns {number} the width of it all
 */
export function placeInLayers(boxes, ids, links) {
  const at = new Map(ids.map((id, k) => [id, k]));
  /** @type {number[][]} */
  const above = ids.map(() => []);
  /** @type {number[][]} */
  const below = ids.map(() => []);
  for (const { from, to } of links) {
    const [a, b] = [/** @type {number} */ (at.get(from)), /** @type {number} */ (at.get(to))];
    below[a].push(b);
    above[b].push(a);
  }
  /** @type {number[][]} */
  const columns = [];
  ranks(above, below).forEach((rank, k) => (columns[rank] ??= []).push(k));
  let x = MARGIN;
  for (const column of columns) {
    const width = Math.max(...column.map((k) => boxes[k].width));
    for (const k of column) boxes[k].x = x + width / 2;
    x += width + COLUMN_GAP;
  }
  for (let sweep = 0; sweep < SWEEPS; sweep++)
    for (const column of sweep % 2 ? columns : [...columns].reverse())
      settle(column, boxes, sweep % 2 ? above : below);
  return x - COLUMN_GAP + MARGIN;
}

/** The column of each box: after all its operands; what has none, just before its first user. @param {number[][]} above @param {number[][]} below */
function ranks(above, below) {
  const rank = above.map(() => 0);
  const place = above.map(() => -1);
  const order = visited(above);
  order.forEach((k, n) => (place[k] = n));
  for (const k of order)
    for (const j of above[k]) if (place[j] < place[k]) rank[k] = Math.max(rank[k], rank[j] + 1); // else a way back into a group
  for (const k of order)
    if (!above[k].length && below[k].length)
      rank[k] = Math.max(0, Math.min(...below[k].map((j) => rank[j])) - 1);
  return rank;
}

/** All boxes, operands first. @param {number[][]} above */
function visited(above) {
  /** @type {number[]} */
  const order = [];
  const seen = new Uint8Array(above.length);
  for (let root = 0; root < above.length; root++) {
    /** @type {[number, number][]} */
    const path = seen[root] ? [] : [[root, 0]];
    seen[root] = 1;
    for (let last = path.at(-1); last; last = path.at(-1)) {
      const [k, next] = last;
      last[1]++;
      const j = above[k][next];
      if (j === undefined) order.push(/** @type {[number, number]} */ (path.pop())[0]);
      else if (!seen[j]) {
        seen[j] = 1;
        path.push([j, 0]);
      }
    }
  }
  return order;
}

/** Put a column in the order of its neighbours, and as near to them as there is room. @param {number[]} column @param {Box[]} boxes @param {number[][]} neighbours */
function settle(column, boxes, neighbours) {
  /** @param {number} k */
  const wish = (k) =>
    neighbours[k].length
      ? neighbours[k].reduce((sum, j) => sum + boxes[j].y, 0) / neighbours[k].length
      : boxes[k].y;
  const wished = new Map(column.map((k) => [k, wish(k)]));
  const y = (/** @type {number} */ k) => /** @type {number} */ (wished.get(k));
  column.sort((a, b) => y(a) - y(b));
  let free = -Infinity;
  let moved = 0;
  for (const k of column) {
    const half = boxes[k].height / 2;
    boxes[k].y = Math.max(y(k), free + half);
    free = boxes[k].y + half + ROW_GAP;
    moved += boxes[k].y - y(k);
  }
  for (const k of column) boxes[k].y -= moved / column.length;
}
