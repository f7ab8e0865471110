/** Where caches disagree, as data. */
import type { PathDivergence } from '../audit/divergence.ts';
import type { DivergenceTally } from '../audit/divergenceTally.ts';

/** What the caches say about a path. */
export function divergenceJson(divergence: PathDivergence): object {
  const { storePath, asked, agreement, contents, silent } = divergence;
  return {
    path: storePath?.absolute ?? asked.hashPart,
    agreement,
    contents: contents.map(({ narHash, narSize, references, caches }) => ({
      narHash: narHash.toNixbase32(),
      narSize,
      references: references.map(({ baseName }) => baseName),
      caches,
    })),
    silent: silent.map(({ url, outcome, error }) => ({ url, outcome, error: error ?? null })),
  };
}

/** The sums. */
export function tallyJson(tally: DivergenceTally): object {
  return {
    paths: tally.paths,
    ...tally.agreements,
    caches: Array.from(tally.silent, ([url, { absent, unreachable, unverified }]) => ({
      url,
      absent,
      unreachable,
      unverified,
    })),
    notReproducible: tally.notReproducible,
  };
}
