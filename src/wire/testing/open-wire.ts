import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { onTestFinished } from "vitest";
import { connectExperts } from "../connect-experts.ts";
import type { ConnectOptions } from "../connect-options.ts";
import type { ExpertConnection, ExpertHandler } from "../expert-call.ts";
import { type ExpertServer, serveExperts } from "../serve-experts.ts";
import type { ServeOptions } from "../serve-options.ts";
import { createFakeHandler } from "./fake-handler.ts";

export const SECRET = "open sesame";

export interface WireOptions {
  readonly handler?: ExpertHandler;
  /** Default: a Unix socket in a folder of its own. */
  readonly listen?: string;
  readonly serve?: Partial<ServeOptions>;
  readonly connect?: Partial<ConnectOptions>;
}

export interface Wire {
  readonly server: ExpertServer;
  readonly connection: ExpertConnection;
  /** Another connection to the same server. */
  connect(options?: Partial<ConnectOptions>): ExpertConnection;
}

/** A server and a connection to it, closed when the test has finished. */
export async function openWire({
  handler = createFakeHandler(),
  listen,
  serve,
  connect,
}: WireOptions = {}): Promise<Wire> {
  const server = await serveExperts(handler, listen ?? (await socketEndpoint("unix")), { secret: SECRET, ...serve });
  onTestFinished(() => server.close());
  const open = (options: Partial<ConnectOptions> = {}): ExpertConnection =>
    openConnection(server.endpoint, {
      fingerprint: handler.fingerprint,
      hidden: handler.hidden,
      ...connect,
      ...options,
    });
  return { server, connection: open(), connect: open };
}

/** A connection with the options that suit the fake handler, closed when the test has finished. */
export function openConnection(endpoint: string, options: Partial<ConnectOptions> = {}): ExpertConnection {
  const connection = connectExperts(endpoint, { secret: SECRET, fingerprint: "fake", hidden: 4, ...options });
  onTestFinished(() => connection.close());
  return connection;
}

/** An endpoint in a new folder, which is removed when the test has finished. */
export async function socketEndpoint(type: "unix" | "http+unix"): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "remoe-wire-"));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  return `${type}:${join(folder, "experts.sock")}`;
}
