import type { DoneEvent } from "../functions/protocol.ts";
import type { HistoryRecord } from "../history/record.ts";
import { toActivationMatrix } from "../predictor/activation-matrix.ts";
import { divergence } from "../predictor/divergence.ts";
import type { Shape } from "../predictor/example.ts";
import type { Forecast, ForecastSource, OnlinePredictor } from "../predictor/online-predictor.ts";
import { type Embedding, promptVector } from "../predictor/prompt-vector.ts";
import type { SimilarExample } from "../predictor/similar-prompts.ts";
import { TRACED_TOKENS, toHistoryRecord } from "./history-record.ts";

/** What a request was expected to activate. */
export interface Expectation {
  readonly requestId: string;
  readonly tokens: readonly number[];
  readonly vector: Float32Array;
  readonly forecast: Forecast;
  /** Past requests like it. */
  readonly similar: readonly SimilarExample[];
  /** The group of similar prompts that it belongs to. */
  readonly group: number | null;
}

/** How a prediction turned out. */
export interface PredictionOutcome {
  readonly source: ForecastSource;
  /** Mean Jensen–Shannon divergence, base 2, of the predicted and the true activations in prefill; 0 is perfect. */
  readonly divergence: number;
}

/** What the gateway expects of requests and learns from them. */
export interface Learning {
  /** Tokens, of prompt and answer each, whose routing it wants to know one by one. */
  readonly traceTokens: number;
  /** @throws what finding embeddings throws */
  expect(requestId: string, tokens: readonly number[]): Promise<Expectation>;
  /** Takes in what a finished request activated. */
  learn(expectation: Expectation, done: DoneEvent): PredictionOutcome;
}

export interface LearningOptions {
  readonly shape: Shape & { readonly dimensions: number };
  readonly predictor: OnlinePredictor;
  /** Finds the embeddings of tokens. */
  readonly embeddingsOf: (tokens: readonly number[]) => Promise<Embedding>;
  /** Keeps a record; a failure is the caller's to report, the request goes on. */
  readonly keep: (record: HistoryRecord) => void;
  /** Wall-clock milliseconds. */
  readonly now: () => number;
  /** Runs work after the answer has gone out: learning takes milliseconds. */
  readonly later: (work: () => void) => void;
}

export function createLearning({ shape, predictor, embeddingsOf, keep, now, later }: LearningOptions): Learning {
  return {
    traceTokens: TRACED_TOKENS,
    async expect(requestId, tokens) {
      const vector = promptVector(tokens, await embeddingsOf(tokens), shape.dimensions);
      const query = { vector, tokens };
      const [forecast, similar] = [predictor.forecast(query), predictor.similar(query)];
      return { requestId, tokens, vector, forecast, similar, group: predictor.groupOf(query) };
    },
    learn({ requestId, tokens, vector, forecast }, done) {
      const record = toHistoryRecord({ id: requestId, time: now(), domain: null, vector, tokens: [...tokens] }, done);
      keep(record);
      later(() => predictor.learn(record));
      const truth = toActivationMatrix(record.prefill, shape);
      return { source: forecast.source, divergence: divergence(forecast.matrix, truth, shape) };
    },
  };
}
