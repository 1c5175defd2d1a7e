import type { RoutingSample } from "./example.ts";

/** k of a sample: how many experts a gate chose; 0 for a sample without tokens. */
export function expertsPerToken({ tokens, experts }: RoutingSample, layers: number): number {
  return tokens.length === 0 ? 0 : experts.length / (tokens.length * layers);
}
