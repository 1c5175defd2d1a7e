type NumberType = "uint8" | "int8" | "uint16" | "int16" | "uint32" | "int32" | "float32" | "float64";
type BigIntType = "uint64" | "int64";

/** Types of fixed size. */
type PrimitiveType = NumberType | BigIntType | "bool";
/** Types of single values and of array elements. */
export type ElementType = PrimitiveType | "string";
type PrimitiveValue = number | bigint | boolean;
/** A single value or array element, as JavaScript has it. */
export type ElementValue = PrimitiveValue | string;

type Typed<Type extends ElementType, Value> =
  | { readonly type: Type; readonly value: Value }
  | { readonly type: "array"; readonly elementType: Type; readonly value: readonly Value[] };

/** A metadata value with the type it is stored as. */
export type MetadataValue =
  | Typed<NumberType, number>
  | Typed<BigIntType, bigint>
  | Typed<"bool", boolean>
  | Typed<"string", string>;

interface PrimitiveCodec {
  /** The type's number in the file. */
  readonly id: number;
  readonly bytes: number;
  read(view: DataView, at: number): PrimitiveValue;
  write(view: DataView, at: number, value: PrimitiveValue): void;
}

/** How each type of fixed size lies in the file (little-endian). */
export const PRIMITIVES: Readonly<Record<PrimitiveType, PrimitiveCodec>> = {
  uint8: {
    id: 0,
    bytes: 1,
    read: (view, at) => view.getUint8(at),
    write: (view, at, value) => view.setUint8(at, Number(value)),
  },
  int8: {
    id: 1,
    bytes: 1,
    read: (view, at) => view.getInt8(at),
    write: (view, at, value) => view.setInt8(at, Number(value)),
  },
  uint16: {
    id: 2,
    bytes: 2,
    read: (view, at) => view.getUint16(at, true),
    write: (view, at, value) => view.setUint16(at, Number(value), true),
  },
  int16: {
    id: 3,
    bytes: 2,
    read: (view, at) => view.getInt16(at, true),
    write: (view, at, value) => view.setInt16(at, Number(value), true),
  },
  uint32: {
    id: 4,
    bytes: 4,
    read: (view, at) => view.getUint32(at, true),
    write: (view, at, value) => view.setUint32(at, Number(value), true),
  },
  int32: {
    id: 5,
    bytes: 4,
    read: (view, at) => view.getInt32(at, true),
    write: (view, at, value) => view.setInt32(at, Number(value), true),
  },
  float32: {
    id: 6,
    bytes: 4,
    read: (view, at) => view.getFloat32(at, true),
    write: (view, at, value) => view.setFloat32(at, Number(value), true),
  },
  bool: {
    id: 7,
    bytes: 1,
    read: (view, at) => view.getUint8(at) !== 0,
    write: (view, at, value) => view.setUint8(at, Number(value)),
  },
  uint64: {
    id: 10,
    bytes: 8,
    read: (view, at) => view.getBigUint64(at, true),
    write: (view, at, value) => view.setBigUint64(at, BigInt(value), true),
  },
  int64: {
    id: 11,
    bytes: 8,
    read: (view, at) => view.getBigInt64(at, true),
    write: (view, at, value) => view.setBigInt64(at, BigInt(value), true),
  },
  float64: {
    id: 12,
    bytes: 8,
    read: (view, at) => view.getFloat64(at, true),
    write: (view, at, value) => view.setFloat64(at, Number(value), true),
  },
};

const STRING_ID = 8;
/** Not among the element types: arrays do not nest. */
export const ARRAY_ID = 9;

const ELEMENT_TYPES: ReadonlyMap<number, ElementType> = new Map<number, ElementType>([
  ...(Object.keys(PRIMITIVES) as PrimitiveType[]).map((type) => [PRIMITIVES[type].id, type] as const),
  [STRING_ID, "string"],
]);

/** The type with this number in the file; `undefined` for arrays and unknown numbers. */
export function elementTypeOf(id: number): ElementType | undefined {
  return ELEMENT_TYPES.get(id);
}

/** The type's number in the file. */
export function elementTypeId(type: ElementType): number {
  return type === "string" ? STRING_ID : PRIMITIVES[type].id;
}
