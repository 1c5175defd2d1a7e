/**
 * A class of the Kubernetes client as the API's JSON has it: times are text, and no field is renamed because its name is
 * a word of JavaScript (`_from`).
 */
export type Plain<T> = T extends Date
  ? string
  : T extends readonly (infer Element)[]
    ? readonly Plain<Element>[]
    : T extends object
      ? {
          readonly [Field in keyof T as Field extends `_${infer Name}` ? Name : Field]: undefined extends T[Field]
            ? Plain<T[Field]> | undefined
            : Plain<T[Field]>;
        }
      : T;
