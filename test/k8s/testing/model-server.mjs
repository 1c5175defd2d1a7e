// Serves the files of a folder by ranges, and says who got how much: `GET /served` → bytes by address.
import { createReadStream, statSync } from "node:fs";
import { createServer } from "node:http";
import { join } from "node:path";

const FOLDER = "/models";
/** @type {Record<string, number>} */
const served = {};

createServer((request, response) => {
  if (request.url === "/served") return void response.end(JSON.stringify(served));
  const path = join(FOLDER, new URL(request.url ?? "", "http://server").pathname);
  const { size } = statSync(path);
  const [, first, last] = /^bytes=(\d+)-(\d+)$/.exec(request.headers.range ?? "") ?? [];
  const [start, end] = [Number(first), Math.min(size - 1, Number(last))];
  const client = request.socket.remoteAddress?.replace("::ffff:", "") ?? "";
  served[client] = (served[client] ?? 0) + (end - start + 1);
  const headers = { "content-range": `bytes ${start}-${end}/${size}`, "content-length": end - start + 1, etag: '"1"' };
  response.writeHead(206, headers);
  createReadStream(path, { start, end }).pipe(response);
}).listen(8080);
