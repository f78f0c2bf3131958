// Numbers as text: as Python's repr shows them, and shorter.

/** All the digits, as Python's repr writes them. @param {number} x */
export function repr(x) {
  if (Number.isNaN(x)) return "nan";
  if (!Number.isFinite(x)) return x > 0 ? "inf" : "-inf";
  const sign = x < 0 || Object.is(x, -0) ? "-" : "";
  const [mantissa, power] = Math.abs(x).toExponential().split("e");
  const digits = mantissa.replace(".", "");
  const point = Number(power);
  if (point < -4 || point >= 16) {
    const exponent = String(Math.abs(point)).padStart(2, "0");
    return `${sign}${mantissa}e${point < 0 ? "-" : "+"}${exponent}`;
  }
  if (point < 0) return `${sign}0.${"0".repeat(-point - 1)}${digits}`;
  const whole = digits.slice(0, point + 1).padEnd(point + 1, "0");
  return `${sign}${whole}.${digits.slice(point + 1) || "0"}`;
}

/** The number in a few characters, for the cards. @param {number} x */
export function short(x) {
  const all = repr(x);
  if (all.length <= 7 || !Number.isFinite(x)) return all;
  if (Math.abs(x) >= 1e-3 && Math.abs(x) < 1e5) return x.toFixed(4);
  return x.toExponential(2).replace(/e([+-])(\d)$/, "e$10$2");
}

/** A whole number with its thousands apart. @param {number} n */
export const count = (n) => n.toLocaleString("en-US");

/** A count with its noun. @param {number} n @param {string} noun */
export const plural = (n, noun) => `${count(n)} ${noun}${n === 1 ? "" : "s"}`;

/** The name of a node without a label; no label `v5` looks like it. @param {number | string} i */
export const numbered = (i) =>
  `v${String(i).replace(/\d/g, (digit) => "₀₁₂₃₄₅₆₇₈₉"[Number(digit)])}`;
