type Fields = Readonly<Record<string, unknown>>;

/**
 * Server-side apply for one field manager: what is applied wins, what it applied before and does not any more goes, and
 * other fields stay. Lists of named things are merged by name, other lists are replaced.
 */
export function mergeApplied(current: unknown, before: unknown, applied: unknown): unknown {
  if (isNamedList(current) && isNamedList(applied)) {
    return Object.values(mergeFields(byName(current), isNamedList(before) ? byName(before) : {}, byName(applied)));
  }
  if (!isFields(current) || !isFields(applied)) return applied;
  return mergeFields(current, isFields(before) ? before : {}, applied);
}

function mergeFields(current: Fields, before: Fields, applied: Fields): Fields {
  const kept = Object.entries(current).filter(([field]) => field in applied || !(field in before));
  const merged = Object.entries(applied).map(([field, value]) => {
    return [field, field in current ? mergeApplied(current[field], before[field], value) : value] as const;
  });
  return Object.fromEntries([...kept, ...merged]);
}

function isFields(value: unknown): value is Fields {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function isNamedList(value: unknown): value is readonly (Fields & { readonly name: string })[] {
  return Array.isArray(value) && value.length > 0 && value.every((item) => isFields(item) && "name" in item);
}

function byName(list: readonly (Fields & { readonly name: string })[]): Fields {
  return Object.fromEntries(list.map((item) => [item.name, item]));
}
