// What is visible: nodes, and groups that stand for all that is in them.

import { count, numbered } from "./numbers.js";

/** Items that a graph may show at once; more take too long to lay out, and nobody reads them. */
export const MOST = 160;
/** Items up to which nothing is folded to make room for a node that was asked for. */
const ROOMY = 72;
/** Nodes up to which a graph is unfolded at first; in a larger one modules are, up to fewer items. */
const SMALL = 64;
const AT_FIRST = 24;

/**
 * @typedef {{ id: number, node: number, group: number, size: number }} Item
 *   a node, then group is -1; or a folded group, then node is -1
 * @typedef {{ from: number, to: number, edges: number[] }} Link  between items, by id
 */

/** Which groups of a graph are open. An item's id is its node, or the node count plus its group. */
export class Folding {
  /** @param {import("./graph.js").Graph} graph */
  constructor(graph) {
    this.graph = graph;
    const groups = graph.groupParent.length;
    this.open = new Uint8Array(groups);
    this.open[0] = 1;
    /** @type {number[][]} */
    this.inner = Array.from({ length: groups }, () => []);
    for (let g = 1; g < groups; g++) this.inner[graph.groupParent[g]].push(g);
    /** How many nodes are directly in each group, and in all of it. */
    this.direct = new Uint32Array(groups);
    for (const g of graph.groupOf) this.direct[g]++;
    this.size = this.direct.slice();
    for (let g = groups - 1; g > 0; g--) this.size[graph.groupParent[g]] += this.size[g];
    /** What all nodes of a group are, if they are leaves of one role; else ''. */
    this.role = /** @type {(string | null)[]} */ (new Array(groups).fill(null));
    for (let i = 0; i < graph.count; i++)
      for (const g of this.around(i))
        this.role[g] = (this.role[g] ?? graph.role(i)) === graph.role(i) ? graph.role(i) : "";
    /** The outermost closed group around each group, or -1. */
    this.hidden = new Int32Array(groups);
    /** @type {Item[]} */
    this.items = [];
    /** @type {Link[]} */
    this.links = [];
    this.#unfoldWhatFits();
    this.refresh();
  }

  /** Items that opening a group would show in its place. @param {number} g */
  members = (g) => this.direct[g] + this.inner[g].length;

  /** What a group is called on its own. @param {number} g */
  title(g) {
    const name = this.graph.groupName(g);
    if (this.graph.groupKind(g) === "repeat") return `${name} (${count(this.size[g])})`;
    return this.graph.groupKind(g) === "run" ? name.split(" - ").map(numbered).join(" – ") : name;
  }

  #unfoldWhatFits() {
    if (this.graph.count <= SMALL) this.open.fill(1);
    let shown = this.members(0);
    const waiting = [...this.inner[0]];
    for (let g = waiting.shift(); g !== undefined; g = waiting.shift()) {
      if (this.graph.groupKind(g) !== "module" || shown + this.members(g) - 1 > AT_FIRST) continue;
      shown += this.members(g) - 1;
      this.open[g] = 1;
      waiting.push(...this.inner[g]);
    }
  }

  /** Find what is visible again, after groups were opened or closed. */
  refresh() {
    const { graph, open } = this;
    const groups = graph.groupParent.length;
    this.hidden.fill(-1);
    for (let g = 1; g < groups; g++) {
      const above = this.hidden[graph.groupParent[g]];
      this.hidden[g] = above >= 0 ? above : open[g] ? -1 : g;
    }
    this.items = [];
    for (let i = 0; i < graph.count; i++)
      if (this.hidden[graph.groupOf[i]] < 0)
        this.items.push({ id: i, node: i, group: -1, size: 1 });
    for (let g = 1; g < groups; g++)
      if (this.hidden[g] === g)
        this.items.push({ id: graph.count + g, node: -1, group: g, size: this.size[g] });
    this.links = this.#links();
  }

  #links() {
    const { graph } = this;
    const width = graph.count + graph.groupParent.length;
    /** @type {Map<number, Link>} */
    const between = new Map();
    /** @type {Link[]} */
    const links = [];
    graph.operands.forEach((j, edge) => {
      const from = this.itemOf(j);
      const to = this.itemOf(graph.owner[edge]);
      if (from === to) return;
      const folded = from >= graph.count || to >= graph.count;
      const known = folded ? between.get(from * width + to) : undefined;
      if (known) known.edges.push(edge);
      else {
        const link = { from, to, edges: [edge] };
        links.push(link);
        if (folded) between.set(from * width + to, link);
      }
    });
    return links;
  }

  /** The folded group that hides a node, or -1. @param {number} i */
  hiding = (i) => this.hidden[this.graph.groupOf[i]];

  /** The id of the item that shows a node. @param {number} i */
  itemOf = (i) => {
    const group = this.hiding(i);
    return group < 0 ? i : this.graph.count + group;
  };

  /** The item where a node or group is to be seen; -1 for an open group. @param {number} id an item, or -1 */
  showing(id) {
    const { count } = this.graph;
    if (id < count) return id < 0 ? -1 : this.itemOf(id);
    const group = this.hidden[id - count];
    return group < 0 ? -1 : count + group;
  }

  /** The groups around a node, the innermost first, without the whole. @param {number} i */
  around(i) {
    const groups = [];
    for (let g = this.graph.groupOf[i]; g; g = this.graph.groupParent[g]) groups.push(g);
    return groups;
  }

  /** Open or close a group; false if too much would be shown. @param {number} g @param {boolean} open */
  set(g, open) {
    this.open[g] = open ? 1 : 0;
    this.refresh();
    if (!open || this.items.length <= MOST) return true;
    this.open[g] = 0;
    this.refresh();
    return false;
  }

  /** Open all groups around a node, and close others if that would show too much. @param {number} i */
  reveal(i) {
    const around = new Set(this.around(i));
    for (const g of around) this.open[g] = 1;
    this.refresh();
    for (const kinds of [["repeat", "run"], ["module"]]) {
      if (this.items.length <= ROOMY) return;
      for (let g = 1; g < this.open.length; g++)
        if (!around.has(g) && kinds.includes(this.graph.groupKind(g))) this.open[g] = 0;
      this.refresh();
    }
  }

  /** Close every group, or open as many as may be shown. @param {boolean} open */
  setAll(open) {
    this.open.fill(0);
    this.open[0] = 1;
    if (open) {
      let shown = this.members(0);
      for (let g = 1; g < this.open.length; g++)
        // outer groups have smaller numbers
        if (this.open[this.graph.groupParent[g]] && shown + this.members(g) - 1 <= MOST) {
          shown += this.members(g) - 1;
          this.open[g] = 1;
        }
    }
    this.refresh();
  }
}
