/** One virtual processor for this much memory, as the paper assumes and most platforms do. */
const MIB_PER_VCPU = 1024;

export function toVcpus(memoryMb: number): number {
  return memoryMb / MIB_PER_VCPU;
}

/** The smallest of some ascending sizes that holds so much; `null` if none does. */
export function smallestSpec(specs: readonly number[], neededMb: number): number | null {
  return specs.find((spec) => spec >= neededMb) ?? null;
}
