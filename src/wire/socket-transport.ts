import type { ResolvedConnectOptions } from "./connect-options.ts";
import type { Endpoint } from "./endpoint.ts";
import { SocketLink } from "./socket-link.ts";
import type { Transport } from "./transport.ts";

/** Calls over one persistent connection, made at the first call and again at the next one after it broke. */
export function createSocketTransport(endpoint: Endpoint, options: ResolvedConnectOptions): Transport {
  let link: SocketLink | null = null;
  const onBroken = (): void => {
    link = null;
  };
  return {
    send(call) {
      link ??= new SocketLink(endpoint, options, onBroken);
      return link.send(call);
    },
    close: () => link?.closeHere(),
  };
}
