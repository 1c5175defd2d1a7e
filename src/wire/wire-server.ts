import type { Server } from "node:net";
import type { ExpertService } from "./expert-service.ts";
import type { ModelIdentity } from "./handshake.ts";
import type { ResolvedServeOptions } from "./serve-options.ts";

/** What a transport's server works with. */
export interface ServerContext extends ResolvedServeOptions {
  /** As errors name it. */
  readonly endpoint: string;
  readonly service: ExpertService;
  readonly model: ModelIdentity;
}

/** A transport's server, before it listens. */
export interface WireServer {
  readonly server: Server;
  /** Closes connections once what was written has left. */
  endAll(): void;
  destroyAll(): void;
}
