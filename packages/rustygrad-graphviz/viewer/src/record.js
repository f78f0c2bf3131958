// A played backward: hand-overs in order, as Python wrote them down.

import { column, float } from "./graph.js";

export class Record {
  /** @param {import("./graph.js").Graph} graph @param {any} record */
  constructor(graph, record) {
    this.graph = graph;
    this.root = /** @type {number} */ (record.root);
    this.seed = float(record.seed);
    this.edges = column("I", record.edges);
    this.products = column("d", record.products);
    this.sums = column("d", record.sums);
    this.unknown = new Set(/** @type {number[]} */ (record.unknown));
    this.captured = new Set(/** @type {number[]} */ (record.captured));
    this.length = this.edges.length;
    // for each node, when it receives
    this.receivedAt = new Uint32Array(graph.count + 1);
    for (const edge of this.edges) this.receivedAt[graph.operands[edge] + 1]++;
    for (let i = 0; i < graph.count; i++) this.receivedAt[i + 1] += this.receivedAt[i];
    this.received = new Uint32Array(this.length);
    const next = this.receivedAt.slice();
    this.edges.forEach((edge, k) => (this.received[next[graph.operands[edge]]++] = k));
  }

  /** Who hands over, and who receives. @param {number} k */ from = (k) =>
    this.graph.owner[this.edges[k]];
  /** @param {number} k */ to = (k) => this.graph.operands[this.edges[k]];

  /** The hand-overs that a node has received before number k. @param {number} i @param {number} k */
  receipts(i, k) {
    const all = this.received.subarray(this.receivedAt[i], this.receivedAt[i + 1]);
    let low = 0;
    for (let high = all.length; low < high;) {
      const middle = (low + high) >> 1;
      if (all[middle] < k) low = middle + 1;
      else high = middle;
    }
    return all.subarray(0, low);
  }

  /** A node's gradient before hand-over k. @param {number} i @param {number} k */
  gradient(i, k) {
    const receipts = this.receipts(i, k);
    if (receipts.length) return this.sums[receipts[receipts.length - 1]];
    return i === this.root ? this.seed : 0;
  }

  /** All that a node's gradient is, one after the other. @param {number} i */
  totals = (i) => [
    this.gradient(i, 0),
    ...Array.from(this.receipts(i, this.length), (k) => this.sums[k]),
  ];

  /** A node's gradient in the end. @param {number} i */
  final = (i) => this.gradient(i, this.length);

  /** Whether a node takes part at all. @param {number} i */
  reaches = (i) => i === this.root || this.receivedAt[i + 1] > this.receivedAt[i];
}
