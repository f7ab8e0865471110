/**
 * Binary caches made up by tests, in memory, without Nix: right ones, and ones that lie in every
 * way an upstream can.
 *
 *     const cache = await syntheticCache([
 *       { name: 'base' },
 *       { name: 'top', references: ['base', 'top'], tree: (path) => file(path('base')) },
 *     ]);
 *     await using server = await serveStatic(cache.files);
 */
import { type Compression, compress, FILE_SUFFIX } from './compress.ts';
import { alterNarinfo, fingerprint, type NarinfoFields, narinfoField } from './narinfoText.ts';
import {
  type ContentAddressing,
  contentAddress,
  hashPartOf,
  nixbase32,
  STORE_DIRECTORY,
  sha256,
  sha256Field,
} from './nixbase32.ts';
import { type SigningKey, testKey } from './signingKey.ts';
import { directory, encodeNar, file, type SyntheticTree } from './syntheticTree.ts';

/** One store path as a test wants it. */
export interface SyntheticPath {
  /** The name part of the store path, and what the cache's other paths refer to. Unique. */
  readonly name: string;
  /** 32 nixbase32 characters; by default they follow from the name, or from `contentAddress`. */
  readonly hashPart?: string;
  /** By default a directory that holds the name and the references. */
  readonly tree?: SyntheticTree | ((storePath: (name: string) => string) => SyntheticTree);
  /** Names of this cache's paths (the own one too), or base names of paths that it lacks. */
  readonly references?: readonly string[];
  /** Nix signs and writes references sorted; `given` keeps (and signs) the order above. */
  readonly referenceOrder?: 'sorted' | 'given';
  /** Base name of a derivation, with its `.drv`. */
  readonly deriver?: string;
  /** Makes it a content-addressed path, with `CA` and the hash part that belongs to it. */
  readonly contentAddress?: ContentAddressing;
  /** Instead of the cache's. */
  readonly compression?: Compression;
  /** Concatenated streams, frames or members of the compressed file. */
  readonly streams?: number;
  /** Instead of the cache's key; an empty list leaves it unsigned. */
  readonly keys?: readonly SigningKey[];
  /** What is wrong with it. */
  readonly lie?: Lie;
}

/** How a path's narinfo or NAR is wrong. They apply in the order of this list. */
export interface Lie {
  /** Changes the NAR before hashes are taken: NarHash and signature fit the changed NAR. */
  readonly hashedNar?: (nar: Uint8Array) => Uint8Array;
  /** Changes the NAR after that: NarHash and NarSize do not fit, FileHash and FileSize do. */
  readonly servedNar?: (nar: Uint8Array) => Uint8Array;
  /** Changes the compressed file after FileHash and FileSize are taken of it. */
  readonly servedFile?: (file: Uint8Array) => Uint8Array;
  /** Fields replaced before signing: the signature verifies. */
  readonly signed?: NarinfoFields;
  /** Fields replaced after signing. */
  readonly unsigned?: NarinfoFields;
  /** The whole text of the narinfo, at last. */
  readonly narinfo?: (text: string) => string;
}

/** What the whole cache has in common. */
export interface SyntheticCacheOptions {
  /** Default {@link TEST_KEY}. */
  readonly key?: SigningKey;
  /** Default `xz`, as on cache.nixos.org. */
  readonly compression?: Compression;
  /** `Priority` of nix-cache-info; 40, as cache.nixos.org has it. */
  readonly priority?: number;
  /** `StoreDir` of nix-cache-info; `/nix/store`. */
  readonly storeDirectory?: string;
}

