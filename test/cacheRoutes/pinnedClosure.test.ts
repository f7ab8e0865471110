import { setImmediate } from 'node:timers/promises';
import { describe, expect, test } from 'vitest';
import { PinnedClosure } from '../../src/cacheRoutes/pinnedClosure.ts';
import { Digest } from '../../src/castore/digest.ts';
import { DEFAULT_LIMITS } from '../../src/limits.ts';
import { MemoryPathInfoService } from '../../src/pathinfo/memoryPathInfoService.ts';
import type { PathInfo } from '../../src/pathinfo/pathInfo.ts';
import { pathInfoOf } from '../contracts/pathInfos.ts';

/** The closure of the last, all of them being kept. */
async function closureOf(...pathInfos: readonly PathInfo[]): Promise<PinnedClosure> {
  const service = new MemoryPathInfoService();
  await service.putAll(pathInfos);
  const root = pathInfos.at(-1)?.closureDigest ?? Digest.of(Buffer.of());
  const closure = await PinnedClosure.load(service, root, DEFAULT_LIMITS, {});
  if (closure === undefined) throw new Error('the closure is not kept');
  return closure;
}

test('knows its members and no others', async () => {
  const base = pathInfoOf({ name: 'base', selfReferring: true });
  const left = pathInfoOf({ name: 'left', references: [base], evidence: 'same' });
  const right = pathInfoOf({ name: 'right', references: [base], evidence: 'mixed' });
  const top = pathInfoOf({ name: 'top', references: [left, right], selfReferring: true });
  const apart = pathInfoOf({ name: 'apart', references: [base] });
  const closure = await closureOf(base, apart, left, right, top);
  expect(closure.size).toBe(4);
  expect(closure.root.name).toBe('top');
  expect(closure.conflict).toBeUndefined();
  expect(closure.references).toEqual({ same: 1, mixed: 1, unchecked: 2 });
  for (const member of [base, left, right, top]) {
    const { digest } = member.storePath;
    expect(closure.variant(digest)?.closureDigest.equals(member.closureDigest)).toBe(true);
    const withNar = closure.variantWithNar(member.claim.narHash);
    expect(withNar?.closureDigest.equals(member.closureDigest)).toBe(true);
    expect(Buffer.from(withNar?.digest ?? []).equals(digest)).toBe(true);
  }
  expect(closure.variant(apart.storePath.digest)).toBeUndefined();
  expect(closure.variantWithNar(apart.claim.narHash)).toBeUndefined();
});

test('is undefined for a digest that is not kept', async () => {
  const service = new MemoryPathInfoService();
  const nobody = Digest.of(Buffer.of());
  expect(await PinnedClosure.load(service, nobody, DEFAULT_LIMITS, {})).toBeUndefined();
});

test('a chain of 5,000 and a fan of 5,000', async () => {
  const members = [pathInfoOf({ name: 'n0' })];
  for (let i = 1; i < 5000; i++) {
    members.push(pathInfoOf({ name: `n${i}`, references: members.slice(-1) }));
  }
  const fan = pathInfoOf({ name: 'fan', references: members });
  expect((await closureOf(...members, fan)).size).toBe(5001);
});

test('others get their turn while a large closure is read, and may abort it', async () => {
  const service = new MemoryPathInfoService();
  const members = Array.from({ length: 2000 }, (_, i) => pathInfoOf({ name: `n${i}` }));
  const fan = pathInfoOf({ name: 'fan', references: members });
  await service.putAll([...members, fan]);
  const load = (signal?: AbortSignal) =>
    PinnedClosure.load(service, fan.closureDigest, DEFAULT_LIMITS, { signal });

  let loaded = false;
  const loading = load().then(() => {
    loaded = true;
  });
  await setImmediate();
  expect(loaded).toBe(false);
  await loading;

  const aborting = new AbortController();
  const aborted = load(aborting.signal);
  const reason = new Error('gone');
  globalThis.setImmediate(() => aborting.abort(reason));
  await expect(aborted).rejects.toBe(reason);
});

describe('a store path that is in it twice', () => {
  const a = pathInfoOf({ name: 'd', content: 'a' });
  const b = pathInfoOf({ name: 'd', content: 'b' });

  test('with other bytes', async () => {
    const onB = pathInfoOf({ name: 'x', references: [b] });
    const { conflict } = await closureOf(
      a,
      b,
      onB,
      pathInfoOf({ name: 'r', references: [a, onB] }),
    );
    expect(conflict?.storePath.name).toBe('d');
    expect(conflict?.sameContent).toBe(false);
    const [nearer, farther] = conflict?.closureDigests ?? [];
    expect(nearer?.equals(a.closureDigest)).toBe(true);
    expect(farther?.equals(b.closureDigest)).toBe(true);
  });

  test('with the same bytes above others: those are what is told', async () => {
    const onA = pathInfoOf({ name: 'x', references: [a] });
    const onB = pathInfoOf({ name: 'x', references: [b] });
    const through = pathInfoOf({ name: 'y', references: [onB] });
    const root = pathInfoOf({ name: 'r', references: [onA, through] });
    const { conflict } = await closureOf(a, b, onA, onB, through, root);
    expect(conflict?.storePath.name).toBe('d');
    expect(conflict?.sameContent).toBe(false);
  });

  test('with the same bytes and other names below', async () => {
    const plain = pathInfoOf({ name: 'x' });
    const referring = pathInfoOf({ name: 'x', references: [a] });
    const through = pathInfoOf({ name: 'y', references: [referring] });
    const root = pathInfoOf({ name: 'r', references: [plain, through] });
    const { conflict } = await closureOf(a, plain, referring, through, root);
    expect(conflict?.storePath.name).toBe('x');
    expect(conflict?.sameContent).toBe(true);
  });
});
