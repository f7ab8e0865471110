/** Looks up what a command is about in the store. */
import { displayBytes, parseDisplayedBytes } from '../bytes.ts';
import type { Node } from '../castore/node.ts';
import { openStore, type Store, type StoreOptions } from '../composition/openStore.ts';
import { isNarthexError, NarthexError } from '../errors.ts';
import type { PathInfo } from '../pathinfo/pathInfo.ts';
import { lookup } from '../render/lookup.ts';
import type { StorePathQuery } from '../storePath.ts';
import type { CommandContext, OptionValues } from './command.ts';
import { type PlaceInPath, storeOf } from './options.ts';
import { requireVariants, variantOf } from './storedVariants.ts';

/** The store of the command line, for reading. @throws STORE_FAILED there is none */
export async function openForReading(
  values: OptionValues,
  context: CommandContext,
): Promise<Store> {
  return await openDirectoryForReading(storeOf(values, context));
}

/** The store of the command line, to change something in it. @throws STORE_FAILED there is none */
export async function openForChanging(
  values: OptionValues,
  context: CommandContext,
  options: StoreOptions = {},
): Promise<Store> {
  return await openExisting(storeOf(values, context), { ...options, createIfMissing: false });
}

/** The store in a directory, for reading. @throws STORE_FAILED there is none */
export async function openDirectoryForReading(directory: string): Promise<Store> {
  return await openExisting(directory, { readOnly: true });
}

async function openExisting(directory: string, options: StoreOptions): Promise<Store> {
  try {
    return await openStore(directory, options);
  } catch (error) {
    if (!isNarthexError(error, 'STORE_FAILED') || error.facts['systemCode'] !== 'ENOENT') {
      throw error;
    }
    const message = `there is no store in ${directory}; narthex mirror makes one`;
    throw new NarthexError('STORE_FAILED', message, error.facts, error);
  }
}

/** What was asked for, as far as it is known. */
export function shownQuery({ storePath, hashPart }: StorePathQuery): string {
  return storePath?.absolute ?? hashPart;
}

/** The current PathInfo of a path. @throws PATH_NOT_FOUND */
export async function requirePath(store: Store, query: StorePathQuery): Promise<PathInfo> {
  const pathInfo = await store.pathInfos.get(query.digest);
  const asked = shownQuery(query);
  if (pathInfo === undefined) {
    const message = `${asked} is not in the store; narthex mirror brings it in`;
    throw new NarthexError('PATH_NOT_FOUND', message, { storePath: asked });
  }
  if (query.name !== undefined && query.name !== pathInfo.storePath.name) {
    throw new NarthexError(
      'PATH_NOT_FOUND',
      `${asked} is not in the store, but ${pathInfo.storePath.absolute} is`,
      { storePath: asked, actual: pathInfo.storePath.absolute },
    );
  }
  return pathInfo;
}

/** The PathInfo of the variant that is meant, by default the current one. @throws PATH_NOT_FOUND */
export async function requireVariant(
  store: Store,
  { path, closureDigest }: PlaceInPath,
  signal: AbortSignal,
): Promise<PathInfo> {
  if (closureDigest === undefined) return await requirePath(store, path);
  return variantOf(await requireVariants(store, path, signal), closureDigest).pathInfo;
}

/** What lies at a place inside a path. */
export interface PlaceFound {
  /** Of the path. */
  readonly pathInfo: PathInfo;
  /** At the place. */
  readonly node: Node;
  /** The place, for people. */
  readonly shown: string;
}

/** The node at a place inside a path. @throws PATH_NOT_FOUND | FILE_NOT_FOUND | NOT_A_DIRECTORY */
export async function requirePlace(
  store: Store,
  place: PlaceInPath,
  signal: AbortSignal,
): Promise<PlaceFound> {
  const pathInfo = await requireVariant(store, place, signal);
  const { node, storePath } = pathInfo;
  const inside = parseDisplayedBytes(place.names.join('/'));
  const below = inside.length === 0 ? '' : `/${displayBytes(inside)}`;
  try {
    const found = await lookup(node, inside, store.directories, { signal });
    return { pathInfo, node: found, shown: storePath.absolute + below };
  } catch (error) {
    throw error instanceof NarthexError ? withStorePath(error, storePath.absolute) : error;
  }
}

/** What {@link lookup} says, which knows of places inside a path only, with the path. */
function withStorePath(error: NarthexError, storePath: string): NarthexError {
  const { code, facts, cause } = error;
  const message = messageOfLookup(error, storePath) ?? `${storePath}: ${error.message}`;
  return new NarthexError(code, message, { ...facts, storePath }, cause);
}

function messageOfLookup({ code, facts }: NarthexError, storePath: string): string | undefined {
  const { missing, at, actual, target } = facts;
  if (code === 'FILE_NOT_FOUND') return `there is no ${storePath}${missing}`;
  if (code !== 'NOT_A_DIRECTORY') return undefined;
  const leads = target === undefined ? '' : ` to ${target}, which is not followed`;
  return `${storePath}${at === '/' ? '' : at} is a ${actual}${leads}`;
}
