// Elements. Text always becomes a text node, so nothing that a user wrote is ever markup.

const SPACE = {
  html: "http://www.w3.org/1999/xhtml",
  svg: "http://www.w3.org/2000/svg",
  math: "http://www.w3.org/1998/Math/MathML",
};

/** @typedef {Node | string | number | null | undefined | false} Child */

/**
 * @template {Element} E
 * @param {string} space
 * @returns {(tag: string, attributes?: Record<string, any>, ...children: Child[]) => E}
 */
function maker(space) {
  return (tag, attributes = {}, ...children) => {
    const element = /** @type {E} */ (
      /** @type {unknown} */ (document.createElementNS(space, tag))
    );
    for (const [name, value] of Object.entries(attributes)) {
      if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
      else if (value !== null && value !== undefined && value !== false)
        element.setAttribute(name, value === true ? "" : String(value));
    }
    add(element, ...children);
    return element;
  };
}

/** An HTML element. @type {(tag: string, attributes?: Record<string, any>, ...children: Child[]) => HTMLElement} */
export const h = maker(SPACE.html);
/** An SVG element. @type {(tag: string, attributes?: Record<string, any>, ...children: Child[]) => SVGElement} */
export const s = maker(SPACE.svg);
/** A MathML element. @type {(tag: string, attributes?: Record<string, any>, ...children: Child[]) => Element} */
export const m = maker(SPACE.math);

/** Append children, leaving out what is nothing. @param {Element} element @param {Child[]} children */
export function add(element, ...children) {
  for (const child of children)
    if (child !== null && child !== undefined && child !== false)
      element.append(child instanceof Node ? child : String(child));
}

/** Put these children in place of the old ones. @param {Element} element @param {Child[]} children */
export function fill(element, ...children) {
  element.replaceChildren();
  add(element, ...children);
}

/** The element of the page with this id. @template {Element} [E=HTMLElement] @param {string} id @returns {E} */
export function byId(id) {
  return /** @type {E} */ (/** @type {unknown} */ (document.getElementById(id)));
}

/** Whether the reader asked for less motion. */
export const still = () => matchMedia("(prefers-reduced-motion: reduce)").matches;

/** User text with control and direction characters shown by their codes. @param {string} text */
export function shown(text) {
  return text.replace(/[\p{C}\p{Zl}\p{Zp}]/gu, (c) => {
    const code = /** @type {number} */ (c.codePointAt(0)).toString(16);
    return code.length <= 2
      ? `\\x${code.padStart(2, "0")}`
      : code.length <= 4
        ? `\\u${code.padStart(4, "0")}`
        : `\\U${code.padStart(8, "0")}`;
  });
}

/** Text without its middle, if it is longer: paths of parameters differ at their ends. @param {string} text @param {number} length */
export function cut(text, length) {
  const letters = [...text];
  if (letters.length <= length) return text;
  const start = Math.floor(length / 3);
  const end = letters.slice(letters.length - (length - 1 - start)).join("");
  return `${letters.slice(0, start).join("").replace(/\.+$/, "")}…${end.replace(/^\.+/, "")}`;
}
