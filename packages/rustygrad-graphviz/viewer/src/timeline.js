// The steps of a play: what is given, each node computed, the seed, each node handing on.

/** @typedef {"given" | "forward" | "seed" | "backward" | "end"} Kind */
/** @typedef {{ kind: Kind, node: number, from: number, to: number }} Step from, to: hand-overs */

export class Timeline {
  /** @param {import("./record.js").Record} record */
  constructor(record) {
    const { graph } = record;
    this.record = record;
    /** @type {Step[]} */
    this.steps = [{ kind: "given", node: -1, from: 0, to: 0 }];
    this.computedAt = new Int32Array(graph.count);
    this.handedAt = new Int32Array(graph.count).fill(-1);
    for (let i = 0; i < graph.count; i++)
      if (!graph.isLeaf(i)) {
        this.computedAt[i] = this.steps.length;
        this.steps.push({ kind: "forward", node: i, from: 0, to: 0 });
      }
    this.seedAt = this.steps.length;
    this.steps.push({ kind: "seed", node: record.root, from: 0, to: 0 });
    for (let from = 0, to = 0; from < record.length; from = to) {
      const node = record.from(from);
      while (to < record.length && record.from(to) === node) to++;
      this.handedAt[node] = this.steps.length;
      this.steps.push({ kind: "backward", node, from, to });
    }
    this.steps.push({ kind: "end", node: -1, from: record.length, to: record.length });
    this.last = this.steps.length - 1;
  }

  /**
   * Where playing stops: after each step, or, where steps follow each other inside one
   * folded group, after the last of them.
   * @param {(node: number) => number} groupOf the folded group that hides a node, or -1
   */
  stops(groupOf) {
    /** @type {number[]} */
    const stops = [];
    this.steps.forEach(({ kind, node }, at) => {
      const next = this.steps[at + 1];
      const group = node < 0 ? -1 : groupOf(node);
      if (!(
        next &&
        group >= 0 &&
        next.kind === kind &&
        next.node >= 0 &&
        groupOf(next.node) === group
      ))
        stops.push(at);
    });
    return stops;
  }
}
