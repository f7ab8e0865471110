import { describe, expect, test } from 'vitest';
import { PresenceCheck } from '../../src/ingest/presence.ts';
import { MemoryPathInfoService } from '../../src/pathinfo/memoryPathInfoService.ts';
import type { PathInfo } from '../../src/pathinfo/pathInfo.ts';
import { TrustPolicy } from '../../src/pathinfo/trustPolicy.ts';
import { byKey, secretKey, signedPathInfo } from './signedPathInfos.ts';

const key = secretKey('trusted-1');
const stranger = secretKey('stranger-1');
const trust = new TrustPolicy([key.publicKey]);
const good = { verification: byKey(key) };
const bad = { verification: byKey(stranger) };

/** A service that counts what it is asked, with these in it. */
async function serviceWith(...pathInfos: PathInfo[]) {
  const service = new MemoryPathInfoService();
  await service.putAll(pathInfos);
  const calls = { get: 0, getVariant: 0, put: 0 };
  const counting: typeof service = Object.create(service);
  counting.get = (digest, options) => {
    calls.get++;
    return service.get(digest, options);
  };
  counting.getVariant = (digest, closureDigest, options) => {
    calls.getVariant++;
    return service.getVariant(digest, closureDigest, options);
  };
  counting.putAll = (list, options) => {
    calls.put += list.length;
    return service.putAll(list, options);
  };
  for (const method of ['has', 'put', 'list', 'listVariants'] as const) {
    counting[method] = () => {
      throw new Error(`${method} was not to be called`);
    };
  }
  return { service, counting, calls };
}

