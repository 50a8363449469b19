"use strict";
// Answers requests for the editor's own files with what `compress.mjs` made of them when the tree was built. Only what is listed there
// is ever read. All else goes on: to code-server, which compresses at each request.
const fs = require("fs");
const path = require("path");
const stream = require("stream");
const Negotiator = require("negotiator");

const root = path.join(__dirname, "../../lib/vscode");
const { prefix, files } = JSON.parse(fs.readFileSync(path.join(root, "precompressed.json"), "utf8"));
const listed = new Map(Object.entries(files));
const endings = { br: ".br", gzip: ".gz" };

exports.serve = (request, response, next) => {
  const place = request.path.indexOf(prefix);
  const name = place === 0 || request.path.startsWith(`/vscode${prefix}`) ? request.path.slice(place + prefix.length) : "";
  const file = ["GET", "HEAD"].includes(request.method) && listed.get(name);
  if (!file) return next();
  const encoding = new Negotiator(request).encoding(["br", "gzip", "identity"], ["br", "gzip"]);
  if (!(encoding in endings)) return next();
  response.writeHead(200, {
    "Content-Type": file.type,
    "Content-Encoding": encoding,
    "Content-Length": file[encoding],
    "Cache-Control": "public, max-age=31536000, immutable",
    Vary: "Accept-Encoding",
  });
  if (request.method === "HEAD") return response.end();
  // A browser that goes away in the middle is no error.
  stream.pipeline(fs.createReadStream(path.join(root, name + endings[encoding])), response, () => {});
};
