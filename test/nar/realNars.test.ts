/** NARs and listings that real Nix wrote: parsed and written again, the same bytes come out. */
import { readFile } from 'node:fs/promises';
import { describe, expect, it } from 'vitest';
import { concatBytes } from '../../src/bytes.ts';
import { readNar, writeNar } from '../../src/nar/events.ts';
import { listingOfNar, parseListing, renderListing } from '../../src/nar/listing.ts';
import { type CacheFiles, narinfosOf, narOf, readCacheFiles } from '../support/cacheFiles.ts';
import { fixtureCache } from '../support/fixtureCache.ts';
import { narinfoField } from '../support/narinfoText.ts';
import {
  describeWithShared,
  sharedCacheNames,
  sharedFile,
  unpackSharedCache,
} from '../support/sharedCaches.ts';
import { chunksOf } from './trace.ts';

/** A length that is no multiple of 8, so that chunks end within tokens of every kind. */
const CHUNK_BYTES = 4097;

const chunked = (nar: Uint8Array) => ReadableStream.from(chunksOf(nar, CHUNK_BYTES));

async function expectSameNar(nar: Uint8Array): Promise<void> {
  const parts: Uint8Array[] = [];
  const events = readNar(chunked(nar), { narSizeBytes: nar.length });
  for await (const part of writeNar(events)) parts.push(part.slice());
  expect(Buffer.compare(concatBytes(parts), nar)).toBe(0);
}

/** Checks every NAR of a cache, and its `.ls` against it; returns how many. */
async function checkCache(files: CacheFiles): Promise<number> {
  const narinfos = narinfosOf(files);
  for (const [file, narinfo] of narinfos) {
    const nar = await narOf(files, narinfo);
    expect(String(nar.length)).toBe(narinfoField(narinfo, 'NarSize'));
    await expectSameNar(nar);
    const nixListing = files.get(file.replace('.narinfo', '.ls'));
    if (nixListing === undefined) throw new Error(`there is no .ls for ${file}`);
    const listing = await listingOfNar(chunked(nar));
    expect(Buffer.compare(renderListing(listing), nixListing), file).toBe(0);
    expect(parseListing(nixListing)).toEqual(listing);
  }
  return narinfos.size;
}

describe('the fixture cache', () => {
  it('has NARs and listings that come out again', async () => {
    const files = await readCacheFiles(fixtureCache.directory);
    expect(await checkCache(files)).toBe(fixtureCache.closure.length);
  });
});

describeWithShared('ready caches', ['caches'], () => {
  // the tests' own decoders know no bzip2; `small-bzip2` holds the same NARs as the other `small` ones
  const readable = sharedCacheNames.filter((name) => !name.endsWith('-bzip2'));
  it.each(readable)('%s has NARs and listings that come out again', async (name) => {
    await using cache = await unpackSharedCache(name);
    expect(await checkCache(await readCacheFiles(cache.directory))).toBeGreaterThan(0);
  });
});

const CORPUS_NAR = 'corpus/net-tools-1.60.nar';

describeWithShared('a NAR of cache.nixos.org', [CORPUS_NAR], () => {
  it('comes out again', async () => {
    const nar = await readFile(sharedFile(CORPUS_NAR));
    await expectSameNar(nar);
    const listing = await listingOfNar(chunked(nar));
    expect(parseListing(renderListing(listing))).toEqual(listing);
  });
});
