// Formulas of the op table, which are Python expressions, as MathML.

import { h, m } from "./dom.js";
import { name } from "./names.js";
import { repr } from "./numbers.js";

/** @typedef {(name: string, index: number) => Element} Resolve  what stands for x, xs[2], out, n */
/** @typedef {{ element: Element, binding: number }} Part */

const [CHOICE, COMPARISON, SUM, PRODUCT, SIGN, POWER, ATOM] = [0, 1, 2, 3, 4, 5, 6];

/**
 * A formula; null if it is no plain expression.
 * @param {string} text @param {Resolve} resolve
 */
export function typeset(text, resolve) {
  try {
    return new Parser(text, resolve).whole();
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    return null;
  }
}

/** A formula that takes several lines where it is too long for one; browsers do not break formulas. @param {Element} formula */
export const wrapping = (formula) =>
  h("span", {}, ...piecesOf(formula).flatMap((piece, k) => [k > 0 && " ", m("math", {}, piece)]));

/** One formula and another after a sign. @param {Element} x @param {string} sign @param {Element} y */
export const equation = (x, sign, y) => wrapping(m("mrow", {}, x, operator(sign), y));

/** What a line may break between: each sign begins a piece, if it is in no brackets. @param {Element} formula @returns {Element[]} */
function piecesOf(formula) {
  const [first, ...rest] = formula.localName === "mrow" ? formula.children : [];
  if (rest[0]?.getAttribute("form") !== "infix") return [formula];
  const pieces = piecesOf(first);
  for (let k = 0; k < rest.length; k += 2) {
    const [next, ...others] = piecesOf(rest[k + 1]);
    rest[k].setAttribute("lspace", "0"); // before it is the space where the line may break
    rest[k].setAttribute("rspace", "0.23em"); // as wide as that one
    pieces.push(m("mrow", {}, rest[k], next), ...others);
  }
  return pieces;
}

class Parser {
  /** @param {string} text @param {Resolve} resolve */
  constructor(text, resolve) {
    this.tokens = text.match(/\*\*|==|\.\.\.|[\d.]+(?:e[+-]?\d+)?|\w+|\S/g) ?? [];
    this.resolve = resolve;
    this.at = 0;
  }

  /** @param {string[]} wanted */
  take(...wanted) {
    const token = this.tokens[this.at];
    if (wanted.length && !wanted.includes(token)) return "";
    this.at++;
    return token ?? "";
  }

  /** @param {string} token */
  need(token) {
    if (!this.take(token)) throw new SyntaxError(`expected ${token}`);
  }

  whole() {
    const { element } = this.choice();
    if (this.at < this.tokens.length) throw new SyntaxError("more than an expression");
    return element;
  }

  /** @returns {Part} */
  choice() {
    const first = this.comparison();
    if (!this.take("if")) return first;
    const condition = this.comparison();
    this.need("else");
    const last = this.choice();
    const words = (/** @type {string} */ text) => m("mtext", {}, `\u00a0${text}\u00a0`);
    return part(CHOICE, first.element, words("if"), condition.element, words("else"), last.element);
  }

  /** @returns {Part} */
  comparison() {
    const x = this.sum();
    const sign = this.take(">", "==");
    return sign
      ? part(COMPARISON, x.element, operator(sign === ">" ? ">" : "="), this.sum().element)
      : x;
  }

  /** @returns {Part} */
  sum() {
    const first = this.product();
    const pieces = [first.element];
    for (let sign = this.take("+", "-"); sign; sign = this.take("+", "-"))
      pieces.push(operator(sign), summand(this.product()));
    return pieces.length > 1 ? part(SUM, ...pieces) : first;
  }

  /** @returns {Part} */
  product() {
    let x = this.unary();
    for (let sign = this.take("*", "/"); sign; sign = this.take("*", "/")) {
      const y = this.unary();
      if (sign === "/") x = { element: m("mfrac", {}, x.element, y.element), binding: PRODUCT };
      else
        x = part(
          PRODUCT,
          x.binding === SIGN ? bracketed(x.element) : x.element,
          operator("×"),
          within(POWER, y),
        );
    }
    return x;
  }

  /** @returns {Part} */
  unary() {
    return this.take("-") ? part(SIGN, before("-"), summand(this.unary())) : this.power();
  }

  /** @returns {Part} */
  power() {
    const x = this.atom();
    if (!this.take("**")) return x;
    return { element: m("msup", {}, within(ATOM, x), this.unary().element), binding: POWER };
  }

