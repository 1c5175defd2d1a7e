import { z } from "zod";
import { remoeError } from "../core/errors.ts";
import type { Plan } from "./plan.ts";

const id = z.int().min(0);
const memoryMb = z.int().min(1);

const schema = z.object({
  schemaVersion: z.literal(1).optional(),
  specMain: z.object({ memoryMb }),
  layers: z.array(
    z.object({
      layer: id,
      remote: z.array(id),
      function: z.string().regex(/^[a-z0-9-]{1,40}$/, "must be 1 to 40 small letters, digits and hyphens"),
      memoryMb,
      replicas: z.array(z.array(id)).min(1),
    }),
  ),
});

export interface ModelShape {
  readonly layers: number;
  readonly experts: number;
}

/**
 * Reads a plan and checks it against the model it is for.
 * @param path for error messages
 * @throws PLAN_INVALID
 */
export function parsePlan(json: unknown, path: string, shape: ModelShape): Plan {
  const parsed = schema.safeParse(json);
  if (!parsed.success) throw invalid(path, describe(parsed.error));
  const plan = parsed.data;
  const problem = findProblem(plan, shape);
  if (problem !== null) throw invalid(path, problem);
  return { specMain: plan.specMain, layers: plan.layers };
}

function invalid(path: string, problem: string): Error {
  return remoeError("PLAN_INVALID", { path, problem });
}

function describe({ issues }: z.ZodError): string {
  const [first] = issues;
  const field = first?.path.join(".") ?? "";
  return field === "" ? `it ${first?.message ?? "is damaged"}` : `${field}: ${first?.message}`;
}

function findProblem({ layers }: Plan, shape: ModelShape): string | null {
  const seen = new Set<number>();
  for (const { layer, remote, replicas } of layers) {
    if (layer >= shape.layers) return `layer ${layer} does not exist, the model has ${shape.layers}`;
    if (seen.has(layer)) return `layer ${layer} is there twice`;
    seen.add(layer);
    const unknown = remote.find((expert) => expert >= shape.experts);
    if (unknown !== undefined) return `layer ${layer} has no expert ${unknown}, the model has ${shape.experts}`;
    if (new Set(remote).size !== remote.length) return `layer ${layer} names a remote expert twice`;
    const held = new Set(replicas.flat());
    const homeless = remote.find((expert) => !held.has(expert));
    if (homeless !== undefined) return `layer ${layer}: no replica holds the remote expert ${homeless}`;
    const stray = [...held].find((expert) => !remote.includes(expert));
    if (stray !== undefined) return `layer ${layer}: a replica holds expert ${stray}, which is not remote`;
  }
  return null;
}
