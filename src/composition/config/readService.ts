/** From a table to the service that it describes: the keys of each type. */
import { NarthexError } from '../../errors.ts';
import type { FrankenbuildPolicy } from '../../ingest/frankenbuild.ts';
import { type PublicKey, SecretKey } from '../../signature.ts';
import { isOrigin } from '../../upstream/http/narOrigins.ts';
import type { Fields } from './fields.ts';
import {
  type CacheConfig,
  type CastoreConfig,
  type FromFile,
  type GrpcConfig,
  type GrpcPathInfoConfig,
  type LmdbConfig,
  type LruConfig,
  type NixConfig,
  type NixSource,
  type PathInfoConfig,
  type PriorityConfig,
  type ReadOnlyConfig,
  ROOT,
  type ServiceKind,
  type SigningConfig,
  type UpstreamConfig,
} from './serviceConfig.ts';
import { hasScheme, urlFault } from './urls.ts';

/** The types of blob and directory services. */
const CASTORE_TYPES = ['memory', 'lmdb', 'grpc', 'cache', 'lru', 'priority', 'readonly'] as const;
/** The types of PathInfo services. */
const PATH_INFO_TYPES = [...CASTORE_TYPES, 'signing', 'nix'] as const;

const UPSTREAM_TYPES = ['nix', 'grpc'] as const;
const POLICIES: readonly [FrankenbuildPolicy, ...FrankenbuildPolicy[]] = [
  'off',
  'report',
  'reject',
  'variant',
];

/** What is believed where a service does not say. */
export interface Trusted {
  readonly trustedKeys: readonly PublicKey[];
}

/** Reads a blob or directory service. */
export async function readCastoreService(
  kind: ServiceKind,
  fields: Fields,
): Promise<CastoreConfig> {
  const type = fields.requiredWord('type', CASTORE_TYPES);
  switch (type) {
    case 'memory':
      return { type };
    case 'lmdb':
      return lmdb(fields);
    case 'grpc':
      return await grpc(fields);
    case 'cache':
      return cache(kind, fields);
    case 'lru':
      return lru(kind, fields, kind === 'blobservices' ? 'max_bytes' : 'max_entries');
    case 'priority':
      return priority(kind, fields);
    case 'readonly':
      return readOnly(kind, fields);
  }
}

/** Reads what a store is filled from. */
export async function readUpstream(fields: Fields, trusted: Trusted): Promise<UpstreamConfig> {
  const type = fields.requiredWord('type', UPSTREAM_TYPES);
  return type === 'nix' ? await nixSource(fields, trusted) : await grpcPathInfos(fields, trusted);
}

/** Reads a PathInfo service; `undefined` after some faults. */
export async function readPathInfoService(
  fields: Fields,
  trusted: Trusted,
): Promise<PathInfoConfig | undefined> {
  const kind = 'pathinfoservices';
  const type = fields.requiredWord('type', PATH_INFO_TYPES);
  switch (type) {
    case 'memory':
      return { type };
    case 'lmdb':
      return lmdb(fields);
    case 'grpc':
      return await grpcPathInfos(fields, trusted);
    case 'cache':
      return { ...cache(kind, fields), negativeTtlMs: fields.count('negative_ttl_ms', 0) };
    case 'lru':
      return lru(kind, fields, 'max_entries');
    case 'priority':
      return priority(kind, fields);
    case 'readonly':
      return readOnly(kind, fields);
    case 'signing':
      return await signing(kind, fields);
    case 'nix':
      return await nix(fields, trusted);
  }
}

function lmdb(fields: Fields): LmdbConfig {
  return {
    type: 'lmdb',
    path: fields.requiredPath('path'),
    readOnly: fields.flag('read_only') ?? false,
  };
}

async function grpc(fields: Fields): Promise<GrpcConfig> {
  const url = fields.requiredText('url').replace(/^grpc\+(?=https?:)/i, '');
  const fault = url === '' ? undefined : urlFault(url, ['http:', 'https:']);
  if (fault !== undefined) fields.fault('url', fault);
  else if (url !== '' && !isPlainUrl(url)) {
    fields.fault(
      'url',
      'takes neither user and password nor a query; a token goes into token_file',
    );
  }
  const token = await fields.file('token_file', parseToken);
  return { type: 'grpc', url, token };
}

