// The graph as Python described it: columns of numbers, and texts that they point into.

import { shown } from "./dom.js";
import { numbered, repr } from "./numbers.js";

const ARRAYS = { B: Uint8Array, I: Uint32Array, d: Float64Array };

/**
 * A column: base64 of little-endian numbers.
 * @template {keyof typeof ARRAYS} K
 * @param {K} kind @param {string} text @returns {InstanceType<(typeof ARRAYS)[K]>}
 */
export function column(kind, text) {
  const bytes = Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
  return /** @type {any} */ (new ARRAYS[kind](bytes.buffer));
}

/** A float that JSON has no number for comes as text. @param {number | string} x */
export const float = (x) =>
  typeof x === "number" ? x : x === "inf" ? Infinity : x === "-inf" ? -Infinity : NaN;

export const LEAF = 0;
/** Nodes without a formula: the user's own, folded modules, and what repeats, drawn once. */
const [OWN, MODULE, REPEATED] = [2, 3, 4];

/** @type {{ [symbol: string]: string }} */
const SIGNS = { "*": "×", "-": "−", neg: "−", "/": "÷" };

/** @param {string} digits */
const raised = (digits) => digits.replace(/./g, (c) => (c === "-" ? "⁻" : "⁰¹²³⁴⁵⁶⁷⁸⁹"[Number(c)]));

/** An operation as people read it. @param {string} symbol */
const written = (symbol) =>
  SIGNS[symbol] ??
  symbol.replace(/^\*\*(-?\d+)$/, (_, power) => `x${raised(power)}`).replace(/^\*\*/, "x^");

/** A computation, and how it folds. Nodes, edges and groups are numbers. */
export class Graph {
  /** @param {any} record what page.py wrote */
  constructor(record) {
    this.record = record;
    this.title = shown(record.title);
    this.ran = /** @type {boolean} */ (record.ran);
    this.kind = column("B", record.op);
    this.count = this.kind.length;
    this.hasOwn = this.kind.includes(OWN);
    this.hasModules = this.kind.includes(MODULE);
    this.offsets = column("I", record.offsets);
    this.operands = column("I", record.operands);
    this.attribute = column("d", record.attribute);
    this.data = column("d", record.data);
    this.grad = column("d", record.grad);
    this.slope = column("d", record.slope);
    /** What operations give now whose data no longer follow from their operands. @type {Map<number, number>} */
    this.changed = new Map(
      Object.entries(record.changed.now).map(([i, x]) => [Number(i), float(x)]),
    );
    this.outputs = /** @type {number[]} */ (record.outputs);
    this.groupOf = column("I", record.group);
    this.groupParent = /** @type {number[]} */ (record.groups.parent);
    this.symbols = column("I", record.symbol);
    this.roles = column("B", record.role);
    this.scopes = column("I", record.scope);
    this.forwards = column("I", record.forward);
    this.locals = column("I", record.local);
    /** The node that each edge belongs to, the one that is made of the operand. */
    this.owner = new Uint32Array(this.operands.length);
    for (let i = 0; i < this.count; i++) this.owner.fill(i, this.offsets[i], this.offsets[i + 1]);
    this.usersAt = new Uint32Array(this.count + 1);
    for (const j of this.operands) this.usersAt[j + 1]++;
    for (let i = 0; i < this.count; i++) this.usersAt[i + 1] += this.usersAt[i];
    this.users = new Uint32Array(this.operands.length);
    const next = this.usersAt.slice();
    this.operands.forEach((j, edge) => (this.users[next[j]++] = this.owner[edge]));
  }

  /** @param {number} i */ isLeaf = (i) => this.kind[i] === LEAF;
  /** @param {number} i */ isOpaque = (i) => this.kind[i] >= OWN;
  /** @param {number} i */ isOwn = (i) => this.kind[i] === OWN;
  /** @param {number} i */ isModule = (i) => this.kind[i] === MODULE;
  /** @param {number} i */ isRepeated = (i) => this.kind[i] === REPEATED;
  /** @param {number} i */ operandsOf = (i) =>
    this.operands.subarray(this.offsets[i], this.offsets[i + 1]);
  /** The nodes made of a node, each once. @param {number} i */
  usersOf = (i) => [...new Set(this.users.subarray(this.usersAt[i], this.usersAt[i + 1]))];
  /** @param {number} i */ role = (i) => /** @type {string} */ (this.record.roles[this.roles[i]]);
  /** @param {number} i */ label = (i) => shown(this.record.labels[i] ?? "");
  /** @param {number} i */ source = (i) => shown(this.record.sources[i] ?? "");
  /** @param {number} i */ scope = (i) => shown(this.record.scopes[this.scopes[i]]);
  /** @param {number} i */ forward = (i) =>
    /** @type {string} */ (this.record.formulas[this.forwards[i]]);
  /** @param {number} edge */ local = (edge) =>
    /** @type {string} */ (this.record.formulas[this.locals[edge]]);
  /** How many nodes were drawn together in this one. @param {number} i */
  standsFor = (i) => /** @type {number} */ (this.record.repeats[i] ?? 1);
  /** @param {number} i */ isOutput = (i) => this.outputs.includes(i);

  /** The operation as people read it. @param {number} i */
  symbol(i) {
    const symbol = shown(this.record.symbols[this.symbols[i]]);
    if (this.isRepeated(i)) return symbol.replace(/^[^ ]+/, written); // after it, how many times
    return this.isOpaque(i) ? symbol || "?" : written(symbol);
  }

  /** A label inside its group, whose path it need not repeat. @param {number} i */
  shortLabel(i) {
    const [label, path] = [this.label(i), this.groupPath(this.groupOf[i])];
    return path && label.startsWith(`${path}.`) ? label.slice(path.length + 1) : label;
  }

  /** The path of the module that a group is, or is in. @param {number} g @returns {string} */
  groupPath = (g) =>
    !g
      ? ""
      : this.groupKind(g) === "module"
        ? shown(this.record.groups.name[g])
        : this.groupPath(this.groupParent[g]);

  /** What a node is called where text has no markup; elsewhere see names.js. @param {number} i */
  name(i) {
    return this.label(i) || (this.role(i) === "constant" ? repr(this.data[i]) : numbered(i));
  }

  /** Whether a node's name is one that the page made up. @param {number} i */
  isNameless = (i) => !this.record.labels[i];

  /** @param {number} g */ groupKind = (g) => /** @type {string} */ (this.record.groups.kind[g]);

  /** @param {number} g */
  groupName(g) {
    const name = shown(this.record.groups.name[g]);
    if (this.groupKind(g) === "repeat") return written(name);
    return g ? name : "the whole graph";
  }

  /** A group's name inside its own group. @param {number} g */
  shortGroupName(g) {
    const [name, path] = [this.groupName(g), this.groupPath(this.groupParent[g])];
    return path && name.startsWith(`${path}.`) ? name.slice(path.length + 1) : name;
  }
}
