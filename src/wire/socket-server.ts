import { createServer, type Server, type Socket } from "node:net";
import { createServer as createTlsServer } from "node:tls";
import type { Endpoint } from "./endpoint.ts";
import type { ResolvedServeOptions } from "./serve-options.ts";
import { SocketPeer } from "./socket-peer.ts";
import type { ServerContext, WireServer } from "./wire-server.ts";

/** Connections that have not proven the secret; a good client needs a moment for it, so the oldest has to go. */
const MAX_UNPROVEN = 64;

/** Serves persistent connections over Unix sockets, TCP or TLS. */
export function createSocketServer(endpoint: Endpoint, context: ServerContext): WireServer {
  const peers = new Set<SocketPeer>();
  const unproven = new Set<SocketPeer>();

  const accept = (socket: Socket): void => {
    const peer: SocketPeer = new SocketPeer(socket, {
      ...context,
      onAuthenticated: () => unproven.delete(peer),
      onClosed: () => {
        unproven.delete(peer);
        peers.delete(peer);
      },
    });
    peers.add(peer);
    unproven.add(peer);
    const [oldest] = unproven;
    if (unproven.size > MAX_UNPROVEN) oldest?.destroy();
  };

  const endAll = (): void => {
    for (const peer of peers) peer.end();
  };
  const destroyAll = (): void => {
    for (const peer of peers) peer.destroy();
  };
  return { server: listenerFor(endpoint, context, accept), endAll, destroyAll };
}

function listenerFor(
  endpoint: Endpoint,
  { tls, handshakeTimeoutMs }: ResolvedServeOptions,
  accept: (socket: Socket) => void,
): Server {
  if (endpoint.type !== "tls") return createServer({ noDelay: true }, accept);
  const server = createTlsServer({ ...tls, handshakeTimeout: handshakeTimeoutMs, noDelay: true }, accept);
  return server.on("tlsClientError", (_error, socket) => socket.destroy());
}
