import { connect as connectNet, type Socket } from "node:net";
import { connect as connectTls } from "node:tls";
import type { ClientTls } from "./connect-options.ts";
import type { Endpoint } from "./endpoint.ts";
import type { FrameReader } from "./frame-reader.ts";

export interface OpenOptions {
  readonly tls: ClientTls;
  readonly reader: FrameReader;
  /** What the reader threw. */
  readonly onInvalid: (error: unknown) => void;
}

/** Begins to connect; what arrives goes to the reader, over plain sockets without a buffer for each chunk. */
export function openSocket(endpoint: Endpoint, { tls, reader, onInvalid }: OpenOptions): Socket {
  const guarded = (take: () => void): void => {
    try {
      take();
    } catch (error) {
      onInvalid(error);
    }
  };
  if (endpoint.type === "tls") {
    const socket = connectTls({ host: endpoint.host, port: endpoint.port, ...tls });
    socket.setNoDelay(true);
    return socket.on("data", (chunk: Buffer) => guarded(() => reader.push(chunk, "given")));
  }
  const onread = {
    buffer: () => reader.nextBuffer(),
    callback: (bytes: number, buffer: Buffer) => {
      guarded(() => reader.received(bytes, buffer));
      return true;
    },
  };
  if ("path" in endpoint) return connectNet({ path: endpoint.path, onread });
  return connectNet({ host: endpoint.host, port: endpoint.port, noDelay: true, onread });
}