function isPlainUrl(text: string): boolean {
  const { username, password, search, hash } = new URL(text);
  return username + password + search + hash === '';
}

/** What can be sent as a bearer token. @throws KEY_INVALID the token is not told */
function parseToken(text: string): string {
  const token = text.trim();
  if (/^[\x21-\x7e]+$/.test(token)) return token;
  throw new NarthexError('KEY_INVALID', 'a token is one line of printable ASCII without spaces');
}

async function grpcPathInfos(fields: Fields, trusted: Trusted): Promise<GrpcPathInfoConfig> {
  const believed = fields.flag('trust_peer') === true;
  if (believed && fields.has('trusted_public_keys')) {
    fields.fault('trusted_public_keys', 'of no use beside trust_peer, which believes all');
  }
  const keys = fields.publicKeys('trusted_public_keys') ?? trusted.trustedKeys;
  return { ...(await grpc(fields)), trust: believed ? 'peer' : keys };
}

function cache(kind: ServiceKind, fields: Fields): CacheConfig {
  return {
    type: 'cache',
    near: fields.reference(kind, 'near'),
    far: fields.reference(kind, 'far'),
    negativeTtlMs: undefined,
  };
}

function lru(kind: ServiceKind, fields: Fields, maximumKey: string): LruConfig {
  return {
    type: 'lru',
    inner: fields.reference(kind, 'inner'),
    maximum: fields.requiredCount(maximumKey, 1),
  };
}

function priority(kind: ServiceKind, fields: Fields): PriorityConfig {
  return { type: 'priority', members: fields.references(kind, 'members') };
}

function readOnly(kind: ServiceKind, fields: Fields): ReadOnlyConfig {
  return { type: 'readonly', inner: fields.reference(kind, 'inner') };
}

async function signing(kind: ServiceKind, fields: Fields): Promise<SigningConfig | undefined> {
  const inner = fields.reference(kind, 'inner');
  const when = fields.word('when', ['out', 'in']) ?? 'out';
  const secretKey = await readSecretKey(fields);
  if (!fields.has('secret_key_file')) fields.missing('secret_key_file');
  return secretKey && { type: 'signing', inner, when, secretKey };
}

async function nixSource(fields: Fields, trusted: Trusted): Promise<NixSource> {
  const [first = '', ...others] = fields.texts('base_url') ?? [];
  if (!fields.has('base_url')) fields.missing('base_url');
  for (const url of [first, ...others].filter(hasScheme)) {
    const fault = urlFault(url, ['http:', 'https:', 'file:']);
    if (fault !== undefined) fields.fault('base_url', fault);
  }
  const checkSignatures = fields.flag('no_check_sigs') !== true;
  if (!checkSignatures && fields.has('trusted_public_keys')) {
    fields.fault('trusted_public_keys', 'of no use beside no_check_sigs, which takes all');
  }
  return {
    type: 'nix',
    baseUrls: [fields.address(first), ...others.map((one) => fields.address(one))],
    trustedKeys: fields.publicKeys('trusted_public_keys') ?? trusted.trustedKeys,
    checkSignatures,
    netrc: await fields.file('netrc_file', (text) => text),
    narOrigins: narOrigins(fields),
  };
}

function narOrigins(fields: Fields): string[] {
  const origins = fields.texts('nar_origins') ?? [];
  for (const origin of origins) {
    if (!isOrigin(origin)) fields.fault('nar_origins', `'${origin}' is no origin, nor 'any'`);
  }
  return origins;
}

async function nix(fields: Fields, trusted: Trusted): Promise<NixConfig> {
  return {
    ...(await nixSource(fields, trusted)),
    frankenbuild: fields.word('frankenbuild', POLICIES) ?? 'off',
    allowUnknown: fields.flag('allow_unknown') ?? false,
    blobService: fields.referenceOr('blobservices', 'blob_service', ROOT),
    directoryService: fields.referenceOr('directoryservices', 'directory_service', ROOT),
    pathInfoService: fields.referenceOr('pathinfoservices', 'path_info_service', ROOT),
  };
}

/** The key of `secret_key_file`, if there is one. */
export async function readSecretKey(fields: Fields): Promise<FromFile<SecretKey> | undefined> {
  return await fields.file('secret_key_file', (text) => SecretKey.parse(text.trim()));
}
