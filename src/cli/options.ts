/** What several commands read from their command lines. */
import { createInterface } from 'node:readline';
import { readStoreAddress } from '../composition/config/readConfig.ts';
import {
  COMPRESSION_LEVELS,
  REST_COMPRESSION_WORDS,
  type RestCompression,
} from '../composition/restCompression.ts';
import { defaultStoreDirectory } from '../composition/storeDirectory.ts';
import { NarthexError } from '../errors.ts';
import { excerpt } from '../excerpt.ts';
import { CACHE_NIXOS_ORG_KEY, type PublicKey, parsePublicKeys } from '../signature.ts';
import { parseStorePathQuery, STORE_DIR, type StorePathQuery } from '../storePath.ts';
import type { CommandContext, OptionValues } from './command.ts';
import { COMMAND_LINE_FILES } from './configFile.ts';
import { type ClosureDigestQuery, parseClosureDigestQuery } from './storedVariants.ts';

/** The option of all commands that use a store. */
export const STORE_OPTION = { store: { type: 'string' } } as const;

/** The help of {@link STORE_OPTION}. */
export const STORE_HELP =
  '  --store DIR   the store (default: NARTHEX_STORE, or narthex/store in the XDG data directory)';

/** The option of commands that fetch NARs. */
export const NAR_ORIGIN = 'allow-nar-origin';
/** The same for `parseArgs`. */
export const NAR_ORIGIN_OPTION = { [NAR_ORIGIN]: { type: 'string', multiple: true } } as const;
/** The help of {@link NAR_ORIGIN}. */
export const NAR_ORIGIN_HELP: readonly string[] = [
  '  --allow-nar-origin ORIGIN',
  '                where else than at the cache itself its NARs may be, such as https://nars.example;',
  '                any for wherever it says',
];

/** An option's text, if it was given. */
export function text(values: OptionValues, name: string): string | undefined {
  const value = values[name];
  return typeof value === 'string' ? value : undefined;
}

/** All texts of an option that may be given several times. */
export function texts(values: OptionValues, name: string): string[] {
  const value = values[name];
  return Array.isArray(value) ? value.filter((one) => typeof one === 'string') : [];
}

/** The whole number of an option. @throws USAGE */
export function count(values: OptionValues, name: string, minimum: number): number | undefined {
  const given = text(values, name);
  if (given === undefined) return undefined;
  const number = Number(given);
  if (!/^[0-9]+$/.test(given) || !Number.isSafeInteger(number) || number < minimum) {
    throw wrongOption(name, `a whole number from ${minimum}`, given);
  }
  return number;
}

/** The options of commands that bring something into a store. */
export const COMPRESS_OPTION = { compress: { type: 'string' } } as const;

/** How what comes in is compressed, if the command line says so. @throws USAGE */
export function compressionOf(values: OptionValues): RestCompression | undefined {
  const given = text(values, 'compress');
  if (given === undefined) return undefined;
  const word = REST_COMPRESSION_WORDS.find((known) => known === given);
  return word ?? readLevel('compress', given, REST_COMPRESSION_WORDS);
}

/** The zstd level of an option. @throws USAGE */
export function levelOf(values: OptionValues, name: string): number | undefined {
  const given = text(values, name);
  return given === undefined ? undefined : readLevel(name, given, []);
}

function readLevel(name: string, given: string, words: readonly string[]): number {
  const { minimum, maximum } = COMPRESSION_LEVELS;
  const level = Number(given);
  if (/^[0-9]+$/.test(given) && level >= minimum && level <= maximum) return level;
  const range = `a whole number from ${minimum} to ${maximum}`;
  throw wrongOption(name, [range, ...words].join(' or '), given);
}

/** The word of an option that knows only some. @throws USAGE */
export function oneOf<Word extends string>(
  values: OptionValues,
  name: string,
  words: readonly Word[],
): Word | undefined {
  const given = text(values, name);
  if (given === undefined) return undefined;
  const word = words.find((known) => known === given);
  if (word !== undefined) return word;
  throw wrongOption(name, `one of ${words.join(', ')}`, given);
}

/** The error of an option whose value is not what it should be. */
export function wrongOption(option: string, expected: string, actual: string): NarthexError {
  const message = `--${option} is ${expected}, not '${excerpt(actual)}'`;
  return new NarthexError('USAGE', message, { option, expected, actual });
}

