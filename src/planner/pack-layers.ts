import type { LayerPlan, Plan } from "./plan.ts";
import type { ModelSizes, PlanningProblem } from "./problem.ts";
import { smallestSpec } from "./specs.ts";

/** Longest name of a function; longer ones name the first and the last layer and how many there are. */
const MAX_NAME = 40;

/** Layers of one function, and what each of its instances takes. */
interface Bin {
  readonly layers: LayerPlan[];
  readonly heldMb: number[];
}

/**
 * Lets layers share an expert function where each of its instances has room for what theirs would hold: layers of the
 * same memory and replicas, the largest first into the first function with room (first-fit decreasing). Warm it takes
 * and costs the same, as layers never run at the same time; cold there is less to start.
 */
export function packLayers(plan: Plan, sizes: ModelSizes): Plan {
  const bins: Bin[] = [];
  const weighted = plan.layers.map((layer) => ({ layer, weightsMb: weightsMb(layer, sizes) }));
  const largest = ({ weightsMb }: (typeof weighted)[number]): number => Math.max(0, ...weightsMb);
  for (const { layer, weightsMb } of weighted.sort(
    (a, b) => largest(b) - largest(a) || a.layer.layer - b.layer.layer,
  )) {
    const bin = bins.find((packed) => hasRoom(packed, layer, weightsMb));
    if (bin === undefined) bins.push({ layers: [layer], heldMb: weightsMb.map((mb) => sizes.expertsBaseMb + mb) });
    else {
      bin.layers.push(layer);
      for (const [instance, mb] of weightsMb.entries()) bin.heldMb[instance] = (bin.heldMb[instance] as number) + mb;
    }
  }
  return shareFunctions(
    plan,
    bins.map((bin) => bin.layers.map(({ layer }) => layer)),
  );
}

/** The same functions, each as small as holds its layers. */
export function fitMemory(plan: Plan, { sizes, specs }: Pick<PlanningProblem, "sizes" | "specs">): Plan {
  const heldMb = new Map<string, number[]>();
  for (const layer of plan.layers) {
    const own = weightsMb(layer, sizes);
    const others = heldMb.get(layer.function);
    heldMb.set(layer.function, others === undefined ? own : others.map((mb, i) => mb + (own[i] as number)));
  }
  const layers = plan.layers.map((layer) => {
    const neededMb = sizes.expertsBaseMb + Math.max(...(heldMb.get(layer.function) as number[]));
    return { ...layer, memoryMb: smallestSpec(specs.experts, neededMb) ?? layer.memoryMb };
  });
  return { ...plan, layers };
}

/** With a function for each of some sets of layers. */
export function shareFunctions(plan: Plan, sharing: readonly (readonly number[])[]): Plan {
  const names = new Map(sharing.flatMap((own) => own.map((layer) => [layer, nameOf(own)] as const)));
  return { ...plan, layers: plan.layers.map((each) => ({ ...each, function: names.get(each.layer) as string })) };
}

function hasRoom({ layers, heldMb }: Bin, { memoryMb, replicas }: LayerPlan, weightsMb: readonly number[]): boolean {
  const [first] = layers as [LayerPlan];
  const isAlike = first.memoryMb === memoryMb && first.replicas.length === replicas.length;
  return isAlike && weightsMb.every((mb, instance) => (heldMb[instance] as number) + mb <= memoryMb);
}

/** Of each replica. */
function weightsMb({ layer, replicas }: LayerPlan, { expertMb }: ModelSizes): number[] {
  return replicas.map((experts) => experts.length * (expertMb[layer] as number));
}

/** `experts-3`, `experts-0-4-5`, or `experts-0-to-25-of-14`. */
function nameOf(sharing: readonly number[]): string {
  const layers = sharing.toSorted((a, b) => a - b);
  const name = `experts-${layers.join("-")}`;
  return name.length <= MAX_NAME ? name : `experts-${layers[0]}-to-${layers.at(-1)}-with-${layers.length}`;
}
