import { once } from "node:events";
import { type IncomingMessage, request } from "node:http";
import { json } from "node:stream/consumers";

/** Asks a stand-in for one of its routes, e.g. `/spin?ms=100`. */
export async function callStandIn(endpoint: string, path: string): Promise<unknown> {
  const exchange = request({ ...addressOf(endpoint), path, agent: false }).end();
  const [response] = (await once(exchange, "response")) as [IncomingMessage];
  return await json(response);
}

function addressOf(endpoint: string) {
  if (endpoint.startsWith("unix:")) return { socketPath: endpoint.slice("unix:".length) };
  const { hostname, port } = new URL(endpoint);
  return { hostname, port };
}