/** One path of a cache that was made. Hashes, NAR and tree are the honest ones, before any lie. */
export interface BuiltPath {
  readonly name: string;
  /** `/nix/store/<hashPart>-<name>` */
  readonly storePath: string;
  readonly baseName: string;
  readonly hashPart: string;
  readonly tree: SyntheticTree;
  readonly nar: Uint8Array;
  /** `sha256:` and nixbase32. */
  readonly narHash: string;
  /** Base names, in the order of the narinfo. */
  readonly references: readonly string[];
  /** As served, lies and all. */
  readonly narinfo: string;
  /** Key of the narinfo in the cache's files. */
  readonly narinfoFile: string;
  /** Key of the compressed NAR in the cache's files. */
  readonly narFile: string;
}

/** A cache in memory. */
export interface SyntheticCache {
  /** All of it by path relative to the cache. May be altered before it is served. */
  readonly files: Map<string, Uint8Array>;
  /** For `trusted-public-keys`. */
  readonly publicKey: string;
  /** In the order of the specifications. */
  readonly paths: readonly BuiltPath[];
  /** @throws an `Error` for a name that is not in the cache */
  path(name: string): BuiltPath;
  /** Full store path of a name. */
  storePath(name: string): string;
}

/** What synthetic caches are signed with if the test does not care. */
export const TEST_KEY: SigningKey = testKey('narthex-test-1');

const DEFAULT_PRIORITY = 40; // cache.nixos.org's
const BASE_NAME = /^[0-9a-z]{32}-/;

/** The text of a nix-cache-info. */
export function cacheInfo(options: SyntheticCacheOptions = {}): string {
  const { priority = DEFAULT_PRIORITY, storeDirectory = STORE_DIRECTORY } = options;
  return `StoreDir: ${storeDirectory}\nWantMassQuery: 1\nPriority: ${priority}\n`;
}

/** The store paths of a set of specifications, which content-addressed ones have by content. */
class PathNames {
  readonly #specs: ReadonlyMap<string, SyntheticPath>;
  readonly #baseNames = new Map<string, string>();

