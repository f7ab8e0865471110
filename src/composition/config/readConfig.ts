/** From the text of a configuration file, or an address on the command line, to what it configures. */
import { CACHE_NIXOS_ORG_KEY } from '../../signature.ts';
import { UploadTokens } from '../../uploadTokens.ts';
import { COMPRESSION_LEVELS, REST_COMPRESSION_WORDS } from '../restCompression.ts';
import { addressTable } from './address.ts';
import type { ConfigTable } from './configTable.ts';
import { Fields, type Reading } from './fields.ts';
import { readAddress, readOperation } from './operationConfig.ts';
import { Faults, type Place } from './place.ts';
import { hasHierarchy, readHierarchy } from './readHierarchy.ts';
import { readSecretKey, readUpstream, type Trusted } from './readService.ts';
import type { HoldingsConfig, ServeConfig } from './serveConfig.ts';
import { SERVICE_KINDS, type UpstreamConfig } from './serviceConfig.ts';
import { hasScheme } from './urls.ts';
import { unwritablePart } from './writePlaces.ts';

/** What a command line says that goes before a file. */
export type ConfigOverrides = Partial<Trusted>;

/** How files are read that a configuration names, and what relative paths are relative to. */
export type ConfigFiles = Pick<Reading, 'directory' | 'readText'>;

/** An address that is none of ours is a binary cache's: a URL, directory or zip file. */
const OWN_SCHEME = /^(?:nix\+|grpc\+|lmdb:|memory:)/i;

/**
 * Reads a configuration file.
 * @param file its name, for errors
 * @param overrides keys that count in place of those of the file
 * @throws CONFIG_INVALID with `line`, `column`, `key` of the first fault, and all `faults`
 */
export async function readConfig(
  text: string,
  file: string,
  files: ConfigFiles,
  overrides: ConfigOverrides = {},
): Promise<ServeConfig> {
  const faults = new Faults(file);
  // few commands read a file, and parsing one takes a large library
  const { parseToml } = await import('./toml.ts');
  const table = parseToml(text, file);
  const reading: Reading = { ...files, faults, addressed: () => {} };
  const fields = new Fields(table, reading);
  const ownKeys = fields.publicKeys('trusted_public_keys') ?? [CACHE_NIXOS_ORG_KEY];
  const trusted: Trusted = { trustedKeys: overrides.trustedKeys ?? ownKeys };
  const infused = { narhash: 'narHash', infused: 'infused' } as const;
  const narUrls = fields.word('nar_urls', ['narhash', 'infused']);
  const config: ServeConfig = {
    ...trusted,
    listen: readAddress(fields, 'listen'),
    holdings: await readHoldings(fields, table, reading, trusted),
    upstreams: await readUpstreams(fields, reading, trusted),
    secretKey: await readSecretKey(fields),
    uploadTokens: await fields.file('upload_token_file', UploadTokens.parse),
    requireSignatures: fields.flag('require_signatures'),
    compression: fields.word('compression', ['none', 'zstd']),
    compress: fields.countOrWord('compress', COMPRESSION_LEVELS, REST_COMPRESSION_WORDS),
    narUrls: narUrls && infused[narUrls],
    priority: fields.count('priority', 0),
    waitForClosure: fields.flag('wait_for_closure'),
    negativeTtl: fields.count('negative_ttl', 0),
    operation: readOperation(fields),
  };
  fields.end();
  if (faults.isEmpty) checkHoldings(config, fields);
  faults.throwIfAny();
  return config;
}

/** What brings in, or lets others, needs what takes writes. */
function checkHoldings({ holdings, upstreams, uploadTokens }: ServeConfig, fields: Fields): void {
  const unwritable = holdings && unwritablePart(holdings);
  if (unwritable === undefined) return;
  const message = `of no use here: ${unwritable} takes no writes`;
  if (upstreams.length > 0) fields.fault('upstreams', message);
  if (uploadTokens !== undefined) fields.fault('upload_token_file', message);
}

