// Where items lie: dagre's layers, with a frame around each open group; simpler ones for a thicket.

import { Graph as Dagre, layout } from "@dagrejs/dagre";
import { MARGIN, placeInLayers } from "./layers.js";

/** @typedef {{ x: number, y: number }} Point */
/** @typedef {{ x: number, y: number, width: number, height: number }} Box  x, y: its centre */
/**
 * @typedef {{ items: Map<number, Box>, frames: Map<number, Box>, paths: string[],
 *             middles: Point[], width: number, height: number, down: boolean }} Arrangement
 */

/** Up to so many items and links, open groups are kept together and framed, and both directions tried. */
const FRAMED = { items: 64, links: 120 };
/** Up to so many links the lines go round what is between; beyond, that takes seconds. */
const ROUTED = 150;
/** What a number on a line takes. */
const CHIP = 64;
/** Unless the ways round take so many times the room of the simpler layers, as beside a long chain. */
const SPARSE = 3;
/** The scale from which on cards can be read. */
export const READABLE = 0.65;

/** @typedef {(item: import("./folding.js").Item, down: boolean) => { width: number, height: number }} Measure */

/**
 * Results lie to the right of their operands, or below them where that makes the picture larger.
 * @param {import("./folding.js").Folding} folding @param {Measure} measure
 * @param {{ width: number, height: number }} room
 */
export function arrange(folding, measure, room) {
  const plain = () => layered(folding, (item) => measure(item, false));
  if (folding.links.length > ROUTED) return plain();
  /** @param {Arrangement} a */
  const scale = (a) => Math.min(1.2, room.width / a.width, room.height / a.height);
  const best = routed(folding, measure, room, scale);
  if (scale(best) >= READABLE) return best;
  const simple = plain(); // what cannot be seen whole should at least lie close together
  return area(best) > SPARSE * area(simple) ? simple : best;
}

/** @param {Arrangement} a */
const area = (a) => a.width * a.height;

/**
 * @param {import("./folding.js").Folding} folding @param {Measure} measure
 * @param {{ width: number, height: number }} room @param {(a: Arrangement) => number} scale
 */
function routed(folding, measure, room, scale) {
  const framed = folding.items.length <= FRAMED.items && folding.links.length <= FRAMED.links;
  if (!framed) return byDagre(folding, measure, room.width < 0.8 * room.height, framed);
  const [right, below] = [false, true].map((down) => byDagre(folding, measure, down, framed));
  return 1.25 * scale(right) >= scale(below) ? right : below;
}

/**
 * @param {import("./folding.js").Folding} folding @param {Measure} measure @param {boolean} down @param {boolean} framed
 * @returns {Arrangement}
 */
function byDagre(folding, measure, down, framed) {
  const graph = new Dagre({ multigraph: true, compound: framed });
  graph.setGraph({
    rankdir: down ? "TB" : "LR",
    nodesep: 20,
    edgesep: framed ? 22 : 10,
    ranksep: down ? 44 : 76,
    marginx: MARGIN,
    marginy: MARGIN,
    ranker: framed ? "network-simplex" : "longest-path",
  });
  graph.setDefaultEdgeLabel(() => ({}));
  for (const item of folding.items) graph.setNode(String(item.id), measure(item, down));
  const groups = framed ? openGroups(folding, graph) : [];
  /** @type {Map<string, number>} */
  const alike = new Map();
  for (const { from, to } of folding.links)
    alike.set(`${from} ${to}`, (alike.get(`${from} ${to}`) ?? 0) + 1);
  folding.links.forEach(({ from, to }, k) => {
    const abreast = alike.get(`${from} ${to}`) !== 1; // each with room for a number beside the other's
    const label =
      abreast && down ? { weight: 1, width: CHIP, height: 1, labelpos: "c" } : { weight: 1 };
    graph.setEdge(String(from), String(to), label, String(k));
  });
  layout(graph);

  /** @param {string} id @returns {Box} */
  const boxOf = (id) => /** @type {Box} */ (graph.node(id));
  const items = new Map(folding.items.map(({ id }) => [id, boxOf(String(id))]));
  const frames = new Map(groups.map((g) => [g, boxOf(`group ${g}`)]));
  const lines = folding.links.map(
    ({ from, to }, k) =>
      /** @type {Point[]} */ (graph.edge(String(from), String(to), String(k)).points),
  );
  // dagre leaves no room for lines that go round outside of everything
  const points = [...new Set([...items.values(), ...frames.values(), ...lines.flat()])];
  const size = graph.graph();
  const width = roomFor(points, "x", size.width ?? 0);
  const height = roomFor(points, "y", size.height ?? 0);
  const [across, extent] = down
    ? /** @type {const} */ (["x", width])
    : /** @type {const} */ (["y", height]);
  if (reversed(folding, items, across))
    for (const point of points) point[across] = extent - point[across];
  const bends = folding.links.map(({ from, to }, k) =>
    lines[k].length === 3 && alike.get(`${from} ${to}`) === 1 ? [] : lines[k].slice(1, -1),
  );
  return { items, frames, ...drawn(folding, items, bends, down), width, height, down };
}

