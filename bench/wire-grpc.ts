/** Unary calls of grpc-js that carry bytes as they are, as a gRPC service without a schema would. */
const PATH = "/remoe.Bench/Call";

type Grpc = typeof import("@grpc/grpc-js");

/** → the module, or null if it is not installed: only who develops Remoe has it */
export async function loadGrpc(): Promise<Grpc | null> {
  try {
    return await import("@grpc/grpc-js");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ERR_MODULE_NOT_FOUND") return null;
    throw error;
  }
}

/** Listens at `address` and answers every call with as many bytes as it had, out of a buffer that is there already. */
export async function serveGrpc({ Server, ServerCredentials }: Grpc, address: string, maxBytes: number): Promise<void> {
  const reply = Buffer.alloc(maxBytes);
  const server = new Server();
  const call = {
    path: PATH,
    requestStream: false,
    responseStream: false,
    requestSerialize: asIs,
    requestDeserialize: asIs,
    responseSerialize: asIs,
    responseDeserialize: asIs,
  };
  server.addService(
    { call },
    {
      call: ({ request }: { readonly request: Buffer }, answer: (error: null, bytes: Buffer) => void) =>
        answer(null, reply.subarray(0, request.length)),
    },
  );
  await new Promise<void>((resolve, reject) => {
    const bound = (error: Error | null): void => (error === null ? resolve() : reject(error));
    server.bindAsync(address, ServerCredentials.createInsecure(), bound);
  });
}

export interface GrpcConnection {
  call(request: Buffer): Promise<Buffer>;
  close(): void;
}

export function connectGrpc({ Client, credentials }: Grpc, address: string): GrpcConnection {
  const client = new Client(address, credentials.createInsecure());
  return {
    call: (request) =>
      new Promise((resolve, reject) => {
        client.makeUnaryRequest(PATH, asIs, asIs, request, (error, reply) => {
          if (error !== null) reject(error);
          else resolve(reply as Buffer);
        });
      }),
    close: () => client.close(),
  };
}

function asIs(bytes: Buffer): Buffer {
  return bytes;
}
