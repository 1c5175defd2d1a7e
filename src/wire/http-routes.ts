import type { IncomingMessage, ServerResponse } from "node:http";

/** What a server answers, by method and path, e.g. `GET /start`. */
export type HttpRoutes = Readonly<Record<string, (request: IncomingMessage, response: ServerResponse) => void>>;