/**
 * Reads what a store is filled from: `nix+URL`, `grpc+URL`, or a binary cache as a URL, directory or zip file.
 * @param option for errors
 * @throws CONFIG_INVALID
 */
export async function readUpstreamAddress(
  address: string,
  option: string,
  files: ConfigFiles,
  trusted: Trusted,
): Promise<UpstreamConfig> {
  const faults = new Faults(undefined);
  const reading: Reading = { ...files, faults, addressed: () => {} };
  const config = await upstreamAt(address, { key: option }, reading, trusted);
  faults.throwIfAny();
  // there was no fault
  if (config === undefined) throw new TypeError('an address is read, or a fault told');
  return config;
}

/**
 * Reads where a store lies: `lmdb:PATH`, `memory:`, or a directory.
 * @param option for errors
 * @throws CONFIG_INVALID
 */
export function readStoreAddress(
  address: string,
  option: string,
  files: ConfigFiles,
): Exclude<HoldingsConfig, { readonly type: 'hierarchy' }> {
  const faults = new Faults(undefined);
  const config = storeAt(address, { key: option }, { ...files, faults, addressed: () => {} });
  faults.throwIfAny();
  return config;
}

async function readHoldings(
  fields: Fields,
  table: ConfigTable,
  reading: Reading,
  trusted: Trusted,
): Promise<HoldingsConfig | undefined> {
  const store = fields.text('store');
  if (!hasHierarchy(table)) {
    return store === undefined ? undefined : storeAt(store, fields.placeOf('store'), reading);
  }
  for (const kind of SERVICE_KINDS) fields.has(kind);
  if (store !== undefined) {
    fields.fault('store', 'of no use beside services: their roots are what is served');
  }
  return { type: 'hierarchy', hierarchy: await readHierarchy(table, reading, trusted) };
}

function storeAt(
  address: string,
  place: Place,
  reading: Reading,
): Exclude<HoldingsConfig, { readonly type: 'hierarchy' }> {
  const none = { type: 'memory' } as const;
  if (!hasScheme(address)) return lmdbAt(address, place, reading);
  const table = addressTable(address, place, reading.faults);
  if (table === undefined) return none;
  const fields = new Fields(table, reading);
  const type = fields.requiredWord('type', ['lmdb', 'memory']);
  const config =
    type === 'memory'
      ? none
      : ({
          type,
          path: fields.requiredPath('path'),
          readOnly: fields.flag('read_only') ?? false,
        } as const);
  fields.end();
  return config;
}

function lmdbAt(path: string, place: Place, reading: Reading) {
  const value = { kind: 'text', text: path, place } as const;
  const table = { place, entries: new Map([['path', { keyPlace: place, value }]]) };
  const fields = new Fields(table, reading);
  return { type: 'lmdb', path: fields.requiredPath('path'), readOnly: false } as const;
}

async function readUpstreams(
  fields: Fields,
  reading: Reading,
  trusted: Trusted,
): Promise<UpstreamConfig[]> {
  const read: UpstreamConfig[] = [];
  for (const { text, place } of fields.placedTexts('upstreams')) {
    const config = await upstreamAt(text, place, reading, trusted);
    if (config !== undefined) read.push(config);
  }
  return read;
}

async function upstreamAt(
  address: string,
  place: Place,
  reading: Reading,
  trusted: Trusted,
): Promise<UpstreamConfig | undefined> {
  // its own query belongs to it
  const table = OWN_SCHEME.test(address)
    ? addressTable(address, place, reading.faults)
    : cacheTable(address, place);
  if (table === undefined) return undefined;
  const fields = new Fields(table, reading);
  const config = await readUpstream(fields, trusted);
  fields.end();
  return config;
}

function cacheTable(address: string, place: Place): ConfigTable {
  const entry = (text: string) => ({
    keyPlace: place,
    value: { kind: 'text', text, place } as const,
  });
  return {
    place,
    entries: new Map([
      ['type', entry('nix')],
      ['base_url', entry(address)],
    ]),
  };
}
