// Compresses what the editor's page loads, once, and lists it for `precompressed.js`. Run by `build-tree` with the editor's folder.
import { readFileSync, readdirSync, statSync, writeFileSync } from "node:fs";
import { extname, join, relative } from "node:path";
import { promisify } from "node:util";
import { brotliCompress, constants, gzip } from "node:zlib";

const editor = process.argv[2];
const root = join(editor, "lib/vscode");
const types = {
  ".css": "text/css",
  ".html": "text/html",
  ".js": "text/javascript",
  ".json": "application/json",
  ".svg": "image/svg+xml",
};
const smallest = 1024; // bytes: a packet has room for what is smaller
const worthwhile = 0.9; // of the size, at most

// What no browser asks for.
const servers = /\/node\/|\/(server-main|server-cli|bootstrap-fork)\.js$|\/nls\.(keys|metadata)\.json$/;

const { quality, commit } = JSON.parse(readFileSync(join(root, "product.json"), "utf8"));
const mark = readFileSync(join(editor, "mark"), "ascii");
const listed = {};

async function compress(path) {
  const content = readFileSync(path);
  const brotli = await promisify(brotliCompress)(content, {
    params: { [constants.BROTLI_PARAM_QUALITY]: 11, [constants.BROTLI_PARAM_LGWIN]: 24, [constants.BROTLI_PARAM_SIZE_HINT]: content.length },
  });
  if (brotli.length > worthwhile * content.length) return;
  const zipped = await promisify(gzip)(content, { level: 9 });
  writeFileSync(`${path}.br`, brotli);
  writeFileSync(`${path}.gz`, zipped);
  listed[relative(root, path)] = { type: types[extname(path)], br: brotli.length, gzip: zipped.length };
}

const found = readdirSync(join(root, "out"), { recursive: true })
  .map((name) => join(root, "out", name))
  .filter((path) => extname(path) in types && !servers.test(path) && statSync(path).isFile() && statSync(path).size >= smallest)
  .sort((one, other) => statSync(other).size - statSync(one).size);
await Promise.all(found.map(compress));
const files = Object.fromEntries(Object.entries(listed).sort());
writeFileSync(join(root, "precompressed.json"), JSON.stringify({ prefix: `/${quality}-${commit}-${mark}/static/`, files }));
