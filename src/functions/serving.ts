/** A function in service. */
export interface Serving {
  /** Where, with the port filled in. */
  readonly endpoint: string;
  readonly weightBytes: number;
  /** Takes nothing new; resolves when running work has ended. */
  drain(): Promise<void>;
}
