import { describe, expect, it } from "vitest";
import type { LayerPlan, Plan } from "../planner/plan.ts";
import { type ModelProgram, toFunctionSpecs } from "./function-specs.ts";

const model: ModelProgram = {
  model: "tiny.gguf",
  layers: 3,
  experts: 4,
  contextLength: 64,
  parallel: 1,
  numerics: "default",
  device: null,
  threads: null,
  processors: 2,
};

function planOf(layers: readonly LayerPlan[], memoryMb = 1024): Plan {
  return { specMain: { memoryMb }, layers };
}

function layerPlan(layer: number, changes: Partial<LayerPlan> = {}): LayerPlan {
  const remote = changes.remote ?? [2, 3];
  return { layer, remote, function: "experts-0", memoryMb: 512, replicas: [remote], ...changes };
}

describe("the main function", () => {
  it("holds everything where no expert is remote", () => {
    expect(toFunctionSpecs(planOf([]), model)).toEqual({
      main: {
        name: "main",
        memoryMb: 1024,
        vcpus: 1,
        concurrency: 1,
        program: {
          role: "main",
          model: "tiny.gguf",
          contextLength: 64,
          parallel: 1,
          numerics: "default",
          device: null,
          threads: 1,
          experts: null,
        },
      },
      experts: [],
    });
  });

  it("may be leased to as many requests as it computes at the same time", () => {
    const { main } = toFunctionSpecs(planOf([]), { ...model, parallel: 4 });
    expect(main).toMatchObject({ concurrency: 4, program: { parallel: 4 } });
  });

  it("holds everything where layers are planned without remote experts, and no function is made for those", () => {
    const { main, experts } = toFunctionSpecs(planOf([layerPlan(0, { remote: [], replicas: [[]] })]), model);
    expect([main.program.experts, experts]).toEqual([null, []]);
  });

  it("holds every expert that is not remote, also of layers the plan leaves out", () => {
    const { main } = toFunctionSpecs(planOf([layerPlan(1, { remote: [0, 3] })]), model);
    expect(main.program.experts).toEqual([
      [0, 1, 2, 3],
      [1, 2],
      [0, 1, 2, 3],
    ]);
  });
});

describe("an expert function", () => {
  it("holds the remote experts of the layers that name it, in the plan's order of functions", () => {
    const layers = [layerPlan(0), layerPlan(1, { remote: [1] }), layerPlan(2, { function: "experts-2" })];
    const { experts } = toFunctionSpecs(planOf(layers), model);
    expect(experts.map(({ name, replicas }) => [name, replicas.map(({ program }) => program.experts)])).toEqual([
      ["experts-0", [[[2, 3], [1], []]]],
      ["experts-2", [[[], [], [2, 3]]]],
    ]);
  });

  it("is shared by requests, and every replica has a name and experts of its own", () => {
    const layers = [layerPlan(0, { replicas: [[2, 3], [3]] }), layerPlan(1)];
    const [first] = toFunctionSpecs(planOf(layers), model).experts;
    const shared = { memoryMb: 512, vcpus: 0.5, concurrency: 1024 };
    const program = { role: "experts", model: "tiny.gguf", threads: 1 };
    expect(first).toEqual({
      name: "experts-0",
      replicas: [
        { ...shared, name: "experts-0", program: { ...program, experts: [[2, 3], [2, 3], []] } },
        { ...shared, name: "experts-0.1", program: { ...program, experts: [[3], [], []] } },
      ],
    });
  });

  it("has the memory its largest layer plan asks for", () => {
    const layers = [layerPlan(0, { memoryMb: 512 }), layerPlan(1, { memoryMb: 768 })];
    expect(toFunctionSpecs(planOf(layers), model).experts[0]?.replicas[0]).toMatchObject({
      memoryMb: 768,
      vcpus: 0.75,
    });
  });
});

describe("processors", () => {
  it.each([
    [256, 0.25, 1],
    [1024, 1, 1],
    [1536, 1.5, 2],
    [8192, 8, 2],
  ])("of %i MiB are %f, with %i threads on a machine of two", (memoryMb, vcpus, threads) => {
    const { main } = toFunctionSpecs(planOf([], memoryMb), model);
    expect(main).toMatchObject({ vcpus, program: { threads } });
  });

  it("are left to others where main and expert functions compute together: one, unless it is the only one", () => {
    const split = planOf([layerPlan(0, { memoryMb: 8192 })], 8192);
    const threadsOn = (processors: number) => {
      const { main, experts } = toFunctionSpecs(split, { ...model, processors });
      return [main.program.threads, experts[0]?.replicas[0]?.program.threads];
    };
    expect([threadsOn(4), threadsOn(2), threadsOn(1)]).toEqual([
      [3, 3],
      [1, 1],
      [1, 1],
    ]);
  });

  it("do not decide about the threads of a main function that was given some", () => {
    const { main, experts } = toFunctionSpecs(planOf([layerPlan(0)], 256), { ...model, threads: 5 });
    expect([main.program.threads, experts[0]?.replicas[0]?.program.threads]).toEqual([5, 1]);
  });
});