/**
 * Move points so that none lies beyond the margin, and give the size that it all has then.
 * @param {Point[]} points @param {"x" | "y"} along @param {number} size of what dagre counts
 */
function roomFor(points, along, size) {
  const places = points.map((point) => point[along]);
  const before = Math.max(0, MARGIN - Math.min(...places));
  const after = Math.max(0, MARGIN + Math.max(...places) - size);
  for (const point of points) point[along] += before;
  return before + size + after;
}

/**
 * Layers without lines that go round anything: for pictures with more lines than can be followed.
 * @param {import("./folding.js").Folding} folding
 * @param {(item: import("./folding.js").Item) => { width: number, height: number }} measure
 * @returns {Arrangement}
 */
function layered(folding, measure) {
  const boxes = folding.items.map((item) => ({ x: 0, y: 0, ...measure(item) }));
  const columns = placeInLayers(
    boxes,
    folding.items.map(({ id }) => id),
    folding.links,
  );
  const left = Math.min(...boxes.map(({ y, height }) => y - height / 2));
  for (const box of boxes) box.y += MARGIN - left;
  const items = new Map(folding.items.map(({ id }, k) => [id, boxes[k]]));
  const height = MARGIN + Math.max(...boxes.map((box) => box.y + box.height / 2));
  return {
    items,
    frames: new Map(),
    ...drawn(
      folding,
      items,
      folding.links.map(() => []),
      false,
    ),
    width: columns,
    height,
    down: false,
  };
}

/**
 * The lines, and where on each a number may stand.
 * @param {import("./folding.js").Folding} folding @param {Map<number, Box>} items @param {Point[][]} bends @param {boolean} down
 */
function drawn({ links }, items, bends, down) {
  const ways = links.map(({ from, to }, k) =>
    ended(bends[k], /** @type {Box} */ (items.get(from)), /** @type {Box} */ (items.get(to)), down),
  );
  return { paths: ways.map((way) => curve(way, down)), middles: ways.map(middle) };
}

/**
 * Whether results come after the ones that follow them, more often than before; if there is one, operands.
 * @param {import("./folding.js").Folding} folding @param {Map<number, Box>} items @param {"x" | "y"} across
 */
function reversed({ graph, items: shown, itemOf }, items, across) {
  let inOrder = 0;
  const operations = shown.filter(({ node }) => node >= 0);
  const rows =
    graph.outputs.length > 1
      ? [graph.outputs]
      : operations.map(({ node }) => graph.operandsOf(node));
  for (const row of rows) {
    const places = Array.from(row, (j) => items.get(itemOf(j))?.[across] ?? 0);
    places.slice(1).forEach((place, k) => (inOrder += Math.sign(place - places[k])));
  }
  return inOrder < 0;
}

/** @param {Point[]} way @returns {Point} */
function middle(way) {
  const [a, b] = [way[(way.length - 1) >> 1], way[way.length >> 1]];
  return { x: (a.x + b.x) / 2, y: (a.y + b.y) / 2 };
}

/**
 * Tell dagre which open groups there are, and what is in them.
 * @param {import("./folding.js").Folding} folding @param {Dagre} dagre
 */
function openGroups(folding, dagre) {
  const { graph } = folding;
  /** @type {Set<number>} */
  const known = new Set();
  for (const item of folding.items) {
    let child = String(item.id);
    let g = item.group < 0 ? graph.groupOf[item.node] : graph.groupParent[item.group];
    for (; g; g = graph.groupParent[g]) {
      const seen = known.has(g);
      if (!seen) dagre.setNode(`group ${g}`, {});
      known.add(g);
      dagre.setParent(child, `group ${g}`);
      if (seen) break;
      child = `group ${g}`;
    }
  }
  return [...known];
}

/**
 * The way of an edge, from the middle of the side where its operand ends to where its result begins.
 * @param {Point[]} inner @param {Box} from @param {Box} to @param {boolean} down
 */
function ended(inner, from, to, down) {
  return down
    ? [{ x: from.x, y: from.y + from.height / 2 }, ...inner, { x: to.x, y: to.y - to.height / 2 }]
    : [{ x: from.x + from.width / 2, y: from.y }, ...inner, { x: to.x - to.width / 2, y: to.y }];
}

/** @param {Point[]} points @param {boolean} down */
function curve(points, down) {
  const n = (/** @type {number} */ x) => x.toFixed(1);
  let path = `M${n(points[0].x)} ${n(points[0].y)}`;
  points.slice(1).forEach((b, k) => {
    const a = points[k];
    const [mx, my] = [(a.x + b.x) / 2, (a.y + b.y) / 2];
    path += down
      ? `C${n(a.x)} ${n(my)} ${n(b.x)} ${n(my)} ${n(b.x)} ${n(b.y)}`
      : `C${n(mx)} ${n(a.y)} ${n(mx)} ${n(b.y)} ${n(b.x)} ${n(b.y)}`;
  });
  return path;
}
