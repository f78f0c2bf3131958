// Puts the page together: one HTML file that lacks nothing but the graph.

import { createHash } from "node:crypto";
import { existsSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

const here = dirname(fileURLToPath(import.meta.url));
const target = join(here, "../src/rustygrad_graphviz/viewer.html");

const bundle = await build({
  absWorkingDir: here,
  entryPoints: { script: "src/main.js", style: "src/style.css" },
  outdir: "out",
  write: false,
  bundle: true,
  minify: true,
  metafile: true,
  charset: "ascii",
  format: "iife",
  target: ["es2022", "chrome110", "firefox115", "safari16.4"],
  legalComments: "none", // the whole licences are in the page
});

/** @param {string} kind */
const text = (kind) => bundle.outputFiles.find((file) => file.path.endsWith(kind)).text.trim();
/** @param {string} content */
const hash = (content) => `'sha256-${createHash("sha256").update(content).digest("base64")}'`;

/** The licences of the packages that went into the bundle. */
function licences() {
  const packages = new Set(
    Object.keys(bundle.metafile.inputs).map(
      (path) => /node_modules\/((?:@[^/]+\/)?[^/]+)/.exec(path)?.[1],
    ),
  );
  packages.add("@dagrejs/graphlib"); // dagre's file has it inside
  return [...packages]
    .filter(Boolean)
    .sort()
    .map((name) => {
      const folder = join(here, "node_modules", name);
      const { version } = JSON.parse(readFileSync(join(folder, "package.json"), "utf8"));
      return `${name} ${version}\n\n${readFileSync(join(folder, "LICENSE"), "utf8").trim()}`;
    })
    .join("\n\n\n");
}

const [script, style] = [text("script.js"), text("style.css")];
const policy = [
  "default-src 'none'",
  `script-src ${hash(script)}`,
  `style-src ${hash(style)}`,
  "base-uri 'none'",
  "form-action 'none'",
];
const parts = { POLICY: policy.join("; "), STYLE: style, SCRIPT: script, LICENCES: licences() };
const page = readFileSync(join(here, "src/page.html"), "utf8")
  .replace(/[^\x00-\x7f]/gu, (c) => `&#${c.codePointAt(0)};`)
  .replace(/@([A-Z]+)@/g, (place, name) => parts[name] ?? place);
const stray = /[^\x00-\x7f]|\r/.exec(page);
if (stray) throw new Error(`not ASCII: ${JSON.stringify(page.substr(stray.index - 40, 80))}`);
if (!existsSync(dirname(target))) throw new Error(`no folder ${dirname(target)}`);
writeFileSync(`${target}.new`, page);
renameSync(`${target}.new`, target);
console.log(
  `viewer.html: ${Math.round(page.length / 1024)} KiB, of which script ${Math.round(script.length / 1024)} and style ${Math.round(style.length / 1024)}`,
);