/** Passes a command line without arguments. @throws USAGE */
export function noArguments(positionals: readonly string[]): void {
  const [first] = positionals;
  if (first === undefined) return;
  throw new NarthexError('USAGE', `no argument is taken, '${excerpt(first)}' is given`);
}

/** The store that the command line or the environment names. @throws USAGE | CONFIG_INVALID */
export function storeOf(values: OptionValues, { environment }: CommandContext): string {
  const given = text(values, 'store');
  if (given === '') throw wrongOption('store', 'a directory', given);
  const named = given ?? (environment['NARTHEX_STORE'] || undefined);
  if (named === undefined) return defaultStoreDirectory(environment);
  const address = readStoreAddress(named, '--store', COMMAND_LINE_FILES);
  if (address.type !== 'lmdb') throw wrongOption('store', 'a directory, or lmdb:DIRECTORY', named);
  return address.path;
}

/** The keys of `--trusted-public-keys`, else the one of cache.nixos.org. @throws KEY_INVALID */
export function trustedKeysOf(values: OptionValues): PublicKey[] {
  const given = text(values, 'trusted-public-keys');
  return given === undefined ? [CACHE_NIXOS_ORG_KEY] : parsePublicKeys(given);
}

/**
 * The store paths of the command line; `-` stands for those on standard input, one a line.
 * @throws USAGE there is none
 * @throws STORE_PATH_INVALID
 * @throws the signal's reason
 */
export async function pathsOf(
  positionals: readonly string[],
  { stdin, signal }: CommandContext,
): Promise<StorePathQuery[]> {
  const paths: StorePathQuery[] = [];
  for (const positional of positionals) {
    if (positional !== '-') {
      paths.push(parseStorePathQuery(positional));
      continue;
    }
    // it would wait for the terminal's next line, whatever the signal
    for await (const line of createInterface({ input: stdin, signal })) {
      if (line.trim() !== '') paths.push(parseStorePathQuery(line.trim()));
    }
    signal.throwIfAborted();
  }
  if (paths.length === 0) throw new NarthexError('USAGE', 'no store path is given');
  return paths;
}

/** The only store path of the command line. @throws USAGE | STORE_PATH_INVALID */
export function onePathOf(positionals: readonly string[]): StorePathQuery {
  const [only, ...others] = positionals;
  if (only === undefined || others.length > 0) {
    throw new NarthexError('USAGE', `one store path is needed, ${positionals.length} are given`);
  }
  return parseStorePathQuery(only);
}

/** A place inside a store path. */
export interface PlaceInPath {
  readonly path: StorePathQuery;
  /** Of the variant that is meant; `undefined` for the current one. */
  readonly closureDigest: ClosureDigestQuery | undefined;
  /** Names from the root down, as `displayBytes` writes them. */
  readonly names: readonly string[];
}

/** A base name; a closure digest, which may hold slashes as base64; names. */
const PLACE = /^([^/@]*)(?:@(blake3-[A-Za-z0-9+/]{43}=(?=\/|$)|[^/]*))?(.*)$/s;

/**
 * Reads `<store path>[@<closure digest>][/name…]`.
 * @throws STORE_PATH_INVALID
 * @throws USAGE what stands after the @ is no closure digest, nor the beginning of one
 */
export function parsePlace(argument: string): PlaceInPath {
  const prefix = argument.startsWith(`${STORE_DIR}/`) ? `${STORE_DIR}/` : '';
  const [, baseName = '', digest, inside = ''] = PLACE.exec(argument.slice(prefix.length)) ?? [];
  return {
    path: parseStorePathQuery(prefix + baseName),
    closureDigest: digest === undefined ? undefined : parseClosureDigestQuery(digest),
    names: inside.split('/').filter((name) => name !== ''),
  };
}

/** Store paths and variants; `-` stands for those on standard input. @throws USAGE */
export async function variantPlacesOf(
  positionals: readonly string[],
  context: CommandContext,
): Promise<PlaceInPath[]> {
  if (positionals.length === 0) throw new NarthexError('USAGE', 'no store path is given');
  const places: PlaceInPath[] = [];
  for (const positional of positionals) {
    if (positional === '-') {
      const paths = await pathsOf([positional], context);
      places.push(...paths.map((path) => ({ path, closureDigest: undefined, names: [] })));
      continue;
    }
    const place = parsePlace(positional);
    if (place.names.length > 0) {
      const message = `'${positional}' is a place inside a store path`;
      throw new NarthexError('USAGE', message, { actual: positional });
    }
    places.push(place);
  }
  return places;
}
