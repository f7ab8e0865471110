import { describe, expect, test } from 'vitest';
import { comparePlan } from '../../src/ingest/plan.ts';
import {
  matchVariants,
  narInfoOfClaim,
  standInAbove,
  withStandIns,
} from '../../src/ingest/variantWorld.ts';
import { Claim } from '../../src/pathinfo/claim.ts';
import { MemoryPathInfoService } from '../../src/pathinfo/memoryPathInfoService.ts';
import type { PathInfo } from '../../src/pathinfo/pathInfo.ts';
import { storePathOf } from '../contracts/pathInfos.ts';
import { oursOf, type Side, worldOf } from './twoSides.ts';

/** A service that keeps worlds, the first one current. */
async function keeping(...sides: readonly Side[]): Promise<MemoryPathInfoService> {
  const service = new MemoryPathInfoService();
  for (const side of sides) {
    const pathInfos = [...oursOf(side).values()];
    // sides are written from above
    await service.putAll(pathInfos.reverse());
  }
  return service;
}

/** The current view of some names. */
async function currentOf(service: MemoryPathInfoService, names: readonly string[]) {
  const current = new Map<string, PathInfo>();
  for (const name of names) {
    const pathInfo = await service.get(storePathOf(name).digest);
    if (pathInfo !== undefined) current.set(pathInfo.storePath.baseName, pathInfo);
  }
  return current;
}

/** `content: reference digest…` in words: the content of each path of a closure, from above. */
function worldText({ claim, storePath }: PathInfo, sides: readonly Side[]): string {
  const content = sides.find(
    (side) => oursOf(side).get(storePath.baseName)?.claim.narHash.equals(claim.narHash) === true,
  )?.[storePath.name];
  return `${content}`;
}

async function matched(theirs: Side, ...sides: readonly Side[]): Promise<Record<string, string>> {
  const service = await keeping(...sides);
  const world = worldOf(theirs);
  const ours = await currentOf(service, Object.keys(theirs));
  const comparable = await withStandIns({ world, ours }, service, {});
  const plan = comparePlan(comparable.world, comparable.ours);
  const found = await matchVariants(plan, service, async () => true, {});
  return Object.fromEntries(
    Array.from(found.values(), (pathInfo) => [
      pathInfo.storePath.name,
      worldText(pathInfo, [theirs, ...sides]),
    ]),
  );
}

const A = { top: 'A: mid', mid: 'A: low', low: 'A' };
const B = { top: 'A: mid', mid: 'A: low', low: 'B' };
const C = { top: 'A: mid', mid: 'C: low', low: 'A' };

describe('of an upstream’s world is here', () => {
  test.each<readonly [string, theirs: Side, here: readonly Side[], matched: object]>([
    ['nothing, where nothing is', A, [], {}],
    ['all, where it is current', A, [A], A],
    ['all, where it is beside another', A, [B, A], A],
    ['all, where it is current and another is beside it', A, [A, B], A],
    ['what is the same in two worlds', C, [A], { low: 'A' }],
    ['what stands on it, not what stands on another', A, [B, { low: 'A' }], { low: 'A' }],
    ['nothing above what is not', { ...A, low: 'C' }, [A, B], {}],
    [
      'with ours where it does not tell',
      { ...A, low: 'absent' },
      [A],
      { top: A.top, mid: A.mid, low: A.low },
    ],
    [
      'with ours where its narinfo proves nothing',
      { ...A, low: 'unverified' },
      [B],
      { top: B.top, mid: B.mid, low: B.low },
    ],
    ['nothing above what neither has', { ...A, low: 'absent' }, [], {}],
    [
      'ours and all below it, as far as it does not tell',
      { top: 'A: mid', mid: 'absent' },
      [A],
      { top: A.top, mid: A.mid, low: A.low },
    ],
    [
      'not ours where that stands on another than theirs',
      { top: 'A: mid low', mid: 'absent', low: 'B' },
      [A, { low: 'B' }],
      { low: 'B' },
    ],
    [
      'ours above theirs, where it was put there before',
      { top: 'A: mid low', mid: 'absent', low: 'B' },
      [A, { top: 'A: mid low', mid: 'A: low', low: 'B' }],
      { top: 'A: mid low', mid: 'A: low', low: 'B' },
    ],
  ])('%s', async (_, theirs, here, expected) => {
    expect(await matched(theirs, ...here)).toEqual(expected);
  });

  test('only what is good enough', async () => {
    const service = await keeping(B, A);
    const ours = await currentOf(service, Object.keys(A));
    const plan = comparePlan(worldOf(A), ours);
    const asked: string[] = [];
    const accepts = async ({ storePath }: PathInfo) => {
      asked.push(storePath.name);
      return storePath.name !== 'mid';
    };
    const found = await matchVariants(plan, service, accepts, {});
    expect([...found.values()].map(({ storePath }) => storePath.name)).toEqual(['low']);
    expect(asked).toEqual(['low', 'mid']);
  });
});

describe('what stands in', () => {
  test('is read variant by variant, also where it is not current', async () => {
    const service = await keeping(A, B);
    const beside = oursOf(B);
    const top = beside.get(storePathOf('top').baseName);
    const world = worldOf({ top: 'absent' });
    const { ours, world: extended } = await withStandIns(
      { world, ours: new Map([...beside].filter(([, one]) => one === top)) },
      service,
      {},
    );
    for (const [name, pathInfo] of beside) {
      expect(ours.get(name)?.closureDigest.hex).toBe(pathInfo.closureDigest.hex);
      expect(extended.get(name)?.outcome).toBe('absent');
    }
  });

  test('ends where the upstream tells again', async () => {
    const service = await keeping({ ...A, lower: 'A', low: 'A: lower' });
    const world = worldOf({ top: 'A: mid other', mid: 'absent', other: 'A: low', low: 'B' });
    const ours = await currentOf(service, ['mid']);
    const extended = await withStandIns({ world, ours }, service, {});
    expect([...extended.world.keys()]).toEqual([...world.keys()]);
    expect([...extended.ours.keys()]).toEqual([storePathOf('mid').baseName]);
  });

  test('is our claim and content above theirs, with edges that nobody checked', () => {
    const ours = oursOf({ mid: 'A: low mid', low: 'A' }, 'same');
    const theirs = oursOf({ mid: 'B: low mid', low: 'B' }, 'same');
    const name = storePathOf('mid').baseName;
    const [mine, above] = [ours.get(name), theirs.get(name)];
    if (mine === undefined || above === undefined) throw new Error('both are there');
    const put = standInAbove(mine, above);
    expect(put.claim).toBe(mine.claim);
    expect(put.closureDigest.hex).not.toBe(mine.closureDigest.hex);
    const low = put.references.get(storePathOf('low').baseName);
    const theirLow = theirs.get(storePathOf('low').baseName);
    expect(low?.closureDigest.hex).toBe(theirLow?.closureDigest.hex);
    expect(low?.evidence).toBe('unchecked');
    expect(put.references.get(name)?.evidence).toBe('same'); // itself
  });

  test('is a narinfo again that makes the same claim', () => {
    for (const { claim } of oursOf({ mid: 'A: low mid', low: 'A' }).values()) {
      const { verification, origin } = claim;
      const again = new Claim({ ...narInfoOfClaim(claim), verification, origin });
      expect(again.unitedWith(claim)).toBe(again);
      expect(claim.unitedWith(again)).toBe(claim);
    }
  });
});
