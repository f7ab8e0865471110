/** References of a store path as a set, as Nix keeps them. */
import type { StorePath } from '../storePath.ts';

/** The references sorted by base name (ASCII, so that bytes and UTF-16 agree), each once. */
export function sortedReferences(references: readonly StorePath[]): StorePath[] {
  const byBaseName = new Map(references.map((reference) => [reference.baseName, reference]));
  return Array.from(byBaseName.values()).sort((a, b) => (a.baseName < b.baseName ? -1 : 1));
}
