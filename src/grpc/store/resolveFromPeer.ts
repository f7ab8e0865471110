/** Completing PathInfos that a peer tells without references by content. */
import { NarthexError } from '../../errors.ts';
import { PathInfo, type ReferenceContent } from '../../pathinfo/pathInfo.ts';
import type { UnresolvedPathInfo } from '../../pathinfo/unresolvedPathInfo.ts';
import { StorePath } from '../../storePath.ts';

/** Paths of one closure; each is asked for once. */
const MAX_PATHS = 1_000_000;

/** Asks the peer for a path. */
export type AskPeer = (storePath: StorePath) => Promise<PathInfo | UnresolvedPathInfo | undefined>;

interface Open {
  readonly info: UnresolvedPathInfo;
  readonly rest: IterableIterator<string>;
  readonly contents: Map<string, ReferenceContent>;
}

/**
 * Asks for what is referred to, and for what that refers to, each once and without recursion. The edges
 * are `unchecked`: that the peer has both says nothing about whether they belong together.
 * @throws REFERENCE_MISSING the peer lacks something
 * @throws REFERENCE_CYCLE paths refer to each other in a circle
 * @throws LIMIT_EXCEEDED
 */
export async function resolveFromPeer(
  root: PathInfo | UnresolvedPathInfo,
  ask: AskPeer,
): Promise<PathInfo> {
  if (root instanceof PathInfo) return root;
  const known = new Map<string, PathInfo>();
  const opened = new Set<string>([root.storePath.baseName]);
  const open: Open[] = [begin(root)];
  for (let top = open.at(-1); top !== undefined; top = open.at(-1)) {
    const { value: name, done } = top.rest.next();
    if (done === true) {
      const resolved = top.info.resolve(top.contents);
      known.set(resolved.storePath.baseName, resolved);
      open.pop();
      const above = open.at(-1);
      if (above === undefined) return resolved;
      above.contents.set(resolved.storePath.baseName, contentOf(resolved));
      continue;
    }
    const resolved = known.get(name);
    if (resolved !== undefined) {
      top.contents.set(name, contentOf(resolved));
      continue;
    }
    if (opened.has(name)) throw cycle(open, name);
    opened.add(name);
    if (opened.size > MAX_PATHS) throw tooMany();
    const found = await ask(StorePath.fromBaseName(name));
    if (found === undefined || found.storePath.baseName !== name) throw missing(top.info, name);
    if (found instanceof PathInfo) {
      known.set(name, found);
      top.contents.set(name, contentOf(found));
    } else {
      open.push(begin(found));
    }
  }
  throw new TypeError('the root is resolved last');
}

function begin(info: UnresolvedPathInfo): Open {
  return { info, rest: info.referenceNames.values(), contents: new Map() };
}

function contentOf({ node, closureDigest }: PathInfo): ReferenceContent {
  return { node, closureDigest, evidence: 'unchecked' };
}

function missing({ storePath }: UnresolvedPathInfo, name: string): NarthexError {
  return new NarthexError(
    'REFERENCE_MISSING',
    `${storePath.absolute} refers to ${name}, which the peer does not have`,
    { storePath: storePath.absolute, reference: name },
  );
}

function cycle(open: readonly Open[], name: string): NarthexError {
  const names = open.map(({ info }) => info.storePath.baseName);
  const chain = [...names.slice(names.indexOf(name)), name];
  return new NarthexError('REFERENCE_CYCLE', `paths refer to each other: ${chain.join(' → ')}`, {
    chain,
  });
}

function tooMany(): NarthexError {
  return new NarthexError('LIMIT_EXCEEDED', `the closure has more than ${MAX_PATHS} paths`, {
    limit: 'peerClosurePaths',
    expected: MAX_PATHS,
  });
}
