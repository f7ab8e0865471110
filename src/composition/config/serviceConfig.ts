/** A hierarchy of services as it is configured: named services of three kinds that refer to each other. */
import type { FrankenbuildPolicy } from '../../ingest/frankenbuild.ts';
import type { PublicKey, SecretKey } from '../../signature.ts';
import type { Place } from './place.ts';

/** The three kinds, by the names of their tables. */
export const SERVICE_KINDS = ['blobservices', 'directoryservices', 'pathinfoservices'] as const;
/** One of {@link SERVICE_KINDS}. */
export type ServiceKind = (typeof SERVICE_KINDS)[number];

/** The name of what is offered, of each kind. */
export const ROOT = 'root';

/** Another service, of the kind that stands there. */
export interface Reference {
  readonly name: string;
  readonly place: Place;
}

/** What a file held when the configuration was read. */
export interface FromFile<T> {
  readonly path: string;
  readonly value: T;
}

/** In memory, and gone with the process. */
export interface MemoryConfig {
  readonly type: 'memory';
}

/** The embedded store. Services of all kinds with the same path are one store. */
export interface LmdbConfig {
  readonly type: 'lmdb';
  readonly path: string;
  readonly readOnly: boolean;
}

/** A peer. */
export interface GrpcConfig {
  readonly type: 'grpc';
  /** `http://…` or `https://…` */
  readonly url: string;
  readonly token: FromFile<string> | undefined;
}

/** A peer's PathInfos. */
export interface GrpcPathInfoConfig extends GrpcConfig {
  /** `peer`: it is believed. */
  readonly trust: readonly PublicKey[] | 'peer';
}

/** Near before far. */
export interface CacheConfig {
  readonly type: 'cache';
  readonly near: Reference;
  readonly far: Reference;
  /** Milliseconds; PathInfos only. */
  readonly negativeTtlMs: number | undefined;
}

/** What was used last is kept in memory. */
export interface LruConfig {
  readonly type: 'lru';
  readonly inner: Reference;
  /** Bytes of blobs; entries of directories and PathInfos. */
  readonly maximum: number;
}

/** The first that has it. */
export interface PriorityConfig {
  readonly type: 'priority';
  readonly members: readonly [Reference, ...Reference[]];
}

/** No writes. */
export interface ReadOnlyConfig {
  readonly type: 'readonly';
  readonly inner: Reference;
}

/** Adds our signature. */
export interface SigningConfig {
  readonly type: 'signing';
  readonly inner: Reference;
  readonly secretKey: FromFile<SecretKey>;
  readonly when: 'in' | 'out';
}

/** Binary caches, and who is believed about what they have. */
export interface NixSource {
  readonly type: 'nix';
  /** URLs, directories, zip files; asked in the order of their priorities. */
  readonly baseUrls: readonly [string, ...string[]];
  readonly trustedKeys: readonly PublicKey[];
  readonly checkSignatures: boolean;
  readonly netrc: FromFile<string> | undefined;
  /** Origins besides a cache's own at which its NARs may be, or `any`. */
  readonly narOrigins: readonly string[];
}

/** Binary caches, with what they bring in. */
export interface NixConfig extends NixSource {
  readonly frankenbuild: FrankenbuildPolicy;
  readonly allowUnknown: boolean;
  readonly blobService: Reference;
  readonly directoryService: Reference;
  /** May lead back to this very service. */
  readonly pathInfoService: Reference;
}

/** A blob service or directory service. */
export type CastoreConfig =
  | MemoryConfig
  | LmdbConfig
  | GrpcConfig
  | CacheConfig
  | LruConfig
  | PriorityConfig
  | ReadOnlyConfig;

/** A PathInfo service. */
export type PathInfoConfig =
  | MemoryConfig
  | LmdbConfig
  | GrpcPathInfoConfig
  | CacheConfig
  | LruConfig
  | PriorityConfig
  | ReadOnlyConfig
  | SigningConfig
  | NixConfig;

/** What a store is filled from. */
export type UpstreamConfig = NixSource | GrpcPathInfoConfig;

/** A service, and where it stands. */
export interface Placed<Config> {
  readonly config: Config;
  readonly place: Place;
}

/** A configured service of any kind. */
export type ServiceConfig = CastoreConfig | PathInfoConfig;

/** A reference of one service to another, of its kind or another one. */
export interface OutgoingReference {
  readonly kind: ServiceKind;
  readonly reference: Reference;
  /** It is needed to make the service; that of a `nix` service to PathInfos may lead back to it. */
  readonly isBuiltFirst: boolean;
}

/** What a service refers to, in the order of its keys. */
export function referencesOf(kind: ServiceKind, config: ServiceConfig): OutgoingReference[] {
  const own = (reference: Reference) => ({ kind, reference, isBuiltFirst: true });
  switch (config.type) {
    case 'memory':
    case 'lmdb':
    case 'grpc':
      return [];
    case 'cache':
      return [own(config.near), own(config.far)];
    case 'lru':
    case 'readonly':
    case 'signing':
      return [own(config.inner)];
    case 'priority':
      return config.members.map(own);
    case 'nix':
      return [
        { kind: 'blobservices', reference: config.blobService, isBuiltFirst: true },
        { kind: 'directoryservices', reference: config.directoryService, isBuiltFirst: true },
        { kind: 'pathinfoservices', reference: config.pathInfoService, isBuiltFirst: false },
      ];
  }
}

/** All services by kind and name. Those without a name of their own go by their addresses. */
export interface HierarchyConfig {
  readonly blobservices: ReadonlyMap<string, Placed<CastoreConfig>>;
  readonly directoryservices: ReadonlyMap<string, Placed<CastoreConfig>>;
  readonly pathinfoservices: ReadonlyMap<string, Placed<PathInfoConfig>>;
}
