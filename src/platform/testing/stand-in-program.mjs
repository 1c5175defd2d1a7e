import { writeFileSync } from "node:fs";
import { createServer } from "node:http";
import { createInterface } from "node:readline";

/**
 * A function that computes nothing: it follows the start protocol and does what a test asks for over HTTP. Plain
 * JavaScript with no imports but Node's, so that it also runs where only Node is.
 */
const bootedAt = Date.now();
const { program, listen, control, spawnedAt = performance.timeOrigin, memoryMb } = JSON.parse(await readStart());
const { protocol, failWith, exitWith, allocateMb, hang, say } = program.standIn;
/** What it told its starter. */
let told = {};
/** Kept, so that it counts. */
const memory = [];

const routes = {
  "/pid": () => process.pid,
  "/readyz": () => "ok",
  "/start": () => ({
    ...told,
    memoryMb,
    constrainedMb: process.constrainedMemory() / 2 ** 20,
    environment: { ...process.env },
  }),
  "/allocate": (query) => allocate(Number(query.get("mb"))),
  "/exit": (query) => process.exit(Number(query.get("code"))),
  "/spin": (query) => spin(Number(query.get("ms"))),
};

/** From the environment, or from the parent process, whose end is noticed meanwhile. */
async function readStart() {
  const start = process.env["REMOE_FUNCTION"] ?? "{}";
  if (start !== "-") return start;
  process.stdin.once("end", () => process.exit(0));
  return await new Promise((resolve) => createInterface({ input: process.stdin }).once("line", resolve));
}

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

/** → where it listens now */
async function serve() {
  const server = createServer((request, response) => {
    const { pathname, searchParams } = new URL(request.url, "http://function");
    response.end(JSON.stringify(routes[pathname](searchParams)));
  });
  return await listenAt(server, listen);
}

/** `unix:/path`, `tcp://host:port` or `http://host:port`, port 0 for any */
function listenAt(server, endpoint) {
  const { protocol, hostname: host, port } = new URL(endpoint);
  const address = endpoint.startsWith("unix:")
    ? { path: endpoint.slice("unix:".length) }
    : { host, port: Number(port) };
  return new Promise((resolve) => {
    server.listen(address, () => resolve(address.path ? endpoint : `${protocol}//${host}:${server.address().port}`));
  });
}

/** The parent process, which reads standard output and holds standard input open. */
function openParent() {
  process.stdin.once("end", () => process.exit(0)).resume();
  const tell = (report) => void process.stdout.write(`${JSON.stringify(report)}\n`);
  return { ready: tell, failed: tell };
}

/** A gateway somewhere else, which connects to the control server. */
async function openGateway() {
  let line = "";
  const lifelines = [];
  const server = createServer((request, response) => {
    if (request.url !== "/start") return void response.end();
    lifelines.push(response);
    response.writeHead(200).flushHeaders();
    response.write(line);
  });
  await listenAt(server, control.listen);
  return {
    ready(report) {
      line = `${JSON.stringify(report)}\n`;
      for (const lifeline of lifelines) lifeline.write(line);
    },
    failed(report) {
      writeFileSync(control.failureFile, JSON.stringify(report));
      process.exit(1);
    },
  };
}

/** Nobody but who asks for `/start`. */
function openPlatform() {
  return {
    ready() {},
    failed(report) {
      process.stderr.write(`${JSON.stringify(report)}\n`);
      process.exit(1);
    },
  };
}

async function openStarter() {
  if (control === undefined) return openParent();
  return control === null ? openPlatform() : await openGateway();
}

process.once("SIGTERM", () => process.exit(0));
const starter = await openStarter();
if (say !== undefined) process.stdout.write(`${say}\n`);
if (allocateMb !== undefined) allocate(allocateMb);
if (exitWith !== undefined) {
  process.stderr.write("I give up\n");
  process.exit(exitWith);
}
if (failWith !== undefined) {
  starter.failed({ type: "failed", error: failWith });
} else if (hang === true) {
  setInterval(() => {}, 2 ** 30); // Else there would be nothing left to do.
} else {
  const coldStart = { processMs: bootedAt - spawnedAt, librariesMs: 0, weightsMs: 0 };
  told = { type: "ready", protocol, endpoint: await serve(), coldStart, weightBytes: 0 };
  starter.ready(told);
}
