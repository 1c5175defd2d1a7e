import type { Native } from "./library.ts";
import type { Bytes, Tensor } from "./signatures.ts";

type AsyncCall = { async(...args: unknown[]): void };

/**
 * Writes a whole tensor on another thread; the buffer type may rearrange the bytes (repacking). `bytes` must not
 * change until the promise settles.
 */
export function setTensorAsync({ ggml }: Native, tensor: Tensor, bytes: Bytes): Promise<void> {
  const call = ggml.ggml_backend_tensor_set as unknown as AsyncCall;
  return new Promise((resolve, reject) => {
    call.async(tensor, bytes, 0, bytes.byteLength, (error: Error | null) =>
      error === null ? resolve() : reject(error),
    );
  });
}
