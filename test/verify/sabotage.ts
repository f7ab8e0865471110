/**
 * Deliberate sabotage: one byte after the other is changed somewhere in the packs of a store that is being served. Each
 * that matters must be found and healed, each that does not must not be told of, and what is served must be right
 * or broken off at any moment. Which bytes matter is worked out here from the index alone.
 */
import { stat } from 'node:fs/promises';
import { EMPTY } from '../../src/bytes.ts';
import { indexPath, packPath } from '../../src/store/layout.ts';
import { endOffset, PACK_HEADER_BYTES } from '../../src/store/packFormat.ts';
import { decodeLocation } from '../../src/store/schema.ts';
import { StoreIndex } from '../../src/store/storeIndex.ts';
import { type RunningCli, temporaryCli } from '../support/cli.ts';
import { narinfoField } from '../support/narinfoText.ts';
import type { SyntheticPath } from '../support/syntheticCache.ts';
import { type DamagedStore, damagedStore, flip } from './damagedStore.ts';

/** A byte of a pack. */
interface Place {
  readonly pack: string;
  readonly offset: number;
  /** In what it lies; `undefined` where nothing refers to it. */
  readonly matters: string | undefined;
}

/** What came of it. */
export interface SabotageTally {
  /** Bytes that were changed, and those of them that matter. */
  flipped: number;
  mattered: number;
  /** Of those that matter: found by `verify --deep`, and nothing left of it after `verify --repair`. */
  found: number;
  healed: number;
  /** Of those that do not matter: told of nevertheless. */
  falseAlarms: number;
  /** Answers of the server: whole and right, refused or broken off, and whole but wrong. */
  right: number;
  broken: number;
  wrong: number;
}

/** How to sabotage. */
export interface SabotageOptions {
  /** How often. */
  readonly rounds: number;
  /** Bytes that are changed at once, each in its own place. */
  readonly flipsInRound: number;
  readonly seed: number;
  readonly paths?: readonly SyntheticPath[] | undefined;
  readonly onRound?: ((round: number, tally: SabotageTally) => void) | undefined;
}

/** Mirrors a cache, serves the store, and sabotages it. */
export async function sabotage(options: SabotageOptions): Promise<SabotageTally> {
  await using damaged = await damagedStore(options.paths);
  await using cli = await temporaryCli();
  await using serving = cli.start(['serve', '--listen', '127.0.0.1:0'], {
    environment: { NARTHEX_STORE: damaged.directory },
  });
  const url = await urlOf(serving);
  const random = randomFrom(options.seed);
  const tally: SabotageTally = {
    flipped: 0,
    mattered: 0,
    found: 0,
    healed: 0,
    falseAlarms: 0,
    right: 0,
    broken: 0,
    wrong: 0,
  };
  for (let round = 0; round < options.rounds; round++) {
    const places: Place[] = [];
    for (let flips = 0; flips < options.flipsInRound; flips++) {
      const place = await placeIn(damaged, random);
      if (places.some(({ pack, offset }) => pack === place.pack && offset === place.offset))
        continue;
      places.push(place);
      await flip(place.pack, place.offset, 1 << Math.floor(8 * random()));
    }
    await sabotageOnce(damaged, url, places, tally);
    options.onRound?.(round, tally);
  }
  return tally;
}

async function sabotageOnce(
  damaged: DamagedStore,
  url: string,
  places: readonly Place[],
  tally: SabotageTally,
): Promise<void> {
  const hit = new Set(places.flatMap(({ matters }) => matters ?? []));
  const [{ damages }] = await Promise.all([
    damaged.verify({ deep: true }),
    fetchAll(damaged, url, tally),
  ]);
  const names = damages.flatMap(({ subject, error }) =>
    subject.type === 'packHeader'
      ? [`${error.facts['path']} header`]
      : [`${error.facts['path']} ${error.facts['offset']}`],
  );
  const told = new Set(names);
  tally.flipped += places.length;
  tally.mattered += hit.size;
  tally.found += [...hit].filter((place) => told.has(place)).length;
  tally.falseAlarms += [...told].filter((place) => !hit.has(place)).length;
  const [{ damages: repaired }] = await Promise.all([
    damaged.repair({ deep: true }),
    fetchAll(damaged, url, tally),
  ]);
  const after = await damaged.verify({ deep: true });
  const isHealed = after.damages.length === 0 && repaired.every(({ failure }) => !failure);
  if (isHealed) tally.healed += hit.size;
  const { broken } = tally;
  await fetchAll(damaged, url, tally);
  if (tally.broken > broken) throw new Error('a path was not served after the repair');
}

/** All narinfos and NARs, as a client gets them. */
async function fetchAll({ cache }: DamagedStore, url: string, tally: SabotageTally) {
  for (const { hashPart, narHash, nar } of cache.paths) {
    const narinfo = await bodyOf(`${url}/${hashPart}.narinfo`);
    if (narinfo === undefined) {
      tally.broken += 1;
      continue;
    }
    const text = narinfo.toString();
    const isRight = narinfoField(text, 'NarHash') === narHash;
    tally[isRight ? 'right' : 'wrong'] += 1;
    const bytes = await bodyOf(`${url}/${narinfoField(text, 'URL')}`);
    if (bytes === undefined) tally.broken += 1;
    else tally[Buffer.compare(bytes, nar) === 0 ? 'right' : 'wrong'] += 1;
  }
}

/** A whole body with status 200; `undefined` for an answer that is refused or broken off. */
async function bodyOf(url: string): Promise<Buffer | undefined> {
  try {
    const response = await fetch(url);
    const bytes = Buffer.from(await response.arrayBuffer());
    if (response.status === 404) throw new Error(`${url} is told to be absent`);
    return response.status === 200 ? bytes : undefined;
  } catch (error) {
    if (error instanceof TypeError) return undefined; // what fetch throws where a connection ends
    throw error;
  }
}

/** A random byte of the packs, all with the same chance. */
async function placeIn(damaged: DamagedStore, random: () => number): Promise<Place> {
  const packs = await damaged.packs();
  const sizes = await Promise.all(packs.map(async (pack) => (await stat(pack)).size));
  let at = Math.floor(random() * sizes.reduce((sum, size) => sum + size, 0));
  for (const [index, pack] of packs.entries()) {
    const size = sizes[index] ?? 0;
    if (at < size) return { pack, offset: at, matters: await whatLiesAt(damaged, pack, at) };
    at -= size;
  }
  throw new Error('there are no packs');
}

async function whatLiesAt(
  damaged: DamagedStore,
  pack: string,
  at: number,
): Promise<string | undefined> {
  if (at < PACK_HEADER_BYTES) return `${pack} header`;
  await using index = await StoreIndex.open(indexPath(damaged.directory), {
    readOnly: true,
    create: false,
  });
  for (const table of [index.tables.chunk, index.tables.directory]) {
    for (const { value } of table.withPrefix(EMPTY)) {
      const location = decodeLocation(value);
      if (packPath(damaged.directory, location.pack) !== pack) continue;
      if (location.offset <= at && at < endOffset(location)) return `${pack} ${location.offset}`;
    }
  }
  return undefined;
}

async function urlOf(serving: RunningCli): Promise<string> {
  return (await serving.line(/^listening on /)).slice('listening on '.length);
}

/** The same numbers from 0 to 1 for the same seed (mulberry32). */
function randomFrom(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
