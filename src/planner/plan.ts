/** For every layer, the ids of some experts. */
export type ExpertSelection = readonly (readonly number[])[];

/** Where the experts of one request run. */
export interface Plan {
  /** The main function, which holds every expert that no layer below calls remote. */
  readonly specMain: { readonly memoryMb: number };
  /** Layers without remote experts may be left out. */
  readonly layers: readonly LayerPlan[];
}

/** R_l, its memory y_l and its replicas R_{l,j}. */
export interface LayerPlan {
  readonly layer: number;
  /** R_l */
  readonly remote: readonly number[];
  /** The expert function that holds them; layers that name the same one share it. */
  readonly function: string;
  /** Memory of each of its instances, in MiB (of the whole function, also where layers share it). */
  readonly memoryMb: number;
  /** For each replica the experts of R_l it holds; an expert may be in several. */
  readonly replicas: readonly (readonly number[])[];
}
