/**
 * Caches that are kept as they are, lies and all: what an audit has to find out is not refused on
 * the way in. Also what a Frankenbuild is made of: two caches with the same store paths.
 */
import { parseNarInfo } from '../../src/narinfo/parse.ts';
import { Claim, type ClaimFields } from '../../src/pathinfo/claim.ts';
import { type Evidence, PathInfo, type ReferenceContent } from '../../src/pathinfo/pathInfo.ts';
import type { PathInfoService } from '../../src/pathinfo/pathInfoService.ts';
import { TrustPolicy } from '../../src/pathinfo/trustPolicy.ts';
import { PublicKey } from '../../src/signature.ts';
import { type ContentServices, putNar } from '../render/castoreTree.ts';
import { narinfosOf, narOf } from '../support/cacheFiles.ts';
import {
  type SyntheticCache,
  type SyntheticPath,
  syntheticCache,
  TEST_KEY,
} from '../support/syntheticCache.ts';
import { directory, file } from '../support/syntheticTree.ts';

/** Where worlds are kept. */
export interface WorldServices extends ContentServices {
  readonly pathInfoService: PathInfoService;
}

/** How a world is kept. */
export interface KeepOptions {
  /** `trusted-public-keys`; the key of synthetic caches by default. */
  readonly publicKeys?: readonly string[];
  /** `same` by default. */
  readonly evidence?: (referrer: string, reference: string) => Evidence;
  /** Changes what is claimed of a path, by name. */
  readonly alter?: Readonly<Record<string, (claim: ClaimFields) => ClaimFields>>;
  /** Names of paths → variants that are referred to in place of the cache's own. */
  readonly instead?: ReadonlyMap<string, PathInfo>;
}

/** A world that is kept, by the names of its paths. */
export type KeptWorld = ReadonlyMap<string, PathInfo>;

/** Keeps all paths of a cache. */
export async function keepWorld(
  services: WorldServices,
  files: ReadonlyMap<string, Uint8Array>,
  options: KeepOptions = {},
): Promise<KeptWorld> {
  const { evidence = () => 'same', alter = {}, publicKeys = [TEST_KEY.publicKey] } = options;
  const keys = publicKeys.map((key) => PublicKey.parse(key));
  const trust = new TrustPolicy(keys, { checkSignatures: false });
  const kept = new Map<string, PathInfo>();
  const instead = options.instead ?? new Map<string, PathInfo>();
  let waiting = [...narinfosOf(files).values()];
  while (waiting.length > 0) {
    const later: string[] = [];
    for (const text of waiting) {
      const info = parseNarInfo(Buffer.from(text));
      const { name } = info.storePath;
      const verification = trust.verify(info, '');
      const fields: ClaimFields = { ...info, origin: 'https://cache', verification };
      const claim = new Claim(alter[name]?.(fields) ?? fields);
      const references = new Map<string, ReferenceContent>();
      const others = claim.references.filter((reference) => !reference.equals(info.storePath));
      for (const reference of others) {
        const other = instead.get(reference.name) ?? kept.get(reference.name);
        if (other === undefined) continue;
        const { node, closureDigest } = other;
        const edge = { node, closureDigest, evidence: evidence(name, reference.name) };
        references.set(reference.baseName, edge);
      }
      if (references.size < new Set(others.map(String)).size) {
        later.push(text);
        continue;
      }
      const node = await putNar(services, await narOf(files, text));
      kept.set(name, await services.pathInfoService.put(new PathInfo(claim, node, references)));
    }
    if (later.length === waiting.length) throw new Error('references are missing or in a cycle');
    waiting = later;
  }
  return kept;
}

/** The path of that name. */
export function keptPath(world: KeptWorld, name: string): PathInfo {
  const pathInfo = world.get(name);
  if (pathInfo === undefined) throw new Error(`no ${name} is kept`);
  return pathInfo;
}

/**
 * Two caches of the same five paths, and one that is mixed of them: `dep` and `embeds` have other
 * bytes in each, `refers` and `top` have the same bytes above different ones, `base` is wholly the same.
 */
export interface Worlds {
  readonly a: SyntheticCache;
  readonly b: SyntheticCache;
  /** `dep` of B, `embeds` of A. */
  readonly mixed: SyntheticCache;
}

/** Makes them. */
export async function worlds(): Promise<Worlds> {
  const make = (dep: string, embeds: string) =>
    syntheticCache(worldOf(dep, embeds), { compression: 'none' });
  const [a, b, mixed] = await Promise.all([make('a', 'a'), make('b', 'b'), make('b', 'a')]);
  return { a, b, mixed };
}

function worldOf(dep: string, embeds: string): SyntheticPath[] {
  return [
    { name: 'base' },
    {
      name: 'dep',
      references: ['base'],
      tree: (path) => directory({ uuid: file(`built as ${dep}`), base: file(path('base')) }),
    },
    { name: 'refers', references: ['dep'] },
    {
      name: 'embeds',
      references: ['dep'],
      tree: (path) => directory({ 'built-against': file(embeds), dep: file(path('dep')) }),
    },
    { name: 'top', references: ['refers', 'embeds'] },
  ];
}
