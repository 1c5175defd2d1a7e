import { describe, expect, it } from "vitest";
import type { GraphBuilder } from "../ggml/graph-builder.ts";
import { loadNative } from "../ggml/library.ts";
import { f32, NamedTensors } from "../ggml/named-tensors.ts";
import { Lanes, type TaskRunner } from "./lanes.ts";

const native = loadNative();
/** Takes about a hundred milliseconds: a turn of the event loop takes microseconds. */
const [WIDTH, PRODUCTS] = [1024, 2];

/** Whether the event loop had a turn before a stage of one task had ended. */
async function hasTurnDuring(choose: (lanes: Lanes) => TaskRunner): Promise<boolean> {
  using lanes = new Lanes(native, 1);
  const { ggml, cpuDevice } = native;
  using io = new NamedTensors(native, ggml.ggml_backend_dev_buffer_type(cpuDevice), { square: f32(WIDTH, WIDTH) });
  let turned = false;
  setImmediate(() => {
    turned = true;
  });
  const { square } = io.tensors;
  const build = (g: GraphBuilder): void => {
    for (let i = 0; i < PRODUCTS; i++) g.expand(g.matmul(square, square));
  };
  await choose(lanes).run([{ nodes: PRODUCTS, build }]);
  return turned;
}

describe("a stage", () => {
  it("is computed by the JavaScript thread too, which saves handing it over", async () => {
    expect(await hasTurnDuring((lanes) => lanes)).toBe(false);
  });

  it("leaves that thread to connections while bytes have to leave or come", async () => {
    expect(await hasTurnDuring(({ beside }) => beside)).toBe(true);
  });
});
