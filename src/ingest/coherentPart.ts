/** What is here of a world, as one view although it is read path by path. */
import type { PathInfo } from '../pathinfo/pathInfo.ts';
import type { World } from './world.ts';

/**
 * What of `read` fits together. The current view is coherent at every moment, but others may write
 * while it is read: then a path and what it refers to may have been read at different moments, and a
 * path that referred to both would hold one store path twice. What refers to another variant than
 * was read, or to what was not there, is left out, with all above it; it counts as not here.
 * @param read by base name, current variants
 * @param world the paths that were read
 */
export function coherentPart(
  read: ReadonlyMap<string, PathInfo>,
  world: Pick<World, 'has'>,
): Map<string, PathInfo> {
  const coherent = new Map(read);
  const referrers = new Map<string, string[]>();
  const unfit: string[] = [];
  for (const [name, { references }] of read) {
    for (const [below, { closureDigest }] of references) {
      if (below === name || !world.has(below)) continue;
      if (read.get(below)?.closureDigest.equals(closureDigest) !== true) unfit.push(name);
      const known = referrers.get(below);
      if (known === undefined) referrers.set(below, [name]);
      else known.push(name);
    }
  }
  // the loop comes to what is added
  for (const name of unfit) {
    if (!coherent.delete(name)) continue;
    for (const referrer of referrers.get(name) ?? []) unfit.push(referrer);
  }
  return coherent;
}
