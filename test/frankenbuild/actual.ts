/** What a service keeps, in the words of the model, and whether it holds together. */
import type { Finding } from '../../src/pathinfo/finding.ts';
import type { Evidence, PathInfo } from '../../src/pathinfo/pathInfo.ts';
import type { PathInfoService } from '../../src/pathinfo/pathInfoService.ts';
import { sha256Field } from '../support/nixbase32.ts';
import { encodeNar } from '../support/syntheticTree.ts';
import { type KeptVariant, type ModelState, textOf, type WorldText } from './model.ts';
import { storePathOf, treeOf } from './scenario.ts';

const CONTENTS = ['A', 'B'];

/** Which content a path has, by its NarHash. */
export function contentOf({ storePath, claim }: PathInfo): string {
  const narHash = `sha256:${claim.narHash.toNixbase32().replace(/^sha256:/, '')}`;
  const content = CONTENTS.find(
    (one) => sha256Field(encodeNar(treeOf(storePath.name, one))) === narHash,
  );
  if (content === undefined) throw new Error(`${storePath.baseName} has bytes of nobody`);
  return content;
}

/** Everything that a service keeps of some names. */
export class ActualState implements ModelState {
  readonly variants = new Map<WorldText, KeptVariant>();
  readonly current = new Map<string, WorldText>();
  readonly pathInfos = new Map<WorldText, PathInfo>();
  readonly #worlds = new Map<string, WorldText>();
  readonly #service: PathInfoService;

  private constructor(service: PathInfoService) {
    this.#service = service;
  }

  /** @throws an `Error` where what a variant refers to is not kept, or two worlds share a digest */
  static async read(service: PathInfoService, names: readonly string[]): Promise<ActualState> {
    const state = new ActualState(service);
    for (const name of names) {
      const { digest } = storePathOf(name);
      for await (const pathInfo of service.listVariants(digest)) await state.#add(pathInfo);
      const current = await service.get(digest);
      if (current !== undefined) state.current.set(name, await state.#add(current));
    }
    return state;
  }

  /** The world of a closure digest. */
  worldOf(pathInfo: PathInfo): WorldText {
    const world = this.#worlds.get(pathInfo.closureDigest.hex);
    if (world === undefined) throw new Error(`${pathInfo.storePath.baseName} is not kept`);
    return world;
  }

  async #add(pathInfo: PathInfo): Promise<WorldText> {
    const known = this.#worlds.get(pathInfo.closureDigest.hex);
    if (known !== undefined) return known;
    const { storePath, claim } = pathInfo;
    const references = new Map<string, WorldText>();
    const evidence = new Map<string, Evidence>();
    for (const reference of claim.references) {
      if (reference.equals(storePath)) continue;
      const content = pathInfo.references.get(reference.baseName);
      if (content === undefined) throw new Error('a reference has content');
      const below = await this.#service.getVariant(reference.digest, content.closureDigest);
      if (below === undefined) throw new Error(`${reference.baseName} is referred to, not kept`);
      references.set(reference.name, await this.#add(below));
      evidence.set(reference.name, content.evidence);
    }
    const self = claim.references.some((one) => one.equals(storePath));
    const { name } = storePath;
    const variant = { name, content: contentOf(pathInfo), self, references, evidence };
    const world = textOf(variant);
    if (this.pathInfos.has(world)) throw new Error(`two closure digests for one world: ${world}`);
    this.#worlds.set(pathInfo.closureDigest.hex, world);
    this.variants.set(world, variant);
    this.pathInfos.set(world, pathInfo);
    return world;
  }
}

/** As `toEqual` compares it and people read it. */
export function plainState({ variants, current }: ModelState): object {
  const marks = [...variants].map(([world, { evidence }]) => {
    const marked = [...evidence].sort(([a], [b]) => (a < b ? -1 : 1));
    return [world, marked.map(([name, mark]) => `${name} ${mark}`).join(', ')] as const;
  });
  return {
    variants: Object.fromEntries(marks.sort(([a], [b]) => (a < b ? -1 : 1))),
    current: Object.fromEntries([...current].sort(([a], [b]) => (a < b ? -1 : 1))),
  };
}

/** Current variants that refer to one that is not: none, in a coherent view. */
export function incoherent({ variants, current }: ModelState): string[] {
  const all = [...current.values()];
  return all.filter((world) =>
    [...(variants.get(world)?.references ?? [])].some(([name, one]) => current.get(name) !== one),
  );
}

/** A finding as the model writes it. */
export function findingText(finding: Finding, state: ActualState): string {
  const { referrer, reference, differing, ourClosureDigest } = finding;
  const ours = [...state.pathInfos].find(([, one]) => one.closureDigest.equals(ourClosureDigest));
  return `${referrer?.name ?? '-'} ${reference.name} ${differing?.name} ${ours?.[0]}`;
}
