import { describe, expect, it } from "vitest";
import type { AdoptedExperts } from "../engine/adopted-experts.ts";
import type { RemoteCall } from "../engine/runtime.ts";
import { Adoption, AdoptionShare } from "./adoption.ts";

/** Loads so many experts as the layer's number says, not at once. */
function loadLayerNumber(): AdoptedExperts {
  const experts = {
    adopted: 0,
    async compute({ layer }: RemoteCall): Promise<void> {
      for (let i = 0; i < layer; i++) {
        await Promise.resolve();
        experts.adopted++;
      }
    },
  };
  return experts as unknown as AdoptedExperts;
}

const call = (layer: number): RemoteCall => ({ layer }) as RemoteCall;

describe("adopted experts", () => {
  it("are on the account of the generation they were loaded for, also where generations overlap", async () => {
    const adoption = new Adoption(loadLayerNumber);
    const [one, other] = [new AdoptionShare(adoption), new AdoptionShare(adoption)];
    await Promise.all([one.compute(call(3)), other.compute(call(2)), one.compute(call(4)), other.compute(call(0))]);
    expect([one.adopted, other.adopted]).toEqual([7, 2]);
  });

  it("take no memory before there is one", () => {
    new AdoptionShare(
      new Adoption(() => {
        throw new Error("it was created");
      }),
    );
  });
});
