import type { DeviceBackend } from "../ggml/device.ts";
import { DevicePass } from "./device-pass.ts";
import { PassCache } from "./pass-cache.ts";
import { type BatchOptions, type DecodeResult, type DecodeStep, oneByOne, type PassStrategy } from "./pass-strategy.ts";
import type { Runtime } from "./runtime.ts";

/** Tokens of one prefill pass. */
const TILE_TOKENS = 64;

/**
 * Everything but the experts on a device. Logits are close to the processor's, not equal: other kernels. Passes of two
 * sizes are kept for good: freeing a graph's memory while the device lives crashes Mesa's software Vulkan.
 */
export class DevicePasses implements PassStrategy {
  readonly #runtime: Runtime;
  readonly #single: PassCache<number, DevicePass>;
  readonly #tile: PassCache<number, DevicePass>;

  constructor(runtime: Runtime, device: DeviceBackend) {
    this.#runtime = runtime;
    const passes = (tokens: number) =>
      new PassCache((span: number) => new DevicePass(runtime, device, { tokens, span }), Number.POSITIVE_INFINITY);
    this.#single = passes(1);
    this.#tile = passes(TILE_TOKENS);
  }

  async prefill(tokens: readonly number[], position: number, options: BatchOptions): Promise<Float32Array | undefined> {
    let logits: Float32Array | undefined;
    for (let first = 0; first < tokens.length; first += TILE_TOKENS) {
      const tile = tokens.slice(first, first + TILE_TOKENS);
      const pass = this.#tile.get(this.#runtime.cache.span(position + first + tile.length));
      const isLast = options.isLast && first + TILE_TOKENS >= tokens.length;
      await pass.run(tile, position + first, { ...options, isLast });
      logits = pass.logits;
    }
    return options.isLast ? logits : undefined;
  }

  decode(steps: readonly DecodeStep[]): Promise<readonly DecodeResult[]> {
    return oneByOne(steps, async ({ token, position, ...options }) => {
      const pass = this.#single.get(this.#runtime.cache.span(position + 1));
      await pass.run([token], position, { ...options, isLast: true });
      return pass.logits;
    });
  }

  [Symbol.dispose](): void {
    this.#single[Symbol.dispose]();
    this.#tile[Symbol.dispose]();
  }
}
