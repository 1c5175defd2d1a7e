import { once } from "node:events";
import type { Server } from "node:http";
import { formatEndpoint, parseEndpoint } from "../wire/endpoint.ts";

/**
 * Makes an HTTP server listen.
 * @param listen an endpoint as in src/wire/endpoint.ts
 * @returns the same, with the port filled in
 */
export async function listenAt(server: Server, listen: string): Promise<string> {
  const endpoint = parseEndpoint(listen);
  if ("path" in endpoint) server.listen(endpoint.path);
  else server.listen(endpoint.port, endpoint.host);
  await once(server, "listening");
  const address = server.address();
  if ("path" in endpoint || address === null || typeof address === "string") return listen;
  return formatEndpoint({ ...endpoint, port: address.port });
}