  constructor(specs: readonly SyntheticPath[]) {
    this.#specs = new Map(specs.map((spec) => [spec.name, spec]));
    if (this.#specs.size !== specs.length) throw new Error('two paths of a cache have one name');
  }

  baseName(name: string): string {
    const spec = this.#specs.get(name);
    if (spec === undefined) {
      if (BASE_NAME.test(name)) return name; // of a path that the cache does not have
      throw new Error(`no path of this cache is called ${name}`);
    }
    let baseName = this.#baseNames.get(name);
    if (baseName === undefined) {
      const addressed = spec.contentAddress && this.contentAddress(spec);
      baseName = `${spec.hashPart ?? addressed?.hashPart ?? hashPartOf(name)}-${name}`;
      this.#baseNames.set(name, baseName);
    }
    return baseName;
  }

  storePath(name: string): string {
    return `${STORE_DIRECTORY}/${this.baseName(name)}`;
  }

  tree(spec: SyntheticPath): SyntheticTree {
    if (typeof spec.tree === 'function') return spec.tree((name) => this.storePath(name));
    if (spec.tree !== undefined) return spec.tree;
    const references = (spec.references ?? []).map((name) => `${this.storePath(name)}\n`);
    return directory({ name: file(spec.name), references: file(references.join('')) });
  }

  references(spec: SyntheticPath): string[] {
    const baseNames = (spec.references ?? []).map((name) => this.baseName(name));
    return spec.referenceOrder === 'given' ? baseNames : baseNames.sort();
  }

  contentAddress(spec: SyntheticPath): { ca: string; hashPart: string } | undefined {
    if (spec.contentAddress === undefined) return undefined;
    const tree = this.tree(spec);
    const recursive = spec.contentAddress.method === 'recursive';
    if (!recursive && tree.type !== 'regular') throw new Error(`${spec.name} is not a file`);
    const data = tree.type === 'regular' && !recursive ? tree.contents : encodeNar(tree);
    const references = this.references(spec).map((name) => `${STORE_DIRECTORY}/${name}`);
    return contentAddress(spec.contentAddress, spec.name, data, references);
  }
}

/** The signed text of an honest narinfo, apart from `lie`. */
function renderNarinfo(
  fields: ReadonlyArray<readonly [key: string, value: string | undefined]>,
  keys: readonly SigningKey[],
  lie: Lie,
): string {
  const lines = fields.map(([key, value]) => (value === undefined ? '' : `${key}: ${value}\n`));
  let text = alterNarinfo(lines.join(''), lie.signed ?? {});
  const references = (narinfoField(text, 'References') ?? '').split(' ').filter((name) => name);
  const message = fingerprint(
    narinfoField(text, 'StorePath') ?? '',
    narinfoField(text, 'NarHash') ?? '',
    narinfoField(text, 'NarSize') ?? '',
    references.map((name) => `${STORE_DIRECTORY}/${name}`),
  );
  text += keys.map((key) => `Sig: ${key.sign(message)}\n`).join('');
  text = alterNarinfo(text, lie.unsigned ?? {});
  return lie.narinfo?.(text) ?? text;
}

const unchanged = (bytes: Uint8Array) => bytes;

async function buildPath(
  spec: SyntheticPath,
  names: PathNames,
  options: SyntheticCacheOptions,
): Promise<{ readonly built: BuiltPath; readonly file: Uint8Array }> {
  const { name, lie = {} } = spec;
  const compression = spec.compression ?? options.compression ?? 'xz';
  const tree = names.tree(spec);
  const nar = (lie.hashedNar ?? unchanged)(encodeNar(tree));
  const servedNar = (lie.servedNar ?? unchanged)(nar);
  const honestFile = await compress(compression, servedNar, spec.streams);
  const narHash = sha256Field(nar);
  const references = names.references(spec);
  const fileHash = nixbase32(sha256(honestFile));
  const narFile = `nar/${fileHash}.nar${FILE_SUFFIX[compression]}`;
  const narinfo = renderNarinfo(
    [
      ['StorePath', names.storePath(name)],
      ['URL', narFile],
      ['Compression', compression],
      ['FileHash', `sha256:${fileHash}`],
      ['FileSize', String(honestFile.length)],
      ['NarHash', narHash],
      ['NarSize', String(nar.length)],
      ['References', references.join(' ')],
      ['Deriver', spec.deriver],
      ['CA', names.contentAddress(spec)?.ca],
    ],
    spec.keys ?? [options.key ?? TEST_KEY],
    lie,
  );
  const baseName = names.baseName(name);
  const hashPart = baseName.slice(0, baseName.indexOf('-'));
  return {
    file: (lie.servedFile ?? unchanged)(honestFile),
    built: {
      name,
      storePath: names.storePath(name),
      baseName,
      hashPart,
      tree,
      nar,
      narHash,
      references,
      narinfo,
      narinfoFile: `${hashPart}.narinfo`,
      narFile,
    },
  };
}

/** Makes a cache of the paths specified. */
export async function syntheticCache(
  specs: readonly SyntheticPath[],
  options: SyntheticCacheOptions = {},
): Promise<SyntheticCache> {
  const names = new PathNames(specs);
  const encoder = new TextEncoder();
  const files = new Map<string, Uint8Array>([
    ['nix-cache-info', encoder.encode(cacheInfo(options))],
  ]);
  const paths = new Map<string, BuiltPath>();
  for (const spec of specs) {
    const { built, file: narFile } = await buildPath(spec, names, options);
    files.set(built.narinfoFile, encoder.encode(built.narinfo));
    files.set(built.narFile, narFile);
    paths.set(spec.name, built);
  }
  return {
    files,
    publicKey: (options.key ?? TEST_KEY).publicKey,
    paths: [...paths.values()],
    path(name) {
      const path = paths.get(name);
      if (path === undefined) throw new Error(`no path of this cache is called ${name}`);
      return path;
    },
    storePath: (name) => names.storePath(name),
  };
}
