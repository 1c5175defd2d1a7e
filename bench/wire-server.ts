import { join } from "node:path";
import type { ExpertHandler } from "../src/wire/expert-call.ts";
import { serveExperts } from "../src/wire/serve-experts.ts";
import { BATCH_TOKENS, identityOf, type Transport, WIDTHS, type Width, type WireEndpoints } from "./wire-endpoints.ts";
import { loadGrpc, serveGrpc } from "./wire-grpc.ts";

/** The server's end of `bench wire`, a process of its own: says where it listens, and ends with its standard input. */
const [folder = "."] = process.argv.slice(2);

const endpoints: WireEndpoints = {
  experts: { unix: await serveWidths("unix"), tcp: await serveWidths("tcp"), http: await serveWidths("http") },
  grpc: await listenGrpc(`unix:${join(folder, "grpc.sock")}`),
};
process.stdout.write(`${JSON.stringify(endpoints)}\n`);
process.stdin.resume().on("end", () => process.exit(0));

async function serveWidths(transport: Transport): Promise<Record<Width, string>> {
  const listen = async (width: Width): Promise<string> => {
    const address = transport === "unix" ? `unix:${join(folder, `${width}.sock`)}` : `${transport}://127.0.0.1:0`;
    const { endpoint } = await serveExperts(idleHandler(width), address, identityOf(width));
    return endpoint;
  };
  return { narrow: await listen("narrow"), wide: await listen("wide") };
}

/** Experts that answer at once, with rows that are there already. */
function idleHandler(width: Width): ExpertHandler {
  const hidden = WIDTHS[width];
  const rows = new Float32Array(BATCH_TOKENS * hidden);
  return {
    ...identityOf(width),
    expertsPerToken: 1,
    maxTokens: BATCH_TOKENS,
    holds: () => true,
    compute: async ({ tokens }) => rows.subarray(0, tokens.length * hidden),
  };
}

async function listenGrpc(address: string): Promise<string | null> {
  const grpc = await loadGrpc();
  if (grpc === null) return null;
  await serveGrpc(grpc, address, WIDTHS.wide * Float32Array.BYTES_PER_ELEMENT);
  return address;
}