describe('PresenceCheck', () => {
  test('what is not there', async () => {
    const { counting } = await serviceWith();
    const check = new PresenceCheck(counting, trust, {});
    expect(await check.find(signedPathInfo({ name: 'a' }).storePath.digest)).toBeUndefined();
  });

  test('a path whose whole closure is good', async () => {
    const base = signedPathInfo({ name: 'base', ...good });
    const top = signedPathInfo({ name: 'top', references: [base], ...good });
    const { counting, calls } = await serviceWith(base, top);
    const check = new PresenceCheck(counting, trust, {});
    expect(await check.find(top.storePath.digest)).toBe(top);
    expect(calls).toEqual({ get: 1, getVariant: 1, put: 0 });
    // what was looked at is not looked at again
    expect(await check.find(base.storePath.digest)).toBe(base);
    expect(calls).toEqual({ get: 2, getVariant: 1, put: 0 });
  });

  test('one bad claim below is enough; what does not lie above it is good', async () => {
    const rotten = signedPathInfo({ name: 'rotten', ...bad });
    const base = signedPathInfo({ name: 'base', ...good });
    const left = signedPathInfo({ name: 'left', references: [base, rotten], ...good });
    const right = signedPathInfo({ name: 'right', references: [base], ...good });
    const top = signedPathInfo({ name: 'top', references: [left, right], ...good });
    const { counting, calls } = await serviceWith(rotten, base, left, right, top);
    const found = async (order: readonly PathInfo[]) => {
      const check = new PresenceCheck(counting, trust, {});
      const names: string[] = [];
      for (const { storePath } of order) {
        const answer = await check.find(storePath.digest);
        if (answer !== undefined) names.push(answer.storePath.name);
      }
      return names.sort();
    };
    const all = [top, left, right, base, rotten];
    expect(await found(all)).toEqual(['base', 'right']);
    expect(calls.getVariant).toBe(4);
    expect(await found(all.toReversed())).toEqual(['base', 'right']);
  });

  test('several that ask at once', async () => {
    const base = signedPathInfo({ name: 'base', ...bad });
    const tops = Array.from({ length: 20 }, (_, i) =>
      signedPathInfo({ name: `top-${i}`, references: [base], ...good }),
    );
    const { counting, calls } = await serviceWith(base, ...tops);
    const check = new PresenceCheck(counting, trust, {});
    const found = await Promise.all(tops.map(({ storePath }) => check.find(storePath.digest)));
    expect(found).toEqual(Array(20).fill(undefined));
    expect(calls.getVariant).toBe(1);
  });

  test('without signature checks what is there is good', async () => {
    const base = signedPathInfo({ name: 'base', ...bad });
    const top = signedPathInfo({ name: 'top', references: [base] });
    const { counting, calls } = await serviceWith(base, top);
    const lax = new TrustPolicy([], { checkSignatures: false });
    expect(await new PresenceCheck(counting, lax, {}).find(top.storePath.digest)).toBe(top);
    expect(calls.getVariant).toBe(0);
  });

  test('what nobody verified and a trusted key signed is verified anew and kept so', async () => {
    const base = signedPathInfo({ name: 'base', signedBy: [key] });
    const top = signedPathInfo({ name: 'top', references: [base], signedBy: [stranger, key] });
    const { service, counting, calls } = await serviceWith(base, top);
    const found = await new PresenceCheck(counting, trust, {}).find(top.storePath.digest);
    expect(found?.claim.verification).toEqual(byKey(key));
    expect(found?.closureDigest).toEqual(top.closureDigest);
    for (const { storePath } of [base, top]) {
      const kept = await service.get(storePath.digest);
      expect(kept?.claim.verification).toEqual(byKey(key));
    }
    expect(calls.put).toBe(2);
    // by now they are verified
    expect(
      (await new PresenceCheck(counting, trust, {}).find(top.storePath.digest))?.claim.verified,
    ).toBe(true);
    expect(calls.put).toBe(2);
  });

  test('what another key verified and a trusted key signed too is good as it is', async () => {
    const path = signedPathInfo({ name: 'a', signedBy: [stranger, key], ...bad });
    const { counting, calls } = await serviceWith(path);
    expect(await new PresenceCheck(counting, trust, {}).find(path.storePath.digest)).toBe(path);
    expect(calls.put).toBe(0);
  });

  test('a variant that is gone though it is referred to makes its referrer absent', async () => {
    const base = signedPathInfo({ name: 'base', ...good });
    const top = signedPathInfo({ name: 'top', references: [base], ...good });
    const { counting } = await serviceWith(base, top);
    counting.getVariant = async () => undefined;
    expect(await new PresenceCheck(counting, trust, {}).find(top.storePath.digest)).toBeUndefined();
  });

  test('a failure of the service is the failure of who asked, and of nobody else', async () => {
    const base = signedPathInfo({ name: 'base', ...good });
    const top = signedPathInfo({ name: 'top', references: [base], ...good });
    const { counting } = await serviceWith(base, top);
    const check = new PresenceCheck(counting, trust, {});
    const { getVariant } = counting;
    counting.getVariant = async () => {
      throw new Error('broken');
    };
    const failing = check.find(top.storePath.digest);
    const fine = check.find(base.storePath.digest);
    await expect(failing).rejects.toThrow('broken');
    expect(await fine).toBe(base);
    counting.getVariant = getVariant;
    expect(await check.find(top.storePath.digest)).toBe(top);
  });

  test('signal and context are handed on', async () => {
    const base = signedPathInfo({ name: 'base', signedBy: [key] });
    const top = signedPathInfo({ name: 'top', references: [base], signedBy: [key] });
    const { counting } = await serviceWith(base, top);
    const options = { signal: new AbortController().signal };
    const seen: unknown[] = [];
    const { get, getVariant, putAll } = counting;
    counting.get = (digest, given) => {
      seen.push(given);
      return get(digest, given);
    };
    counting.getVariant = (digest, closureDigest, given) => {
      seen.push(given);
      return getVariant(digest, closureDigest, given);
    };
    counting.putAll = (list, given) => {
      seen.push(given);
      return putAll(list, given);
    };
    await new PresenceCheck(counting, trust, options).find(top.storePath.digest);
    expect(seen).toEqual([options, options, options]);
    expect(seen.every((given) => given === options)).toBe(true);
  });

  test('a chain of 3,000 with a bad end costs one look at each, whoever asks', async () => {
    const chain: PathInfo[] = [];
    for (let i = 0; i < 3_000; i++) {
      const below = chain.at(-1);
      const references = below === undefined ? [] : [below];
      chain.push(signedPathInfo({ name: `p${i}`, references, ...(i === 0 ? bad : good) }));
    }
    const { counting, calls } = await serviceWith(...chain);
    const check = new PresenceCheck(counting, trust, {});
    // the walk asks from the top downwards
    for (const { storePath } of chain.toReversed()) {
      expect(await check.find(storePath.digest)).toBeUndefined();
    }
    expect(calls.getVariant).toBe(2_999);
  });
});
