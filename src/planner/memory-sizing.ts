import { type DualProblem, solveDual } from "./memory-dual.ts";

/** A size of a layer's remote function and what it makes of the layer. */
export interface SizeOption {
  readonly memoryMb: number;
  /** Of a token's time, as the budget counts it. */
  readonly ms: number;
  /** Of the request. */
  readonly cost: number;
}

export interface SizingProblem {
  /**
   * The same layers by the fitted curve, to start from; `null` if times have no such curve: from the cheapest sizes.
   */
  readonly dual: DualProblem | null;
  /** Sizes of each layer there are, ascending, judged by the real curve. At least one each. */
  readonly options: readonly (readonly SizeOption[])[];
  /** For the sum of all ms. */
  readonly budgetMs: number;
}

/**
 * Memory of every layer's remote function, in MiB, so that the sum of costs is low and that of times within the budget
 * (Remoe, arXiv 2512.18674): the Lagrangian dual on the fitted curve, then the cheaper of the sizes just below and
 * above. From there the judged options count: layers take other sizes, for the least cost a millisecond, until the
 * budget is kept, and then alone or two together while that is cheaper.
 * @returns the least time there is if nothing keeps the budget
 */
export function sizeMemory({ dual, options, budgetMs }: SizingProblem): number[] {
  const memoryGb = dual === null ? null : solveDual(dual).memoryGb;
  const chosen = options.map((sizes, layer) =>
    memoryGb === null ? cheapest(sizes) : cheapest(around(sizes, (memoryGb[layer] as number) * 1024)),
  );
  const search = new SizeSearch(options.map(withoutDominated), chosen, budgetMs);
  search.repair();
  search.improve();
  return search.chosen.map(({ memoryMb }) => memoryMb);
}

/** The sizes just below and just above. */
function around(sizes: readonly SizeOption[], memoryMb: number): SizeOption[] {
  const above = sizes.findIndex((size) => size.memoryMb >= memoryMb);
  return above === -1 ? sizes.slice(-1) : sizes.slice(Math.max(0, above - 1), above + 1);
}

function cheapest(sizes: readonly SizeOption[]): SizeOption {
  return sizes.reduce((best, size) => (size.cost < best.cost ? size : best));
}

/** Without options that another beats in both time and cost; cheapest first, so that times fall. */
function withoutDominated(sizes: readonly SizeOption[]): SizeOption[] {
  const front: SizeOption[] = [];
  for (const size of sizes.toSorted((a, b) => a.cost - b.cost || a.ms - b.ms)) {
    if (front.length === 0 || size.ms < (front.at(-1) as SizeOption).ms) front.push(size);
  }
  return front;
}

interface Change {
  readonly layer: number;
  readonly size: SizeOption;
}

class SizeSearch {
  readonly chosen: SizeOption[];
  /** Of each layer, cheapest first, so slowest first. */
  readonly #options: readonly (readonly SizeOption[])[];
  readonly #budgetMs: number;

  constructor(options: readonly (readonly SizeOption[])[], chosen: readonly SizeOption[], budgetMs: number) {
    this.#options = options;
    this.#budgetMs = budgetMs;
    this.chosen = [...chosen];
  }

  /** What is left of the budget. */
  get slackMs(): number {
    return this.#budgetMs - this.chosen.reduce((sum, { ms }) => sum + ms, 0);
  }

  /** Takes time off at the best price until the budget is kept. */
  repair(): void {
    while (this.slackMs < 0) {
      const faster = this.#changes().filter((change) => this.#extraMs(change) < 0);
      if (faster.length === 0) return;
      const price = (change: Change): number => this.#extraCost(change) / -this.#extraMs(change);
      this.#take(faster.reduce((best, change) => (price(change) < price(best) ? change : best)));
    }
  }

  /** Takes the single change or pair of changes that saves most, as long as there is one. */
  improve(): void {
    if (this.slackMs < 0) return;
    for (;;) {
      const best = this.#bestSaving();
      if (best.length === 0) return;
      for (const change of best) this.#take(change);
    }
  }

  #bestSaving(): readonly Change[] {
    const { slackMs } = this;
    let [best, bestSaved]: [readonly Change[], number] = [[], 0];
    for (const cheaper of this.#changes()) {
      const saved = -this.#extraCost(cheaper);
      if (saved <= bestSaved) continue;
      const missingMs = this.#extraMs(cheaper) - slackMs;
      const partner = missingMs <= 0 ? null : this.#cheapestGain(cheaper.layer, missingMs);
      if (partner === undefined) continue;
      const total = saved - (partner === null ? 0 : this.#extraCost(partner));
      if (total > bestSaved) [best, bestSaved] = [partner === null ? [cheaper] : [cheaper, partner], total];
    }
    return best;
  }

  /** The change of another layer that takes so much time off for least; `undefined` if none does. */
  #cheapestGain(except: number, ms: number): Change | undefined {
    const gains = this.#options.flatMap((sizes, layer): Change[] => {
      const size = layer === except ? undefined : sizes.find((each) => this.#extraMs({ layer, size: each }) <= -ms);
      return size === undefined ? [] : [{ layer, size }];
    });
    if (gains.length === 0) return undefined;
    return gains.reduce((best, gain) => (this.#extraCost(gain) < this.#extraCost(best) ? gain : best));
  }

  #changes(): Change[] {
    return this.#options.flatMap((sizes, layer) =>
      sizes.filter((size) => size !== this.chosen[layer]).map((size) => ({ layer, size })),
    );
  }

  #take({ layer, size }: Change): void {
    this.chosen[layer] = size;
  }

  #extraMs({ layer, size }: Change): number {
    return size.ms - (this.chosen[layer] as SizeOption).ms;
  }

  #extraCost({ layer, size }: Change): number {
    return size.cost - (this.chosen[layer] as SizeOption).cost;
  }
}
