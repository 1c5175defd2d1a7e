import { createServer } from "node:http";

/**
 * A function that computes nothing: it follows the start protocol and does what a test asks for over HTTP. Plain
 * JavaScript with no imports but Node's, so that it also runs where only Node is.
 */
const bootedAt = Date.now();
const { program, listen, spawnedAt, memoryMb } = JSON.parse(process.env["REMOE_FUNCTION"] ?? "{}");
const { failWith, exitWith, allocateMb, hang, say } = program.standIn;
/** Kept, so that it counts. */
const memory = [];

const routes = {
  "/pid": () => process.pid,
  "/start": () => ({ memoryMb, constrainedMb: process.constrainedMemory() / 2 ** 20, environment: { ...process.env } }),
  "/allocate": (query) => allocate(Number(query.get("mb"))),
  "/exit": (query) => process.exit(Number(query.get("code"))),
  "/spin": (query) => spin(Number(query.get("ms"))),
};

/** Pages that are written to, unlike those only reserved. */
function allocate(mb) {
  for (let i = 0; i < mb; i++) memory.push(Buffer.alloc(2 ** 20, 1));
  return memory.length;
}

function spin(ms) {
  const began = performance.now();
  const before = process.cpuUsage();
  while (performance.now() - began < ms);
  const { user, system } = process.cpuUsage(before);
  return { cpuMs: (user + system) / 1000, wallMs: performance.now() - began };
}

/** `unix:/path` or `tcp://host:port`, port 0 for any; → where it listens now */
function serve() {
  const server = createServer((request, response) => {
    const { pathname, searchParams } = new URL(request.url, "http://function");
    response.end(JSON.stringify(routes[pathname](searchParams)));
  });
  const address = listen.startsWith("unix:") ? { path: listen.slice("unix:".length) } : tcpAddress(new URL(listen));
  return new Promise((resolve) => {
    server.listen(address, () => resolve(address.path ? listen : `tcp://${address.host}:${server.address().port}`));
  });
}

function tcpAddress({ hostname, port }) {
  return { host: hostname, port: Number(port) };
}

function report(line) {
  process.stdout.write(`${JSON.stringify(line)}\n`);
}

process.stdin.once("end", () => process.exit(0)).resume();
process.once("SIGTERM", () => process.exit(0));
if (say !== undefined) process.stdout.write(`${say}\n`);
if (allocateMb !== undefined) allocate(allocateMb);
if (exitWith !== undefined) {
  process.stderr.write("I give up\n");
  process.exit(exitWith);
}
if (failWith !== undefined) {
  report({ type: "failed", error: failWith });
} else if (hang !== true) {
  const coldStart = { processMs: bootedAt - spawnedAt, librariesMs: 0, weightsMs: 0 };
  report({ type: "ready", endpoint: await serve(), coldStart, weightBytes: 0 });
}
