import type { LayerPlan, Plan } from "./plan.ts";
import type { ModelSizes } from "./problem.ts";

/** Longest name of a function; longer ones name the first and the last layer and how many there are. */
const MAX_NAME = 40;

/**
 * Lets layers share an expert function where each of its instances has room for what theirs would hold: layers of the
 * same memory and replicas, the largest first into the first function with room (first-fit decreasing). Warm it takes
 * and costs the same, as layers never run at the same time; cold there is less to start.
 */
export function packLayers(plan: Plan, sizes: ModelSizes): Plan {
  const bins: LayerPlan[][] = [];
  const largestFirst = plan.layers.toSorted((a, b) => weightMb(b, sizes) - weightMb(a, sizes) || a.layer - b.layer);
  for (const layer of largestFirst) {
    const bin = bins.find((packed) => hasRoom(packed, layer, sizes));
    if (bin === undefined) bins.push([layer]);
    else bin.push(layer);
  }
  const names = new Map(bins.flatMap((bin) => bin.map(({ layer }) => [layer, nameOf(bin)])));
  const layers = plan.layers.map((each) => ({ ...each, function: names.get(each.layer) as string }));
  return { ...plan, layers };
}

function hasRoom(packed: readonly LayerPlan[], layer: LayerPlan, sizes: ModelSizes): boolean {
  const { memoryMb, replicas } = layer;
  const isAlike = packed.every((each) => each.memoryMb === memoryMb && each.replicas.length === replicas.length);
  return isAlike && replicas.every((_, instance) => heldMb([...packed, layer], instance, sizes) <= memoryMb);
}

/** What one instance of a function with these layers takes. */
function heldMb(layers: readonly LayerPlan[], instance: number, { expertsBaseMb, expertMb }: ModelSizes): number {
  const held = ({ layer, replicas }: LayerPlan): number =>
    (replicas[instance]?.length ?? 0) * (expertMb[layer] as number);
  return layers.reduce((sum, each) => sum + held(each), expertsBaseMb);
}

/** Of the largest replica. */
function weightMb({ layer, replicas }: LayerPlan, { expertMb }: ModelSizes): number {
  return Math.max(0, ...replicas.map((experts) => experts.length)) * (expertMb[layer] as number);
}

/** `experts-3`, `experts-0-4-5`, or `experts-0-to-25-of-14`. */
function nameOf(bin: readonly LayerPlan[]): string {
  const layers = bin.map(({ layer }) => layer).sort((a, b) => a - b);
  const name = `experts-${layers.join("-")}`;
  return name.length <= MAX_NAME ? name : `experts-${layers[0]}-to-${layers.at(-1)}-with-${layers.length}`;
}
