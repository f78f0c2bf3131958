// How wide text comes out in the drawing, where nothing wraps: measured, because fonts differ.

import { cut } from "./dom.js";

/** @typedef {"name" | "number" | "hint" | "badge" | "chip"} Font  in style.css, --name-font and so on */

const pen = /** @type {CanvasRenderingContext2D} */ (
  document.createElement("canvas").getContext("2d")
);
const style = getComputedStyle(document.documentElement);

/** @param {string} text @param {Font} font */
export function widthOf(text, font) {
  pen.font = style.getPropertyValue(`--${font}-font`);
  return pen.measureText(text).width;
}

/** The text, cut where there is no room for all of it. @param {string} text @param {Font} font @param {number} room */
export function fitted(text, font, room) {
  if (widthOf(text, font) <= room) return text;
  let most = 1;
  for (let beyond = [...text].length; most + 1 < beyond;) {
    const middle = (most + beyond) >> 1;
    if (widthOf(cut(text, middle), font) <= room) most = middle;
    else beyond = middle;
  }
  return cut(text, most);
}
