/** Preferences and findings in the embedded store. */
import { expect, test } from 'vitest';
import { Digest } from '../../src/castore/digest.ts';
import type { Finding } from '../../src/pathinfo/finding.ts';
import { decodeFinding, encodeFinding } from '../../src/store/findingCodec.ts';
import { Store } from '../../src/store/store.ts';
import { findingServiceContract } from '../contracts/findingServiceContract.ts';
import { pathInfoOf, storePathOf } from '../contracts/pathInfos.ts';
import { preferenceContract } from '../contracts/preferenceContract.ts';
import { variantContract } from '../contracts/variantContract.ts';
import { temporaryDirectory } from '../support/temporaryDirectory.ts';
import { temporaryStore } from './temporaryStore.ts';

/** One service of a store that is closed and removed with it. */
async function open<T>(serviceOf: (store: Store) => T) {
  const opened = await temporaryStore();
  return {
    service: serviceOf(opened.store),
    [Symbol.asyncDispose]: () => opened[Symbol.asyncDispose](),
  };
}

variantContract('the embedded store', () => open((store) => store.pathInfos));
preferenceContract('the embedded store', 10, () => open((store) => store.pathInfos));
findingServiceContract('the embedded store', () => open((store) => store.findings));

const OURS = pathInfoOf({ name: 'dep', content: 'ours' });
const THEIRS = pathInfoOf({ name: 'dep', content: 'theirs' });
const FINDING: Finding = {
  referrer: undefined,
  reference: OURS.storePath,
  differing: OURS.storePath,
  ours: { narHash: OURS.claim.narHash, signedBy: ['one'] },
  ourClosureDigest: OURS.closureDigest,
  theirs: { narHash: THEIRS.claim.narHash, signedBy: ['two'] },
  upstream: 'https://cache.example.org',
};

test('preferences and findings are on disk, and seen by others at once', async () => {
  await using directory = await temporaryDirectory('store');
  {
    await using store = await Store.open(directory.path);
    await using reader = await Store.open(directory.path, { readOnly: true });
    await store.pathInfos.putAll([OURS, THEIRS]);
    const { digest } = OURS.storePath;
    expect((await reader.pathInfos.get(digest))?.sameVariant(OURS)).toBe(true);
    await store.pathInfos.prefer(digest, THEIRS.closureDigest);
    await store.findings.recordFindings([FINDING], 1);
    expect((await reader.pathInfos.get(digest))?.sameVariant(THEIRS)).toBe(true);
    expect(await Array.fromAsync(reader.findings.listFindings())).toHaveLength(1);
  }
  await using again = await Store.open(directory.path);
  expect((await again.pathInfos.get(OURS.storePath.digest))?.sameVariant(THEIRS)).toBe(true);
  expect(await Array.fromAsync(again.findings.listFindings())).toHaveLength(1);
});

test('a store that is open for reading refuses both', async () => {
  await using directory = await temporaryDirectory('store');
  await (await Store.open(directory.path))[Symbol.asyncDispose]();
  await using store = await Store.open(directory.path, { readOnly: true });
  const { digest } = OURS.storePath;
  await expect(store.pathInfos.prefer(digest, OURS.closureDigest)).rejects.toMatchObject({
    code: 'READ_ONLY',
  });
  await expect(store.findings.recordFindings([FINDING], 1)).rejects.toMatchObject({
    code: 'READ_ONLY',
  });
});

test('a preference and puts that are asked for at once leave a coherent view', async () => {
  await using opened = await temporaryStore();
  const { pathInfos } = opened.store;
  await pathInfos.putAll([OURS, THEIRS]);
  const above = Array.from({ length: 20 }, (_, i) =>
    [OURS, THEIRS].map((dep) => pathInfoOf({ name: `app-${i}`, references: [dep] })),
  ).flat();
  const asked: Promise<unknown>[] = [];
  for (const [i, pathInfo] of above.entries()) {
    asked.push(pathInfos.put(pathInfo));
    const wanted = i % 2 === 0 ? THEIRS : OURS;
    asked.push(pathInfos.prefer(wanted.storePath.digest, wanted.closureDigest));
  }
  await Promise.all(asked);
  const dep = await pathInfos.get(OURS.storePath.digest);
  for (let i = 0; i < 20; i++) {
    const app = await pathInfos.get(storePathOf(`app-${i}`).digest);
    const reference = app?.references.get(OURS.storePath.baseName);
    expect(reference?.closureDigest).toEqual(dep?.closureDigest);
    expect(reference).toBeDefined();
  }
});

test('a finding record that is cut, or has something behind it, is damage', () => {
  const record = encodeFinding({ ...FINDING, firstSeen: 1, lastSeen: 2 });
  expect(decodeFinding(record).ourClosureDigest).toBeInstanceOf(Digest);
  for (let length = 0; length < record.length; length++) {
    expect(() => decodeFinding(record.subarray(0, length)), `${length} bytes`).toThrow(
      expect.objectContaining({ code: 'STORE_INVALID' }),
    );
  }
  expect(() => decodeFinding(Buffer.concat([record, Uint8Array.of(0)]))).toThrow(
    expect.objectContaining({ code: 'STORE_INVALID' }),
  );
});
