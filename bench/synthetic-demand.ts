import { createRandom } from "../src/core/random.ts";
import type { Demand, ModelSizes, RoutedSets, Workload } from "../src/planner/problem.ts";
import { toActivationMatrix } from "../src/predictor/activation-matrix.ts";

/**
 * How prompts differ. By default the more popular half of 64 experts gets 75 to 85 % of a prompt's rows: skewed as
 * reports on single prompts are (arXiv 2505.16056: tokens of a segment keep to few experts, which depend on the domain;
 * https://baa.ai/articles/46-moe-routing-256-experts.html: five prompts leave 30 % of 256 experts unused, a hundred
 * hardly any). The figure itself is a choice, not a measurement.
 */
export interface DemandOptions {
  /** Exponent of the Zipf distribution that a domain's experts are popular by. */
  readonly skew: number;
  /** Prompts of a domain have the same popular experts. */
  readonly domains: number;
  /** Kinds of tokens in a domain; those of a kind go to the same experts together. */
  readonly topics: number;
  /** Spread of a topic's preferences, as the standard deviation of log weights. */
  readonly correlation: number;
  /** Spread of a prompt's own preferences, which no prediction knows. */
  readonly noise: number;
  /** Prompts of the same domain that a prediction is made from. */
  readonly neighbours: number;
  /** Tokens known of each. */
  readonly neighbourTokens: number;
}

export const DEMAND_DEFAULTS: DemandOptions = {
  skew: 0.7,
  domains: 8,
  topics: 4,
  correlation: 0.6,
  noise: 0.5,
  neighbours: 15,
  neighbourTokens: 32,
};

/** A request as it is planned for and as it turns out. */
export interface SyntheticRequest {
  readonly domain: number;
  /** From other prompts of its domain. */
  readonly predicted: Demand;
  /** Shares of its own prompt tokens, sets of its own output tokens. */
  readonly actual: Demand;
}

type Shape = Pick<ModelSizes, "layers" | "experts" | "expertsPerToken">;

export interface SyntheticRequestsOptions extends Partial<DemandOptions> {
  readonly shape: Shape;
  readonly workload: Workload;
  readonly count: number;
  readonly seed: number;
}

/** More prompts than a seed is asked for. */
const SEED_SPAN = 2 ** 20;

/**
 * Requests of a model that does not run here. A token's gates add up its domain's, topic's and prompt's preferences and
 * choose k experts with odds by the sum's exponential. Equal options give equal requests.
 */
export function syntheticRequests(options: SyntheticRequestsOptions): SyntheticRequest[] {
  const { shape, count, seed } = options;
  const settings = { ...DEMAND_DEFAULTS, ...options };
  const random = createRandom(seed * SEED_SPAN);
  const domains = Array.from({ length: settings.domains }, () => drawDomain(shape, settings, random));
  return Array.from({ length: count }, (_, index) => {
    const own = createRandom(seed * SEED_SPAN + 1 + index);
    const domain = Math.floor(own() * domains.length);
    return { domain, ...drawRequest(domains[domain] as Domain, settings, own) };
  });
}

function drawRequest(
  domain: Domain,
  { workload, noise, neighbours, neighbourTokens }: DemandOptions & Pick<SyntheticRequestsOptions, "workload">,
  random: () => number,
): Pick<SyntheticRequest, "predicted" | "actual"> {
  const prompt = drawPrompt(domain, noise, random);
  const input = prompt.drawTokens(Math.max(1, workload.promptTokens));
  const output = prompt.drawTokens(Math.max(1, workload.outputTokens));
  const known = Array.from({ length: neighbours }, () => drawPrompt(domain, noise, random)).flatMap((neighbour) =>
    neighbour.drawTokens(neighbourTokens),
  );
  const { shape } = domain;
  return {
    predicted: { matrix: toShares(known, shape), sets: toSets(known, shape) },
    actual: { matrix: toShares(input, shape), sets: toSets(output, shape) },
  };
}

/** Log weights of all experts: [layers × experts] */
type Preferences = Float64Array;

interface Domain {
  readonly shape: Shape;
  /** Of each topic. */
  readonly topics: readonly Preferences[];
}

function drawDomain(shape: Shape, { skew, topics, correlation }: DemandOptions, random: () => number): Domain {
  const { layers, experts } = shape;
  const popularity = new Float64Array(layers * experts);
  for (let layer = 0; layer < layers; layer++) {
    for (const [rank, expert] of shuffled(experts, random).entries()) {
      popularity[layer * experts + expert] = -skew * Math.log(rank + 1);
    }
  }
  return { shape, topics: Array.from({ length: topics }, () => spread(popularity, correlation, random)) };
}

interface Prompt {
  /** For each token the experts of all layers: [layers × k] */
  drawTokens(count: number): Uint16Array[];
}

function drawPrompt({ shape, topics }: Domain, noise: number, random: () => number): Prompt {
  const own = spread(new Float64Array(shape.layers * shape.experts), noise, random);
  return {
    drawTokens: (count) =>
      Array.from({ length: count }, () => {
        const topic = topics[Math.floor(random() * topics.length)] as Preferences;
        return drawToken(
          topic.map((value, i) => value + (own[i] as number)),
          shape,
          random,
        );
      }),
  };
}

/** The k greatest of log weight + Gumbel noise are k draws without replacement by weight. [layers × k] */
function drawToken(preferences: Preferences, { layers, experts, expertsPerToken: k }: Shape, random: () => number) {
  const scores = preferences.map((value) => value - Math.log(-Math.log(random() || Number.MIN_VALUE)));
  const chosen = new Uint16Array(layers * k);
  for (let layer = 0; layer < layers; layer++) {
    const own = scores.subarray(layer * experts, (layer + 1) * experts);
    for (let i = 0; i < k; i++) {
      const best = own.reduce((greatest, score, expert) => (score > (own[greatest] as number) ? expert : greatest), 0);
      chosen[layer * k + i] = best;
      own[best] = Number.NEGATIVE_INFINITY;
    }
  }
  return chosen;
}

/** S̃ of some tokens. */
function toShares(tokens: readonly Uint16Array[], { layers, experts, expertsPerToken: k }: Shape) {
  const rows = new Float64Array(layers * experts);
  for (const chosen of tokens) {
    for (const [i, expert] of chosen.entries()) {
      const at = Math.floor(i / k) * experts + expert;
      rows[at] = (rows[at] as number) + 1;
    }
  }
  return toActivationMatrix(rows, { layers, experts });
}

function toSets(tokens: readonly Uint16Array[], { layers, expertsPerToken: k }: Shape): RoutedSets[] {
  const weights = new Float64Array(tokens.length).fill(1);
  return Array.from({ length: layers }, (_, layer) => {
    const experts = new Uint16Array(tokens.length * k);
    for (const [i, chosen] of tokens.entries()) experts.set(chosen.subarray(layer * k, (layer + 1) * k), i * k);
    return { experts, weights };
  });
}

function spread(values: Preferences, deviation: number, random: () => number): Preferences {
  return values.map((value) => value + deviation * drawNormal(random));
}

/** Box and Muller. */
function drawNormal(random: () => number): number {
  return Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());
}

/** 0 … n − 1 in random order (Fisher and Yates). */
function shuffled(n: number, random: () => number): number[] {
  const order = Array.from({ length: n }, (_, i) => i);
  for (let i = n - 1; i > 0; i--) {
    const j = Math.floor(random() * (i + 1));
    [order[i], order[j]] = [order[j] as number, order[i] as number];
  }
  return order;
}