  /** @returns {Part} */
  atom() {
    const token = this.take();
    if (token === "(") {
      const inner = this.choice();
      this.need(")");
      return inner;
    }
    if (token === "...") return { element: m("mi", {}, "…"), binding: ATOM };
    if (/^[\d.]/.test(token)) return { element: m("mn", {}, token), binding: ATOM };
    if (!/^[a-z]/.test(token)) throw new SyntaxError(`unexpected ${token}`);
    if (this.take("(")) return this.call(token);
    if (!this.take("[")) return resolved(this.resolve(token, -1));
    const index = Number(this.take());
    this.need("]");
    return resolved(this.resolve(token, index));
  }

  /** @param {string} name @returns {Part} */
  call(name) {
    if (name === "len") {
      this.need("xs");
      this.need(")");
      return resolved(this.resolve("count", -1));
    }
    const inside = [];
    do inside.push(this.choice().element);
    while (this.take(","));
    this.need(")");
    if (name === "sqrt") return { element: m("msqrt", {}, ...inside), binding: ATOM };
    if (name === "abs") return part(ATOM, before("|"), ...inside, after("|"));
    return part(ATOM, m("mi", {}, name), bracketed(listed(inside)));
  }
}

/** @param {number} binding @param {Element[]} pieces @returns {Part} */
const part = (binding, ...pieces) => ({ element: m("mrow", {}, ...pieces), binding });

/** An operator between two terms; a line may break before it. @param {string} sign */
const operator = (sign) => m("mo", { form: "infix" }, sign === "-" ? "−" : sign);

/** @param {string} sign */
const before = (sign) => m("mo", { form: "prefix", stretchy: "false" }, sign === "-" ? "−" : sign);
/** @param {string} sign */
const after = (sign) => m("mo", { form: "postfix", stretchy: "false" }, sign);

/** @param {Element} inner */
const bracketed = (inner) => m("mrow", {}, before("("), inner, after(")"));

/** @param {Element[]} items */
const listed = (items) =>
  m("mrow", {}, ...items.flatMap((x, k) => (k ? [m("mo", { separator: "true" }, ","), x] : [x])));

/** A part as an operand of what binds so tightly at least. @param {number} binding @param {Part} x */
const within = (binding, x) => (x.binding < binding ? bracketed(x.element) : x.element);

/** What follows a sign brings none of its own. @param {Part} x */
const summand = (x) => (x.binding === SIGN ? bracketed(x.element) : within(PRODUCT, x));

/** A negative number is bracketed like a sign. @param {Element} element @returns {Part} */
const resolved = (element) => ({
  element,
  binding: element.localName === "mn" && element.textContent?.startsWith("-") ? SIGN : ATOM,
});

/** A number, in all its digits. @param {number} x */
export const numeral = (x) => m("mn", {}, repr(x));

/**
 * What a node is called, in a formula.
 * @param {import("./graph.js").Graph} graph @param {number} i
 */
export function symbolOf(graph, i) {
  if (graph.isNameless(i) && graph.role(i) === "constant") return numeral(graph.data[i]);
  return m("mi", { mathvariant: "normal" }, name(graph, i, 24));
}

/** ∂out/∂x. @param {Element} out @param {Element} x */
export const partial = (out, x) =>
  m("mfrac", {}, m("mrow", {}, before("∂"), out), m("mrow", {}, before("∂"), x));

/**
 * Names, or numbers, for what a formula of a node says.
 * @param {import("./graph.js").Graph} graph @param {number} i
 * @param {(graph: import("./graph.js").Graph, i: number) => Element} show
 * @returns {Resolve}
 */
export function operandsOf(graph, i, show) {
  const operands = graph.operandsOf(i);
  return (name, index) => {
    if (name === "out") return show(graph, i);
    if (name === "n") return numeralOfPower(graph.attribute[i]);
    if (name === "count") return m("mn", {}, operands.length);
    if (name !== "xs") return show(graph, operands["xyz".indexOf(name)]);
    if (index >= 0) return show(graph, operands[index]);
    const some = [...operands.subarray(0, 4)].map((j) => show(graph, j));
    if (operands.length > 4) some.push(m("mi", {}, "…"));
    return listed(some);
  };
}

/** An exponent: 2 and not 2.0. @param {number} n */
const numeralOfPower = (n) =>
  m("mn", {}, Number.isInteger(n) && Math.abs(n) < 1e16 ? String(n) : repr(n));
